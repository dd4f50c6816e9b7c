package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"remit"
	"remit/ledger"
	"remit/store"
)

// absentIsAbsent asks for things that nobody kept.
func absentIsAbsent(t *testing.T, s store.Store) {
	must(t, found(t.Context(), s, acme))
	w := everything(fullWrites())
	w.Merchants = []remit.MerchantID{globex}
	w.Payments, w.Accounts = []store.PaymentRef{{Merchant: acme, ID: "p2"}}, []store.AccountsRef{{Merchant: acme, Currency: "SEK"}}
	w.Externals = []store.ExternalRef{{Merchant: globex, Name: remit.Name{Text: "n1"}}}
	got, err := s.Read(t.Context(), w)
	must(t, err)
	if diff := cmp.Diff(haveOf(&store.Writes{}), got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// rowsReplace keeps every row twice, changed, in one group and in two. An
// event cannot be kept twice.
func rowsReplace(t *testing.T, s store.Store) {
	w := fullWrites()
	update(t, s, locked(acme), w)
	w.Events, w.Tries = nil, nil
	for i := range w.Payments {
		w.Payments[i].RefundedMinor, w.Payments[i].OrderReference = 1, "again"
	}
	for i := range w.Disbursements {
		w.Disbursements[i].State, w.Disbursements[i].WaitingFor, w.Disbursements[i].Stuck = remit.Failed, "", false
	}
	w.Answers[1].Digest, w.Work[1].Tries, w.Deliveries[1].Tries, w.Merchants[0].Head = "new", 9, 9, "new"
	twice := *w
	twice.Payments = append(append([]remit.Payment{}, fullWrites().Payments...), w.Payments...)
	update(t, s, locked(acme), &twice)
	wants := everything(w)
	wants.Events = nil
	got, err := s.Read(t.Context(), wants)
	must(t, err)
	if diff := cmp.Diff(haveOf(w), got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	err = tryUpdate(t.Context(), s, locked(acme), &store.Writes{Events: fullWrites().Events[:1]})
	if !errors.Is(err, store.ErrData) {
		t.Errorf("an event was kept twice: %v", err)
	}
}

// manyRows writes and reads more rows than one statement takes, of one
// merchant and of many, and of each number from 1 that is cut differently.
func manyRows(t *testing.T, s store.Store) {
	for _, n := range []int{1, 2, 3, 7, 64, 65, 150} {
		for _, merchants := range []int{1, 5, n} {
			w := &store.Writes{}
			for i := range merchants {
				w.Merchants = append(w.Merchants, remit.Merchant{ID: remit.MerchantID(fmt.Sprintf("m%dx%dx%d", n, merchants, i))})
			}
			for i := range n {
				m, id := w.Merchants[i%merchants].ID, fmt.Sprint("p", i)
				w.Payments = append(w.Payments, remit.Payment{ID: remit.PaymentID(id), Merchant: m, ExternalID: "n" + id, Amount: cents(1)})
				w.Answers = append(w.Answers, remit.Answer{Merchant: m, Scope: "s", Key: id})
				w.Work = append(w.Work, remit.Work{Merchant: m, ID: remit.WorkID{Seq: int64(i), N: int64(i % 2)}})
			}
			wants := everything(w)
			wants.Block = true
			update(t, s, wants, w)
			got, err := s.Read(t.Context(), wants)
			must(t, err)
			if diff := cmp.Diff(haveOf(w), got); diff != "" {
				t.Fatalf("%d rows of %d merchants: -want +got\n%s", n, merchants, diff)
			}
			done := &store.Writes{Done: wants.Work}
			update(t, s, wants, done)
			got, err = s.Read(t.Context(), store.Wants{Work: wants.Work})
			must(t, err)
			if len(got.Work) != 0 {
				t.Fatalf("%d of %d pieces of work are left", len(got.Work), n)
			}
		}
	}
}

var errRefused = errors.New("refused")

// refusalLeavesNoTrace lets decide refuse.
func refusalLeavesNoTrace(t *testing.T, s store.Store) {
	must(t, found(t.Context(), s, acme))
	err := s.Update(t.Context(), locked(acme), func(*store.Have) (*store.Writes, error) { return fullWrites(), errRefused })
	if !errors.Is(err, errRefused) || errors.Is(err, store.ErrUnclear) {
		t.Errorf("got %v, want the refusal", err)
	}
	must(t, step(t.Context(), s, acme))
	wantSteps(t, s, 1, acme)
}

// breaks are ways in which a row breaks an invariant that the schema states.
func breaks() map[string]func(*store.Writes) {
	payment := func(change func(*remit.Payment)) func(*store.Writes) {
		return func(w *store.Writes) {
			p := remit.Payment{ID: "p9", Merchant: acme, ExternalID: "n9", Amount: cents(5)}
			change(&p)
			w.Payments = []remit.Payment{p}
		}
	}
	balance := func(m remit.MerchantID, change func(*ledger.Account)) func(*store.Writes) {
		return func(w *store.Writes) {
			a := ledger.Account{ID: remit.BalanceAccount(acme, "EUR"), Currency: "EUR", Credits: 5}
			change(&a)
			w.Accounts[m] = []ledger.Account{a}
		}
	}
	return map[string]func(*store.Writes){
		"an amount below zero":        payment(func(p *remit.Payment) { p.Amount.Minor = -1 }),
		"more refunded than was paid": payment(func(p *remit.Payment) { p.RefundedMinor = 6 }),
		"less than nothing refunded":  payment(func(p *remit.Payment) { p.RefundedMinor = -1 }),
		"more waiting than there are": payment(func(p *remit.Payment) { p.RefundsWaiting = 1 }),
		"a payment's name twice":      payment(func(p *remit.Payment) { p.ExternalID = "n1" }),
		"a disbursement of zero":      func(w *store.Writes) { w.Disbursements = []remit.Disbursement{{ID: "d9", Merchant: acme}} },
		"negative debits":             balance(acme, func(a *ledger.Account) { a.Debits = -1 }),
		"negative credits":            balance(acme, func(a *ledger.Account) { a.Credits = -1 }),
		"a negative hold":             balance(acme, func(a *ledger.Account) { a.Held = -1 }),
		"more held than there is":     balance(acme, func(a *ledger.Account) { a.Held = 6 }),
		"an overdrawn balance":        balance(acme, func(a *ledger.Account) { a.Debits = 6 }),
		"another merchant's account":  balance(globex, func(*ledger.Account) {}),
		"another event's transfer": func(w *store.Writes) {
			w.Events = []remit.Event{{Merchant: acme, Seq: 9, Transfers: []ledger.Transfer{{ID: "8"}}}}
		},
		"a text that is not UTF-8":      func(w *store.Writes) { w.Answers = []remit.Answer{{Merchant: acme, Key: "\xff"}} },
		"a text with a zero byte":       func(w *store.Writes) { w.Answers = []remit.Answer{{Merchant: acme, Key: "a\x00b"}} },
		"an event twice in one group":   func(w *store.Writes) { w.Events = []remit.Event{{Merchant: acme, Seq: 9}, {Merchant: acme, Seq: 9}} },
		"a negative number of an event": func(w *store.Writes) { w.Events = []remit.Event{{Merchant: acme, Seq: -1}} },
	}
}

// brokenDataIsRefused breaks each invariant that the schema states, in a
// group that is otherwise right: nothing of it may be kept.
func brokenDataIsRefused(t *testing.T, s store.Store) {
	must(t, found(t.Context(), s, acme))
	for name, spoil := range breaks() {
		w := &store.Writes{
			Merchants: []remit.Merchant{{ID: acme, Seq: 77}},
			Accounts:  map[remit.MerchantID][]ledger.Account{},
			Work:      []remit.Work{{Merchant: acme, ID: remit.WorkID{Seq: 77}}},
		}
		spoil(w)
		err := tryUpdate(t.Context(), s, locked(acme), w)
		if !errors.Is(err, store.ErrData) || errors.Is(err, store.ErrUnclear) {
			t.Errorf("%s: got %v, want ErrData", name, err)
		}
	}
	wantSteps(t, s, 0, acme)
	got, err := s.Read(t.Context(), store.Wants{Work: []store.WorkRef{{Merchant: acme, ID: remit.WorkID{Seq: 77}}}})
	must(t, err)
	if len(got.Work) != 0 {
		t.Error("a part of a refused group was kept")
	}
	// The books of the world, and what is owed, may be overdrawn.
	update(t, s, locked(acme), &store.Writes{Accounts: map[remit.MerchantID][]ledger.Account{acme: {
		{ID: remit.WorldAccount(acme, "EUR"), Currency: "EUR", Debits: 9}, {ID: remit.OwedAccount(acme, "EUR"), Currency: "EUR", Debits: 9},
	}}})
}

// contextIsSaid calls with a context that has ended.
func contextIsSaid(t *testing.T, s store.Store) {
	must(t, found(t.Context(), s, acme))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Update": func() error { return step(ctx, s, acme) },
		"Read":   func() error { _, err := s.Read(ctx, locked(acme)); return err },
		"Claim":  func() error { _, err := s.Claim(ctx, store.Claim{Max: 1}); return err },
		"Audit":  func() error { _, err := count(ctx, s); return err },
		"Clock":  func() error { _, err := s.Clock(ctx); return err },
		"Ready":  func() error { return s.Ready(ctx) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnclear) {
			t.Errorf("%s: got %v, want context.Canceled", name, err)
		}
	}
	wantSteps(t, s, 0, acme)
}

// groupsSeeEachOther lets groups queue for the same lock, each of which
// writes upon the sums that it reads. If a group that waited saw the rows as
// they were before it had the lock, a step would be lost, or refused for its
// number was taken.
func groupsSeeEachOther(t *testing.T, s store.Store) {
	const writers, steps = 8, 20
	must(t, found(t.Context(), s, acme, globex))
	var wg sync.WaitGroup
	for i := range writers {
		order := []remit.MerchantID{acme, globex}
		if i%2 == 0 {
			order = []remit.MerchantID{globex, acme}
		}
		wg.Go(func() {
			for range steps {
				if err := step(t.Context(), s, order...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantSteps(t, s, writers*steps, acme, globex)
}

// whileStepping makes steps of both merchants at once for as long as look is
// called, so many times.
func whileStepping(t *testing.T, s store.Store, looks int, look func() error) {
	must(t, found(t.Context(), s, acme, globex))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := step(t.Context(), s, acme, globex); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range looks {
		if err := look(); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	wg.Wait()
}

// readersSeeWholeGroups reads two merchants that always change together.
func readersSeeWholeGroups(t *testing.T, s store.Store) {
	last := int64(-1)
	whileStepping(t, s, 200, func() error {
		h, err := s.Read(t.Context(), store.Wants{
			Merchants: []remit.MerchantID{acme, globex},
			Externals: []store.ExternalRef{{Merchant: acme, Name: remit.Name{Text: "n1"}}, {Merchant: globex, Name: remit.Name{Text: "n1"}}},
			Accounts:  []store.AccountsRef{{Merchant: acme, Currency: "EUR"}, {Merchant: globex}},
		})
		if err != nil {
			return err
		}
		var seen []int64
		for _, m := range []remit.MerchantID{acme, globex} {
			seen = append(seen, h.Merchants[m].Seq, h.Payments[store.PaymentRef{Merchant: m, ID: "p1"}].RefundedMinor,
				h.Books[m][remit.ClearingAccount(m, "simulator", "EUR")].Credits)
		}
		for _, n := range seen {
			if n != seen[0] || n < last {
				return fmt.Errorf("a part of a group was seen: %v, after %d", seen, last)
			}
		}
		last = seen[0]
		return nil
	})
}

// auditIsOneSnapshot audits while groups go on, and within one audit sees
// them in no different state of two merchants.
func auditIsOneSnapshot(t *testing.T, s store.Store) {
	whileStepping(t, s, 30, func() error {
		steps, err := count(t.Context(), s)
		if err == nil && steps[acme] != steps[globex] {
			err = fmt.Errorf("an audit saw two moments: %v", steps)
		}
		return err
	})
}

// waitingAreFound asks for the refunds that wait for a payment, by its id and
// by its name: those that wait for money, and no others.
func waitingAreFound(t *testing.T, s store.Store) {
	must(t, found(t.Context(), s, acme, globex))
	d := func(id remit.DisbursementID, p remit.PaymentID, st remit.State, why remit.WaitReason) remit.Disbursement {
		return remit.Disbursement{ID: id, Merchant: acme, Payment: p, Amount: cents(1), State: st, WaitingFor: why}
	}
	update(t, s, locked(acme), &store.Writes{Disbursements: []remit.Disbursement{
		d("d1", "p1", remit.Waiting, remit.WaitFunding), d("d2", "p1", remit.Waiting, remit.WaitFunding), d("d3", "p1", remit.Accepted, ""),
		d("d4", "p1", remit.Waiting, remit.WaitReview), d("d5", "p2", remit.Waiting, remit.WaitFunding), d("d6", "", remit.Waiting, remit.WaitFunding),
	}})
	for name, w := range map[string]store.Wants{
		"by id":   {Waiting: []store.PaymentRef{{Merchant: acme, ID: "p1"}, {Merchant: globex, ID: "p1"}}},
		"by name": {WaitingByName: []store.ExternalRef{{Merchant: acme, Name: remit.Name{Text: "n1"}}}},
	} {
		h, err := s.Read(t.Context(), w)
		must(t, err)
		_, one := h.Disbursements[store.DisbursementRef{Merchant: acme, ID: "d1"}]
		_, two := h.Disbursements[store.DisbursementRef{Merchant: acme, ID: "d2"}]
		if len(h.Disbursements) != 2 || !one || !two {
			t.Errorf("%s: got %v, want d1 and d2", name, h.Disbursements)
		}
	}
	update(t, s, locked(acme), &store.Writes{Names: []store.PaymentName{{Merchant: acme, Name: remit.Name{Scope: "x", Text: "y"}, Payment: "p1"}}})
	for _, name := range []remit.Name{{Text: "n1"}, {Scope: "x", Text: "y"}} {
		h, err := s.Read(t.Context(), store.Wants{Refunds: []store.ExternalRef{{Merchant: acme, Name: name}, {Merchant: globex, Name: name}}})
		must(t, err)
		if len(h.Disbursements) != 4 {
			t.Errorf("refunds of %v: got %v, want d1 to d4", name, h.Disbursements)
		}
	}
	h, err := s.Read(t.Context(), store.Wants{Disbursements: []store.DisbursementRef{{Merchant: acme, ID: "d3"}}})
	must(t, err)
	if h.Payments[store.PaymentRef{Merchant: acme, ID: "p1"}].ID != "p1" || len(h.Payments) != 1 {
		t.Errorf("a disbursement came without its payment: %v", h.Payments)
	}
}
