package paytrail

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"remit"
	"remit/dialect"
	"remit/internal/page"
)

// The payers' pages. What stands behind their paths is a mark of ours.
const (
	payPath     = pagesPath + "pay/"     // of an account and a payment
	accountPath = pagesPath + "account/" // of a merchant and a refund
)

// What a payer can do on the page of a payment.
const (
	doPay    = "pay"
	doCancel = "cancel"
)

// pageCall is one request of a payer.
type pageCall struct {
	r         dialect.Request
	path      string
	owner, id string // of the mark; "" if it is not ours
	form      url.Values
	who       dialect.Caller
	problem   string // why the form comes back
}

func readPage(r dialect.Request) dialect.Call {
	c := &pageCall{r: r, form: query(string(r.Body))}
	for _, path := range []string{payPath, accountPath} {
		if mark, ok := strings.CutPrefix(r.Path, path); ok {
			if parts, ours := dialect.ReadMark(r.Key, path, mark); ours && len(parts) == 2 {
				c.path, c.owner, c.id = path, parts[0], parts[1]
			}
		}
	}
	return c
}

// Claim is the merchant's own of a payment: it is signed in its name that the
// payer comes back. Of a refund nothing is signed.
func (c *pageCall) Claim() (dialect.Principal, error) {
	switch {
	case c.path == "":
		return "", remit.Errorf(remit.NotFound, reasonPath, "this link is not ours")
	case c.r.Method != http.MethodGet && c.r.Method != http.MethodPost || c.r.TooLarge:
		return "", remit.Errorf(remit.Unsupported, reasonMethod, "the page is read, or its form is sent")
	case c.path == payPath:
		return dialect.Principal(principalAccount + c.owner), nil
	}
	return "", nil
}

// Verify believes the link, and sees that nothing is real.
func (c *pageCall) Verify(who dialect.Caller) error {
	if c.who = who; !who.Known || who.Settings.Disabled {
		return remit.Errorf(remit.NotFound, reasonPath, "this link leads nowhere any more")
	}
	if err := notHere(who.Settings); err != nil {
		return err
	}
	return nil
}

// Decode is the form, or a look at the page.
func (c *pageCall) Decode() (dialect.Operation, error) {
	post := c.r.Method == http.MethodPost
	if c.path == accountPath {
		op := dialect.Operation{Merchant: remit.MerchantID(c.owner)}
		party := dialect.Party{Account: plainIBAN(c.form.Get("iban")), Name: strings.TrimSpace(c.form.Get("name"))}
		switch {
		case post && !validIBAN(party.Account):
			c.problem = "That is not an IBAN. Please check each digit."
		case post && (party.Name == "" || len(party.Name) > nameBytesMax):
			c.problem = "Please write the name of the account's holder."
		case post:
			op.Proceed = &dialect.Proceed{Proceed: remit.Proceed{Disbursed: c.id}, Payee: party}
			return op, nil
		}
		op.Query = &dialect.Query{Disbursement: c.id}
		return op, nil
	}
	move := &dialect.Move{MovePayment: remit.MovePayment{Name: remit.Name{Text: c.id}, To: remit.PaymentCanceled}}
	by := providerOf(c.form.Get("choice"))
	switch {
	case post && c.form.Get("do") == doCancel:
		return dialect.Operation{Move: move}, nil
	case post && by.id == "":
		c.problem = "Please choose how to pay."
	case post:
		move.To, move.Amend = remit.PaymentFunded, func(p remit.Payment) (string, *remit.Error) {
			d := kept[payment](p.Details)
			d.Provider = by.id
			return keep(d), nil
		}
		if !by.mailOnly {
			move.Payer = demoPayer
		}
		return dialect.Operation{Move: move}, nil
	}
	return dialect.Operation{Query: &dialect.Query{Payment: move.Name}}, nil
}

// demoPayer pays on the page of a sandbox.
var demoPayer = dialect.Party{Account: "FI2112345600000785", Name: "Demo Payer"}

// nameBytesMax is the longest name of an account's holder, in bytes: what a
// credit transfer carries.
const nameBytesMax = 70

// Encode draws the page, or sends the payer back to the shop.
func (c *pageCall) Encode(_ dialect.Signer, res remit.Result, err error) dialect.Response {
	switch {
	case err != nil:
		return c.refuse(remit.AsError(err))
	case c.path == accountPath:
		return c.account(*res.Disbursement)
	}
	p := *res.Payment
	d := kept[payment](p.Details)
	target := d.Redirects.Success
	if p.State != remit.PaymentFunded {
		target = d.Redirects.Cancel
	}
	if p.State != remit.PaymentOpened {
		return page.Redirect(returned(p).signedURL(target, c.who.Shared[sharedPayment]))
	}
	v := page.Page{
		Title: "Pay " + d.Reference, Lead: terms, Amount: p.Amount.String(), Action: c.r.Path, Problem: c.problem, Choose: "How to pay",
		Buttons: []page.Button{{Value: doPay, Label: "Pay"}, {Value: doCancel, Label: "Cancel", Quiet: true}},
	}
	for _, x := range providers {
		v.Choices = append(v.Choices, page.Choice{Value: x.id, Label: x.name})
	}
	return v.Answer(c.status(), origin(d.Redirects.Success), origin(d.Redirects.Cancel))
}

// account asks for an account, or thanks for it.
func (c *pageCall) account(d remit.Disbursement) dialect.Response {
	if d.State != remit.Waiting || d.WaitingFor != remit.WaitAccount {
		return page.Page{Title: "Your refund", Amount: d.Amount.String(), Lead: "Thank you: there is nothing more to do here."}.Answer(http.StatusOK)
	}
	return page.Page{
		Title: "Your refund", Lead: "Where shall we pay it?", Amount: d.Amount.String(), Action: c.r.Path, Problem: c.problem,
		Fields: []page.Field{
			{Name: "name", Label: "Name of the account's holder", Value: c.form.Get("name"), Complete: "name"},
			{Name: "iban", Label: "IBAN", Value: c.form.Get("iban")},
		},
		Buttons: []page.Button{{Value: doPay, Label: "Pay it there"}},
	}.Answer(c.status())
}

// status is 422 where a form comes back.
func (c *pageCall) status() int {
	if c.problem != "" {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

func (c *pageCall) refuse(e *remit.Error) dialect.Response {
	p := page.Page{Title: "This did not work", Lead: sentence(e.Detail) + "."}
	switch e.Code {
	case remit.Conflict:
		return page.Page{Title: "This has been done already", Lead: "There is nothing more to do here."}.Answer(http.StatusConflict)
	case remit.NotFound, remit.Unauthenticated:
		return p.Answer(http.StatusNotFound)
	case remit.Forbidden:
		return p.Answer(http.StatusForbidden)
	case remit.Unsupported:
		return p.Answer(http.StatusMethodNotAllowed)
	case remit.Invalid:
		return p.Answer(http.StatusBadRequest)
	}
	return page.Page{Title: "This did not work", Lead: "Please try again later."}.Answer(http.StatusServiceUnavailable)
}

// origin is that of a URL which was checked before.
func origin(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// plainIBAN is an IBAN without the spaces that people write.
func plainIBAN(s string) string {
	return strings.ToUpper(strings.Join(strings.Fields(s), ""))
}

var ibanShape = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}$`)

// validIBAN checks the shape and the check digits of ISO 13616.
func validIBAN(s string) bool {
	if !ibanShape.MatchString(s) {
		return false
	}
	const mod = 97
	rest := 0
	for _, c := range []byte(s[4:] + s[:4]) {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % mod
		} else {
			rest = (rest*10 + int(c-'0')) % mod
		}
	}
	return rest == 1
}
