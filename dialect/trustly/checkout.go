package trustly

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/page"
	"remit/money"
)

// checkoutPath is where payers and payees act on their orders. Who acts there
// is nobody that we know: the link has shown that the order is ours. Nothing
// real happens: only merchants of a sandbox have such orders. (D28)
const checkoutPath = "/trustly/checkout"

// hosted begins an order in which a person has to act on a page.
type hosted struct {
	terms
	attributes *attributes // what is wrong with it is said after the look-up
	details    details
}

// hosted reads what all such orders have in common.
// docs/spec/trustly-eu.md#44-selectaccount--full.
func (c *call) hosted(f *faults) hosted {
	h := hosted{terms: c.terms(f), attributes: c.attributes()}
	a := &attributes{v: h.attributes.v}
	a.form("Locale", locale, reasonLocale)
	a.form("Country", country, reasonCountry)
	a.address("IP")
	h.details = details{Method: c.name, Success: a.page("SuccessURL", reasonSuccessURL), Fail: a.page("FailURL", reasonFailURL)}
	a.page("TemplateURL", reasonTemplateURL)
	a.form("URLTarget", target, reasonTarget)
	if asked := a.text("RequestDirectDebitMandate"); asked == "1" {
		h.details.Mandate = "0"
		if !strings.Contains(a.text("Email"), "@") {
			a.refuse(reasonEmail, "Email is required with RequestDirectDebitMandate")
		}
	}
	f.at(remit.BeforeLookup, a.err)
	for _, name := range []string{"Firstname", "Lastname", "MobilePhone", "NationalIdentificationNumber", "ShopperStatement"} {
		h.attributes.text(name)
	}
	h.details.Reference = h.attributes.text("ExternalReference")
	h.attributes.partner()
	return h
}

// abandonedAfter is when an order counts as given up on which nobody has
// acted: the longest time that the documents name. (D28)
// docs/spec/trustly-eu.md#53-types.
const abandonedAfter = 30 * time.Minute

// order opens it: a payment of which the amount may still be said, or that
// has none.
func (c *call) order(h hosted, amount money.Amount, f faults) dialect.Operation {
	return dialect.Operation{Open: &dialect.Open{
		OpenPayment: remit.OpenPayment{
			Keyed: c.keyed(), Naming: remit.Number, Further: []remit.NewName{{Scope: scopeAccount, Naming: remit.Number}},
			Amount: amount, Later: amount.Minor == 0, State: remit.PaymentOpened,
			NotificationURL: h.notify, OrderReference: h.message, OrderOnce: true, EndUser: h.endUser,
			Attributes: remit.PaymentAttributes{EndUserID: h.endUser}, Details: h.details.String(), Expires: abandonedAfter, Faults: f,
		},
		Content: c.content(),
	}}
}

// markCheckout keeps links to orders apart from other marks.
const markCheckout = "checkout"

// answerHosted names the order, and where to act on it.
func answerHosted(c *call, r remit.Result) (value, *remit.Error) {
	var order, cur, kyc string
	if r.Payment != nil {
		order, cur, kyc = r.Payment.ExternalID, string(r.Payment.Amount.Currency), detailsOf(r.Payment.Details).KYC
	}
	parts := []string{string(c.merchant), order, c.name, cur}
	if kyc != "" {
		parts = append(parts, kyc)
	}
	session := dialect.Mark(c.request.Key, markCheckout, parts...)
	to := c.request.Origin + checkoutPath + "?" + url.Values{"OrderID": {order}, "SessionID": {session}}.Encode()
	return value{kind: object, members: []member{{"orderid", str(order)}, {"url", str(to)}}}, nil
}

// visit is a person's call of an order's page.
type visit struct {
	merchant remit.MerchantID
	order    string
	method   string
	currency money.Currency
	kyc      bool       // the merchant asks who pays
	form     url.Values // nil where the page is only looked at
	self     string
	ours     bool
}

// readVisit takes such a call apart.
func readVisit(r dialect.Request) dialect.Call {
	q, _ := url.ParseQuery(r.Query) // what cannot be read is not there
	parts, ours := dialect.ReadMark(r.Key, markCheckout, q.Get("SessionID"))
	v := &visit{ours: ours && (len(parts) == 4 || len(parts) == 5), self: checkoutPath + "?" + r.Query}
	if v.ours {
		v.merchant, v.order, v.method, v.currency, v.kyc = remit.MerchantID(parts[0]), parts[1], parts[2], money.Currency(parts[3]), len(parts) == 5
	}
	if r.Method == http.MethodPost {
		v.form, _ = url.ParseQuery(string(r.Body))
	}
	return v
}

// Claim is nobody's: whoever has the link may look, and act.
func (v *visit) Claim() (dialect.Principal, error) {
	if !v.ours {
		return "", remit.Errorf(remit.NotFound, "", "there is no such order")
	}
	return "", nil
}

// Verify is not asked.
func (v *visit) Verify(dialect.Caller) error { return nil }

// Decode is what the person does.
func (v *visit) Decode() (dialect.Operation, error) {
	name := remit.Name{Text: v.order}
	op := dialect.Operation{Merchant: v.merchant}
	switch {
	case v.form == nil:
		op.Query = &dialect.Query{Payment: name}
		return op, nil
	case v.form.Get("do") == "cancel":
		op.Move = &dialect.Move{MovePayment: remit.MovePayment{Name: name, To: remit.PaymentCanceled, Amend: whileOpened(details{})}}
		return op, nil
	}
	amount, err := v.amount()
	if err != nil {
		return op, err
	}
	account, ok := demoAccounts[v.form.Get("choice")]
	bank, known := demoBanks[v.form.Get("choice")]
	abort, strange := demoStrangers[v.form.Get("choice")]
	switch {
	case v.method == methodDeposit && v.kyc && strange:
		op.Move = &dialect.Move{MovePayment: remit.MovePayment{Name: name, To: remit.PaymentFailed, Amount: amount, Amend: whileOpened(details{Abort: abort})}}
	case v.method == methodDeposit && v.kyc && known && bank.leads != remit.PaymentFailed:
		// It goes on when the merchant has answered who pays. (D32)
		account = demoAccounts[demoPayer]
		chosen := account.details()
		chosen.Leads = string(bank.leads)
		op.Move = &dialect.Move{Payer: account.party(), MovePayment: remit.MovePayment{Name: name, Amount: amount, Amend: whileOpened(chosen)}}
	case v.method == methodDeposit && known:
		account = demoAccounts[demoPayer]
		op.Move = &dialect.Move{Payer: account.party(), MovePayment: remit.MovePayment{
			Name: name, To: bank.leads, Amount: amount, Amend: whileOpened(account.details()),
		}}
	case v.method == methodSelectAccount && ok:
		op.Move = &dialect.Move{Payer: account.party(), MovePayment: remit.MovePayment{
			Name: name, To: remit.PaymentAuthorized, Amend: whileOpened(account.details()),
		}}
	case v.method == methodWithdraw && ok:
		op.Payout = &dialect.Payout{Payee: account.party(), Payout: remit.Payout{
			Order: name, Amount: amount, WhenShort: remit.FailLater, WaitFor: remit.WaitApproval, Fit: withdrawn,
		}}
	default:
		return op, remit.Errorf(remit.Invalid, "", "please choose one of the list")
	}
	return op, nil
}

// amount reads what the person wants to pay or to have: none where the page
// does not ask.
func (v *visit) amount() (money.Amount, error) {
	if !v.form.Has("amount") {
		return money.Amount{}, nil
	}
	a, err := money.ParseMajor(strings.Replace(v.form.Get("amount"), ",", ".", 1), v.currency)
	if err != nil || a.Minor <= 0 {
		return a, remit.Errorf(remit.Invalid, remit.ReasonAmount, "please enter an amount, such as 10.00")
	}
	return a, nil
}

// whileOpened lets an order go on on which nobody has acted, and adds to its
// details the account that was chosen.
func whileOpened(chosen details) func(remit.Payment) (string, *remit.Error) {
	return func(p remit.Payment) (string, *remit.Error) {
		d := detailsOf(p.Details)
		if p.State != remit.PaymentOpened || d.Leads != "" {
			return "", remit.Errorf(remit.Conflict, remit.ReasonTerminal, "this order is done already")
		}
		if chosen == (details{}) {
			return p.Details, nil
		}
		if err := d.within(p.Amount); err != nil {
			return "", err
		}
		d.House, d.Bank, d.Descriptor = chosen.House, chosen.Bank, chosen.Descriptor
		d.Leads, d.Abort = chosen.Leads, chosen.Abort
		if d.Mandate != "" {
			d.Mandate = "1"
		}
		return d.String(), nil
	}
}

// within tells whether an amount is one of those that the merchant suggests.
func (d details) within(a money.Amount) *remit.Error {
	low, errLow := money.ParseMajor(cmp.Or(d.Min, "0"), a.Currency)
	high, errHigh := money.ParseMajor(cmp.Or(d.Max, "9999999999"), a.Currency)
	if errLow != nil || errHigh != nil || a.Minor < low.Minor || a.Minor > high.Minor {
		return remit.Errorf(remit.Invalid, remit.ReasonAmount, "please enter an amount from %s to %s", low, high)
	}
	return nil
}

// Encode is the page, or the way back to the merchant.
func (v *visit) Encode(_ dialect.Signer, r remit.Result, err error) dialect.Response {
	if r.Refusal != nil {
		err = r.Refusal
	}
	if err != nil || r.Payment == nil {
		return v.stopped(err)
	}
	d := detailsOf(r.Payment.Details)
	if v.form == nil && r.Payment.State == remit.PaymentOpened && d.Leads == "" {
		return v.ask(*r.Payment, d).Answer(http.StatusOK, originOf(d.Success), originOf(d.Fail))
	}
	to := d.Success
	if s := r.Payment.State; s == remit.PaymentFailed || s == remit.PaymentCanceled {
		to = d.Fail
	}
	if v.form != nil && to != "" {
		return page.Redirect(to)
	}
	done := page.Page{Title: "Thank you", Lead: outcomes[r.Payment.State], Link: to, Says: "Back to the shop"}
	if r.Payment.Reason == remit.ReasonExpired {
		done.Title, done.Lead = "This order is over", "Nobody acted on it in time."
	}
	return done.Answer(http.StatusOK)
}

// outcomes is what a page says of an order on which somebody has acted.
var outcomes = map[remit.PaymentState]string{
	remit.PaymentOpened: "The shop is being asked.", remit.PaymentAuthorized: "Your order has been passed on.", remit.PaymentFunded: "Your payment has been made.",
	remit.PaymentFailed: "Your bank has refused the payment.", remit.PaymentCanceled: "The order was given up.",
	remit.PaymentReversed: "The payment was taken back.",
}

// ask is the form in which somebody acts on an order.
func (v *visit) ask(p remit.Payment, d details) page.Page {
	form := page.Page{Action: v.self, Lead: "This is a sandbox: no real money moves.", Choose: "Accounts of this sandbox", Choices: accountChoices}
	say := "Choose this account"
	switch v.method {
	case methodDeposit:
		form.Title, form.Choose, form.Choices, say = "Pay from your bank", "Banks of this sandbox", bankChoices, "Pay"
		if v.kyc {
			form.Choices = slices.Concat(bankChoices, strangerChoices)
			form.Facts = append(form.Facts, page.Fact{Name: "Identity", Text: "Your bank tells the shop who you are."})
		}
	case methodWithdraw:
		form.Title, say = "Withdraw to your account", "Withdraw"
	default:
		form.Title = "Choose your account"
		if d.Mandate != "" {
			form.Facts = append(form.Facts, page.Fact{Name: "Direct debit", Text: "You let the shop charge this account."})
		}
	}
	switch {
	case p.Amount.Minor > 0:
		form.Amount = p.Amount.String()
	case v.method != methodSelectAccount:
		form.Fields = []page.Field{{Name: "amount", Label: "Amount in " + string(p.Amount.Currency), Hint: d.limits(), Value: d.Suggested}}
	}
	form.Buttons = []page.Button{{Value: "go", Label: say}, {Value: "cancel", Label: "Cancel", Quiet: true}}
	return form
}

// limits are what may be entered, in words.
func (d details) limits() string {
	switch {
	case d.Min != "" && d.Max != "":
		return "from " + d.Min + " to " + d.Max
	case d.Min != "":
		return "from " + d.Min
	case d.Max != "":
		return "up to " + d.Max
	}
	return ""
}

// statuses are those of pages that say what went wrong; any other is 500.
var statuses = map[remit.Code]int{
	remit.Invalid: http.StatusBadRequest, remit.NotFound: http.StatusNotFound, remit.Conflict: http.StatusConflict,
	remit.Forbidden: http.StatusForbidden, remit.Unavailable: http.StatusServiceUnavailable,
}

// stopped says why nothing was done. What is our own fault is not explained.
func (v *visit) stopped(err error) dialect.Response {
	e := remit.AsError(err)
	p, status := page.Page{Title: "This did not work"}, statuses[e.Code]
	switch {
	case status == 0:
		p.Lead, status = "Something went wrong here. Please try again.", http.StatusInternalServerError
	default:
		p.Lead = e.Detail
	}
	if v.ours {
		p.Link, p.Says = v.self, "Back to the order"
	}
	return p.Answer(status)
}

// originOf is the origin of a URL: where a form may be sent on to.
func originOf(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
