package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/webhook"
	"remit/store"
)

// deliveriesOfOneMax is how many notifications of one merchant are made at a
// time: so that its hosts, if they hang, keep nobody else's waiting.
const deliveriesOfOneMax = 8

// deliver makes one call of a delivery, and keeps what came of it.
func (e *Engine) deliver(ctx context.Context, w remit.Work) error {
	if !e.delivering.take(w.Merchant) {
		return e.putOff(ctx, w)
	}
	defer e.delivering.give(w.Merchant)
	ref := store.WorkRef{Merchant: w.Merchant, ID: w.ID}
	have, err := e.cfg.Store.Read(ctx, store.Wants{Deliveries: []store.WorkRef{ref}})
	if err != nil {
		return err
	}
	d, ok := have.Deliveries[ref]
	if !ok {
		return fmt.Errorf("work %s of %s makes a delivery that is not there", w.ID, w.Merchant)
	}
	speaks, ok := e.cfg.Dialects[d.Dialect]
	if !ok {
		return fmt.Errorf("delivery %s of %s speaks %q, which is not configured", w.ID, w.Merchant, d.Dialect)
	}
	to, err := e.cfg.Directory.Merchant(ctx, d.Dialect, w.Merchant)
	if err != nil {
		return err
	}
	try, reply, err := e.try(ctx, speaks, d, to)
	if errors.Is(err, webhook.ErrBusy) {
		return e.putOff(ctx, w)
	}
	e.cfg.Hook(PointDelivered)
	if try.Problem == "" {
		if err := e.heed(ctx, speaks, d, reply, to); err != nil {
			return err
		}
	}
	wait, more := speaks.Retry(d.Notice, d.Tries+1)
	_, err = e.Do(ctx, remit.RecordTry{
		Head: e.Head(w.Merchant, "engine", "work:"+w.ID.String()), Work: w, Try: try, Again: wait, More: more,
	})
	return err
}

// heed carries out what a merchant's reply to a notification asks for. It
// comes before the try is kept: after a crash the merchant is told again and
// answers the same, and what was carried out is refused.
func (e *Engine) heed(ctx context.Context, speaks dialect.Dialect, d remit.Delivery, r dialect.Reply, to dialect.Caller) error {
	l, ok := speaks.(dialect.Listener)
	if !ok {
		return nil
	}
	res, err := e.Ask(ctx, d.Merchant, d.Dialect, "reply:"+d.ID.String(), l.Heard(d.Notice, r, to))
	if refused, ok := errors.AsType[*remit.Error](err); ok && !refused.Code.Transient() {
		return nil
	}
	if err != nil || len(res.Owed) == 0 {
		return err
	}
	return e.Release(ctx, d.Merchant, res.Owed)
}

// putOff gives a delivery back that could not be tried.
func (e *Engine) putOff(ctx context.Context, w remit.Work) error {
	_, err := e.Do(ctx, remit.PutOff{Head: e.Head(w.Merchant, "engine", "work:"+w.ID.String()), Work: w, Again: busyAgain})
	return err
}

// busyAgain is when a delivery is made for whose merchant, or host, too many
// calls were running.
const busyAgain = time.Second

// responseBytesMax is how much of a merchant's answer to a notification is
// kept, in bytes.
const responseBytesMax = 2 << 10

func (e *Engine) try(ctx context.Context, speaks dialect.Dialect, d remit.Delivery, to dialect.Caller) (remit.Try, dialect.Reply, error) {
	t := remit.Try{At: e.now()}
	var reply dialect.Reply
	var took time.Duration
	out, err := speaks.Seal(d.Notice, e.cfg.Directory.Signer(d.Dialect), to, t.At)
	if err == nil {
		reply, took, err = e.cfg.Caller.Send(ctx, d.Notice.URL, out)
	}
	t.Took = took.Truncate(time.Microsecond)
	t.Status, t.Response = int64(reply.Status), text(string(reply.Body))
	if err == nil {
		err = speaks.Acknowledged(d.Notice, reply, to)
	}
	result := "delivered"
	if err != nil {
		t.Problem, result = text(err.Error()), "refused"
	}
	e.cfg.Observer.Delivery(d.Dialect, d.Notice.Kind, result, took)
	return t, reply, err
}

// text makes what a stranger sent fit to be kept: short, valid, without NUL.
func text(s string) string {
	s = s[:min(len(s), responseBytesMax)]
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// places are how much is done for each merchant at a time. The zero value is
// ready.
type places struct {
	mu    sync.Mutex
	taken map[remit.MerchantID]int
}

func (p *places) take(m remit.MerchantID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[m] >= deliveriesOfOneMax {
		return false
	}
	if p.taken == nil {
		p.taken = map[remit.MerchantID]int{}
	}
	p.taken[m]++
	return true
}

func (p *places) give(m remit.MerchantID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[m]--; p.taken[m] == 0 {
		delete(p.taken, m)
	}
}
