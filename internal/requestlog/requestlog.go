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
	failed  atomic.Int64
	limited atomic.Int64

	mu         sync.Mutex
	hour       int64                    // since 1970, of real time
	unverified map[remit.MerchantID]int // in this hour
}

// New starts a log. Close ends it.
func New(o Options) *Log {
	l := &Log{
		o: o, maskers: map[string]*Masker{}, queue: make(chan Record, queueMax), flushes: make(chan chan struct{}),
		closing: make(chan struct{}), done: make(chan struct{}), unverified: map[remit.MerchantID]int{},
	}
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
	select {
	case l.queue <- r:
	default:
		l.bytes.Add(-size)
		l.full.Add(1)
	}
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
	return Lost{l.full.Load(), l.failed.Load(), l.limited.Load()}
}

// Flush returns once all that was added before is written, or counted as lost.
func (l *Log) Flush() {
	if l == nil {
		return
	}
	written := make(chan struct{})
	select {
	case l.flushes <- written:
		<-written
	case <-l.done:
	}
}

// Close writes what waits, and ends the log. Nothing is added any more.
func (l *Log) Close() {
	if l == nil {
		return
	}
	close(l.closing)
	<-l.done
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
	for {
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
	ctx, stop := context.WithTimeout(context.Background(), writeTimeout)
	defer stop()
	if err := l.o.Store.AddRequests(ctx, batch); err != nil {
		l.failed.Add(int64(len(batch)))
		l.o.Log.Warn("requests could not be kept in the request log", "requests", len(batch), "error", err)
	}
	return batch
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
