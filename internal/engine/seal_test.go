package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/engine"
	"remit/rail"
	"remit/store"
)

// ear is a rail that pays whatever it is handed, and remembers it.
type ear struct {
	mu    sync.Mutex
	heard []rail.Instruction
}

func (*ear) Name() string { return "bank" }

func (r *ear) Submit(_ context.Context, in rail.Instruction) (rail.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, in)
	return rail.Outcome{Status: rail.Settled}, nil
}

func (r *ear) Lookup(_ context.Context, id string) (rail.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.heard, func(in rail.Instruction) bool { return in.EndToEndID == id }) {
		return rail.Outcome{Status: rail.Settled}, nil
	}
	return rail.Outcome{}, rail.ErrNotSent
}

// sealed is a world whose merchant has asked for things that go somewhere.
type sealed struct {
	*world
	t  *testing.T
	to *ear
}

func newSealed(t *testing.T, s store.Store) *sealed {
	w := &sealed{t: t, to: &ear{}}
	w.world = newWorld(t, s, func(c *engine.Config) { c.Rails = map[string]rail.Rail{"bank": w.to} })
	w.merchant(t, "acme", 100_000)
	return w
}

// ask is what a merchant asks in the dialect "test".
func (w *sealed) ask(op dialect.Operation) remit.Result {
	w.t.Helper()
	res, err := w.Ask(w.t.Context(), "acme", "test", "request", op)
	must(w.t, err)
	return res
}

// who is a person with an account.
func who(n int) dialect.Party {
	return dialect.Party{Account: fmt.Sprintf("DE%020d", n), Name: fmt.Sprintf("Person %d", n)}
}

// opened is a funded payment of 10.00 EUR by somebody.
func (w *sealed) opened(by dialect.Party, names ...remit.Name) remit.Payment {
	w.t.Helper()
	return *w.ask(dialect.Operation{Open: &dialect.Open{
		OpenPayment: remit.OpenPayment{Amount: eur(1_000), State: remit.PaymentFunded, Names: names}, Payer: by,
	}}).Payment
}

func (w *sealed) refunded(p remit.Payment) remit.Disbursement {
	w.t.Helper()
	return *w.ask(dialect.Operation{Refund: &dialect.Refund{Refund: remit.Refund{Payment: remit.Name{Text: p.ExternalID}, Amount: eur(1_000)}}}).Disbursement
}

func (w *sealed) payout(p remit.Payout, to dialect.Party) remit.Disbursement {
	w.t.Helper()
	p.Amount, p.Naming = eur(500), remit.UUID
	return *w.ask(dialect.Operation{Payout: &dialect.Payout{Payout: p, Payee: to}}).Disbursement
}

func (w *sealed) registered(who dialect.Party) remit.Beneficiary {
	w.t.Helper()
	return *w.ask(dialect.Operation{Register: &dialect.Register{
		Register: remit.Register{Naming: remit.Number}, Party: who, Same: []byte(who.Account),
	}}).Beneficiary
}

// alter writes rows behind the engine's back.
func (w *sealed) alter(rows store.Writes) {
	w.t.Helper()
	must(w.t, w.store.Update(w.t.Context(), store.Wants{Merchants: []remit.MerchantID{"acme"}, Block: true}, func(*store.Have) (*store.Writes, error) {
		return &rows, nil
	}))
}

// send carries out all work that is due.
func (w *sealed) send() {
	w.t.Helper()
	w.advance(time.Hour)
	work, err := w.store.Claim(w.t.Context(), store.Claim{Now: w.now(), Real: time.Now(), Lease: time.Now().Add(time.Minute), Max: 10})
	must(w.t, err)
	for _, x := range work {
		must(w.t, w.Run(w.t.Context(), x))
	}
}

func (w *sealed) standing(id remit.DisbursementID) remit.Disbursement {
	w.t.Helper()
	ref := store.DisbursementRef{Merchant: "acme", ID: id}
	have, err := w.store.Read(w.t.Context(), store.Wants{Disbursements: []store.DisbursementRef{ref}})
	must(w.t, err)
	return have.Disbursements[ref]
}

// Who can write to the database, and copies the sealed account or name of one
// thing onto another, has paid nobody: nothing is handed over, the refund is
// stuck and counted, and its event says why. Once the row is as it was, an
// operator has it asked again, and it goes to where it should.
func TestACopiedSealPaysNobody(t *testing.T) {
	type rows struct {
		mine, other remit.Payment
		refund      remit.Disbursement
		payout      remit.Disbursement
		known       remit.Beneficiary
	}
	for name, copied := range map[string]func(*rows){
		"another payer's account":             func(r *rows) { r.mine.PayerAccount = r.other.PayerAccount },
		"another payer's name":                func(r *rows) { r.mine.PayerName = r.other.PayerName },
		"another payer":                       func(r *rows) { r.mine.PayerAccount, r.mine.PayerName = r.other.PayerAccount, r.other.PayerName },
		"a beneficiary":                       func(r *rows) { r.mine.PayerAccount, r.mine.PayerName = r.known.Account, r.known.Holder },
		"a payout's account":                  func(r *rows) { r.mine.PayerAccount = r.payout.Account },
		"another payer's, onto the refund":    func(r *rows) { r.refund.Account = r.other.PayerAccount },
		"a beneficiary's, onto the refund":    func(r *rows) { r.refund.Account, r.refund.AccountName = r.known.Account, r.known.Holder },
		"a payout's account, onto the refund": func(r *rows) { r.refund.Account, r.refund.AccountName = r.payout.Account, r.payout.AccountName },
		"the payer's own, onto the refund":    func(r *rows) { r.refund.Account = r.mine.PayerAccount },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSealed(t, openSQLite(t))
			r := rows{other: w.opened(who(1)), payout: w.payout(remit.Payout{}, who(2)), known: w.registered(who(3))}
			w.send() // the payout leaves
			r.mine = w.opened(who(4))
			r.refund = w.refunded(r.mine)
			r.mine = w.row(r.mine.ID)
			whole := r
			copied(&r)
			w.alter(store.Writes{Payments: []remit.Payment{r.mine}, Disbursements: []remit.Disbursement{r.refund}})
			w.send()
			if len(w.to.heard) != 1 {
				t.Fatalf("the rail was handed %+v", w.to.heard)
			}
			d := w.standing(r.refund.ID)
			if d.State != remit.Sent || !d.Stuck {
				t.Errorf("it is %s, stuck %v; want sent and stuck", d.State, d.Stuck)
			}
			b, err := w.store.Backlog(t.Context(), w.now())
			must(t, err)
			events, err := w.store.Events(t.Context(), "acme", string(d.ID))
			must(t, err)
			if last := events[len(events)-1]; b.Stuck != 1 || last.Kind != remit.KindStuck || last.Evidence != engine.Unreadable {
				t.Errorf("%d are stuck, and the last event is %s: %s", b.Stuck, last.Kind, last.Evidence)
			}
			d.Account, d.AccountName = whole.refund.Account, whole.refund.AccountName
			w.alter(store.Writes{Payments: []remit.Payment{whole.mine}, Disbursements: []remit.Disbursement{d}})
			_, err = w.Do(t.Context(), remit.AskAgain{Head: w.Head("acme", "operator:test", ""), Disbursement: d.ID})
			must(t, err)
			w.send()
			if got := w.to.heard[len(w.to.heard)-1]; len(w.to.heard) != 2 || got.Account != who(4).Account || got.Beneficiary != who(4).Name {
				t.Errorf("put right, the rail was handed %+v", w.to.heard)
			}
			w.sound(t)
		})
	}
}

func (w *sealed) row(id remit.PaymentID) remit.Payment {
	w.t.Helper()
	ref := store.PaymentRef{Merchant: "acme", ID: id}
	have, err := w.store.Read(w.t.Context(), store.Wants{Payments: []store.PaymentRef{ref}})
	must(w.t, err)
	return have.Payments[ref]
}

// What a payout or a payment would take from a row with a copied seal is
// refused, and nothing is kept; nor does a question show one payer as another's.
func TestACopiedSealIsNotTakenOver(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newSealed(t, s)
		other, mine := w.opened(who(1)), w.opened(who(2), remit.Name{Scope: "payer", Text: "two"})
		a, b := w.registered(who(3)), w.registered(who(4))
		deposit := w.payout(remit.Payout{}, who(5))
		a.Account, a.Holder = b.Account, b.Holder
		mine.PayerAccount, mine.PayerName = other.PayerAccount, other.PayerName
		deposit.Account, deposit.AccountName = other.PayerAccount, other.PayerName
		w.alter(store.Writes{Payments: []remit.Payment{mine}, Beneficiaries: []remit.Beneficiary{a}, Disbursements: []remit.Disbursement{deposit}})
		before := len(w.disbursements(t, "acme"))
		fit := func(o remit.OpenPayment, _ remit.Disbursement, _ []remit.Payment) (remit.OpenPayment, *remit.Error) {
			return o, nil
		}
		for name, op := range map[string]dialect.Operation{
			"a payout to a beneficiary": {Payout: &dialect.Payout{Payout: remit.Payout{Beneficiary: a.ID, Amount: eur(1)}}},
			"a payout to a payer":       {Payout: &dialect.Payout{Payout: remit.Payout{Payer: remit.Name{Text: mine.ExternalID}, Amount: eur(1)}}},
			"another payment":           {Open: &dialect.Open{OpenPayment: remit.OpenPayment{Of: remit.Name{Scope: "payer", Text: "two"}, Amount: eur(1), State: remit.PaymentFunded}}},
			"a payment back":            {Open: &dialect.Open{OpenPayment: remit.OpenPayment{Back: deposit.ExternalID, FitBack: fit, Amount: eur(1), State: remit.PaymentFunded}}},
			"a question":                {Query: &dialect.Query{Payments: true, Accounts: true, To: w.now().Add(time.Hour)}},
		} {
			_, err := w.Ask(t.Context(), "acme", "test", "request", op)
			if code := remit.AsError(err).Code; err == nil || (code != remit.Internal && code != remit.Unavailable) {
				t.Errorf("%s: got %v, want a fault of ours", name, err)
			}
		}
		if after := len(w.disbursements(t, "acme")); after != before {
			t.Errorf("%d disbursements were made", after-before)
		}
	})
}

// Whatever way an account comes to a row, it is sealed for that row, and is
// what the rail is handed.
func TestEachSealIsItsRowsOwn(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newSealed(t, s)
		holds := func(name string, of remit.Owner, account, holder remit.Sealed, want dialect.Party) {
			t.Helper()
			text, err := w.vault.Open(account, engine.AccountBinding("acme", of))
			person, errName := w.vault.Open(holder, engine.AccountBinding("acme", of))
			if err := errors.Join(err, errName); err != nil || text != want.Account || person != want.Name {
				t.Errorf("%s: got %q of %q (%v), want %+v", name, text, person, err, want)
			}
		}
		payer := remit.Name{Scope: "payer", Text: "one"}
		p := w.opened(who(1), payer)
		holds("a payment", p.ID.Owner(), p.PayerAccount, p.PayerName, who(1))
		b := w.registered(who(2))
		holds("a beneficiary", b.ID.Owner(), b.Account, b.Holder, who(2))
		again := *w.ask(dialect.Operation{Open: &dialect.Open{OpenPayment: remit.OpenPayment{Of: payer, Amount: eur(1), State: remit.PaymentFunded}}}).Payment
		holds("a second payment of the payer", again.ID.Owner(), again.PayerAccount, again.PayerName, who(1))
		unknown := *w.ask(dialect.Operation{Open: &dialect.Open{OpenPayment: remit.OpenPayment{Amount: eur(1), State: remit.PaymentOpened}}}).Payment
		for n := 3; n <= 4; n++ {
			moved := *w.ask(dialect.Operation{Move: &dialect.Move{MovePayment: remit.MovePayment{Name: remit.Name{Text: unknown.ExternalID}}, Payer: who(n)}}).Payment
			holds("a payer who became known", moved.ID.Owner(), moved.PayerAccount, moved.PayerName, who(n))
		}
		moved := *w.ask(dialect.Operation{Move: &dialect.Move{MovePayment: remit.MovePayment{Payment: unknown.ID, To: remit.PaymentFunded}}}).Payment
		holds("a payer who stays", moved.ID.Owner(), moved.PayerAccount, moved.PayerName, who(4))

		want := map[string]dialect.Party{}
		goes := func(name string, d remit.Disbursement, to dialect.Party) remit.Disbursement {
			holds(name, d.ID.Owner(), d.Account, d.AccountName, to)
			want[d.EndToEndID()] = to
			return d
		}
		deposit := goes("a payout to an account", w.payout(remit.Payout{}, who(5)), who(5))
		goes("a payout to a beneficiary", w.payout(remit.Payout{Beneficiary: b.ID}, dialect.Party{}), who(2))
		goes("a payout to a payer", w.payout(remit.Payout{Payer: remit.Name{Text: p.ExternalID}}, dialect.Party{}), who(1))
		fit := func(o remit.OpenPayment, _ remit.Disbursement, _ []remit.Payment) (remit.OpenPayment, *remit.Error) {
			return o, nil
		}
		back := *w.ask(dialect.Operation{Open: &dialect.Open{OpenPayment: remit.OpenPayment{Back: deposit.ExternalID, FitBack: fit, Amount: eur(1), State: remit.PaymentFunded}}}).Payment
		holds("a payment back", back.ID.Owner(), back.PayerAccount, back.PayerName, who(5))
		nowhere := w.opened(dialect.Party{})
		waits := *w.ask(dialect.Operation{Refund: &dialect.Refund{Refund: remit.Refund{
			Payment: remit.Name{Text: nowhere.ExternalID}, Amount: eur(10), WhenNowhere: remit.Wait, Naming: remit.UUID,
		}}}).Disbursement
		named := w.ask(dialect.Operation{Proceed: &dialect.Proceed{Proceed: remit.Proceed{Disbursed: waits.ExternalID}, Payee: who(6)}})
		goes("a payer who named an account", *named.Disbursement, who(6))
		w.send()
		for _, in := range w.to.heard {
			if to := want[in.EndToEndID]; in.Account != to.Account || in.Beneficiary != to.Name {
				t.Errorf("%s was to go to %+v, the rail was handed %+v", in.EndToEndID, to, in)
			}
		}
		if len(w.to.heard) != len(want) {
			t.Errorf("the rail was handed %d, want %d", len(w.to.heard), len(want))
		}
		w.sound(t)
	})
}
