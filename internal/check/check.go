// Package check makes the books anew from their transfers, in one snapshot,
// and compares them with all that is stored beside them. It believes no
// balance, no state and no counter.
package check

import (
	"context"
	"fmt"

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
		Merchant: c.merchant, Event: c.event, Payment: c.payment, Disbursement: c.disbursement, Accounts: c.accounts,
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
	states   map[string]string // of each subject, by its events
	payments map[remit.PaymentID]remit.Payment
	sums     map[remit.PaymentID]sum // what the disbursements make of each payment
	holds    map[string]bool         // that a disbursement accounts for
}

type sum struct{ refunded, live, waiting int64 }

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
	c.payments, c.sums = map[remit.PaymentID]remit.Payment{}, map[remit.PaymentID]sum{}
	return nil
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
	if remit.IsState(e.Kind) {
		c.states[e.Subject] = e.Kind
	}
	return nil
}

func (c *checker) payment(p remit.Payment) error {
	c.payments[p.ID] = p
	if got := c.states[string(p.ID)]; got != string(p.State) {
		c.broken("payment %s is %s, its events say %q", p.ID, p.State, got)
	}
	if p.RefundedMinor < 0 || p.RefundedMinor > p.Amount.Minor {
		c.broken("payment %s of %d has %d refunded", p.ID, p.Amount.Minor, p.RefundedMinor)
	}
	return nil
}

func (c *checker) disbursement(d remit.Disbursement) error {
	if got := c.states[string(d.ID)]; got != string(d.State) {
		c.broken("disbursement %s is %s, its events say %q", d.ID, d.State, got)
	}
	if d.Kind == remit.KindRefund && d.Live() {
		s := c.sums[d.Payment]
		s.refunded += d.Amount.Minor
		s.live++
		if d.State == remit.Waiting && d.WaitingFor == remit.WaitFunding {
			s.waiting++
		}
		c.sums[d.Payment] = s
	}
	if p, ok := c.payments[d.Payment]; d.Kind == remit.KindRefund && (!ok || p.Amount.Currency != d.Amount.Currency) {
		c.broken("disbursement %s refunds payment %q, which is not there in %s", d.ID, d.Payment, d.Amount.Currency)
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

// accounts comes last: by now all of the merchant has been seen.
func (c *checker) accounts(_ remit.MerchantID, stored []ledger.Account) error {
	if c.m.Seq != c.seq || c.m.Head != c.link {
		c.broken("its row stands at event %d, its events end at %d, or at another link", c.m.Seq, c.seq)
	}
	for id, p := range c.payments {
		if s := c.sums[id]; s.refunded != p.RefundedMinor || s.live != p.RefundsLive || s.waiting != p.RefundsWaiting {
			c.broken("payment %s counts %d refunded by %d (%d waiting), its refunds make %d by %d (%d)",
				id, p.RefundedMinor, p.RefundsLive, p.RefundsWaiting, s.refunded, s.live, s.waiting)
		}
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
