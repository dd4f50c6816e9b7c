package engine

import (
	"remit"
	"remit/dialect"
	"remit/store"
)

// AccountBinding is what a sealed account and its holder's name are bound to:
// copied to anything else they do not open (docs/adr/0015-rows-in-the-chain.md).
func AccountBinding(m remit.MerchantID, of remit.Owner) string {
	return "account/" + string(m) + "/" + string(of)
}

// open opens a sealed account or name.
func (e *Engine) open(m remit.MerchantID, of remit.Owner, s remit.Sealed) (string, error) {
	return e.cfg.Vault.Open(s, AccountBinding(m, of))
}

// sealer seals what belongs to one merchant, and keeps the first error.
type sealer struct {
	e   *Engine
	m   remit.MerchantID
	err error
}

func (s *sealer) party(of remit.Owner, p dialect.Party) (account, name remit.Sealed) {
	return s.seal(of, p.Account), s.seal(of, p.Name)
}

func (s *sealer) seal(of remit.Owner, text string) remit.Sealed {
	sealed, err := s.e.cfg.Vault.Seal(text, AccountBinding(s.m, of))
	if err != nil && s.err == nil {
		s.err = err
	}
	return sealed
}

// anew seals what a change took from its origin for the rows into which it
// put it. A text that does not open there goes nowhere: the error is
// vault.ErrSealed.
func (g *group) anew(m remit.MerchantID, c *remit.Change) error {
	if c.Origin == "" {
		return nil
	}
	s := sealer{e: g.e, m: m}
	move := func(text *remit.Sealed, had remit.Sealed, to remit.Owner) {
		if *text == had || to == c.Origin {
			return
		}
		clear, err := g.e.open(m, c.Origin, *text)
		if err != nil && s.err == nil {
			s.err = err
		}
		*text = s.seal(to, clear)
	}
	for i := range c.Payments {
		p := &c.Payments[i]
		had := g.have.Payments[store.PaymentRef{Merchant: m, ID: p.ID}]
		move(&p.PayerAccount, had.PayerAccount, p.ID.Owner())
		move(&p.PayerName, had.PayerName, p.ID.Owner())
		if r := c.Result.Payment; r != nil && r.ID == p.ID {
			r.PayerAccount, r.PayerName = p.PayerAccount, p.PayerName
		}
	}
	for i := range c.Disbursements {
		d := &c.Disbursements[i]
		had := g.have.Disbursements[store.DisbursementRef{Merchant: m, ID: d.ID}]
		move(&d.Account, had.Account, d.ID.Owner())
		move(&d.AccountName, had.AccountName, d.ID.Owner())
		if r := c.Result.Disbursement; r != nil && r.ID == d.ID {
			r.Account, r.AccountName = d.Account, d.AccountName
		}
	}
	for i := range c.Beneficiaries {
		b := &c.Beneficiaries[i]
		move(&b.Account, "", b.ID.Owner())
		move(&b.Holder, "", b.ID.Owner())
		if r := c.Result.Beneficiary; r != nil && r.ID == b.ID {
			r.Account, r.Holder = b.Account, b.Holder
		}
	}
	return s.err
}
