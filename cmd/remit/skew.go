package main

import (
	"context"
	"fmt"
	"time"
)

const (
	skewMax      = 500 * time.Millisecond
	skewEvery    = time.Minute
	clockTimeout = 10 * time.Second // for asking the store what time it is
)

// tooSkew tells whether our clock can still be worked with. Leases and retries
// are timed by it, and other processes time theirs by their own.
func tooSkew(ahead time.Duration) error {
	if ahead.Abs() <= skewMax {
		return nil
	}
	return fmt.Errorf("this machine's clock and the store's are %v apart, more than %v", ahead.Abs().Round(time.Millisecond), skewMax)
}

// compare compares our clock with the store's. What the question took is no
// skew: the store answered somewhere between its two ends.
func (p *process) compare(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, clockTimeout)
	defer stop()
	before := time.Now()
	theirs, err := p.store.Clock(ctx)
	if err != nil {
		return err
	}
	ahead := apart(before, time.Now(), theirs)
	p.skew.Store(int64(ahead))
	p.metrics.Skew(ahead)
	if err := tooSkew(ahead); err != nil {
		p.log.Error("alarm: clocks differ", "error", err)
	}
	return nil
}

// apart is how far a span of our time is ahead of another clock's moment; 0
// if the moment lies in it.
func apart(from, to, theirs time.Time) time.Duration {
	switch {
	case theirs.Before(from):
		return from.Sub(theirs)
	case theirs.After(to):
		return to.Sub(theirs)
	}
	return 0
}

func (p *process) watchClock(ctx context.Context) {
	t := time.NewTicker(skewEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := p.compare(ctx); err != nil && ctx.Err() == nil {
			p.log.Error("the clocks could not be compared", "error", err)
		}
	}
}
