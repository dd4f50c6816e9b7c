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
	passed int64 // numbers that were to be given and are somebody's already
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
	// slow is where merchants are waited for that another process had locked
	// too often: beside the lane, one after another, so that they stall nobody
	// else. It is nil in the slow lane itself.
	slow *lane

	mu     sync.Mutex
	some   *sync.Cond
	jobs   []*job
	closed bool
}

func newLane(e *Engine, slow *lane) *lane {
	l := &lane{e: e, chain: ledger.NewChain(e.cfg.Vault.Derive(vault.ChainKey)), slow: slow}
	l.some = sync.NewCond(&l.mu)
	return l
}

// put queues a job; false if too many wait already.
func (l *lane) put(j *job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobs) >= queueMax {
		return false
	}
	l.jobs = append(l.jobs, j)
	l.some.Signal()
	return true
}

func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.jobs)
	if l.slow != nil {
		n += l.slow.waiting()
	}
	return n
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.some.Broadcast()
}

// take waits for jobs, and takes what there is: in a slow lane, of one
// merchant. Nil means that the lane is closed and nothing is left.
func (l *lane) take() []*job {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.jobs) == 0 {
		if l.closed {
			return nil
		}
		l.some.Wait()
	}
	var group, rest []*job
	for i, j := range l.jobs {
		if len(group) == groupMax {
			rest = append(rest, l.jobs[i:]...)
			break
		}
		if l.slow == nil && j.head.Merchant != l.jobs[0].head.Merchant {
			rest = append(rest, j)
			continue
		}
		group = append(group, j)
	}
	l.jobs = rest
	return group
}

func (l *lane) run() {
	if l.slow != nil {
		l.e.running.Go(l.slow.run)
		defer l.slow.close()
	}
	for {
		group := l.take()
		if group == nil {
			return
		}
		l.again(l.group(abandon(group)))
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

// again puts missed jobs back, first in the queue; those that were missed too
// often go to the slow lane.
func (l *lane) again(missed []*job) {
	var first []*job
	for _, j := range missed {
		if j.misses < missesMax {
			first = append(first, j)
		} else if !l.slow.put(j) {
			j.answer(answer{err: errQueueFull()})
		}
	}
	if len(first) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs = append(first, l.jobs...)
}

func errQueueFull() error {
	return remit.Errorf(remit.Unavailable, remit.ReasonQueueFull, "too much waits already")
}

// group has jobs decided and kept, and answers them. It returns those whose
// merchant another process had locked.
func (l *lane) group(jobs []*job) (missed []*job) {
	if len(jobs) == 0 {
		return nil
	}
	wait := retryWaitMin
	for try := 1; ; try++ {
		g := &group{e: l.e, chain: l.chain, jobs: jobs, block: l.slow == nil}
		err := l.commit(g)
		spoilt := errors.Is(err, store.ErrData) || errors.Is(err, errBroke) || errors.Is(err, errUnmade)
		switch {
		case err == nil:
			l.e.cfg.Hook(PointCommitted)
			return l.finish(g)
		case spoilt && len(jobs) > 1:
			// One of them can never be kept. Alone, only that one fails.
			for _, j := range jobs {
				missed = append(missed, l.group([]*job{j})...)
			}
			return missed
		case errors.Is(err, store.ErrData) && g.numbered && jobs[0].passed < passedMax:
			// What was recorded under a name of its own may have our next number.
			jobs[0].passed++
			continue
		case spoilt:
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
	l.e.ring(g.worked)
	return missed
}
