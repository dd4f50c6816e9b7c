// Package clock is the business clock: the one by which payments, retries and
// expiries are timed. In production it is real time. In a sandbox it can be
// moved forward, and it can be made to stand still between two moves.
package clock

import (
	"context"
	"errors"
	"sync"
	"time"
)

// aheadMax is how far a clock may run ahead of real time. It keeps every sum
// of times within what a time.Duration holds.
const aheadMax = 100 * 365 * 24 * time.Hour

// ErrBackward means that a clock was asked to go back.
var ErrBackward = errors.New("clock: it can only be moved forward")

// ErrTooFar means that a clock was asked to run more than a hundred years
// ahead of real time.
var ErrTooFar = errors.New("clock: more than a hundred years ahead")

// Clock tells the time, and never an earlier one than it has told before. It
// is safe for concurrent use.
type Clock struct {
	real   func() time.Time
	frozen bool

	mu     sync.Mutex
	offset time.Duration // ahead of real
	last   time.Time     // the newest time told
	moved  chan struct{} // closed by the next move
}

// New makes a clock that is offset ahead of real (0 is real time). A frozen
// one stands at the time of its making, and goes on only when it is moved.
func New(real func() time.Time, offset time.Duration, frozen bool) *Clock {
	if frozen {
		start := real()
		real = func() time.Time { return start }
	}
	return &Clock{real: real, frozen: frozen, offset: offset, moved: make(chan struct{})}
}

// Now is the clock's time, in UTC and in whole microseconds, so that a store
// gives back exactly what it was given. If real time steps back the clock
// waits for it.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if t := c.real().Add(c.offset).UTC().Truncate(time.Microsecond); t.After(c.last) {
		c.last = t
	}
	return c.last
}

// Offset is how far the clock is ahead of real time: what a sandbox must keep
// to go on from the same time after a restart.
func (c *Clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// Advance moves the clock forward by d, wakes who waits, and answers the new
// time. It returns ErrBackward for a negative d and ErrTooFar for one beyond
// all bounds; the clock has then not moved.
func (c *Clock) Advance(d time.Duration) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case d < 0:
		return c.now(), ErrBackward
	case d > aheadMax-c.offset:
		return c.now(), ErrTooFar
	}
	return c.move(c.now().Add(d)), nil
}

// AdvanceTo moves the clock forward to t and wakes who waits. A clock that
// has passed t already returns ErrBackward, and has not moved.
func (c *Clock) AdvanceTo(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now := c.now(); {
	case t.Before(now):
		return ErrBackward
	case t.Sub(now) > aheadMax-c.offset:
		return ErrTooFar
	}
	c.move(t)
	return nil
}

// move is to a time that has not passed. Where real time has stepped back the
// clock goes ahead of it by so much more.
func (c *Clock) move(to time.Time) time.Time {
	c.offset = max(c.offset, to.Sub(c.real()))
	close(c.moved)
	c.moved = make(chan struct{})
	return c.now()
}

// Wait returns nil once the clock has reached until, by itself or by being
// moved; or the context's error if that ends first.
func (c *Clock) Wait(ctx context.Context, until time.Time) error {
	for {
		c.mu.Lock()
		left, moved := until.Sub(c.now()), c.moved
		c.mu.Unlock()
		if left <= 0 {
			return nil
		}
		if err := c.sleep(ctx, left, moved); err != nil {
			return err
		}
	}
}

// sleep ends when the clock was moved, or after left of real time unless the
// clock stands still.
func (c *Clock) sleep(ctx context.Context, left time.Duration, moved <-chan struct{}) error {
	var ring <-chan time.Time
	if !c.frozen {
		timer := time.NewTimer(left)
		defer timer.Stop()
		ring = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-moved:
	case <-ring:
	}
	return nil
}
