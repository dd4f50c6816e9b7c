package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"remit"
	"remit/internal/vault"
	"remit/ledger"
	"remit/store"
)

// job is one command on its way through a lane.
type job struct {
	ctx    context.Context
	cmd    remit.Command
	head   remit.Head
	needs  remit.Needs
	done   chan answer
	misses int
	// doubt is set while a commit that carried the command may have happened.
	doubt *doubt
}

type answer struct {
	result remit.Result
	err    error
}

// doubt is what a commit whose answer was lost would have written.
type doubt struct {
	after  int64 // the merchant's newest event before it
	answer answer
}

func (j *job) answer(a answer) { j.done <- a }

// lane runs one group after another. A group is whatever has queued while the
// last commit ran: there is no timer, so an idle lane adds no latency.
type lane struct {
	e     *Engine
	chain *ledger.Chain

	mu     sync.Mutex
	some   *sync.Cond
	jobs   []*job
	closed bool
	// aside are the merchants for whose lock somebody waits, each with the
	// jobs that came meanwhile.
	aside map[remit.MerchantID][]*job
}

func newLane(e *Engine) *lane {
	l := &lane{e: e, chain: e.newChain(), aside: map[remit.MerchantID][]*job{}}
	l.some = sync.NewCond(&l.mu)
	return l
}

func (e *Engine) newChain() *ledger.Chain { return ledger.NewChain(e.cfg.Vault.Derive(vault.ChainKey)) }

func (l *lane) put(j *job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobs) >= queueMax {
		return false
	}
	l.add(j)
	l.some.Signal()
	return true
}

func (l *lane) add(j *job) {
	if queue, ok := l.aside[j.head.Merchant]; ok {
		l.aside[j.head.Merchant] = append(queue, j)
		return
	}
	l.jobs = append(l.jobs, j)
}

func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.jobs)
	for _, q := range l.aside {
		n += len(q)
	}
	return n
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.some.Broadcast()
}

// take waits for jobs, and takes what there is. Nil means that the lane is
// closed and nothing is left.
func (l *lane) take() []*job {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.jobs) == 0 {
		if l.closed && len(l.aside) == 0 {
			return nil
		}
		l.some.Wait()
	}
	n := min(len(l.jobs), groupMax)
	group := l.jobs[:n:n]
	l.jobs = l.jobs[n:]
	if len(l.jobs) == 0 {
		l.jobs = nil
	}
	return group
}

func (l *lane) run() {
	for {
		group := l.take()
		if group == nil {
			return
		}
		l.again(l.group(l.chain, abandon(group), false))
	}
}

// abandon drops the jobs that nobody waits for any more, and that were never
// tried.
func abandon(group []*job) []*job {
	kept := group[:0]
	for _, j := range group {
		if j.ctx.Err() != nil && j.doubt == nil {
			j.answer(answer{err: &remit.Error{Code: remit.Unavailable, Detail: "the answer did not come in time", Err: j.ctx.Err()}})
			continue
		}
		kept = append(kept, j)
	}
	return kept
}

// again puts missed jobs back, first in the queue. A merchant that was locked
// too often is waited for alone, beside the lane, so that it stalls nobody.
func (l *lane) again(missed []*job) {
	if len(missed) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var first []*job
	for _, j := range missed {
		m := j.head.Merchant
		if queue, ok := l.aside[m]; ok {
			l.aside[m] = append(queue, j)
			continue
		}
		if j.misses < missesMax {
			first = append(first, j)
			continue
		}
		l.aside[m] = []*job{j}
		l.e.running.Go(func() { l.alone(m) })
	}
	l.jobs = append(first, l.jobs...)
	for m := range l.aside {
		kept := l.jobs[:0]
		for _, j := range l.jobs {
			if j.head.Merchant == m {
				l.aside[m] = append(l.aside[m], j)
			} else {
				kept = append(kept, j)
			}
		}
		l.jobs = kept
	}
}

// alone runs the jobs of one merchant, waiting for its lock, until none is
// left; the lane goes on without them.
func (l *lane) alone(m remit.MerchantID) {
	chain := l.e.newChain()
	for {
		l.mu.Lock()
		queue := l.aside[m]
		if len(queue) == 0 {
			delete(l.aside, m)
			l.some.Broadcast()
			l.mu.Unlock()
			return
		}
		n := min(len(queue), groupMax)
		group := queue[:n:n]
		l.aside[m] = queue[n:]
		l.mu.Unlock()
		l.group(chain, abandon(group), true)
	}
}

// group has jobs decided and kept, and answers them. It returns those whose
// merchant another process had locked.
func (l *lane) group(chain *ledger.Chain, jobs []*job, block bool) (missed []*job) {
	if len(jobs) == 0 {
		return nil
	}
	wait := retryWaitMin
	for try := 1; ; try++ {
		g := &group{e: l.e, chain: chain, jobs: jobs, block: block}
		err := l.commit(g)
		switch {
		case err == nil:
			l.e.cfg.Hook(PointCommitted)
			return l.finish(g)
		case errors.Is(err, store.ErrData) && len(jobs) > 1:
			// One of them can never be kept. Alone, only that one fails.
			for _, j := range jobs {
				missed = append(missed, l.group(chain, []*job{j}, block)...)
			}
			return missed
		case errors.Is(err, store.ErrData):
			jobs[0].answer(answer{err: remit.AsError(err)})
			return nil
		case errors.Is(err, store.ErrUnclear):
			g.cast()
		}
		if try == retriesMax {
			l.e.cfg.Log.Error("a group of commands was given up", "commands", len(jobs), "error", err)
			for _, j := range jobs {
				j.answer(answer{err: &remit.Error{Code: remit.Unavailable, Detail: "the service cannot keep anything now", Err: err}})
			}
			return nil
		}
		l.e.cfg.Sleep(context.Background(), wait)
		wait = min(2*wait, retryWaitMax)
	}
}

func (l *lane) commit(g *group) error {
	ctx, stop := context.WithTimeout(context.Background(), groupTimeout)
	defer stop()
	start := time.Now()
	err := l.e.cfg.Store.Update(ctx, g.wants(), g.decide)
	l.e.cfg.Observer.Group(len(g.jobs), time.Since(start), err)
	return err
}

// finish answers the jobs of a group that is kept. Whoever is answered finds
// changed settings in force.
func (l *lane) finish(g *group) (missed []*job) {
	for m := range g.settings {
		l.e.cfg.Settings(m)
	}
	for i, j := range g.jobs {
		if g.answers[i] == nil {
			j.misses++
			if g.block {
				j.answer(answer{err: remit.Errorf(remit.NotFound, "", "there is no such merchant")})
				continue
			}
			missed = append(missed, j)
			continue
		}
		j.answer(*g.answers[i])
	}
	if g.worked {
		l.e.ring()
	}
	return missed
}
