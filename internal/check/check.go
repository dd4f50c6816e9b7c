// Package check makes the books anew from their transfers, in one snapshot,
// and compares them with all that is stored beside them. It believes no
// balance, no state and no counter.
package check

import (
	"context"
	"fmt"
	"maps"
	"slices"

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
	c := &checker{r: Report{Currencies: map[money.Currency]Total{}}, chain: ledger.NewChain(v.Derive(vault.ChainKey)), progress: progress}
	err := s.Audit(ctx, store.Visitor{
		Merchant: c.merchant, Mark: c.mark, Event: c.event, Payment: c.payment, Disbursement: c.disbursement, Accounts: c.accounts,
	})
	c.r.OK = err == nil && c.r.Faults == 0
	return c.r, err
}

// checker goes through one merchant after another.
type checker struct {
	r        Report
	chain    *ledger.Chain
	progress Progress

	m        remit.Merchant
	audit    *ledger.Audit
	seq      int64
	link     string
	states   map[string]string // of each subject that has not been seen yet, by its events
	payments map[remit.PaymentID]*count
	holds    map[string]bool      // that a disbursement accounts for
	marks    map[int64]store.Mark // that no event has come to yet
}

// count is what a payment says of its refunds, less what these make of it: in
// the end nothing may be left.
type count struct {
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
	c.states, c.holds = map[string]string{}, map[string]bool{}
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
	if want := c.chain.Link(c.link, e.ChainFields()...); e.Link != want {
		c.broken("event %d breaks the chain: it, or one before it, was altered", e.Seq)
	}
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
	if remit.IsState(e.Kind) {
		c.states[e.Subject] = e.Kind
	}
	return nil
}

// said is the state of a subject by its events, and takes note that it is
// there.
func (c *checker) said(subject string) string {
	state := c.states[subject]
	delete(c.states, subject)
	return state
}

func (c *checker) payment(p remit.Payment) error {
	n := &count{currency: p.Amount.Currency, refunded: p.RefundedMinor, live: p.RefundsLive, waiting: p.RefundsWaiting}
	for _, x := range p.Portions {
		if n.portions == nil {
			n.portions = map[string]int64{}
		}
		n.portions[x.Name] += x.RefundedMinor
		if x.RefundedMinor < 0 || x.RefundedMinor > x.Minor {
			c.broken("payment %s has %d refunded of its portion %s of %d", p.ID, x.RefundedMinor, x.Name, x.Minor)
		}
	}
	c.payments[p.ID] = n
	if got := c.said(string(p.ID)); got != string(p.State) {
		c.broken("payment %s is %s, its events say %q", p.ID, p.State, got)
	}
	if p.RefundedMinor < 0 || p.RefundedMinor > p.Amount.Minor {
		c.broken("payment %s of %d has %d refunded", p.ID, p.Amount.Minor, p.RefundedMinor)
	}
	if t, ok := c.audit.Posted(p.Funding); p.State == remit.PaymentFunded && (!ok || t.Amount != p.Amount) {
		c.broken("payment %s is of %s, and %s came in for it", p.ID, p.Amount, t.Amount)
	}
	return nil
}

func (c *checker) disbursement(d remit.Disbursement) error {
	if got := c.said(string(d.ID)); got != string(d.State) {
		c.broken("disbursement %s is %s, its events say %q", d.ID, d.State, got)
	}
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
	for _, id := range slices.Sorted(maps.Keys(c.states)) {
		c.broken("%s is not there, and its events say %q", id, c.states[id])
	}
	for id, n := range c.payments {
		if !n.settled() {
			c.broken("payment %s differs from its refunds by %d, in their number by %d (%d waiting), in its portions by %v",
				id, n.refunded, n.live, n.waiting, n.portions)
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
