// Package engine is the only writer of money. It gathers commands that wait,
// has them decided one after another in memory, and keeps all of it in one
// transaction: locks first, then reads, then one commit for the whole group.
// It also carries out what those commits cause: instructions to rails and
// notifications to merchants.
package engine

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/vault"
	"remit/rail"
	"remit/store"
)

// Limits of one engine.
const (
	groupMax     = 128    // commands in one transaction
	queueMax     = 20_000 // commands that wait for one lane
	missesMax    = 3      // groups that found a merchant locked, before one waits for it alone
	retriesMax   = 8      // of a group whose transaction failed
	passedMax    = 3      // numbers of other things that one command passes over
	retryWaitMin = 5 * time.Millisecond
	retryWaitMax = time.Second
	groupTimeout = 30 * time.Second // of real time, for one transaction
	textBytesMax = 1 << 20          // of any one text that a command keeps
	owedLease    = 30 * time.Second // of real time: how long a notification waits for the answer to its cause
	lanesDefault = 1
)

// Directory knows our own keys and our merchants' keys.
type Directory interface {
	// Signer signs as us in a dialect.
	Signer(dialect string) dialect.Signer
	// KeyVersion is the version of the key with which a dialect signs now.
	KeyVersion(dialect string) int64
	// Merchant is what a dialect knows of one of our merchants.
	Merchant(ctx context.Context, dialect string, m remit.MerchantID) (dialect.Caller, error)
}

// Caller makes one HTTP call to a merchant.
type Caller interface {
	Send(ctx context.Context, url string, out dialect.Outgoing) (dialect.Reply, time.Duration, error)
}

// Observer is told what the engine does; all of it may be called at once.
type Observer interface {
	Group(commands int, took time.Duration, err error)
	Command(kind string, took time.Duration, err error)
	Rail(rail, call, status string, took time.Duration)
	Delivery(dialect, kind, result string, took time.Duration)
}

// Config is what an engine is made of.
type Config struct {
	Store     store.Store
	Vault     *vault.Vault
	Directory Directory
	Dialects  map[string]dialect.Dialect
	Rails     map[string]rail.Rail
	Rail      string                      // over which refunds leave
	Key       func(dialect string) []byte // see dialect.Request.Key; nil is none
	Caller    Caller
	Now       func() time.Time              // of the business clock
	Real      func() time.Time              // of the real clock: leases
	NewID     func(remit.MerchantID) string // 19 of [0-9a-z]
	Lanes     int                           // how many groups run side by side; 0 is one
	// LinesAtOnce is how many lines of a statement are carried out side by
	// side; 0 is one.
	LinesAtOnce int
	Observer    Observer                             // nil observes nothing
	Log         *slog.Logger                         // nil logs nothing
	Hook        func(point string)                   // for crash tests: called at each point named in Points; nil does nothing
	Settings    func(remit.MerchantID)               // told of each merchant that is another now: its settings, its credentials; nil tells nobody
	Sleep       func(context.Context, time.Duration) // between tries of a group; nil is real sleep
}

// The points at which Config.Hook is called.
const (
	PointCommitted = "engine-committed" // a group is kept, and not yet answered
	PointMarked    = "engine-marked"    // a disbursement is sent by our books, and not yet handed over
	PointSubmitted = "engine-submitted" // a rail has answered, and we have not written it
	PointDelivered = "engine-delivered" // a merchant has answered, and we have not written it
)

// Engine decides and commits. It is safe for concurrent use.
type Engine struct {
	cfg   Config
	lanes []*lane

	mu      sync.RWMutex
	closing bool
	wakes   []wake
	running sync.WaitGroup

	numbers    sync.Map // remit.MerchantID → vault.Numbers
	delivering places
	inFlight   sync.Map // store.AnswerRef → true: keys that are being decided
}

// New starts an engine. Close stops it.
func New(cfg Config) *Engine {
	if cfg.Observer == nil {
		cfg.Observer = blind{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Hook == nil {
		cfg.Hook = func(string) {}
	}
	if cfg.Settings == nil {
		cfg.Settings = func(remit.MerchantID) {}
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Key == nil {
		cfg.Key = func(string) []byte { return nil }
	}
	if cfg.Lanes == 0 {
		cfg.Lanes = lanesDefault
	}
	e := &Engine{cfg: cfg}
	for range cfg.Lanes {
		l := newLane(e, newLane(e, nil))
		e.lanes = append(e.lanes, l)
		e.running.Go(l.run)
	}
	return e
}

// Head starts a command: its id is minted here, before it queues.
func (e *Engine) Head(m remit.MerchantID, actor, evidence string) remit.Head {
	return remit.Head{ID: e.cfg.NewID(m), Merchant: m, Actor: actor, Evidence: evidence}
}

// Do has a command decided, and answers when what it changed is kept. An
// *remit.Error refuses it. If ctx ends first the error is Unavailable, and the
// command may still be carried out.
func (e *Engine) Do(ctx context.Context, cmd remit.Command) (remit.Result, error) {
	start := e.cfg.Real()
	res, err := e.do(ctx, cmd)
	e.cfg.Observer.Command(kindOf(cmd), e.cfg.Real().Sub(start), err)
	return res, err
}

func (e *Engine) do(ctx context.Context, cmd remit.Command) (remit.Result, error) {
	j := &job{ctx: ctx, cmd: cmd, head: cmd.Header(), needs: cmd.Needs(), done: make(chan answer, 1)}
	if err := e.queue(j); err != nil {
		return remit.Result{}, err
	}
	select {
	case a := <-j.done:
		return a.result, a.err
	case <-ctx.Done():
		return remit.Result{}, &remit.Error{Code: remit.Unavailable, Detail: "the answer did not come in time", Err: ctx.Err()}
	}
}

func (e *Engine) queue(j *job) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closing {
		return remit.Errorf(remit.Unavailable, remit.ReasonShuttingDown, "the service is about to stop")
	}
	if !e.laneOf(j.head.Merchant).put(j) {
		return errQueueFull()
	}
	return nil
}

func (e *Engine) laneOf(m remit.MerchantID) *lane {
	h := fnv.New32a()
	h.Write([]byte(m))
	return e.lanes[h.Sum32()%uint32(len(e.lanes))]
}

// Close takes no more commands, finishes those that wait, and returns.
func (e *Engine) Close() {
	e.mu.Lock()
	first := !e.closing
	e.closing = true
	e.mu.Unlock()
	if first {
		for _, l := range e.lanes {
			l.close()
		}
	}
	e.running.Wait()
}

// Waiting is how many commands wait to be decided.
func (e *Engine) Waiting() int {
	n := 0
	for _, l := range e.lanes {
		n += l.waiting()
	}
	return n
}

// wake is a channel of somebody who waits for work of a kind, "" of any.
type wake struct {
	kind remit.WorkKind
	c    chan struct{}
}

// Wake makes a channel that tells whenever work of the kind was written or
// done, so that other work of it may be due. "" is every kind.
func (e *Engine) Wake(kind remit.WorkKind) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := wake{kind, make(chan struct{}, 1)}
	e.wakes = append(e.wakes, w)
	return w.c
}

// ring tells who waits for work of one of these kinds.
func (e *Engine) ring(kinds map[remit.WorkKind]bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, w := range e.wakes {
		if !kinds[w.kind] && (w.kind != "" || len(kinds) == 0) {
			continue
		}
		select {
		case w.c <- struct{}{}:
		default:
		}
	}
}

// now is the business clock as the books keep it: UTC, in microseconds.
func (e *Engine) now() time.Time { return e.cfg.Now().UTC().Truncate(time.Microsecond) }

func (e *Engine) real() time.Time { return e.cfg.Real().UTC().Truncate(time.Microsecond) }

// number is the n-th of a merchant's ten-digit numbers.
func (e *Engine) number(m remit.MerchantID) func(int64) string {
	k, ok := e.numbers.Load(m)
	if !ok {
		k, _ = e.numbers.LoadOrStore(m, e.cfg.Vault.NumbersFor(m))
	}
	return k.(vault.Numbers).At
}

// kindOf is a command's kind as metrics name it: its type's name.
func kindOf(cmd remit.Command) string { return reflect.TypeOf(cmd).Name() }

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// blind is an observer that looks away.
type blind struct{}

func (blind) Group(int, time.Duration, error)          {}
func (blind) Command(string, time.Duration, error)     {}
func (blind) Rail(_, _, _ string, _ time.Duration)     {}
func (blind) Delivery(_, _, _ string, _ time.Duration) {}

// lost tells that somebody else has the work by now.
func lost(err error) bool { return errors.Is(err, remit.ErrLost) }
