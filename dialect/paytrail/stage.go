package paytrail

import (
	"encoding/json"
	"slices"

	"remit"
	"remit/dialect"
)

var _ dialect.Stager = Dialect{}

// Stage is the command that makes a payment as if a payer had paid it.
func (Dialect) Stage(s dialect.Spec) (remit.OpenPayment, error) {
	d := payment{Interface: interfaceE2, Reference: s.OrderReference}
	if s.Demo {
		d.Provider, d.Email = providers[0].id, "payer@example.net"
	}
	var rows []struct {
		AmountMinor int64  `json:"amount_minor"`
		VATPercent  int64  `json:"vat_percent"`
		Description string `json:"description"`
	}
	paid := true
	known := map[string]any{"interface": &d.Interface, "payment_method": &d.Provider, "rows": &rows, "email": &d.Email, "stamp": &d.Stamp}
	if s.Demo { // elsewhere the payment's state alone says whether it is paid
		known["paid"] = &paid
	}
	for name, v := range s.More {
		into, ok := known[name]
		if !ok {
			return remit.OpenPayment{}, remit.Errorf(remit.Invalid, "", "paytrail knows no attribute %q", name)
		}
		if err := json.Unmarshal(v, into); err != nil {
			return remit.OpenPayment{}, remit.Errorf(remit.Invalid, "", "%s has another form", name)
		}
	}
	if err := d.check(s, len(rows)); err != nil {
		return remit.OpenPayment{}, err
	}
	o := opened(d, s.OrderReference)
	o.Amount, o.State, o.NotificationURL = s.Amount, s.State, s.NotificationURL
	o.Attributes = remit.PaymentAttributes{EndUserID: s.EndUserID, SingleRefund: s.Single}
	if !paid {
		o.State = remit.PaymentOpened
	}
	sum := int64(0)
	for _, r := range rows {
		if r.AmountMinor < -unitPriceMax || r.AmountMinor > unitPriceMax {
			return remit.OpenPayment{}, remit.Errorf(remit.Invalid, "", "rows: amount_minor is from -%d to %d", unitPriceMax, unitPriceMax)
		}
		if r.VATPercent < 0 || r.VATPercent > vatMax {
			return remit.OpenPayment{}, remit.Errorf(remit.Invalid, "", "rows: vat_percent is from 0 to %d", vatMax)
		}
		sum += r.AmountMinor
		o.Portions = share(o.Portions, rate(r.VATPercent), r.AmountMinor)
	}
	if len(rows) > 0 && sum != s.Amount.Minor {
		return remit.OpenPayment{}, remit.Errorf(remit.Invalid, "", "rows do not add up to the amount")
	}
	return o, nil
}

// check holds the attributes against what there is.
func (d payment) check(s dialect.Spec, rows int) error {
	switch {
	case !slices.Contains(interfaces, d.Interface):
		return remit.Errorf(remit.Invalid, "", "there is no interface %q", d.Interface)
	case providerOf(d.Provider).id == "":
		return remit.Errorf(remit.Invalid, "", "there is no payment_method %q", d.Provider)
	case rows > 0 && d.Interface != interfaceE1 && d.Interface != interfaceE2:
		return remit.Errorf(remit.Invalid, "", "only E1 and E2 have rows")
	case s.Amount.Currency != currency:
		return remit.Errorf(remit.Invalid, remit.ReasonCurrency, "payments are in %s", currency)
	}
	return nil
}

// opened is a payment with its three names.
func opened(d payment, order string) remit.OpenPayment {
	o := remit.OpenPayment{
		Naming: remit.UUID, Further: []remit.NewName{{Scope: scopePayment, Naming: remit.LongNumber}},
		OrderReference: order, Details: keep(d),
	}
	if order != "" {
		o.Names = []remit.Name{{Scope: scopeOrder, Text: order}}
	}
	return o
}

// Names are the payment's: its transactionId for most purposes.
func (Dialect) Names(p remit.Payment) (string, map[string]string) {
	return p.ExternalID, map[string]string{
		"payment_api": p.ExternalID, scopePayment: named(p, scopePayment), scopeOrder: named(p, scopeOrder),
	}
}
