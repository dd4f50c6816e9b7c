package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"remit"
	"remit/internal/books"
	"remit/internal/outbox"
	"remit/rail"
)

// How often the loops do what nobody wakes them for, in real time.
const (
	bankEvery    = time.Second      // a simulated bank's own work, and every rail's statements
	refreshEvery = 30 * time.Second // our keys, which another process may have made anew
	forgetEvery  = 10 * time.Minute
	forgetMax    = 10_000 // expired answers that go at once
	requestsMax  = 1_000  // requests of one merchant that go at once
	marksEvery   = time.Minute
)

// day is one of the business clock.
const day = 24 * time.Hour

// WorkLeaseDefault is how long a process has a piece of work for itself, of
// real time: longer than any call to a rail or a merchant.
const WorkLeaseDefault = 45 * time.Second

// How much is done at once.
const (
	sendWorkers     = 64
	deliverWorkers  = 32
	expireWorkers   = 8
	statementLines  = 64
	settleRoundsMax = 10_000 // of Settle, in each of which something happened
)

func (n *Node) loop(kind remit.WorkKind, workers int) *outbox.Loop {
	return &outbox.Loop{
		Kind: kind, Workers: workers, Lease: n.cfg.Lease, Claim: n.Store.Claim, Run: n.Engine.Run,
		Now: n.Clock.Now, Real: n.cfg.Real, NextDue: n.Store.NextDue, Wake: n.Engine.Wake(kind), Report: n.report,
	}
}

func (n *Node) report(w *remit.Work, err error) {
	if w == nil {
		n.cfg.Log.Error("work could not be leased", "error", err)
		return
	}
	n.cfg.Log.Error("a piece of work failed, and will be leased again", "merchant", w.Merchant, "work", w.ID.String(), "kind", w.Kind, "error", err)
}

// Serve carries out what the engine's commits cause, until ctx ends and what
// runs is finished.
func (n *Node) Serve(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { n.every(ctx, refreshEvery, "keys", n.Directory.Prepare) })
	all.Go(func() { n.every(ctx, forgetEvery, "answers", n.forget) })
	all.Go(func() { n.every(ctx, marksEvery, "marks", n.marks) })
	if n.cfg.OneAtATime {
		n.settleOn(ctx)
		return
	}
	for _, l := range n.loops {
		all.Go(func() { l.Serve(ctx) })
	}
	n.every(ctx, bankEvery, "banks", func(ctx context.Context) error {
		_, err := n.banks(ctx)
		return err
	})
}

func (n *Node) every(ctx context.Context, d time.Duration, what string, f func(context.Context) error) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := f(ctx); err != nil && ctx.Err() == nil {
				n.cfg.Log.Error("a periodic duty failed", "of", what, "error", err)
			}
		}
	}
}

func (n *Node) forget(ctx context.Context) error {
	_, err := n.Store.Forget(ctx, n.Clock.Now(), forgetMax)
	_, failed := n.Store.ForgetSlips(ctx, n.cfg.Real(), forgetMax)
	return errors.Join(err, failed, n.forgetRequests(ctx))
}

// marks makes the marks that merchants have come past.
func (n *Node) marks(ctx context.Context) error {
	all, err := n.Store.Merchants(ctx)
	for _, m := range all {
		if m.Seq >= books.Every {
			_, failed := books.Keep(ctx, n.Store, m)
			err = errors.Join(err, failed)
		}
	}
	return err
}

// forgetRequests deletes the requests that are older than they are kept, a few
// of one merchant at a time: others write between.
func (n *Node) forgetRequests(ctx context.Context) error {
	all, err := n.Store.Merchants(ctx)
	before := n.Clock.Now().Add(-day * time.Duration(n.cfg.RequestLogDays))
	for _, m := range all {
		for gone := requestsMax; gone == requestsMax && err == nil; {
			gone, err = n.Store.ForgetRequests(ctx, m.ID, before, requestsMax)
		}
	}
	return err
}

// settleOn settles whenever there is something new, or something may have
// fallen due.
func (n *Node) settleOn(ctx context.Context) {
	wake := n.Engine.Wake("")
	t := time.NewTicker(bankEvery)
	defer t.Stop()
	for {
		if _, err := n.Settle(ctx); err != nil && ctx.Err() == nil {
			n.cfg.Log.Error("what is due could not be run", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-t.C:
		}
	}
}

// banks has simulated banks do what fell due, and reads all statements. It
// says how many lines were read.
func (n *Node) banks(ctx context.Context) (lines int, err error) {
	for name, r := range n.Rails {
		if s, ok := r.(rail.Steerable); ok {
			err = errors.Join(err, s.Run(ctx))
		}
		read, failed := n.Engine.ReadStatements(ctx, name)
		lines, err = lines+read, errors.Join(err, failed)
	}
	return lines, err
}

// Settle runs all that is due by the clock: banks, statements, timers,
// sendings and deliveries, and what these cause, until nothing is. It says how many pieces
// of work it ran.
// The request log is written up to now.
func (n *Node) Settle(ctx context.Context) (ran int, err error) {
	n.settling.Lock()
	defer n.settling.Unlock()
	n.Requests.Flush(ctx)
	for range settleRoundsMax {
		done, err := n.banks(ctx)
		if err != nil {
			return ran, err
		}
		for _, l := range n.loops {
			some, err := l.Drain(ctx)
			ran, done = ran+some, done+some
			if err != nil {
				return ran, err
			}
		}
		if done == 0 {
			return ran, nil
		}
	}
	return ran, errors.New("node: there is always more that is due")
}

// NextDue is when something falls due next: a piece of work, or a simulated
// bank's own doing. False if nothing will.
func (n *Node) NextDue(ctx context.Context) (next time.Time, any bool, err error) {
	next, any, err = n.Store.NextDue(ctx, "", n.cfg.Real())
	for _, r := range n.Rails {
		s, ok := r.(rail.Steerable)
		if !ok || err != nil {
			continue
		}
		at, some, failed := s.NextDue(ctx)
		err = failed
		if some && (!any || at.Before(next)) {
			next, any = at, true
		}
	}
	return next, any, err
}
