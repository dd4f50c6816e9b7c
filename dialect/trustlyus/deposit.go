package trustlyus

import (
	"cmp"

	"remit"
	"remit/dialect"
)

// decodeDeposit pays money to the payer of an authorization.
// docs/spec/trustly-us.md#96-others.
func decodeDeposit(c *call) (dialect.Operation, error) {
	minor, given, amountFault := sumOf(c.body)
	reference, referenceFault := c.reference()
	if !isPayment(c.id) {
		return c.otherwise(remit.Errorf(remit.Conflict, "", "Transaction is not an authorization"))
	}
	p := remit.Payout{
		Naming: remit.LongNumber, Payer: remit.Name{Text: c.id}, Reference: reference,
		OrderReference: reference, OrderOnce: true, WhenShort: remit.Refuse,
		Fit: func(p remit.Payout, payer remit.Payment) (remit.Payout, *remit.Error) {
			d := detailsOf(payer.Details)
			switch {
			case amountFault != nil || referenceFault != nil:
				return p, cmp.Or(amountFault, referenceFault)
			case !given:
				return p, invalid("amount", "An amount is required")
			case reference == "":
				return p, invalid("merchantReference", "A merchantReference is required")
			case d.Type != typeAuthorize:
				return p, remit.Errorf(remit.Conflict, "", "Transaction is not an authorization")
			case payer.State != remit.PaymentAuthorized:
				return p, remit.Errorf(remit.Conflict, "", "Transaction is not authorized")
			}
			d.Type, d.IP, d.Authorization, d.Payment = typeDeposit, c.ip(), payer.ExternalID, nameIn(payer, scopePayment)
			d.Reference, d.Opened = payer.OrderReference, millis(payer.Opened)
			p.Amount.Currency, p.Details, p.NotificationURL = payer.Amount.Currency, d.text(), payer.NotificationURL
			return p, nil
		},
	}
	p.Amount.Minor = minor
	return dialect.Operation{Payout: &dialect.Payout{Payout: p}}, nil
}

// decodeRefresh refuses to read a bank's data anew: none is kept. (D10)
func decodeRefresh(c *call) (dialect.Operation, error) {
	fault := remit.Errorf(remit.Conflict, "", "No bank data is kept that could be refreshed")
	if isPayment(c.id) {
		c.verdict = fault
		return dialect.Operation{Query: &dialect.Query{Payment: remit.Name{Text: c.id}}}, nil
	}
	return c.otherwise(fault)
}
