package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"remit"
	"remit/internal/engine"
	"remit/internal/pgtest"
	"remit/store"
)

// Two hundred callers ask for 1.00 of a payment of 100.00, through two engines
// that share nothing but the store. Exactly one hundred get it, whoever they
// are, and the books hold.
func TestTwoHundredCallersCannotOverRefundOnePayment(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.Store) {
		engines := []*world{newWorld(t, s), newWorld(t, s)}
		w := engines[0]
		w.merchant(t, "acme", 1_000_000)
		p := w.payment(t, "acme", 10_000, remit.PaymentFunded)
		var accepted, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				e := engines[i%len(engines)]
				_, err := e.Do(t.Context(), e.refund("acme", p.ExternalID, 100, ""))
				switch {
				case err == nil:
					accepted.Add(1)
				case errors.Is(err, remit.Exceeds):
					refused.Add(1)
				default:
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if accepted.Load() != 100 || refused.Load() != 100 {
			t.Errorf("%d accepted and %d refused, want 100 and 100", accepted.Load(), refused.Load())
		}
		if got := w.sound(t).Currencies["EUR"].HeldMinor; got != 10_000 {
			t.Errorf("%d held, want 10000", got)
		}
	})
}

// Point 2 of group commit: an id is minted once, and what a commit whose
// answer was lost has kept is found again. Commits fail at random, kept or
// not; the dialect has no keys. Every caller gets exactly one refund.
func TestALostCommitNeverDoublesARefund(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.Store) {
		plain := newWorld(t, s)
		plain.merchant(t, "acme", 1_000_000)
		p := plain.payment(t, "acme", 1_000_000, remit.PaymentFunded)
		rnd := rand.New(rand.NewPCG(7, 7))
		var mu sync.Mutex
		f := &flaky{Store: s, fail: func(int64) fault {
			mu.Lock()
			defer mu.Unlock()
			return []fault{none, lostOK, lostKO, down}[rnd.IntN(4)]
		}}
		w := newWorld(t, f)
		var wg sync.WaitGroup
		var accepted, unknown atomic.Int64
		for range 60 {
			wg.Go(func() {
				switch _, err := w.Do(t.Context(), w.refund("acme", p.ExternalID, 100, "")); {
				case err == nil:
					accepted.Add(1)
				case errors.Is(err, remit.Unavailable): // given up after all its tries
					unknown.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got := int64(len(plain.disbursements(t, "acme")))
		if got < accepted.Load() || got > accepted.Load()+unknown.Load() {
			t.Errorf("%d refunds exist; %d were acknowledged, %d are unknown", got, accepted.Load(), unknown.Load())
		}
		plain.sound(t)
	})
}

// The same, told apart: a commit that was kept is not made again, one that was
// not is, and a remembered refusal whose commit was lost stays a refusal.
func TestALostCommitIsFoundOrMadeAgain(t *testing.T) {
	t.Parallel()
	for _, what := range []fault{lostOK, lostKO, down} {
		for _, key := range []string{"", "k"} {
			for _, amount := range []int64{100, 99_999} {
				t.Run(fmt.Sprintf("fault %d key %q amount %d", what, key, amount), func(t *testing.T) {
					t.Parallel()
					s := openSQLite(t)
					plain := newWorld(t, s)
					plain.merchant(t, "acme", 1_000)
					p := plain.payment(t, "acme", 1_000, remit.PaymentFunded)
					w := newWorld(t, &flaky{Store: s, fail: func(n int64) fault {
						if n == 1 {
							return what
						}
						return none
					}})
					res, err := w.Do(t.Context(), w.refund("acme", p.ExternalID, amount, key))
					if err == nil && res.Refusal != nil {
						err = res.Refusal
					}
					if fits := amount <= 1_000; fits != (err == nil) {
						t.Errorf("refund of %d of 1000: %v", amount, err)
					}
					if res.Replayed {
						t.Error("the command was told that it is a replay of itself")
					}
					want := 0
					if amount <= 1_000 {
						want = 1
					}
					if got := len(plain.disbursements(t, "acme")); got != want {
						t.Errorf("%d refunds exist, want %d", got, want)
					}
					plain.sound(t)
				})
			}
		}
	}
}

// Point 3: a refusal leaves no trace, unless its dialect has it remembered;
// then its key is used up, and the same request is refused the same way even
// when it would be accepted by now. A refusal in a group does not touch the
// others.
func TestARefusalLeavesNoTraceUnlessItIsRemembered(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		w.merchant(t, "acme", 0)
		p := w.payment(t, "acme", 1_000, remit.PaymentFunded)
		before := w.sound(t)
		_, err := w.Do(t.Context(), w.refund("acme", p.ExternalID, 5_000, ""))
		if !errors.Is(err, remit.Exceeds) {
			t.Fatalf("got %v, want exceeds", err)
		}
		if after := w.sound(t); after.Events != before.Events || after.Transfers != before.Transfers {
			t.Errorf("a refusal wrote %d events", after.Events-before.Events)
		}
		r := w.refund("acme", p.ExternalID, 5_000, "key-1")
		res, err := w.Do(t.Context(), r)
		must(t, err)
		if res.Refusal == nil || res.Refusal.Code != remit.Exceeds || res.Replayed {
			t.Errorf("got %+v, want a refusal that is remembered", res)
		}
		again := w.refund("acme", p.ExternalID, 5_000, "key-1")
		if res, err = w.Do(t.Context(), again); err != nil || res.Refusal == nil || !res.Replayed {
			t.Errorf("asked again: %+v, %v; want the same refusal, replayed", res, err)
		}
		other := w.refund("acme", p.ExternalID, 10, "key-1")
		if _, err = w.Do(t.Context(), other); !errors.Is(err, remit.KeyReused) {
			t.Errorf("another request under the key: %v, want key reused", err)
		}
		w.sound(t)
	})
}

// An identical request under a key gets the answer to the first, also when
// both are decided in one group, and the money is promised once.
func TestTheSameKeyIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		w.merchant(t, "acme", 10_000)
		p := w.payment(t, "acme", 10_000, remit.PaymentFunded)
		var wg sync.WaitGroup
		var first atomic.Int64
		ids := make([]remit.DisbursementID, 50)
		for i := range ids {
			wg.Go(func() {
				res, err := w.Do(t.Context(), w.refund("acme", p.ExternalID, 100, "the key"))
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = res.Disbursement.ID
				if !res.Replayed {
					first.Add(1)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("two refunds under one key: %s and %s", id, ids[0])
			}
		}
		if got := len(w.disbursements(t, "acme")); got != 1 || first.Load() != 1 {
			t.Errorf("%d refunds, %d first answers, want one of each", got, first.Load())
		}
		w.sound(t)
	})
}

// Point 4: while another process holds one merchant, the lane serves all
// others; the held one is answered once it is let go.
func TestAHeldMerchantStallsNobodyElse(t *testing.T) {
	t.Parallel()
	s := openPostgres(t, pgtest.DSN(t))
	w := newWorld(t, s)
	w.merchant(t, "acme", 10_000)
	w.merchant(t, "globex", 10_000)
	acme := w.payment(t, "acme", 10_000, remit.PaymentFunded)
	globex := w.payment(t, "globex", 10_000, remit.PaymentFunded)
	held, letGo, gone := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		s.Update(t.Context(), store.Wants{Merchants: []remit.MerchantID{"acme"}, Block: true}, func(*store.Have) (*store.Writes, error) {
			close(held)
			<-letGo
			return &store.Writes{}, nil
		})
	}()
	<-held
	slow := make(chan error, 1)
	go func() {
		_, err := w.Do(t.Context(), w.refund("acme", acme.ExternalID, 100, ""))
		slow <- err
	}()
	for range 20 {
		if _, err := w.Do(t.Context(), w.refund("globex", globex.ExternalID, 100, "")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-slow:
		t.Fatalf("the held merchant was answered while it was held: %v", err)
	default:
	}
	close(letGo)
	<-gone
	must(t, <-slow)
	w.sound(t)
}

// spoilt is a command whose change no store can keep.
type spoilt struct {
	remit.Head
	payment remit.Payment
}

func (c spoilt) Header() remit.Head { return c.Head }
func (c spoilt) Needs() remit.Needs { return remit.Needs{Payment: c.payment.ID} }
func (c spoilt) Decide(f remit.Facts) (remit.Change, error) {
	p := *f.Payment
	p.RefundedMinor = p.Amount.Minor + 1
	return remit.Change{Merchant: f.Merchant, Payments: []remit.Payment{p}}, nil
}

// A command that can never be kept fails alone; those that were in its group
// are kept.
func TestOnlyTheCommandThatCannotBeKeptFails(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		w.merchant(t, "acme", 10_000)
		p := w.payment(t, "acme", 10_000, remit.PaymentFunded)
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				if i%10 == 0 {
					_, err := w.Do(t.Context(), spoilt{w.Head("acme", "test", ""), p})
					if !errors.Is(err, remit.Internal) {
						t.Errorf("a change that breaks a constraint: %v, want internal", err)
					}
					return
				}
				if _, err := w.Do(t.Context(), w.refund("acme", p.ExternalID, 100, "")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := len(w.disbursements(t, "acme")); got != 36 {
			t.Errorf("%d refunds, want 36", got)
		}
		w.sound(t)
	})
}

// Twenty merchants are issued one name in one group: it is one merchant's, and
// that one alone was told so.
func TestANameIsIssuedToOneMerchant(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.Store) {
		plain := newWorld(t, s)
		all := make([]remit.MerchantID, 20)
		for i := range all {
			all[i] = remit.MerchantID(fmt.Sprint("m", i))
			plain.merchant(t, all[i], 0)
		}
		busy, queued := make(chan struct{}), make(chan struct{})
		w := newWorld(t, &flaky{Store: s, fail: func(n int64) fault {
			if n == 1 {
				close(busy)
				<-queued
			}
			return none
		}}, func(c *engine.Config) { c.Lanes = 1 })
		var mu sync.Mutex
		var told []remit.MerchantID
		var wg sync.WaitGroup
		wg.Go(func() { // what the others queue behind
			if _, err := w.Do(t.Context(), remit.TopUp{Head: w.Head("m0", "operator:test", ""), Amount: eur(1)}); err != nil {
				t.Error(err)
			}
		})
		<-busy
		for _, m := range all {
			wg.Go(func() {
				if _, err := w.Do(t.Context(), remit.IssueCredentials{
					Head: w.Head(m, "operator:test", ""), Dialect: "some", Credentials: []remit.Credential{{Principal: "one", Sealed: "s"}},
				}); err == nil {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, m)
				}
			})
		}
		for w.Waiting() < len(all) {
			time.Sleep(time.Millisecond)
		}
		close(queued)
		wg.Wait()
		c, ok, err := s.Credential(t.Context(), "some", "one")
		must(t, err)
		if !ok || len(told) != 1 || told[0] != c.Merchant {
			t.Errorf("it is %q's, and was issued to %v", c.Merchant, told)
		}
		plain.sound(t)
	})
}

// A closed engine takes nothing more, and has finished what it took.
func TestCloseFinishesWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLite(t))
	w.merchant(t, "acme", 10_000)
	p := w.payment(t, "acme", 10_000, remit.PaymentFunded)
	var wg sync.WaitGroup
	var accepted atomic.Int64
	for range 50 {
		wg.Go(func() {
			_, err := w.Do(t.Context(), w.refund("acme", p.ExternalID, 100, ""))
			if err == nil {
				accepted.Add(1)
			} else if !errors.Is(err, remit.Unavailable) {
				t.Error(err)
			}
		})
	}
	w.Close()
	wg.Wait()
	if got := int64(len(w.disbursements(t, "acme"))); got != accepted.Load() {
		t.Errorf("%d refunds exist, %d were acknowledged", got, accepted.Load())
	}
	_, err := w.Do(t.Context(), w.refund("acme", p.ExternalID, 100, ""))
	if e := remit.AsError(err); e.Reason != remit.ReasonShuttingDown {
		t.Errorf("a closed engine answered %v", err)
	}
}
