package truelayer

import (
	"net/http"
	"net/url"
	"strings"

	"remit"
	"remit/dialect"
	"remit/internal/page"
)

// The sandbox's bank: a page for people, and a call for tests. Whoever has the
// link is the payer; a link is only ever made where nothing is real.
// docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.6.
const bankPath = "/login/"

const (
	markBank   = "bank"
	markReturn = "return"
)

// mockPayer is who pays there. The IBAN is the example of a Finnish one in the
// ISO 13616 register.
var mockPayer = dialect.Party{Account: "FI2112345600000785", Name: "Demo Payer"}

// link is what a payer's link says.
type link struct {
	merchant remit.MerchantID
	payment  string
	back     string // where the payer goes at the end
	external bool   // the money is not for us
}

// bankLink is where a payer pays. Behind the # stands what the provider's own
// test helpers take for a token; the link itself is the authority.
func (c *call) bankLink(p remit.Payment, back string) string {
	mark := dialect.Mark(c.r.Key, markBank, string(p.Merchant), p.ExternalID, back, paymentDetailsOf(p).Method.Beneficiary.Type)
	_, sum, _ := strings.Cut(mark, ".")
	return c.r.Origin + bankPath + mark + "#token=" + sum
}

func (c *call) readLink() error {
	parts, ok := dialect.ReadMark(c.r.Key, markBank, c.segments["link"])
	if !ok || len(parts) != 4 {
		return remit.Errorf(remit.NotFound, remit.ReasonMalformedID, "This link is not one of ours.")
	}
	c.link = link{remit.MerchantID(parts[0]), parts[1], parts[2], parts[3] == toExternal}
	return nil
}

// returnLink is where a bank sends the payer back to: the provider reads of it
// which payment it was.
func (c *call) returnLink() string {
	return c.r.Origin + "/payments-provider-return?state=" + url.QueryEscape(dialect.Mark(c.r.Key, markReturn, string(c.link.merchant), c.link.payment))
}

// back is where the payer goes at the end, with the payment's id.
func (l link) String() string {
	u, err := url.Parse(l.back)
	if err != nil {
		return l.back
	}
	q := u.Query()
	q.Set("payment_id", l.payment)
	u.RawQuery = q.Encode()
	return u.String()
}

func decodeBankPage(c *call) (dialect.Operation, error) {
	if err := c.readLink(); err != nil {
		return dialect.Operation{}, err
	}
	return dialect.Operation{Merchant: c.link.merchant, Query: &dialect.Query{Payment: remit.Name{Text: c.link.payment}}}, nil
}

// outcomes are what a payer can do, by the names of the provider's test
// helpers, with the stage and the reason by which a payment fails: those that
// the Rust SDK's tests expect of the provider's own bank. (D21)
var outcomes = map[string]struct {
	to            remit.PaymentState
	stage, reason string
}{
	"Execute":             {remit.PaymentFunded, "", ""},
	"RejectAuthorisation": {remit.PaymentFailed, stageAuthorizing, "authorization_failed"},
	"RejectExecution":     {remit.PaymentFailed, statusAuthorized, "provider_rejected"},
	"Cancel":              {remit.PaymentCanceled, stageAuthorizing, "not_authorized"},
}

// pay is what the payer does.
func (c *call) pay(action string, delayed bool) (dialect.Operation, error) {
	if err := c.readLink(); err != nil {
		return dialect.Operation{}, err
	}
	o, ok := outcomes[action]
	if !ok {
		return dialect.Operation{}, field("action", "Value is not supported.")
	}
	if o.to == remit.PaymentFunded && (delayed || c.link.external) {
		o.to = remit.PaymentAuthorized
	}
	m := &dialect.Move{MovePayment: remit.MovePayment{
		Name: remit.Name{Text: c.link.payment}, To: o.to,
		Amend: func(p remit.Payment) (string, *remit.Error) {
			if p.State != remit.PaymentOpened {
				return "", remit.Errorf(remit.Conflict, remit.ReasonTerminal, "This payment has been decided already.")
			}
			d := paymentDetailsOf(p)
			if d.Method.Selection.Provider == "" { // by the hosted page the payer comes to a bank without having chosen it
				d.choose(p.Amount.Currency)
			}
			d.Stage, d.Failure = o.stage, o.reason
			return details(d), nil
		},
	}}
	if o.to == remit.PaymentFunded || o.to == remit.PaymentAuthorized {
		m.Payer = mockPayer
	}
	return dialect.Operation{Merchant: c.link.merchant, Move: m}, nil
}

func answerBankPage(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	p := *r.Payment
	if p.State != remit.PaymentOpened {
		return page.Page{Title: "Mock bank", Lead: "This payment has been decided already.", Link: c.link.String()}.Answer(http.StatusOK)
	}
	return page.Page{
		Title: "Mock bank", Amount: p.Amount.String(), Lead: "Nothing here is real money. Choose what the payer does.",
		Facts: []page.Fact{{Name: "Payment", Text: p.ExternalID}}, Action: c.r.Path,
		Buttons: []page.Button{
			{Value: "Execute", Label: "Pay"}, {Value: "RejectAuthorisation", Label: "Fail at log-in", Quiet: true},
			{Value: "RejectExecution", Label: "Fail at the bank", Quiet: true}, {Value: "Cancel", Label: "Cancel", Quiet: true},
		},
	}.Answer(http.StatusOK, origin(c.link.back))
}

// origin is the scheme and host of a URL.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func decodeBankForm(c *call) (dialect.Operation, error) {
	form, err := url.ParseQuery(string(c.r.Body))
	if err != nil {
		return dialect.Operation{}, remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "The form cannot be read.")
	}
	return c.pay(form.Get("do"), false)
}

func answerBankForm(c *call, _ dialect.Signer, _ remit.Result) dialect.Response {
	return page.Redirect(c.link.String())
}

// refusePage puts an error on a page.
func refusePage(c *call, e *remit.Error) dialect.Response {
	p := problemOf(e)
	said := e.Detail
	if p.status >= http.StatusInternalServerError || said == "" {
		said = p.title
	}
	return page.Page{Title: "Mock bank", Problem: said}.Answer(p.status)
}

// decodeBankAction does what a test asks for. A delay of the settlement leaves
// the payment authorized until its money comes.
func decodeBankAction(c *call) (dialect.Operation, error) {
	o := c.readBody()
	action := o.needed("action")
	delay, _ := o.minor("settlement_delay_in_seconds")
	if err := o.first(); err != nil {
		return dialect.Operation{}, err
	}
	return c.pay(action, delay > 0)
}

// answerBankAction answers, in plain text, where the bank would send the
// payer's browser.
func answerBankAction(c *call, _ dialect.Signer, _ remit.Result) dialect.Response {
	return dialect.Response{Status: http.StatusAccepted, Header: c.header("text/plain; charset=utf-8"), Body: []byte(c.returnLink())}
}

// decodeReturn reads what a bank gave a payer to take back to us. It comes
// with the ? and the # before it, and without.
// docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.5.
func decodeReturn(c *call) (dialect.Operation, error) {
	o := c.readBody()
	query, fragment := o.text("query"), o.text("fragment")
	if err := o.first(); err != nil {
		return dialect.Operation{}, err
	}
	for _, text := range []string{strings.TrimPrefix(query, "?"), strings.TrimPrefix(fragment, "#")} {
		q, err := url.ParseQuery(text)
		if err != nil {
			continue
		}
		if parts, ok := dialect.ReadMark(c.r.Key, markReturn, q.Get("state")); ok && len(parts) == 2 {
			return dialect.Operation{
				Merchant: remit.MerchantID(parts[0]), Query: &dialect.Query{Payment: remit.Name{Text: parts[1]}},
			}, nil
		}
	}
	return dialect.Operation{}, field("query", "Value is not what a provider returned.")
}

func answerReturn(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	return c.json(http.StatusOK, map[string]any{"resource": map[string]string{"type": "payment", "payment_id": r.Payment.ExternalID}})
}
