package remit

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remit/ledger"
	"remit/money"
)

// world remembers what one merchant's commands write, in maps, as a store and
// an engine would. It holds every decision to what all of them promise.
type world struct {
	t             *testing.T
	now           time.Time
	merchant      Merchant
	payments      map[PaymentID]Payment
	disbursements map[DisbursementID]Disbursement
	answers       map[KeyRef]Answer
	beneficiaries map[BeneficiaryID]Beneficiary
	work          map[WorkID]Work
	deliveries    map[WorkID]Delivery
	credentials   map[string]Credential // by dialect and name
	events        []Event
	books         ledger.Books
	stands        map[string]string // subject → the state that its events have brought it to
	timed         map[string]bool   // payments that are to end by themselves
	ids           int
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), merchant: Merchant{ID: "acme"},
		payments: map[PaymentID]Payment{}, disbursements: map[DisbursementID]Disbursement{}, answers: map[KeyRef]Answer{}, beneficiaries: map[BeneficiaryID]Beneficiary{},
		work: map[WorkID]Work{}, deliveries: map[WorkID]Delivery{}, credentials: map[string]Credential{}, books: ledger.Books{}, stands: map[string]string{}, timed: map[string]bool{},
	}
}

// head is the head of the next command.
func (w *world) head() Head {
	w.ids++
	return Head{ID: fmt.Sprintf("%019d", w.ids), Merchant: w.merchant.ID, Actor: "merchant", Evidence: "test"}
}

// facts are what a store would read for n: that, and nothing else. They share
// nothing with the world.
func (w *world) facts(n Needs) Facts {
	f := Facts{
		Now: w.now, Merchant: w.merchant, Work: map[WorkID]Work{}, Books: ledger.Books{},
		Number:     func(n int64) string { return fmt.Sprint(1_000_000_000 + n) },
		KeyVersion: func(string) int64 { return 1 },
		Mint:       func(form Naming, n int) string { return fmt.Sprint(form, " ", w.ids, " ", n) },
		Answers:    map[KeyRef]Answer{},
	}
	f.Merchant.Settings = f.Merchant.Settings.clone()
	for _, k := range n.Keys {
		if a, ok := w.answers[k]; ok {
			f.Answers[k] = a
		}
	}
	for _, d := range w.disbursements {
		if d.ID == n.Disbursement || (n.Disbursed != "" && d.ExternalID == n.Disbursed) {
			f.Disbursement = &d
			n.Payment = d.Payment
		}
	}
	w.findPayment(n, &f)
	for _, b := range w.beneficiaries {
		if (n.Beneficiary != "" && b.ID == n.Beneficiary) || (n.Details != "" && b.Digest == n.Details) {
			f.Beneficiary = &b
		}
	}
	if n.Waiting && f.Payment != nil {
		for _, id := range slices.Sorted(maps.Keys(w.disbursements)) {
			if d := w.disbursements[id]; d.Payment == f.Payment.ID && d.State == Waiting && d.WaitingFor == WaitFunding {
				f.Waiting = append(f.Waiting, d)
			}
		}
	}
	if n.Refunds && f.Payment != nil {
		for _, id := range slices.Sorted(maps.Keys(w.disbursements)) {
			if d := w.disbursements[id]; d.Payment == f.Payment.ID {
				f.Refunds = append(f.Refunds, d)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.credentials)) {
		if n.Credentials {
			f.Credentials = append(f.Credentials, w.credentials[name])
		}
	}
	for _, id := range n.Work {
		if x, ok := w.work[id]; ok {
			f.Work[id] = x
		}
	}
	if n.Delivery != nil {
		if d, ok := w.deliveries[*n.Delivery]; ok {
			f.Delivery = &d
		}
	}
	for id, a := range w.books {
		if !n.NoBooks && (n.Currency == "" || a.Currency == n.Currency) {
			f.Books[id] = a
		}
	}
	return f
}

// findPayment looks for the payment that n names.
func (w *world) findPayment(n Needs, f *Facts) {
	found := 0
	for _, id := range slices.Sorted(maps.Keys(w.payments)) {
		p := w.payments[id]
		named := n.Name.Text != "" && ((n.Name.Scope == "" && p.ExternalID == n.Name.Text) || slices.Contains(p.Names, n.Name))
		if p.ID == n.Payment || named {
			f.Payment = &p
			f.Named = append(f.Named, p)
			found++
		}
	}
	if found > 1 {
		f.Payment, f.Ambiguous = nil, true
	}
}

// do decides c and keeps what it writes. Whatever the command is: the same
// facts give the same change, and stay as they were; a refusal writes nothing.
func (w *world) do(c Command) (Change, error) {
	w.t.Helper()
	f, untouched := w.facts(c.Needs()), w.facts(c.Needs())
	change, err := c.Decide(f)
	again, errAgain := c.Decide(f)
	if !reflect.DeepEqual(change, again) || !reflect.DeepEqual(err, errAgain) {
		w.t.Fatalf("%T: asked twice, decided otherwise (%v, %v):\n%s", c, err, errAgain, cmp.Diff(change, again))
	}
	f.Number, f.KeyVersion, untouched.Number, untouched.KeyVersion = nil, nil, nil, nil
	f.Mint, untouched.Mint = nil, nil
	if !reflect.DeepEqual(f, untouched) {
		w.t.Fatalf("%T: the decision changed its facts:\n%s", c, cmp.Diff(untouched, f))
	}
	if err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			w.t.Fatalf("%T: refused by an error without a code: %v", c, err)
		}
		if !reflect.DeepEqual(change, Change{}) {
			w.t.Fatalf("%T was refused (%v), and left a trace: %+v", c, err, change)
		}
		return change, err
	}
	for _, e := range change.Events {
		if h := c.Header(); e.Cause != h.ID || e.Actor != h.Actor || (e.Evidence != h.Evidence && !strings.HasPrefix(e.Evidence, h.Evidence+"; ")) || e.Merchant != h.Merchant || !e.At.Equal(w.now) {
			w.t.Fatalf("%T: the event does not tell what caused it: %+v", c, e)
		}
	}
	w.keep(change)
	return change, nil
}

// must does what cannot be refused.
func (w *world) must(c Command) Change {
	w.t.Helper()
	change, err := w.do(c)
	if err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
	return change
}

// keep writes a change, as a store would.
func (w *world) keep(c Change) {
	w.t.Helper()
	if c.Empty() {
		return
	}
	w.merchant = c.Merchant
	for _, e := range c.Events {
		w.happened(e)
	}
	for _, p := range c.Payments {
		w.payments[p.ID] = p
	}
	for _, d := range c.Disbursements {
		w.disbursements[d.ID] = d
	}
	for _, x := range c.Work {
		w.work[x.ID] = x
		if x.Kind == WorkExpire {
			w.timed[x.Subject] = true
		}
	}
	for _, id := range c.Done {
		delete(w.work, id)
	}
	for _, d := range c.Deliveries {
		w.deliveries[d.ID] = d
	}
	for _, b := range c.Beneficiaries {
		w.beneficiaries[b.ID] = b
	}
	for _, x := range c.Credentials {
		w.credentials[x.Dialect+"/"+x.Principal] = x
	}
	for _, a := range c.Answers {
		w.answers[KeyRef{a.Scope, a.Key}] = a
	}
}

// happened carries out an event's transfers, and holds it to the tables of
// states as they are spelled out in the tests.
func (w *world) happened(e Event) {
	w.t.Helper()
	for _, t := range e.Transfers {
		for _, id := range []ledger.AccountID{t.From, t.To} {
			if _, ok := w.books[id]; !ok {
				w.books[id] = ledger.Account{ID: id, Currency: t.Amount.Currency, MayGoNegative: MayGoNegative(id)}
			}
		}
	}
	if err := w.books.ApplyAll(e.Transfers); err != nil {
		w.t.Fatalf("event %d (%s %s) was decided, and the books refuse it: %v", e.Seq, e.Subject, e.Kind, err)
	}
	w.events = append(w.events, e)
	if e.Seq != int64(len(w.events)) {
		w.t.Fatalf("event %d has the number %d", len(w.events), e.Seq)
	}
	from := w.stands[e.Subject]
	legal := true
	switch {
	case e.Subject == "" || e.Kind == KindUnknown || e.Kind == KindStuck || e.Kind == KindRegistered || e.Kind == KindDuplicate || e.Kind == KindContradicted || e.Kind == KindAmended || e.Kind == KindLate || e.Kind == KindRedelivered || e.Kind == KindHurried:
		return
	case strings.HasPrefix(e.Subject, "p"):
		legal = paymentMoveMark(PaymentState(from), PaymentState(e.Kind)) == '+'
	default:
		legal = moveMark(State(from), State(e.Kind)) == '+'
	}
	if !legal {
		w.t.Fatalf("%s went from %q to %q", e.Subject, from, e.Kind)
	}
	w.stands[e.Subject] = e.Kind
}

// check holds the world to its invariants.
func (w *world) check() {
	w.t.Helper()
	if err := w.books.Check(); err != nil {
		w.t.Fatal(err)
	}
	w.checkDisbursements()
	w.checkPayments()
}

// checkDisbursements: just what is accepted or sent is held, just what is
// settled stands in clearing, and what is on its way has work that moves it.
func (w *world) checkDisbursements() {
	w.t.Helper()
	held, paid := map[ledger.AccountID]int64{}, map[ledger.AccountID]int64{}
	for _, d := range w.disbursements {
		if got := w.stands[string(d.ID)]; got != string(d.State) {
			w.t.Fatalf("%s is %s, and its events say %s", d.ID, d.State, got)
		}
		if d.Holds() {
			held[d.source()] += d.Amount.Minor
			id, _ := d.SendWork()
			if _, ok := w.work[id]; !ok && !d.Stuck && d.State != Waiting {
				w.t.Fatalf("%s is %s, and nothing is there that will go on with it", d.ID, d.State)
			}
		}
		if d.State == Settled {
			paid[d.sink()] += d.Amount.Minor
		}
	}
	for id, a := range w.books {
		if a.Held != held[id] {
			w.t.Fatalf("%s holds %d; what is accepted and sent is %d", id, a.Held, held[id])
		}
		if strings.HasPrefix(AccountPath(id), "clearing/") && a.Balance() != paid[id] {
			w.t.Fatalf("%s has %d; what is settled is %d", id, a.Balance(), paid[id])
		}
	}
}

// checkPayments: the counters of each payment are those of its refunds, no
// payment gives back more than it brought, and one that is to end by itself has
// the work that ends it.
func (w *world) checkPayments() {
	w.t.Helper()
	for _, p := range w.payments {
		var want Payment
		for _, d := range w.disbursements {
			if d.Payment != p.ID || d.State == Failed || d.State == Canceled || d.State == Returned {
				continue
			}
			want.RefundedMinor += d.Amount.Minor
			want.RefundsLive++
			if d.State == Waiting && d.WaitingFor == WaitFunding {
				want.RefundsWaiting++
			}
			want.Portions = append(want.Portions, d.Portions...)
		}
		for i, have := range p.Portions {
			for _, taken := range want.Portions {
				if taken.Name == have.Name {
					have.RefundedMinor -= taken.Minor
				}
			}
			if have.RefundedMinor != 0 || p.Portions[i].RefundedMinor > have.Minor {
				w.t.Fatalf("%s counts %d refunded of its portion %s of %d; its refunds make it %d less",
					p.ID, p.Portions[i].RefundedMinor, have.Name, have.Minor, have.RefundedMinor)
			}
		}
		if p.RefundedMinor != want.RefundedMinor || p.RefundsLive != want.RefundsLive || p.RefundsWaiting != want.RefundsWaiting {
			w.t.Fatalf("%s counts %d refunded, %d live, %d waiting; its refunds make %d, %d, %d", p.ID,
				p.RefundedMinor, p.RefundsLive, p.RefundsWaiting, want.RefundedMinor, want.RefundsLive, want.RefundsWaiting)
		}
		if p.Left() < 0 {
			w.t.Fatalf("%s of %s gives back %d too much", p.ID, p.Amount, -p.Left())
		}
		if got := w.stands[string(p.ID)]; got != string(p.State) {
			w.t.Fatalf("%s is %s, and its events say %s", p.ID, p.State, got)
		}
		if x := w.timer(p); w.timed[string(p.ID)] && p.unfinished() && x.Kind == "" {
			w.t.Fatalf("%s is %s, and nothing is there that will end it", p.ID, p.State)
		}
		if p.Reason == ReasonExpired && (p.State != PaymentFailed || !w.timed[string(p.ID)] || !p.Funded.IsZero()) {
			w.t.Fatalf("%s is %s, and has expired", p.ID, p.State)
		}
	}
}

// audit makes the books anew from the events alone.
func (w *world) audit() {
	w.t.Helper()
	a := ledger.NewAudit(MayGoNegative)
	for _, e := range w.events {
		for _, t := range e.Transfers {
			if err := a.Add(t); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for _, err := range a.Compare(slices.Collect(maps.Values(w.books))) {
		w.t.Error(err)
	}
	open := a.OpenHolds()
	for _, d := range w.disbursements {
		if _, held := open[d.Hold]; held != d.Holds() {
			w.t.Errorf("%s is %s; that its hold is open is %t", d.ID, d.State, held)
		}
	}
}

// balance is what the merchant has: posted, and available.
func (w *world) balance(c money.Currency) (posted, available int64) {
	a := w.books[BalanceAccount(w.merchant.ID, c)]
	return a.Balance(), a.Available()
}

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

// pay makes a payment of so many euro cents, whose payer's account is known.
func (w *world) pay(minor int64, s PaymentState) Payment {
	w.t.Helper()
	c := w.must(OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(minor), State: s, PayerAccount: "s1.sealed"})
	return *c.Result.Payment
}

// refund is a command to refund so much of p, as the strictest dialect asks.
func (w *world) refund(p Payment, minor int64) Refund {
	return Refund{Head: w.head(), Keyed: Keyed{Dialect: "tongue", Remember: time.Hour}, Rail: "slow", Payment: Name{Text: p.ExternalID}, Amount: eur(minor)}
}

// refunded makes a refund of p that stands at s: accepted, sent or settled.
func (w *world) refunded(p Payment, minor int64, s State) Disbursement {
	w.t.Helper()
	d := *w.must(w.refund(p, minor)).Result.Disbursement
	if s == Accepted {
		return d
	}
	w.must(MarkSent{Head: w.head(), Disbursement: d.ID, Rails: []string{"slow"}, Work: w.sending(d)})
	if s == Settled {
		x := w.sending(d)
		w.must(Outcome{Head: w.head(), Disbursement: d.ID, Became: BecameSettled, Work: &x})
	}
	return w.disbursements[d.ID]
}

// timer is the work that ends p.
func (w *world) timer(p Payment) Work {
	for _, x := range w.work {
		if x.Kind == WorkExpire && x.Subject == string(p.ID) {
			return x
		}
	}
	return Work{}
}

// sending is the work that sends d.
func (w *world) sending(d Disbursement) Work {
	id, _ := d.SendWork()
	return w.work[id]
}

// refused does what must be refused, and holds the refusal to its code and
// reason.
func (w *world) refused(c Command, code Code, why Reason) {
	w.t.Helper()
	_, err := w.do(c)
	got := AsError(err)
	if err == nil || got.Code != code || got.Reason != why {
		w.t.Errorf("%T: got %v (%s), want %s (%s)", c, err, got.Reason, code, why)
	}
}
