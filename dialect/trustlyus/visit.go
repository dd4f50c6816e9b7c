package trustlyus

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"remit"
	"remit/dialect"
	"remit/internal/page"
)

// visitPurpose is what the marks in the payers' links are for.
const visitPurpose = "trustlyus/establish"

// visit is a payer at the page to which an establishing request led. The link
// names the merchant's access id: whoever has it was sent here by that
// merchant.
type visit struct {
	r      dialect.Request
	access string
	id     string // of the transaction
	do     string // what the payer chose
	who    dialect.Caller
}

// What a payer can do.
const (
	doAgree   = "agree"
	doDecline = "decline"
)

func newVisit(r dialect.Request, mark string) *visit {
	v := &visit{r: r}
	if parts, ok := dialect.ReadMark(r.Key, visitPurpose, mark); ok && len(parts) == 2 {
		v.access, v.id = parts[0], parts[1]
	}
	if r.Method == http.MethodPost {
		form, err := url.ParseQuery(string(r.Body))
		if err == nil {
			v.do = form.Get("do")
		}
	}
	return v
}

var errNoPage = remit.Errorf(remit.NotFound, "", "there is no such page")

// Claim reads from the link whose page it is.
func (v *visit) Claim() (dialect.Principal, error) {
	if v.access == "" {
		return "", errNoPage
	}
	return dialect.Principal(v.access), nil
}

// Verify believes the link, which we have signed.
func (v *visit) Verify(who dialect.Caller) error {
	if !who.Known || who.Settings.Disabled {
		return errNoPage
	}
	v.who = who
	return nil
}

// Decode shows the page, or carries out what the payer chose. Only where
// nothing is real anybody who has the link pays: elsewhere the payer's bank
// says whether the payer agreed. (D8)
func (v *visit) Decode() (dialect.Operation, error) {
	real := !v.who.Settings.On(remit.SwitchSandbox)
	switch {
	case v.r.Method != http.MethodPost:
		return dialect.Operation{Query: &dialect.Query{Payment: remit.Name{Text: v.id}}}, nil
	case real || (v.do != doAgree && v.do != doDecline):
		return dialect.Operation{}, errNoPage
	}
	m := &dialect.Move{MovePayment: remit.MovePayment{Name: remit.Name{Text: v.id}, To: remit.PaymentCanceled}}
	if v.do == doAgree {
		m.To = remit.PaymentAuthorized
	}
	m.Amend = func(p remit.Payment) (string, *remit.Error) {
		if p.State != remit.PaymentOpened {
			return "", remit.Errorf(remit.Conflict, remit.ReasonTerminal, "the payer has answered already")
		}
		return p.Details, nil
	}
	return dialect.Operation{Move: m}, nil
}

// Encode draws the page, or sends the payer back to the merchant.
func (v *visit) Encode(_ dialect.Signer, r remit.Result, err error) dialect.Response {
	switch {
	case err != nil && remit.AsError(err).Code == remit.Conflict:
		return page.Page{Title: "This has been answered", Lead: "There is nothing left to decide here."}.Answer(http.StatusConflict)
	case err != nil && remit.AsError(err).Code == remit.NotFound:
		return page.Page{Title: "Nothing here", Lead: "This link leads to no payment."}.Answer(http.StatusNotFound)
	case err != nil || r.Payment == nil:
		return page.Page{Title: "That did not work", Lead: "Try again in a moment."}.Answer(http.StatusInternalServerError)
	}
	t := shopOf(v.who.Merchant, v.who.Settings).ofPayment(*r.Payment)
	back := v.back(t)
	switch {
	case v.r.Method == http.MethodPost:
		return page.Redirect(back)
	case r.Payment.State != remit.PaymentOpened:
		return page.Page{Title: "Done", Lead: "You can go back to " + t.Payment.Merchant.Name + ".", Link: back, Says: "Go back"}.Answer(http.StatusOK)
	}
	p := page.Page{
		Title: "Pay " + t.Payment.Merchant.Name + " from your bank account", Lead: t.Payment.Description,
		Facts: []page.Fact{{Name: "Reference", Text: t.MerchantReference}},
	}
	if t.Amount != amountText(0) {
		p.Amount = t.Amount + " " + t.Currency
	}
	if !v.who.Settings.On(remit.SwitchSandbox) {
		p.Problem = "Your bank has not answered yet."
		return p.Answer(http.StatusOK)
	}
	p.Action = v.r.Path
	p.Buttons = []page.Button{{Value: doAgree, Label: "Agree"}, {Value: doDecline, Label: "Cancel", Quiet: true}}
	return p.Answer(http.StatusOK, origin(t.Payment.ReturnURL), origin(t.Payment.CancelURL))
}

func origin(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// back is where the payer is sent: the merchant's URL with what has become of
// it, signed as a whole.
// docs/spec/trustly-us.md#81-redirect-signature-returnurl--cancelurl-d-redir.
func (v *visit) back(t transaction) string {
	link := t.Payment.ReturnURL
	if t.Status != statusAuthorized && t.Status != statusCompleted {
		link = t.Payment.CancelURL
	}
	return signRedirect(v.who.Shared[accessKey], link, [][2]string{
		{"transactionId", t.TransactionID},
		{"transactionType", strconv.Itoa(t.Type)},
		{"merchantReference", t.MerchantReference},
		{"status", strconv.Itoa(t.Status)},
		{"payment.paymentType", strconv.Itoa(t.Payment.PaymentType)},
		{"payment.paymentProvider.type", strconv.Itoa(t.Payment.Provider.Type)},
		{"payment.account.verified", strconv.FormatBool(t.Payment.Account.Verified)},
		{"panel", "1"},
	})
}

// signRedirect appends parameters to a URL, and the signature over all of it.
func signRedirect(key, link string, parameters [][2]string) string {
	sep := "?"
	if strings.Contains(link, "?") {
		sep = "&"
	}
	link += sep + encode(parameters)
	return link + "&requestSignature=" + escape(sign(key, link, hmacSHA1))
}
