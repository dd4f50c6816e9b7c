package trustly

import (
	"remit"
	"remit/dialect"
)

// Stage is the command that makes a deposit that came from elsewhere.
func (Dialect) Stage(s dialect.Spec) (remit.OpenPayment, error) {
	if !s.Demo { // a control call names what any dialect may need
		if err := s.Only(Name); err != nil {
			return remit.OpenPayment{}, err
		}
		if _, ok := decimals[s.Amount.Currency]; !ok {
			return remit.OpenPayment{}, remit.Errorf(remit.Invalid, remit.ReasonCurrency, "trustly has no payments in %s", s.Amount.Currency)
		}
	}
	return remit.OpenPayment{
		Naming: remit.Number, Amount: s.Amount, State: s.State, NotificationURL: s.NotificationURL, OrderReference: s.OrderReference,
		Attributes: remit.PaymentAttributes{EndUserID: s.EndUserID, SingleRefund: s.Single},
	}, nil
}

// Names are the deposit's: its OrderID.
func (d Dialect) Names(p remit.Payment) (string, map[string]string) {
	return p.ExternalID, map[string]string{d.Name(): p.ExternalID}
}

var _ dialect.Stager = Dialect{}
