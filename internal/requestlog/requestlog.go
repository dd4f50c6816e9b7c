// Package requestlog keeps what merchants asked, masked and sealed, so that an
// integrator can see why a request was refused. It stands beside the way from a
// request to its commit, and never in it: who adds a request does not wait, and
// a process that is killed loses its last batch.
package requestlog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/vault"
	"remit/store"
)

// DaysDefault is how long requests are kept, in days of the business clock.
const DaysDefault = 30

// Limits of what waits to be written, and of a batch.
const (
	queueMax      = 4096
	queueBytesMax = 16 << 20 // of bodies
	batchMax      = 256
	writeTimeout  = 10 * time.Second
	closeTimeout  = 5 * time.Second // for all that waits when the log is closed
	// pause is from one batch to the next: on SQLite each is a commit that
	// others wait for. Most that a kill can lose came in this time.
	pause = 100 * time.Millisecond
)

// unverifiedMax is how many requests of one merchant are kept each hour, of
// real time, of callers who did not show that they are the merchant: within
// DaysDefault at most 1 GB of them.
const unverifiedMax = 100

// detailBytesMax is how much is kept of what a merchant was told, and of a
// name in a request, in bytes.
const detailBytesMax = 256

// Store is where requests are kept.
type Store interface {
	AddRequests(context.Context, []store.Request) error
}

// Record is one request, as it came, and what came of it.
type Record struct {
	Request dialect.Request
	// Kept is the rest, as it will be kept, but for what was asked.
	Kept store.Request
}

// Options are what a log is made of.
type Options struct {
	Store    Store
	Vault    *vault.Vault
	Dialects map[string]dialect.Dialect
	Real     func() time.Time
	Log      *slog.Logger
}

// Log writes requests in batches. A nil Log keeps nothing.
type Log struct {
	o       Options
	maskers map[string]*Masker
	queue   chan Record
	bytes   atomic.Int64 // of the bodies in the queue
	flushes chan chan struct{}
	closing chan struct{}
	done    chan struct{}
	full    atomic.Int64
	limited atomic.Int64

	until  context.Context // of the store's work; it ends when Close has waited enough
	giveUp context.CancelFunc

	mu         sync.Mutex
	waiting    int64                    // added, and neither kept nor lost
	failed     int64                    // that the store did not take
	hour       int64                    // since 1970, of real time
	unverified map[remit.MerchantID]int // in this hour
}

// New starts a log. Close ends it.
func New(o Options) *Log {
	l := &Log{
		o: o, maskers: map[string]*Masker{}, queue: make(chan Record, queueMax), flushes: make(chan chan struct{}),
		closing: make(chan struct{}), done: make(chan struct{}), unverified: map[remit.MerchantID]int{},
	}
	l.until, l.giveUp = context.WithCancel(context.Background())
	for name, d := range o.Dialects {
		l.maskers[name] = NewMasker(d.Private())
	}
	go l.run()
	return l
}

// Add has a request written soon. It never waits: where too much waits already
// the request is counted, and not kept.
func (l *Log) Add(r Record) {
	if l == nil || (!r.Kept.Verified && !l.mayKeep(r.Kept.Merchant)) {
		return
	}
	size := int64(len(r.Request.Body))
	if l.bytes.Add(size) > queueBytesMax {
		l.bytes.Add(-size)
		l.full.Add(1)
		return
	}
	l.count(1)
	select {
	case l.queue <- r:
	default:
		l.count(-1)
		l.bytes.Add(-size)
		l.full.Add(1)
	}
}

// count counts requests that wait.
func (l *Log) count(n int64) {
	l.mu.Lock()
	l.waiting += n
	l.mu.Unlock()
}

// mayKeep counts a request that was not verified.
func (l *Log) mayKeep(m remit.MerchantID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.o.Real().Unix() / int64(time.Hour/time.Second); now != l.hour {
		l.hour = now
		clear(l.unverified)
	}
	if l.unverified[m] >= unverifiedMax {
		l.limited.Add(1)
		return false
	}
	l.unverified[m]++
	return true
}

// Lost are the requests that were not kept, by why.
type Lost struct {
	Full    int64 // too many waited
	Failed  int64 // the store did not take them
	Limited int64 // too many in a merchant's name that nobody had verified
}

// Lost counts since the start.
func (l *Log) Lost() Lost {
	if l == nil {
		return Lost{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return Lost{l.full.Load(), l.failed, l.limited.Load()}
}

// Flush returns once all that was added before is written, or counted as
// lost, or ctx ends.
func (l *Log) Flush(ctx context.Context) {
	if l == nil {
		return
	}
	written := make(chan struct{})
	select {
	case l.flushes <- written:
	case <-l.done:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-written:
	case <-ctx.Done():
	}
}

// Close writes what waits, and ends the log. Nothing is added any more. What
// the store has not taken within closeTimeout is counted as lost.
func (l *Log) Close() {
	if l == nil {
		return
	}
	close(l.closing)
	enough := time.NewTimer(closeTimeout)
	defer enough.Stop()
	select {
	case <-l.done:
		l.giveUp()
	case <-enough.C:
		l.abandon()
	}
}

// abandon counts all that waits as lost, and lets the writer go.
func (l *Log) abandon() {
	l.mu.Lock()
	l.giveUp()
	lost := l.waiting
	l.failed += lost
	l.waiting = 0
	l.mu.Unlock()
	l.o.Log.Warn("requests are lost to the request log: at the end its store took too long", "requests", lost, "waited", closeTimeout)
}

// run writes a batch whenever the pause after the last one is over and there
// is something to write.
func (l *Log) run() {
	defer close(l.done)
	rest := time.NewTimer(pause)
	defer rest.Stop()
	var batch []store.Request
	var told Lost
	for {
		select {
		case r := <-l.queue:
			batch = l.write(append(batch[:0], l.row(r)))
		case written := <-l.flushes:
			l.drain(batch)
			close(written)
		case <-l.closing:
			l.drain(batch)
			return
		}
		told = l.tell(told)
		rest.Reset(pause)
		select {
		case <-rest.C:
		case written := <-l.flushes:
			l.drain(batch)
			close(written)
		case <-l.closing:
			l.drain(batch)
			return
		}
	}
}

// drain writes all that waits.
func (l *Log) drain(batch []store.Request) {
	for l.until.Err() == nil {
		select {
		case r := <-l.queue:
			batch = l.write(append(batch[:0], l.row(r)))
		default:
			return
		}
	}
}

// write fills a batch with what waits, and keeps it.
func (l *Log) write(batch []store.Request) []store.Request {
fill:
	for len(batch) < batchMax {
		select {
		case r := <-l.queue:
			batch = append(batch, l.row(r))
		default:
			break fill
		}
	}
	ctx, stop := context.WithTimeout(l.until, writeTimeout)
	defer stop()
	err := l.o.Store.AddRequests(ctx, batch)
	if l.wrote(int64(len(batch)), err) && err != nil {
		l.o.Log.Warn("requests could not be kept in the request log", "requests", len(batch), "error", err)
	}
	return batch
}

// wrote counts what the store has taken, or has not. False if Close did before.
func (l *Log) wrote(requests int64, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until.Err() != nil {
		return false
	}
	l.waiting -= requests
	if err != nil {
		l.failed += requests
	}
	return true
}

// tell warns of requests that were lost without a line of their own.
func (l *Log) tell(before Lost) Lost {
	now := l.Lost()
	if full, limited := now.Full-before.Full, now.Limited-before.Limited; full+limited > 0 {
		l.o.Log.Warn("requests were not kept in the request log", "too_many_waited", full, "too_many_not_verified", limited)
	}
	return now
}

// row is a record as it is kept.
func (l *Log) row(r Record) store.Request {
	l.bytes.Add(-int64(len(r.Request.Body)))
	k := r.Kept
	k.ID, k.At = r.Request.Trace, r.Request.At
	k.Detail, k.Wire, k.Named = plain(k.Detail), plain(k.Wire), plain(k.Named)
	var err error
	if k.Asked, err = l.seal(r.Request, k); err != nil {
		l.o.Log.Error("what was asked could not be masked and sealed, and is not kept", "trace", k.ID, "error", err)
	}
	return k
}

// seal masks a request. If that ever broke, the process would go on.
func (l *Log) seal(r dialect.Request, k store.Request) (asked remit.Sealed, err error) {
	defer func() {
		if p := recover(); p != nil {
			asked, err = "", fmt.Errorf("panic: %v", p)
		}
	}()
	return l.o.Vault.Seal(l.maskers[k.Dialect].Request(r), binding(k))
}

// plain is a text that can be kept as it is: short, without an account number.
func plain(text string) string { return cut(oneLine(string(hideAccounts(nil, text))), detailBytesMax) }

// binding is what a sealed request belongs to.
func binding(r store.Request) string { return "request/" + string(r.Merchant) + "/" + r.ID }

// Asked is what was asked, masked: the request as HTTP has it.
func Asked(v *vault.Vault, r store.Request) (string, error) { return v.Open(r.Asked, binding(r)) }
