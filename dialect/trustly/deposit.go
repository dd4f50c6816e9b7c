package trustly

import (
	"cmp"

	"remit"
	"remit/dialect"
	"remit/money"
)

// deposit begins a payment on a page. docs/spec/trustly-eu.md#45-deposit--full.
var deposit = method{
	params: []string{"Username", "Password", "NotificationURL", "EndUserID", "MessageID", "Attributes"},
	decode: decodeDeposit,
	answer: answerHosted,
	hosted: true,
}

// currencyDefault is that of a deposit which names none: two official clients
// may send no attributes at all. (D29)
const currencyDefault = money.Currency("EUR")

func decodeDeposit(c *call) dialect.Operation {
	var f faults
	h := c.hosted(&f)
	currency := currencyDefault
	if v := h.attributes.v.get("Currency"); v.kind != null {
		var err *remit.Error
		currency, err = currencyOf(v)
		f.at(remit.BeforeLookup, err)
	}
	amount, low, high := h.attributes.amount("Amount", currency), h.attributes.amount("SuggestedMinAmount", currency), h.attributes.amount("SuggestedMaxAmount", currency)
	h.details.Min, h.details.Max = low.text, high.text
	for _, a := range []sum{amount, low, high} {
		f.at(remit.AfterLookup, a.err)
	}
	if amount.text != "" && (low.text != "" || high.text != "") {
		h.attributes.refuse(reasonAttribute, "an amount and a suggestion exclude each other")
	}
	h.attributes.person("RecipientInformation")
	if h.attributes.text("RequestKYC") == "1" {
		h.details.KYC = "1"
	}
	f.at(remit.AfterLookup, h.attributes.err)
	return c.order(h, money.Amount{Minor: amount.Minor, Currency: cmp.Or(currency, currencyDefault)}, f)
}

// sum is an amount among the attributes, as it was written.
type sum struct {
	money.Amount
	text string
	err  *remit.Error
}

// amount reads an amount that may be absent. Unlike in the data of a method,
// decimals may be left out: recorded requests do. (D29)
func (a *attributes) amount(name string, c money.Currency) (s sum) {
	s.text = a.text(name)
	if s.text == "" || c == "" {
		return s
	}
	var err error
	if s.Amount, err = money.ParseMajor(s.text, c); err != nil || s.Minor <= 0 {
		s.err = remit.Errorf(remit.Invalid, remit.ReasonAmount, "%s is a number above zero", name)
	}
	return s
}
