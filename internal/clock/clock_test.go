package clock_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"remit/internal/clock"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func still() time.Time { return start }

// A clock that nobody moves is real time plus its offset, in microseconds.
func TestAClockRunsWithRealTime(t *testing.T) {
	real := start.Add(1234 * time.Nanosecond)
	c := clock.New(func() time.Time { return real }, time.Hour, false)
	if got, want := c.Now(), start.Add(time.Hour+time.Microsecond); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	real = real.Add(time.Minute)
	if got, want := c.Now(), start.Add(time.Hour+time.Minute+time.Microsecond); got != want {
		t.Errorf("a minute later: got %s, want %s", got, want)
	}
}

// When real time steps back, the clock holds still until it is overtaken.
func TestAClockNeverGoesBack(t *testing.T) {
	real := start
	c := clock.New(func() time.Time { return real }, 0, false)
	for _, step := range []struct{ by, want time.Duration }{{0, 0}, {-time.Hour, 0}, {-time.Second, 0}, {time.Second, time.Second}} {
		real = start.Add(step.by)
		if got, want := c.Now(), start.Add(step.want); got != want {
			t.Errorf("real time at %s: got %s, want %s", step.by, got, want)
		}
	}
	if err := c.AdvanceTo(start); !errors.Is(err, clock.ErrBackward) {
		t.Errorf("AdvanceTo the past: got %v, want ErrBackward", err)
	}
	if _, err := c.Advance(-1); !errors.Is(err, clock.ErrBackward) {
		t.Errorf("Advance(-1): got %v, want ErrBackward", err)
	}
}

// A frozen clock stands still though real time runs, and goes on by moves
// alone. A second clock with its offset begins where it stands.
func TestAFrozenClockMovesOnlyByMoves(t *testing.T) {
	real := start
	c := clock.New(func() time.Time { return real }, 0, true)
	real = real.Add(time.Hour)
	if got := c.Now(); got != start {
		t.Errorf("it ran to %s", got)
	}
	got, err := c.Advance(72 * time.Hour)
	if want := start.Add(72 * time.Hour); err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if err := c.AdvanceTo(start.Add(80 * time.Hour)); err != nil {
		t.Error(err)
	}
	if got, want := clock.New(still, c.Offset(), true).Now(), start.Add(80*time.Hour); got != want {
		t.Errorf("after a restart: got %s, want %s", got, want)
	}
}

// Moves beyond all bounds are refused instead of wrapping around.
func TestAClockCannotBeMovedTooFar(t *testing.T) {
	c := clock.New(still, 0, true)
	if _, err := c.Advance(math.MaxInt64); !errors.Is(err, clock.ErrTooFar) {
		t.Errorf("Advance: got %v, want ErrTooFar", err)
	}
	if err := c.AdvanceTo(start.AddDate(500, 0, 0)); !errors.Is(err, clock.ErrTooFar) {
		t.Errorf("AdvanceTo: got %v, want ErrTooFar", err)
	}
	for range 200 { // one year at a time
		_, _ = c.Advance(365 * 24 * time.Hour)
	}
	if got, want := c.Now(), start.Add(100*365*24*time.Hour); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Wait ends when real time gets there, when a move gets there, and not by a
// move that falls short; on a frozen clock only by moves.
func TestWaitTakesMovesIntoAccount(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			c := clock.New(time.Now, 0, frozen)
			done := make(chan error, 1)
			go func() { done <- c.Wait(t.Context(), began.Add(10*time.Hour)) }()
			synctest.Wait()
			if _, err := c.Advance(4 * time.Hour); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			select {
			case err := <-done:
				t.Fatalf("frozen=%t: ended after four of ten hours: %v", frozen, err)
			default:
			}
			if frozen {
				if _, err := c.Advance(6 * time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-done; err != nil {
				t.Errorf("frozen=%t: %v", frozen, err)
			}
			want := 6 * time.Hour
			if frozen {
				want = 0
			}
			if got := time.Since(began); got != want {
				t.Errorf("frozen=%t: slept %s of real time, want %s", frozen, got, want)
			}
		})
	}
}

// A context that ends ends the wait.
func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := clock.New(time.Now, 0, true).Wait(ctx, time.Now().Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

// A clock whose real time has stepped back moves as far as it is told to.
func TestAMoveIsWholeWhenRealTimeStepsBack(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := clock.New(func() time.Time { return at }, 0, false)
	was := c.Now()
	at = at.Add(-time.Second)
	for n := time.Duration(1); n <= 3; n++ {
		if got, err := c.Advance(time.Millisecond); err != nil || got.Sub(was) != n*time.Millisecond {
			t.Errorf("move %d: %s behind the start, %v", n, got.Sub(was), err)
		}
	}
	if got := c.Offset(); got != time.Second+3*time.Millisecond {
		t.Errorf("it is %s ahead", got)
	}
}

// Many who read and move at once never see time go back.
func TestConcurrentReadersSeeTimeGoForward(t *testing.T) {
	c := clock.New(time.Now, 0, false)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			last := c.Now()
			for range 500 {
				moved, err := c.Advance(time.Millisecond)
				if err != nil {
					t.Error(err)
				}
				now := c.Now()
				if moved.Before(last.Add(time.Millisecond)) || now.Before(moved) {
					t.Errorf("%s, moved to %s, then %s", last, moved, now)
				}
				last = now
			}
		})
	}
	all.Wait()
}
