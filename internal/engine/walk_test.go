package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"remit"
	"remit/ledger"
	"remit/store"
	"remit/store/storetest"
)

// walksDefault is how many walks `make test` takes on each store; REMIT_WALKS
// asks for another number.
const (
	walksDefault = 1_000
	walkSteps    = 25
	walksAtOnce  = 128
)

// TestNoWalkThroughAStoreBreaksTheBooks walks merchants at random through
// legal and illegal commands, on a real store, many merchants at once so that
// they share groups. After every step the walker's merchant must hold: each
// currency sums to zero, holds are those of accepted and sent disbursements,
// no payment gave back more than it had, counters are what the disbursements
// make. At the end the check of the books goes over everything. A failure
// names its seed.
func TestNoWalkThroughAStoreBreaksTheBooks(t *testing.T) {
	t.Parallel()
	walks := walksDefault
	if n, err := strconv.Atoi(os.Getenv("REMIT_WALKS")); err == nil {
		walks = n
	}
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		next := make(chan int)
		var wg sync.WaitGroup
		for range walksAtOnce {
			wg.Go(func() {
				for seed := range next {
					if err := walk(t.Context(), w, seed); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
				}
			})
		}
		for seed := range walks {
			next <- seed
		}
		close(next)
		wg.Wait()
		r := w.sound(t)
		t.Logf("%d walks: %d events, %d transfers, sound", walks, r.Events, r.Transfers)
	})
}

// walker is one merchant on its way.
type walker struct {
	w        *world
	m        remit.MerchantID
	rnd      *rand.Rand
	payments []remit.Payment
	refunds  []remit.DisbursementID
}

func walk(ctx context.Context, w *world, seed int) error {
	k := &walker{w: w, m: remit.MerchantID(fmt.Sprintf("m%d", seed)), rnd: rand.New(rand.NewPCG(uint64(seed), 1))}
	if err := storetest.AddMerchant(ctx, w.store, remit.Merchant{ID: k.m, Created: start}); err != nil {
		return err
	}
	for step := range walkSteps {
		cmd, err := k.command(ctx)
		if err != nil {
			return err
		}
		before, err := k.look(ctx)
		if err != nil {
			return err
		}
		res, err := w.Do(ctx, cmd)
		if err != nil && !legalRefusal(err) {
			return fmt.Errorf("step %d, %T: %w", step, cmd, err)
		}
		if res.Payment != nil && len(k.payments) < 4 {
			k.payments = append(k.payments, *res.Payment)
		}
		if _, refund := cmd.(remit.Refund); refund && err == nil && res.Disbursement != nil {
			k.refunds = append(k.refunds, res.Disbursement.ID)
		}
		after, seen := k.look(ctx)
		if seen != nil {
			return fmt.Errorf("step %d, %T: %w", step, cmd, seen)
		}
		if err != nil && after != before {
			return fmt.Errorf("step %d, %T was refused (%v), and left a trace", step, cmd, err)
		}
	}
	return nil
}

func legalRefusal(err error) bool {
	for _, c := range []remit.Code{remit.Conflict, remit.NotFound, remit.Exceeds, remit.InsufficientFunds, remit.Invalid, remit.KeyReused} {
		if errors.Is(err, c) {
			return true
		}
	}
	return false
}

func pick[T any](rnd *rand.Rand, list []T) (v T) {
	if len(list) > 0 {
		v = list[rnd.IntN(len(list))]
	}
	return v
}

// command is the walker's next one: legal or not, as it happens.
func (k *walker) command(ctx context.Context) (remit.Command, error) {
	h := k.w.Head(k.m, "walk", "")
	p, id := pick(k.rnd, k.payments), pick(k.rnd, k.refunds)
	switch n := k.rnd.IntN(12); {
	case n == 0 || len(k.payments) == 0:
		states := []remit.PaymentState{remit.PaymentOpened, remit.PaymentAuthorized, remit.PaymentFunded, remit.PaymentFailed}
		return remit.OpenPayment{Head: h, Keyed: remit.Keyed{Dialect: "test"}, Amount: eur(1 + k.rnd.Int64N(1_000)), State: pick(k.rnd, states), PayerAccount: "sealed"}, nil
	case n == 1:
		states := []remit.PaymentState{remit.PaymentAuthorized, remit.PaymentFunded, remit.PaymentFunded, remit.PaymentFailed, remit.PaymentReversed}
		return remit.MovePayment{Head: h, Payment: p.ID, To: pick(k.rnd, states)}, nil
	case n == 2:
		target := k.rnd.Int64N(1_500)
		return remit.TopUp{Head: h, Amount: eur(0), Target: &target}, nil
	case n == 3:
		return remit.Cancel{Head: h, Disbursement: id, Reason: remit.ReasonAborted}, nil
	case n < 7:
		r := k.w.refund(k.m, p.ExternalID, k.rnd.Int64N(700), "")
		r.WhenShort = pick(k.rnd, []remit.Policy{remit.Refuse, remit.FailLater})
		r.OneWaiting = k.rnd.IntN(2) == 0
		return r, nil
	}
	return k.work(ctx, h, id)
}

// work is what the outbox or a statement would ask about a refund.
func (k *walker) work(ctx context.Context, h remit.Head, id remit.DisbursementID) (remit.Command, error) {
	ref := store.DisbursementRef{Merchant: k.m, ID: id}
	have, err := k.w.store.Read(ctx, store.Wants{Disbursements: []store.DisbursementRef{ref}})
	if err != nil {
		return nil, err
	}
	d := have.Disbursements[ref]
	work := remit.Work{Merchant: k.m}
	if wid, ok := d.SendWork(); ok {
		wref := store.WorkRef{Merchant: k.m, ID: wid}
		if have, err = k.w.store.Read(ctx, store.Wants{Work: []store.WorkRef{wref}}); err != nil {
			return nil, err
		}
		if found, ok := have.Work[wref]; ok {
			work = found
		} else {
			work.ID = wid
		}
	}
	if d.State == remit.Accepted || k.rnd.IntN(4) == 0 {
		return remit.MarkSent{Head: h, Disbursement: id, Rails: []string{"bank"}, Work: work}, nil
	}
	o := remit.Outcome{Head: h, Disbursement: id, Currency: "EUR", Reason: remit.ReasonAccountClosed, Again: time.Minute}
	o.Became = pick(k.rnd, []remit.Became{remit.BecameSettled, remit.BecameSettled, remit.BecameRefused, remit.BecameReturned,
		remit.BecamePending, remit.BecameUnknown, remit.BecameStuck, remit.BecameNotSent})
	if k.rnd.IntN(2) == 0 {
		o.Work = &work
	}
	return o, nil
}

// look holds the merchant to the invariants, and sums up its state so that a
// trace would show.
func (k *walker) look(ctx context.Context) (string, error) {
	s := k.w.store
	ds, err := s.Disbursements(ctx, store.Filter{Merchant: k.m, Max: 10_000})
	if err != nil {
		return "", err
	}
	wants := store.Wants{Merchants: []remit.MerchantID{k.m}, Accounts: []store.AccountsRef{{Merchant: k.m}}}
	for _, p := range k.payments {
		wants.Payments = append(wants.Payments, store.PaymentRef{Merchant: k.m, ID: p.ID})
	}
	have, err := s.Read(ctx, wants)
	if err != nil {
		return "", err
	}
	books := ledger.Books{}
	var held int64
	for id, a := range have.Books[k.m] {
		a.MayGoNegative = remit.MayGoNegative(id)
		books[id] = a
		held += a.Held
	}
	if err := books.Check(); err != nil {
		return "", err
	}
	refunded, live := map[remit.PaymentID]int64{}, map[remit.PaymentID]int64{}
	for _, d := range ds {
		if d.State == remit.Accepted || d.State == remit.Sent {
			held -= d.Amount.Minor
		}
		if d.Live() {
			refunded[d.Payment] += d.Amount.Minor
			live[d.Payment]++
		}
	}
	if held != 0 {
		return "", fmt.Errorf("holds are out by %d", held)
	}
	for _, p := range have.Payments {
		if refunded[p.ID] != p.RefundedMinor || live[p.ID] != p.RefundsLive || p.RefundedMinor > p.Amount.Minor {
			return "", fmt.Errorf("payment %s of %d: %d refunded by %d, its refunds make %d by %d",
				p.ID, p.Amount.Minor, p.RefundedMinor, p.RefundsLive, refunded[p.ID], live[p.ID])
		}
	}
	m := have.Merchants[k.m]
	return fmt.Sprint(m.Seq, m.Head, m.Numbers, len(ds)), nil
}
