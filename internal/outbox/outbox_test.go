package outbox_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"remit"
	"remit/internal/outbox"
	"remit/store"
)

// table is the work of a store, in memory. It leases like one, and counts.
type table struct {
	mu    sync.Mutex
	work  []remit.Work
	looks int  // how often it was asked for work
	away  bool // looks fail
}

var errTable = errors.New("the table is away")

func (s *table) claim(_ context.Context, c store.Claim) (got []remit.Work, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	if s.away {
		return nil, errTable
	}
	slices.SortFunc(s.work, func(a, b remit.Work) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.ID.Seq, b.ID.Seq))
	})
	for i := range s.work {
		w := &s.work[i]
		if len(got) == c.Max || w.Due.After(c.Now) || w.Lease.After(c.Real) || (c.Kind != "" && c.Kind != w.Kind) {
			continue
		}
		w.Lease, w.Fence = c.Lease, w.Fence+1
		got = append(got, *w)
	}
	return got, nil
}

func (s *table) nextDue(_ context.Context, _ remit.WorkKind, real time.Time) (due time.Time, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.work {
		if !w.Lease.After(real) && (!ok || w.Due.Before(due)) {
			due, ok = w.Due, true
		}
	}
	return due, ok, nil
}

func (s *table) add(w ...remit.Work) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work = append(s.work, w...)
}

func (s *table) done(w remit.Work) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work = slices.DeleteFunc(s.work, func(x remit.Work) bool { return x.Merchant == w.Merchant && x.ID == w.ID })
}

// looked is how often it was asked since looked was.
func (s *table) looked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.looks
	s.looks = 0
	return n
}

func (s *table) left() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.work) }

func piece(m string, seq int64, due time.Time) remit.Work {
	return remit.Work{Merchant: remit.MerchantID(m), ID: remit.WorkID{Seq: seq}, Kind: remit.WorkSend, Due: due}
}

// loop makes a loop over a table. Errors fail the test unless it says
// otherwise.
func loop(t *testing.T, s *table, run func(context.Context, remit.Work) error) *outbox.Loop {
	return &outbox.Loop{
		Claim: s.claim, NextDue: s.nextDue, Run: run, Now: time.Now, Real: time.Now, Lease: time.Minute, Workers: 4,
		Report: func(_ *remit.Work, err error) { t.Error(err) },
	}
}

// serve runs the loop in a bubble, and stops it at the end of f.
func serve(t *testing.T, l *outbox.Loop, f func()) {
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { l.Serve(ctx); close(ended) }()
	f()
	stop()
	<-ended
}

// TestWorkRunsWhenItFallsDue: at the very time, though the loop would by
// itself look later; what is due beyond its longest wait as well.
func TestWorkRunsWhenItFallsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		began := time.Now()
		var got []time.Duration
		for seq, after := range []time.Duration{0, 300 * time.Millisecond, 10*time.Second + 1} {
			s.add(piece("acme", int64(seq), began.Add(after)))
		}
		l := loop(t, &s, func(_ context.Context, w remit.Work) error {
			got = append(got, time.Since(began))
			s.done(w)
			return nil
		})
		serve(t, l, func() { time.Sleep(11 * time.Second) })
		// The last one is due just behind a look: at most the shortest wait late.
		want := []time.Duration{0, 300 * time.Millisecond, 10*time.Second + 20*time.Millisecond}
		if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] > want[2] {
			t.Errorf("ran at %v, want %v", got, want)
		}
	})
}

// TestWakeMakesItLookAtOnce though it would have slept on.
func TestWakeMakesItLookAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		ran := make(chan time.Time, 1)
		l := loop(t, &s, func(_ context.Context, w remit.Work) error { s.done(w); ran <- time.Now(); return nil })
		wake := make(chan struct{}, 1)
		l.Wake = wake
		serve(t, l, func() {
			time.Sleep(1500 * time.Millisecond)
			s.add(piece("acme", 1, time.Now()))
			now := time.Now()
			wake <- struct{}{}
			if at := <-ran; !at.Equal(now) {
				t.Errorf("ran %s after it was woken", at.Sub(now))
			}
		})
	})
}

// TestWorkersAreBounded: eleven pieces of a second each over four workers
// take three seconds, and no more than four run at a time.
func TestWorkersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		var mu sync.Mutex
		var running, most int
		began := time.Now()
		for seq := range int64(11) {
			s.add(piece(fmt.Sprint("m", seq%3), seq, began))
		}
		l := loop(t, &s, func(_ context.Context, w remit.Work) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			s.done(w)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		})
		l.BatchMax = 3
		serve(t, l, func() {
			time.Sleep(3*time.Second + time.Millisecond)
			if s.left() != 0 || most != 4 {
				t.Errorf("%d pieces left, %d ran at a time; want 0 and 4", s.left(), most)
			}
		})
	})
}

// TestOneThatHangsDoesNotStallOthers: the other workers go on.
func TestOneThatHangsDoesNotStallOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		for seq := range int64(50) {
			s.add(piece("acme", seq, time.Now()))
		}
		s.add(piece("globex", 1, time.Now()))
		l := loop(t, &s, func(ctx context.Context, w remit.Work) error {
			if w.Merchant == "globex" {
				<-ctx.Done() // with its lease
			}
			s.done(w)
			return nil
		})
		serve(t, l, func() {
			time.Sleep(time.Second)
			if got := s.left(); got != 1 {
				t.Errorf("%d pieces left, want the one that hangs", got)
			}
		})
	})
}

// TestStoppingFinishesWhatRuns: Serve returns when the piece has ended by
// itself, uncancelled, and takes no other.
func TestStoppingFinishesWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		began := time.Now()
		s.add(piece("acme", 1, began))
		l := loop(t, &s, func(ctx context.Context, w remit.Work) error {
			s.add(piece("acme", 2, began))
			time.Sleep(10 * time.Second)
			s.done(w)
			return ctx.Err()
		})
		l.Workers = 1
		serve(t, l, func() { time.Sleep(time.Second) })
		if got := time.Since(began); got != 10*time.Second || s.left() != 1 {
			t.Errorf("stopped after %s with %d pieces left, want 10s and the second one", got, s.left())
		}
	})
}

// TestAPieceThatFailsComesBackWithItsLease, not before, and under a newer
// fence.
func TestAPieceThatFailsComesBackWithItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		began := time.Now()
		s.add(piece("acme", 1, began))
		var at []time.Duration
		var fences []int64
		l := loop(t, &s, func(_ context.Context, w remit.Work) error {
			at, fences = append(at, time.Since(began)), append(fences, w.Fence)
			if len(at) == 1 {
				return errTable
			}
			s.done(w)
			return nil
		})
		var reported []error
		l.Report = func(w *remit.Work, err error) {
			if w == nil || w.ID.Seq != 1 {
				t.Errorf("reported of %v", w)
			}
			reported = append(reported, err)
		}
		serve(t, l, func() { time.Sleep(2 * time.Minute) })
		if len(at) != 2 || at[1] < time.Minute || at[1] > time.Minute+time.Second || fences[1] != 2 || len(reported) != 1 {
			t.Errorf("ran at %v under fences %v, reported %v", at, fences, reported)
		}
	})
}

// TestFailuresAreMetWithPatience: a store that is away for ever is asked less
// and less often, also if somebody keeps waking the loop; once it is back,
// work goes on.
func TestFailuresAreMetWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := table{away: true}
		l := loop(t, &s, func(_ context.Context, w remit.Work) error { s.done(w); return nil })
		wake := make(chan struct{})
		l.Wake = wake
		reports := 0
		l.Report = func(_ *remit.Work, err error) {
			reports++
			if !errors.Is(err, errTable) {
				t.Error(err)
			}
		}
		serve(t, l, func() {
			for range 60 * 100 {
				time.Sleep(10 * time.Millisecond)
				select {
				case wake <- struct{}{}:
				default:
				}
			}
			if looks := s.looked(); looks < 10 || looks > 20 {
				t.Errorf("%d looks in a minute without the store, want about 17", looks)
			}
			s.mu.Lock()
			s.away = false
			s.mu.Unlock()
			s.add(piece("acme", 1, time.Now()))
			time.Sleep(6 * time.Second)
			if s.left() != 0 {
				t.Error("it did not recover")
			}
		})
		if reports < 10 || reports > 20 {
			t.Errorf("%d reports, want one for each look that failed", reports)
		}
	})
}

// TestAnIdleLoopDoesNotSpin, neither with nothing to do, nor where what is
// due is of a kind that another loop runs.
func TestAnIdleLoopDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		l := loop(t, &s, nil)
		l.Kind = remit.WorkDeliver
		serve(t, l, func() {
			time.Sleep(time.Minute)
			if looks := s.looked(); looks > 61 {
				t.Errorf("%d looks in a minute with nothing to do", looks)
			}
			s.add(piece("acme", 1, time.Now()))
			time.Sleep(time.Minute)
			if looks := s.looked(); looks > 60*50+1 {
				t.Errorf("%d looks in a minute with only another kind due", looks)
			}
		})
	})
}

// TestDrainRunsInOrderUntilNothingIsDue: by due time, merchant and id; what a
// piece causes is run as well, what is due later is left.
func TestDrainRunsInOrderUntilNothingIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		now := time.Now()
		s.add(piece("b", 1, now), piece("a", 2, now), piece("a", 1, now), piece("c", 9, now.Add(-time.Hour)), piece("a", 3, now.Add(1)))
		var order []string
		l := loop(t, &s, func(_ context.Context, w remit.Work) error {
			order = append(order, fmt.Sprint(w.Merchant, w.ID.Seq))
			s.done(w)
			if w.Merchant == "c" && w.ID.Seq < 10 {
				s.add(piece("c", 10, now.Add(-time.Minute)))
			}
			return nil
		})
		ran, err := l.Drain(t.Context())
		if want := "[c9 c10 a1 a2 b1]"; err != nil || ran != 5 || fmt.Sprint(order) != want {
			t.Errorf("ran %d: %v, %v, want %s", ran, order, err, want)
		}
	})
}

// TestDrainDoesNotGoRoundInCircles: a piece that fails is run once and its
// error answered with all others run; work that stays due for ever ends in
// ErrEndless.
func TestDrainDoesNotGoRoundInCircles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		s.add(piece("a", 1, time.Now()), piece("b", 1, time.Now()))
		l := loop(t, &s, func(_ context.Context, w remit.Work) error {
			if w.Merchant == "a" {
				return errTable
			}
			s.done(w)
			return nil
		})
		if ran, err := l.Drain(t.Context()); ran != 2 || !errors.Is(err, errTable) {
			t.Errorf("ran %d, %v, want 2 and the error", ran, err)
		}
		var restless table
		restless.add(piece("a", 1, time.Now()))
		l = loop(t, &restless, func(context.Context, remit.Work) error { return nil })
		l.Lease = 0
		if _, err := l.Drain(t.Context()); !errors.Is(err, outbox.ErrEndless) {
			t.Errorf("got %v, want ErrEndless", err)
		}
	})
}

// TestDrainWaitsForWhatServeRuns, counts it, and runs what that causes.
func TestDrainWaitsForWhatServeRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s table
		began := time.Now()
		s.add(piece("a", 1, began))
		l := loop(t, &s, func(_ context.Context, w remit.Work) error {
			if w.ID.Seq == 1 {
				time.Sleep(time.Second)
				s.add(piece("a", 2, began))
			}
			s.done(w)
			return nil
		})
		serve(t, l, func() {
			synctest.Wait()
			ran, err := l.Drain(t.Context())
			if err != nil || ran != 2 || s.left() != 0 || time.Since(began) != time.Second {
				t.Errorf("ran %d, %v, after %s, %d left", ran, err, time.Since(began), s.left())
			}
		})
	})
}
