// Package outbox is the one loop that carries out what transactions caused:
// it leases work that is due, and has it run. It keeps nothing itself. Who
// runs a piece of work writes down what came of it, and checks the fence as
// the last thing; a piece that was not finished is leased again when its
// lease has run out.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"remit"
	"remit/store"
)

// How long an idle loop waits before it looks again.
const (
	// idleWaitMax finds what nobody told us of: another process's work, a
	// lease that ran out, a clock that was moved.
	idleWaitMax = time.Second
	// idleWaitMin keeps a loop from spinning where the store says that
	// something is due and leases nothing: another process was faster.
	idleWaitMin = 20 * time.Millisecond
	// wakeWaitMin keeps a loop that found nothing from looking at every commit
	// of a busy engine: most of them cause nothing that is due at once.
	wakeWaitMin = 20 * time.Millisecond
	// failWaitMin is doubled with each failure in a row, up to failWaitMax.
	failWaitMin = 100 * time.Millisecond
	failWaitMax = 5 * time.Second
)

// drainMax is the most pieces that one Drain runs. More are no backlog, but
// work that makes itself due again and never gets anywhere.
const drainMax = 100_000

// ErrEndless means that a Drain ran drainMax pieces and that there are still
// some due.
var ErrEndless = errors.New("outbox: the work does not come to an end")

// Loop leases work and runs it. Its exported members are set before it is
// used, all but Wake, Kind and BatchMax, and are not changed afterwards. It
// must not be copied.
type Loop struct {
	Claim   func(context.Context, store.Claim) ([]remit.Work, error)
	NextDue func(ctx context.Context, kind remit.WorkKind, real time.Time) (time.Time, bool, error)
	// Run carries out one piece and keeps what came of it. Its context ends
	// with the lease.
	Run func(context.Context, remit.Work) error
	// Report is told of every error that Serve meets; work is nil where it
	// was no piece of work that failed.
	Report func(work *remit.Work, err error)

	Now  func() time.Time // of the business clock
	Real func() time.Time // of the real clock
	// Wake makes Serve look at once. A channel wakes one loop: it is not to
	// be shared.
	Wake <-chan struct{}

	Kind     remit.WorkKind // "" is every kind
	Lease    time.Duration  // of real time, for one piece: longer than any Run takes
	Workers  int            // how many pieces run at a time
	BatchMax int            // how many are leased at once; 0 is as many as there are free workers

	claiming sync.Mutex // held while work is leased and started
	running  sync.WaitGroup
	count    atomic.Int64 // of those running
	claims   int          // made by Serve; guarded by claiming
}

// Serve runs what falls due until the context ends, and returns when the
// pieces that were running then have finished, or their leases have run out.
func (l *Loop) Serve(ctx context.Context) {
	free := make(chan struct{}, l.Workers)
	for range l.Workers {
		free <- struct{}{}
	}
	failures := 0
	for {
		workers := take(ctx, free, l.BatchMax)
		if workers == 0 {
			break
		}
		started, err := l.start(ctx, free, workers)
		for range workers - started {
			free <- struct{}{}
		}
		wait := time.Duration(0)
		if err == nil && started == 0 {
			wait, err = l.idle(ctx)
		}
		if err == nil {
			failures = 0
		} else if ctx.Err() == nil {
			l.Report(nil, err)
			wait = min(failWaitMin<<min(failures, 10), failWaitMax)
			failures++
		}
		l.sleep(ctx, wait, failures == 0)
	}
	l.running.Wait()
}

// take waits for a free worker, and takes all that are free, at most max of
// them (0 is no bound). It answers 0 when the context has ended.
func take(ctx context.Context, free <-chan struct{}, max int) int {
	if ctx.Err() != nil {
		return 0
	}
	select {
	case <-ctx.Done():
		return 0
	case <-free:
	}
	for n := 1; ; n++ {
		if n == max {
			return n
		}
		select {
		case <-free:
		default:
			return n
		}
	}
}

// start leases up to max pieces and starts them. Each puts its worker back
// when it has ended.
func (l *Loop) start(ctx context.Context, free chan<- struct{}, max int) (int, error) {
	l.claiming.Lock()
	defer l.claiming.Unlock()
	work, err := l.claim(ctx, max, l.claims)
	if err != nil {
		return 0, err
	}
	l.claims++ // another merchant comes first next time
	for _, w := range work {
		l.count.Add(1)
		l.running.Go(func() {
			if err := l.run(ctx, w); err != nil {
				l.Report(&w, err)
			}
			l.count.Add(-1)
			free <- struct{}{}
		})
	}
	return len(work), nil
}

func (l *Loop) claim(ctx context.Context, max, skip int) ([]remit.Work, error) {
	real := l.Real()
	work, err := l.Claim(ctx, store.Claim{Now: l.Now(), Real: real, Lease: real.Add(l.Lease), Max: max, Kind: l.Kind, Skip: skip})
	if err == nil && len(work) > max {
		return nil, fmt.Errorf("outbox: asked for %d pieces of work, got %d", max, len(work))
	}
	return work, err
}

// run carries out one piece within its lease. A loop that is being stopped
// does not cut it off.
func (l *Loop) run(ctx context.Context, w remit.Work) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.Lease)
	defer cancel()
	return l.Run(ctx, w)
}

// idle is how long it is until something falls due, within bounds.
func (l *Loop) idle(ctx context.Context) (time.Duration, error) {
	due, ok, err := l.NextDue(ctx, l.Kind, l.Real())
	if err != nil || !ok {
		return idleWaitMax, err
	}
	return max(idleWaitMin, min(due.Sub(l.Now()), idleWaitMax)), nil
}

// sleep waits, or until somebody wakes the loop, but wakeWaitMin at least. Who
// wakes it does not mend what fails: after a failure it sleeps on.
func (l *Loop) sleep(ctx context.Context, d time.Duration, wakeful bool) {
	if d == 0 {
		return
	}
	wake := l.Wake
	if !wakeful {
		wake = nil
	}
	least, most := time.NewTimer(min(d, wakeWaitMin)), time.NewTimer(d)
	defer least.Stop()
	defer most.Stop()
	select {
	case <-ctx.Done():
	case <-least.C:
		select {
		case <-ctx.Done():
		case <-wake:
		case <-most.C:
		}
	}
}

// Drain runs what is due, and what falls due by that, until nothing is, and
// answers how many pieces were run. Pieces that Serve was running are waited
// for, and counted. They run one after another: by due time, then merchant,
// then id. A piece that fails keeps its lease, and is not tried again; all
// errors are answered together, when everything else has been run.
func (l *Loop) Drain(ctx context.Context) (ran int, err error) {
	l.claiming.Lock()
	defer l.claiming.Unlock()
	ran = int(l.count.Load())
	l.running.Wait()
	var failed []error
	for range drainMax {
		work, err := l.claim(ctx, 1, 0)
		if err != nil {
			return ran, errors.Join(append(failed, err)...)
		}
		if len(work) == 0 {
			return ran, errors.Join(failed...)
		}
		ran++
		if err := l.run(ctx, work[0]); err != nil {
			failed = append(failed, fmt.Errorf("work %s of %s: %w", work[0].ID, work[0].Merchant, err))
		}
	}
	return ran, errors.Join(append(failed, ErrEndless)...)
}
