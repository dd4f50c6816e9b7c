package trustlyus

import (
	"encoding/json"

	"remit"
	"remit/dialect"
)

// Stage is the command that makes a capture, or an instant payment, as if a
// payer had paid. The attribute type says which: "capture" or "pay".
func (Dialect) Stage(s dialect.Spec) (remit.OpenPayment, error) {
	if s.Amount.Currency != "USD" && s.Amount.Currency != "CAD" {
		return remit.OpenPayment{}, remit.Errorf(remit.Invalid, remit.ReasonCurrency, "trustlyus has payments in USD and CAD")
	}
	d := details{
		Type: typeCapture, PaymentType: paymentDeferred, LastFour: lastFour(s.Payer.Account),
		Customer: customer{CustomerID: s.EndUserID, ExternalID: s.EndUserID, Name: s.Payer.Name},
	}
	if s.Demo { // a control call names what any dialect may need
		d.Bank = demoBank
	} else if err := s.Only(Name, "type"); err != nil {
		return remit.OpenPayment{}, err
	}
	further := []remit.NewName{{Scope: scopePayment, Naming: remit.Number}, {Scope: scopeAuthorization, Naming: remit.Number}}
	if raw, ok := s.More["type"]; ok {
		var kind string
		switch err := json.Unmarshal(raw, &kind); {
		case err == nil && kind == "pay":
			d.Type, d.PaymentType, further = typePay, paymentInstant, further[:1]
		case err != nil || kind != "capture":
			return remit.OpenPayment{}, remit.Errorf(remit.Invalid, "", "attributes: type is capture or pay")
		}
	}
	return remit.OpenPayment{
		Naming: remit.Number, Further: further, Amount: s.Amount, State: s.State,
		NotificationURL: s.NotificationURL, OrderReference: s.OrderReference, Details: d.text(),
		Attributes: remit.PaymentAttributes{EndUserID: s.EndUserID, SingleRefund: s.Single},
	}, nil
}

// Names are the transaction's: its id, and that of its authorization.
func (d Dialect) Names(p remit.Payment) (string, map[string]string) {
	all := map[string]string{d.Name(): p.ExternalID}
	if a := nameIn(p, scopeAuthorization); a != "" {
		all[scopeAuthorization] = a
	}
	return p.ExternalID, all
}

var _ dialect.Stager = Dialect{}
