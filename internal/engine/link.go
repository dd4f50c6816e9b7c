package engine

import (
	"bytes"
	"fmt"
	"slices"

	"remit"
	"remit/store"
)

// link chains a change's events. The first one of a subject of which something
// is fixed, or fixed anew, holds that too: check.Run knows it by being the
// subject's first, or by what was.
func (g *group) link(m remit.MerchantID, c *remit.Change) error {
	fixes := g.fixes(m, c)
	for i := range c.Events {
		e := &c.Events[i]
		at := slices.IndexFunc(fixes, func(f fix) bool { return f.subject == e.Subject })
		if at >= 0 {
			e.Was = fixes[at].was
		}
		e.Link = g.chain.Link(c.Merchant.Head, e.ChainFields()...)
		if at >= 0 {
			e.Link = g.chain.Link(e.Link, fixes[at].is)
			fixes = slices.Delete(fixes, at, at+1)
		}
		c.Merchant.Head = e.Link
	}
	if len(fixes) > 0 {
		return fmt.Errorf("no event tells that %s changed", fixes[0].subject)
	}
	return nil
}

// fix is the digest of what is fixed of a subject, and of what was; "" of one
// that is new.
type fix struct{ subject, is, was string }

// fixes are those of a change.
func (g *group) fixes(m remit.MerchantID, c *remit.Change) (all []fix) {
	add := func(subject string, known bool) {
		if known && bytes.Equal(g.had, g.has) {
			return
		}
		f := fix{subject: subject, is: g.chain.Digest(g.has)}
		if known {
			f.was = g.chain.Digest(g.had)
		}
		all = append(all, f)
	}
	for _, p := range c.Payments {
		before, known := g.have.Payments[store.PaymentRef{Merchant: m, ID: p.ID}]
		g.had, g.has = before.Fixed(g.had[:0]), p.Fixed(g.has[:0])
		add(string(p.ID), known)
	}
	for _, d := range c.Disbursements {
		before, known := g.have.Disbursements[store.DisbursementRef{Merchant: m, ID: d.ID}]
		g.had, g.has = before.Fixed(g.had[:0]), d.Fixed(g.has[:0])
		add(string(d.ID), known)
	}
	for _, b := range c.Beneficiaries {
		g.has = b.Fixed(g.has[:0])
		add(string(b.ID), false)
	}
	return all
}
