package trustlyus

import (
	"cmp"
	"net/url"
	"strings"

	"remit"
	"remit/dialect"
	"remit/money"
)

// establishing is what an establishing request asks, read once.
type establishing struct {
	details details
	amount  money.Amount
	notify  string
	order   string
	payer   dialect.Party
}

// decodeEstablish opens an authorization, to which the payer agrees on a page;
// or an instant payment, which is one and its capture in one.
// docs/spec/trustly-us.md#91-post-establish-oaint.
func decodeEstablish(c *call) (dialect.Operation, error) {
	if fault := c.establishable(); fault != nil {
		return dialect.Operation{}, fault
	}
	e, fault := c.establishing()
	if fault != nil {
		return dialect.Operation{}, fault
	}
	o := remit.OpenPayment{
		Naming: remit.Number, Further: []remit.NewName{{Scope: scopePayment, Naming: remit.Number}}, State: remit.PaymentOpened,
		Amount: e.amount, OrderReference: e.order, NotificationURL: e.notify,
	}
	if e.details.Type == typeAuthorize {
		// It has a ceiling, and no amount of its own: no money can ever come by it.
		e.details.Ceiling, o.Amount.Minor, o.Later = o.Amount.Minor, 0, true
		o.Further = append(o.Further, remit.NewName{Scope: scopeAuthorization, Naming: remit.Same})
	}
	o.Details = e.details.text()
	return dialect.Operation{Open: &dialect.Open{OpenPayment: o, Payer: e.payer}}, nil
}

// establishable asks whether the caller may establish this. Who has shown the
// access key need not sign. docs/spec/trustly-us.md#8-request-signature-for-establish-data-d-rsignestint.
func (c *call) establishable() *remit.Error {
	b := c.body
	switch {
	case b.has("accessId") && b.text("accessId") != c.access,
		b.has("merchantId") && b.text("merchantId") != string(c.who.Merchant),
		b.has("requestSignature") && !requestSigned(c.who.Shared[accessKey], b):
		return errAccess
	}
	return nil
}

// demoPayer pays in a sandbox where the merchant has named no account.
var demoPayer = dialect.Party{Account: "021000021 000123456789", Name: "Demo Payer"}

func (c *call) establishing() (e establishing, fault *remit.Error) {
	note := func(x *remit.Error) { fault = cmp.Or(fault, x) }
	text := func(name string, runesMax int) string {
		s, x := c.textOf(name, runesMax)
		note(x)
		return s
	}
	e.details = details{Type: typeAuthorize, PaymentType: paymentTypes[cmp.Or(c.body.text("paymentType"), "Deferred")], IP: c.ip(),
		Customer: customer{text("customer.customerId", referenceRunesMax), text("customer.externalId", referenceRunesMax), text("customer.name", referenceRunesMax)}}
	if e.details.PaymentType == 0 {
		note(invalid("paymentType", "Invalid paymentType"))
	}
	e.order = text("merchantReference", referenceRunesMax)
	if e.order == "" {
		note(invalid("merchantReference", "A merchantReference is required"))
	}
	e.details.Description = text("description", descriptionRunesMax)
	e.details.ReturnURL, e.details.CancelURL = c.link("returnUrl", true, note), c.link("cancelUrl", true, note)
	e.notify = c.link("notificationUrl", false, note)
	e.amount.Currency = money.Currency(c.body.text("currency"))
	if e.amount.Currency != "USD" && e.amount.Currency != "CAD" {
		note(invalid("currency", "Currency must be USD or CAD"))
	}
	minor, _, x := minorOf(c.body, "amount")
	note(x)
	e.amount.Minor = minor
	if e.details.PaymentType == paymentInstant {
		e.details.Type = typePay
		_, _, x = sumOf(c.body)
		note(x)
		if minor == 0 {
			note(invalid("amount", "An amount is required"))
		}
	}
	if number := text("account.accountNumber", referenceRunesMax); number != "" {
		e.payer.Account = strings.TrimSpace(text("account.routingNumber", referenceRunesMax) + " " + number)
		e.payer.Name = cmp.Or(text("account.nameOnAccount", referenceRunesMax), e.details.Customer.Name)
		e.details.LastFour = lastFour(number)
	} else if c.who.Settings.On(remit.SwitchSandbox) {
		e.payer, e.details.LastFour = demoPayer, lastFour(demoPayer.Account)
	}
	if c.who.Settings.On(remit.SwitchSandbox) {
		e.details.Bank = demoBank
	}
	return e, fault
}

// link reads a URL of the merchant's. It has no fragment: parameters that are
// appended would become part of it.
func (c *call) link(name string, required bool, note func(*remit.Error)) string {
	text := c.body.text(name)
	u, err := url.Parse(text)
	switch {
	case text == "" && !required:
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.Fragment != "" || len(text) > urlBytesMax:
		note(invalid(name, "Invalid "+name))
	}
	return text
}

// answerEstablish sends both shapes in which clients expect the answer.
func answerEstablish(c *call, r remit.Result) any {
	mark := dialect.Mark(c.r.Key, visitPurpose, c.access, r.Payment.ExternalID)
	d := detailsOf(r.Payment.Details)
	return map[string]any{
		"url":           c.r.Origin + base + "/establish/" + mark,
		"transactionId": r.Payment.ExternalID,
		"establishData": map[string]any{
			"merchantId": c.shop().id, "accessId": c.access, "paymentType": d.PaymentType, "returnUrl": d.ReturnURL, "cancelUrl": d.CancelURL,
			"data": mark, "requestSignature": c.body.text("requestSignature"),
		},
	}
}
