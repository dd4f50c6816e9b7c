// Package check makes the books anew from their transfers, in one snapshot,
// and compares them with all that is stored beside them. It believes no
// balance, no state and no counter.
package check

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"remit"
	"remit/internal/vault"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// brokenMax is how many faults a report names; the rest is only counted.
const brokenMax = 100

// Report is what a check found.
type Report struct {
	OK         bool                     `json:"ok"`
	Merchants  int                      `json:"merchants"`
	Events     int                      `json:"events"`
	Transfers  int                      `json:"transfers"`
	Currencies map[money.Currency]Total `json:"currencies"`
	Broken     []string                 `json:"broken,omitempty"` // at most brokenMax of them
	Faults     int                      `json:"faults"`           // all of them
}

// Total is what all merchants have in one currency, in minor units.
type Total struct {
	BalanceMinor int64 `json:"balance_minor"`
	HeldMinor    int64 `json:"held_minor"`
}

// Progress is told now and then how many events were read.
type Progress func(events int)

// Run checks everything that a store holds.
func Run(ctx context.Context, s store.Store, v *vault.Vault, progress Progress) (Report, error) {
	if progress == nil {
		progress = func(int) {}
	}
	c := &checker{
		r: Report{Currencies: map[money.Currency]Total{}}, chain: ledger.NewChain(v.Derive(vault.ChainKey)), progress: progress, seed: maphash.MakeSeed(),
	}
	err := s.Audit(ctx, store.Visitor{
		Merchant: c.merchant, Mark: c.mark, Event: c.event, Payment: c.payment, Name: c.name,
		Disbursement: c.disbursement, Beneficiary: c.beneficiary, Accounts: c.accounts,
	})
	c.r.OK = err == nil && c.r.Faults == 0
	return c.r, err
}

// checker goes through one merchant after another.
type checker struct {
	r        Report
	chain    *ledger.Chain
	progress Progress
	seed     maphash.Seed // nobody knows it: names that sum up to the same are the same

	m        remit.Merchant
	audit    *ledger.Audit
	seq      int64
	link     string
	subjects map[string]*subject // that have not been seen yet, by their events
	fixed    []byte              // of one of them, to be used again
	payments map[remit.PaymentID]*count
	holds    map[string]bool      // that a disbursement accounts for
	marks    map[int64]store.Mark // that no event has come to yet
}

// subject is what events say of a payment, a disbursement or a beneficiary.
type subject struct {
	state      string
	stuck      bool
	hold, paid string   // the transfers that held its money, and that moved it
	times      [3]int64 // in microseconds: authorized or sent; funded or settled; ended
	seq        int64    // of the event that fixed it last
	inner      string   // that event's link, but for what it fixed
	link       string   // and with it
}

func times(on, moved, ended time.Time) [3]int64 {
	return [3]int64{on.UnixMicro(), moved.UnixMicro(), ended.UnixMicro()}
}

// learn takes in what one more event says.
func (s *subject) learn(e remit.Event) {
	for _, t := range e.Transfers {
		switch {
		case t.Step == ledger.Hold:
			s.hold = t.ID
		case t.Step == ledger.PostHold || e.Kind == string(remit.PaymentFunded):
			s.paid = t.ID
		}
	}
	if remit.IsState(e.Kind) {
		s.state = e.Kind
	}
	switch e.Kind {
	case remit.KindStuck:
		s.stuck = true
	case remit.KindUnknown:
		s.stuck = false
	case string(remit.PaymentAuthorized), string(remit.Sent):
		s.times[0] = e.At.UnixMicro()
	case string(remit.PaymentFunded), string(remit.Settled):
		s.times[1], s.stuck = e.At.UnixMicro(), false
	case string(remit.Failed), string(remit.Canceled), string(remit.Returned), string(remit.PaymentReversed):
		s.times[2], s.stuck = e.At.UnixMicro(), false
	}
}

// count is what a payment says of its refunds and its names, less what these
// make of it: in the end nothing may be left.
type count struct {
	names                   uint64 // sum of their hashes
	currency                money.Currency
	refunded, live, waiting int64
	portions                map[string]int64 // nil where it has none
}

func (n *count) settled() bool {
	for _, left := range n.portions {
		if left != 0 {
			return false
		}
	}
	return n.refunded == 0 && n.live == 0 && n.waiting == 0
}

func (c *checker) broken(format string, args ...any) {
	c.r.Faults++
	if len(c.r.Broken) < brokenMax {
		c.r.Broken = append(c.r.Broken, fmt.Sprintf("merchant %s: ", c.m.ID)+fmt.Sprintf(format, args...))
	}
}

func (c *checker) merchant(m remit.Merchant) error {
	c.r.Merchants++
	c.m, c.audit, c.seq, c.link = m, ledger.NewAudit(remit.MayGoNegative), 0, ""
	c.subjects, c.holds = map[string]*subject{}, map[string]bool{}
	c.payments, c.marks = map[remit.PaymentID]*count{}, map[int64]store.Mark{}
	return nil
}

func (c *checker) mark(k store.Mark) error {
	c.marks[k.Seq] = k
	return nil
}

// marked compares a mark with the books that the events up to it make.
func (c *checker) marked(k store.Mark) {
	delete(c.marks, k.Seq)
	said := ledger.Books{}
	for _, a := range k.Accounts {
		said[a.ID] = a
	}
	ids := slices.AppendSeq(slices.Collect(maps.Keys(said)), maps.Keys(c.audit.Books))
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		was, is := c.audit.Books[id], said[id]
		unmoved := was.Debits == 0 && was.Credits == 0 && was.Held == 0
		if _, there := said[id]; (there || !unmoved) && was != is {
			c.broken("the mark at event %d is wrong about account %s", k.Seq, id)
		}
	}
}

// progressEvery is how many events pass between two words of progress.
const progressEvery = 10_000

func (c *checker) event(e remit.Event) error {
	c.r.Events++
	if c.r.Events%progressEvery == 0 {
		c.progress(c.r.Events)
	}
	c.seq++
	if e.Seq != c.seq {
		c.broken("event %d stands where %d should", e.Seq, c.seq)
		c.seq = e.Seq
	}
	c.chained(e)
	c.link = e.Link
	for i, t := range e.Transfers {
		if want := remit.TransferID(e.Seq, i); t.ID != want {
			c.broken("transfer %s of event %d should be %s", t.ID, e.Seq, want)
		}
		if err := c.audit.Add(t); err != nil {
			c.broken("%v", err)
		}
	}
	c.r.Transfers += len(e.Transfers)
	if k, ok := c.marks[e.Seq]; ok {
		c.marked(k)
	}
	return nil
}

// chained holds an event against the link before it. The first of a subject,
// and each that fixed it anew, has to wait until it is known what was fixed.
func (c *checker) chained(e remit.Event) {
	link, s := c.chain.Link(c.link, e.ChainFields()...), c.subjects[e.Subject]
	switch {
	case e.Subject != "" && (s == nil || e.Was != ""):
		if s == nil {
			s = &subject{times: times(time.Time{}, time.Time{}, time.Time{})}
			c.subjects[e.Subject] = s
		} else {
			c.fixes(e.Subject, s, e.Was)
		}
		s.seq, s.inner, s.link = e.Seq, link, e.Link
	case link != e.Link:
		c.broken("event %d breaks the chain: it, or one before it, was altered", e.Seq)
	}
	if s != nil {
		s.learn(e)
	}
}

// fixes holds what is fixed of a subject against the event that fixed it.
func (c *checker) fixes(id string, s *subject, digest string) {
	if c.chain.Link(s.inner, digest) != s.link {
		c.broken("%s is not as event %d fixed it, or that event, or one before it, was altered", id, s.seq)
	}
}

// said is what events say of a subject; nil if they say nothing. It takes note
// that it is there, and holds what is fixed of it against them.
func (c *checker) said(id string, fixed []byte) *subject {
	c.fixed = fixed
	s := c.subjects[id]
	if s == nil {
		c.broken("%s is there, and no event tells of it", id)
		return nil
	}
	c.fixes(id, s, c.chain.Digest(fixed))
	delete(c.subjects, id)
	return s
}

// agree holds what a payment or a disbursement says of itself against its
// events.
func (c *checker) agree(id string, fixed []byte, row subject) {
	s := c.said(id, fixed)
	if s == nil {
		return
	}
	if row.state != s.state {
		c.broken("%s is %s, its events say %q", id, row.state, s.state)
	}
	if row.hold != s.hold || row.paid != s.paid || row.stuck != s.stuck {
		c.broken("%s is held by %q, moved by %q, stuck %t; its events say %q, %q, %t", id, row.hold, row.paid, row.stuck, s.hold, s.paid, s.stuck)
	}
	if row.times != s.times {
		c.broken("%s says other times than its events", id)
	}
}

// name takes a further name off what its payment says.
func (c *checker) name(n store.PaymentName) error {
	if of, ok := c.payments[n.Payment]; ok {
		of.names -= maphash.Comparable(c.seed, n.Name)
	} else {
		c.broken("%q is a name of payment %q, which is not there", n.Name.Text, n.Payment)
	}
	return nil
}

func (c *checker) beneficiary(b remit.Beneficiary) error {
	c.said(string(b.ID), b.Fixed(c.fixed[:0]))
	return nil
}

func (c *checker) payment(p remit.Payment) error {
	n := &count{currency: p.Amount.Currency, refunded: p.RefundedMinor, live: p.RefundsLive, waiting: p.RefundsWaiting}
	for _, x := range p.Portions {
		if n.portions == nil {
			n.portions = map[string]int64{}
		}
		n.portions[x.Name] += x.RefundedMinor
		if x.RefundedMinor < 0 || x.RefundedMinor > max(x.Minor, 0) { // nothing of one below zero, which is a discount
			c.broken("payment %s has %d refunded of its portion %s of %d", p.ID, x.RefundedMinor, x.Name, x.Minor)
		}
	}
	for i, x := range p.Names {
		if !slices.Contains(p.Names[:i], x) {
			n.names += maphash.Comparable(c.seed, x)
		}
	}
	c.payments[p.ID] = n
	c.agree(string(p.ID), p.Fixed(c.fixed[:0]), subject{
		state: string(p.State), paid: p.Funding, times: times(p.Authorized, p.Funded, p.Ended),
	})
	if p.RefundedMinor < 0 || p.RefundedMinor > p.Amount.Minor {
		c.broken("payment %s of %d has %d refunded", p.ID, p.Amount.Minor, p.RefundedMinor)
	}
	if t, ok := c.audit.Posted(p.Funding); p.State == remit.PaymentFunded && (!ok || t.Amount != p.Amount) {
		c.broken("payment %s is of %s, and %s came in for it", p.ID, p.Amount, t.Amount)
	}
	return nil
}

func (c *checker) disbursement(d remit.Disbursement) error {
	c.agree(string(d.ID), d.Fixed(c.fixed[:0]), subject{
		state: string(d.State), stuck: d.Stuck, hold: d.Hold, paid: d.Paid, times: times(d.Sent, d.Settled, d.Ended),
	})
	if d.Kind == remit.KindRefund {
		c.refund(d)
	}
	if t, ok := c.audit.Posted(d.Paid); d.State == remit.Settled && (!ok || t.Amount != d.Amount) {
		c.broken("disbursement %s is of %s, and %s was paid", d.ID, d.Amount, t.Amount)
	}
	hold, open := c.audit.OpenHolds()[d.Hold]
	held := d.Holds()
	switch {
	case held && (!open || hold.Amount != d.Amount):
		c.broken("disbursement %s is %s, and its %s are not held", d.ID, d.State, d.Amount)
	case !held && open && d.Hold != "":
		c.broken("disbursement %s is %s, and still holds %s", d.ID, d.State, d.Amount)
	case held:
		c.holds[d.Hold] = true
	}
	return nil
}

// refund takes a refund off what its payment says.
func (c *checker) refund(d remit.Disbursement) {
	n, ok := c.payments[d.Payment]
	if !ok || n.currency != d.Amount.Currency {
		c.broken("disbursement %s refunds payment %q, which is not there in %s", d.ID, d.Payment, d.Amount.Currency)
		return
	}
	if !d.Live() {
		return
	}
	n.refunded -= d.Amount.Minor
	n.live--
	if d.State == remit.Waiting && d.WaitingFor == remit.WaitFunding {
		n.waiting--
	}
	for _, x := range d.Portions {
		if n.portions == nil {
			n.portions = map[string]int64{}
		}
		n.portions[x.Name] -= x.Minor
	}
}

// accounts comes last: by now all of the merchant has been seen.
func (c *checker) accounts(_ remit.MerchantID, stored []ledger.Account) error {
	if c.m.Seq != c.seq || c.m.Head != c.link {
		c.broken("its row stands at event %d, its events end at %d, or at another link", c.m.Seq, c.seq)
	}
	for _, id := range slices.Sorted(maps.Keys(c.subjects)) {
		c.broken("%s is not there, and its events say %q", id, c.subjects[id].state)
	}
	for id, n := range c.payments {
		if !n.settled() {
			c.broken("payment %s differs from its refunds by %d, in their number by %d (%d waiting), in its portions by %v",
				id, n.refunded, n.live, n.waiting, n.portions)
		}
		if n.names != 0 {
			c.broken("payment %s is found by other names than it has", id)
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(c.marks)) {
		c.broken("there is a mark at event %d, and no such event", seq)
	}
	for id := range c.audit.OpenHolds() {
		if !c.holds[id] {
			c.broken("hold %s is no disbursement's", id)
		}
	}
	for _, err := range c.audit.Compare(stored) {
		c.broken("%v", err)
	}
	for _, a := range stored {
		if a.ID == remit.BalanceAccount(c.m.ID, a.Currency) {
			t := c.r.Currencies[a.Currency]
			t.BalanceMinor += a.Balance()
			t.HeldMinor += a.Held
			c.r.Currencies[a.Currency] = t
		}
	}
	return nil
}
