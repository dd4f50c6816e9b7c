package trustlyus

import (
	"cmp"

	"remit"
	"remit/dialect"
)

// decodeReclaim takes back all or part of a completed deposit: the mirror
// image of a refund. docs/spec/trustly-us.md#96-others.
func decodeReclaim(c *call) (dialect.Operation, error) {
	minor, given, amountFault := sumOf(c.body)
	reference, referenceFault := c.reference()
	errType := remit.Errorf(remit.Conflict, "", "Transaction type cannot be reclaimed")
	if isPayment(c.id) {
		c.verdict = cmp.Or(amountFault, referenceFault, errType)
		return dialect.Operation{Query: &dialect.Query{Payment: remit.Name{Text: c.id}}}, nil
	}
	if !isDisbursement(c.id) {
		return dialect.Operation{}, errNoTransaction
	}
	o := remit.OpenPayment{
		Naming: remit.Number, State: remit.PaymentOpened, Back: c.id, Of: remit.Name{Scope: scopeDeposit, Text: c.id},
		FitBack: func(o remit.OpenPayment, deposit remit.Disbursement, earlier []remit.Payment) (remit.OpenPayment, *remit.Error) {
			d := detailsOf(deposit.Details)
			switch {
			case amountFault != nil || referenceFault != nil:
				return o, cmp.Or(amountFault, referenceFault)
			case !given:
				return o, invalid("amount", "An amount is required")
			case deposit.Kind != remit.KindPayout:
				return o, errType
			case deposit.State != remit.Settled:
				return o, remit.Errorf(remit.Conflict, "", msgNotComplete)
			case minor > deposit.Amount.Minor-sumOfLive(earlier):
				return o, remit.Errorf(remit.Exceeds, "", "the deposit has less than this left")
			}
			d.Type, d.IP = typeReclaim, c.ip()
			o.Amount.Currency, o.NotificationURL, o.OrderReference = deposit.Amount.Currency, deposit.NotificationURL, cmp.Or(reference, deposit.Reference)
			o.Names = []remit.Name{{Scope: scopeDeposit, Text: c.id}, {Scope: scopePayment, Text: d.Payment}}
			o.Details = d.text()
			return o, nil
		},
	}
	o.Amount.Minor = minor
	return dialect.Operation{Open: &dialect.Open{OpenPayment: o}}, nil
}

// sumOfLive is how much payments took that have not failed, in cents.
func sumOfLive(all []remit.Payment) (minor int64) {
	for _, p := range all {
		if p.State != remit.PaymentFailed && p.State != remit.PaymentCanceled {
			minor += p.Amount.Minor
		}
	}
	return minor
}
