package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"remit"
	"remit/internal/engine"
	"remit/store"
)

// timed opens a payment that expires in an hour.
func (w *world) timed(t *testing.T) remit.Payment {
	t.Helper()
	res, err := w.Do(t.Context(), remit.OpenPayment{
		Head: w.Head("acme", "test", ""), Keyed: remit.Keyed{Dialect: "test"}, Amount: eur(1_000), State: remit.PaymentOpened, Expires: time.Hour,
	})
	must(t, err)
	return *res.Payment
}

// due leases all timers that are due, at a time of the real clock, for a
// minute.
func (w *world) due(t *testing.T, real time.Time) []remit.Work {
	t.Helper()
	work, err := w.store.Claim(t.Context(), store.Claim{Now: w.now(), Real: real, Lease: real.Add(time.Minute), Max: 100, Kind: remit.WorkExpire})
	must(t, err)
	return work
}

// came is what happened to a payment, and what state it is in.
func (w *world) came(t *testing.T, p remit.Payment) string {
	t.Helper()
	events, err := w.store.Events(t.Context(), p.Merchant, string(p.ID))
	must(t, err)
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	ref := store.PaymentRef{Merchant: p.Merchant, ID: p.ID}
	have, err := w.store.Read(t.Context(), store.Wants{Payments: []store.PaymentRef{ref}})
	must(t, err)
	return fmt.Sprint(kinds, " ", have.Payments[ref].Reason)
}

// TestATimerOutlivesItsProcess has a process die with a timer in its hands: it
// is leased again when the lease has run out, and the payment ends once. The
// dead one's hands do nothing more.
func TestATimerOutlivesItsProcess(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		w.merchant(t, "acme", 0)
		p := w.timed(t)
		now := time.Now()
		if got := w.due(t, now); len(got) != 0 {
			t.Fatalf("before its time %v is due", got)
		}
		w.advance(time.Hour)
		dead := w.due(t, now)
		if len(dead) != 1 || len(w.due(t, now.Add(59*time.Second))) != 0 {
			t.Fatalf("leased %v", dead)
		}
		again := w.due(t, now.Add(time.Minute))
		if len(again) != 1 {
			t.Fatal("the timer was not leased again")
		}
		must(t, w.Run(t.Context(), again[0]))
		must(t, w.Run(t.Context(), dead[0]))
		if got := w.came(t, p); got != "[opened failed] expired" {
			t.Errorf("got %s", got)
		}
		if left := w.due(t, now.Add(time.Hour)); len(left) != 0 {
			t.Errorf("work left: %v", left)
		}
		w.sound(t)
	})
}

// TestATimerIsRunOnceHoweverItsCommitEnds loses the answers of commits that
// were kept, and of commits that were not: the payment expires once.
func TestATimerIsRunOnceHoweverItsCommitEnds(t *testing.T) {
	for name, ends := range map[string]fault{"kept, and the answer lost": lostOK, "lost": lostKO, "the database away": down} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s store.Store) {
				plain := newWorld(t, s)
				plain.merchant(t, "acme", 0)
				p := plain.timed(t)
				plain.advance(time.Hour)
				work := plain.due(t, time.Now())
				w := newWorld(t, s, func(c *engine.Config) {
					c.Now = plain.now
					c.Store = &flaky{Store: s, fail: func(n int64) fault {
						if n == 1 {
							return ends
						}
						return none
					}}
				})
				must(t, w.Run(t.Context(), work[0]))
				if got := plain.came(t, p); got != "[opened failed] expired" {
					t.Errorf("got %s", got)
				}
				plain.sound(t)
			})
		})
	}
}

// TestThePayerOrTheTimerComesFirst lets payers pay while their time runs out:
// each payment is either funded or has expired, and not both.
func TestThePayerOrTheTimerComesFirst(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		w.merchant(t, "acme", 0)
		var all []remit.Payment
		for range 40 {
			all = append(all, w.timed(t))
		}
		w.advance(time.Hour)
		work := w.due(t, time.Now())
		if len(work) != len(all) {
			t.Fatalf("%d timers are due, want %d", len(work), len(all))
		}
		var running sync.WaitGroup
		for i := range all {
			running.Go(func() { must(t, w.Run(t.Context(), work[len(work)-1-i])) })
			running.Go(func() {
				_, err := w.Do(t.Context(), remit.MovePayment{Head: w.Head("acme", "test", ""), Payment: all[i].ID, To: remit.PaymentFunded})
				if err != nil && !errors.Is(err, remit.Conflict) {
					t.Error(err)
				}
			})
		}
		running.Wait()
		for _, p := range all {
			if got := w.came(t, p); !slices.Contains([]string{"[opened authorized funded] ", "[opened failed] expired"}, got) {
				t.Errorf("%s: %s", p.ID, got)
			}
		}
		w.sound(t)
	})
}

// TestWhoWaitsIsWokenForItsKind: what is written or done of one kind wakes who
// waits for it, or for any, and nobody else.
func TestWhoWaitsIsWokenForItsKind(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		wakes := map[remit.WorkKind]<-chan struct{}{}
		for _, k := range append(slices.Clone(remit.WorkKinds), "") {
			wakes[k] = w.Wake(k)
		}
		woken := func(what string, want ...remit.WorkKind) {
			t.Helper()
			var got []remit.WorkKind
			deadline := time.After(10 * time.Second)
			for _, k := range want {
				select { // the engine tells after it has answered
				case <-wakes[k]:
					got = append(got, k)
				case <-deadline:
				}
			}
			for k, c := range wakes {
				select {
				case <-c:
					got = append(got, k+" too")
				default:
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q are woken, want %q", what, got, want)
			}
		}
		w.merchant(t, "acme", 1_000)
		woken("a balance")
		w.timed(t)
		woken("a timer is set", remit.WorkExpire, "")
		w.advance(time.Hour)
		must(t, w.Run(t.Context(), w.due(t, time.Now())[0]))
		woken("a timer has run", remit.WorkExpire, "")
		p := w.payment(t, "acme", 1_000, remit.PaymentFunded)
		_, err := w.Do(t.Context(), w.refund("acme", p.ExternalID, 100, ""))
		must(t, err)
		woken("a refund", remit.WorkSend, "")
	})
}
