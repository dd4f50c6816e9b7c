package engine

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"slices"
	"strconv"

	"remit"
	"remit/dialect"
	"remit/store"
)

// notices adds the notifications that the change's events owe the merchant,
// in the words of the dialect in which each thing was made, and the work of
// delivering them. What tells of a merchant's own request waits until that
// request is answered.
func (g *group) notices(j *job, c *remit.Change, was map[string]remit.State) {
	for i := range c.Events {
		ev := c.Events[i]
		o := dialect.Occurrence{Event: ev, Merchant: c.Merchant}
		name := g.subject(j, c, ev, was, &o)
		d, ok := g.e.cfg.Dialects[name]
		if !ok {
			continue
		}
		o.KeyVersion = g.e.cfg.Directory.KeyVersion(name)
		o.Key = func() []byte { return g.e.cfg.Key(name) }
		o.Number = func() string {
			c.Merchant.Numbers++
			return g.e.number(c.Merchant.ID)(c.Merchant.Numbers)
		}
		n := 0
		o.UUID = func() string {
			n++
			return g.e.uuid(ev, n)
		}
		for k, notice := range d.Notices(o) {
			id := remit.WorkID{Seq: ev.Seq, N: int64(k) + 1} // 0 is the sending's
			w := remit.Work{Merchant: ev.Merchant, ID: id, Kind: remit.WorkDeliver, Subject: ev.Subject, Order: order(o), Due: g.now}
			if j.head.Actor == remit.ActorMerchant {
				w.Lease = g.real.Add(owedLease)
				c.Result.Owed = append(c.Result.Owed, id)
			}
			c.Work = append(c.Work, w)
			c.Deliveries = append(c.Deliveries, remit.Delivery{
				Merchant: ev.Merchant, ID: id, Dialect: name, Subject: ev.Subject, Notice: notice,
				State: remit.DeliveryDue, Created: g.now, Updated: g.now,
			})
		}
	}
}

// subject fills in what the event happened to, and says in which dialect that
// was made.
func (g *group) subject(j *job, c *remit.Change, ev remit.Event, was map[string]remit.State, o *dialect.Occurrence) string {
	if r, ok := j.cmd.(remit.Register); ok {
		o.Register, o.Beneficiary = &r, c.Result.Beneficiary
		return r.Dialect
	}
	for _, p := range c.Payments {
		o.Payment = &p
	}
	for _, d := range c.Disbursements {
		if string(d.ID) != ev.Subject {
			continue
		}
		o.Was = was[ev.Subject]
		if next := remit.State(ev.Kind); d.State != next && slices.Contains(remit.States(), next) {
			d.State = next // one of several moves of the same change
		}
		was[ev.Subject] = d.State
		o.Disbursement = &d
		if o.Payment == nil && d.Payment != "" {
			if p, ok := g.have.Payments[store.PaymentRef{Merchant: d.Merchant, ID: d.Payment}]; ok {
				o.Payment = &p
			}
		}
		return d.Dialect
	}
	if o.Payment != nil && string(o.Payment.ID) == ev.Subject {
		return o.Payment.Dialect
	}
	return ""
}

// order is what notifications are delivered one after another for: the
// payment, or the payout.
func order(o dialect.Occurrence) string {
	if d := o.Disbursement; o.Payment != nil && (d == nil || d.Kind == remit.KindRefund) {
		return string(o.Payment.ID)
	}
	return o.Event.Subject
}

// uuid makes the n-th UUID of an event. It is the same however often the event
// is decided.
func (e *Engine) uuid(ev remit.Event, n int) string {
	return uuidOf(e.cfg.Vault.Digest("uuid", string(ev.Merchant), ev.Cause, strconv.FormatInt(ev.Seq, 10), strconv.Itoa(n)))
}

// uuidOf shapes a digest into a UUID of version 4.
func uuidOf(digest string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(digest)
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	h := hex.EncodeToString(raw)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// tokenChars is what a token is made of, and tokenLength how long it is: 214
// bits.
const (
	tokenChars  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	tokenLength = 36
)

// mint makes the names of one command. They are the same however often the
// command is decided.
func (e *Engine) mint(h remit.Head) func(remit.Naming, int) string {
	return func(form remit.Naming, n int) string {
		parts := []string{"name", string(h.Merchant), h.ID, string(form), strconv.Itoa(n)}
		digest := e.cfg.Vault.Digest(parts...)
		if form == remit.UUID {
			return uuidOf(digest)
		}
		// Two digests hold 256 bits: enough for a token.
		raw, _ := base64.RawURLEncoding.DecodeString(digest + e.cfg.Vault.Digest(append(parts, "more")...))
		return inBase62(raw)[:tokenLength]
	}
}

// inBase62 writes bytes as digits of tokenChars, the lowest first.
func inBase62(raw []byte) string {
	n, base, digit := new(big.Int).SetBytes(raw), big.NewInt(int64(len(tokenChars))), new(big.Int)
	text := make([]byte, 0, 2*len(raw))
	for len(text) < cap(text) {
		n.DivMod(n, base, digit)
		text = append(text, tokenChars[digit.Int64()])
	}
	return string(text)
}

// Release lets the deliveries go that waited for the answer to their cause.
// The caller has put that answer on the wire. If it fails, or is never called,
// their lease runs out.
func (e *Engine) Release(ctx context.Context, m remit.MerchantID, owed []remit.WorkID) error {
	_, err := e.Do(ctx, remit.Release{Head: e.Head(m, "engine", "the answer is on the wire"), Work: owed})
	return err
}
