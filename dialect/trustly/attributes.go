package trustly

import (
	"encoding/json"
	"net"
	"net/url"
	"regexp"
	"time"

	"remit"
)

// attributes reads the attributes of an order. Unknown ones are let through:
// new ones may come. It keeps the first thing that is wrong with them.
type attributes struct {
	v   value
	err *remit.Error
}

// attributes are those of the call: an object, null, or absent, since two
// clients cannot send any. docs/spec/trustly-eu.md#42-accountpayout--full.
func (c *call) attributes() *attributes {
	a := &attributes{v: c.data.get("Attributes")}
	if a.v.kind != object && a.v.kind != null {
		a.err = remit.Errorf(remit.Invalid, "", "Attributes is an object or null")
	}
	return a
}

// refuse keeps a fault, unless there was one before.
func (a *attributes) refuse(r remit.Reason, format string, args ...any) {
	if a.err == nil {
		a.err = remit.Errorf(remit.Invalid, r, format, args...)
	}
}

// text reads an attribute that may be absent.
func (a *attributes) text(name string) string {
	v := a.v.get(name)
	s, ok := v.scalar()
	if (!ok && v.kind != null) || !plainText(s) {
		a.refuse(reasonAttribute, "%s is a text of at most %d characters", name, textRunesMax)
		return ""
	}
	return s
}

// form reads an attribute that, where it is given, has a form.
func (a *attributes) form(name string, form *regexp.Regexp, why remit.Reason) string {
	s := a.text(name)
	if s != "" && !form.MatchString(s) {
		a.refuse(why, "%s does not have its form", name)
	}
	return s
}

// The forms of attributes. docs/spec/trustly-eu.md#63-formats.
var (
	country  = regexp.MustCompile(`^[A-Z]{2}$`)
	category = regexp.MustCompile(`^[0-9]{4}$`)
	locale   = regexp.MustCompile(`^[a-z]{2}_[A-Z]{2}$`)
	target   = regexp.MustCompile(`^_(top|self|parent)$`)
)

// address reads an IP address: one.
func (a *attributes) address(name string) {
	if s := a.text(name); s != "" && net.ParseIP(s) == nil {
		a.refuse(reasonIP, "%s is one IP address", name)
	}
}

// page reads where a person is sent on to.
func (a *attributes) page(name string, why remit.Reason) string {
	v := a.v.get(name)
	u, err := url.Parse(v.text)
	switch {
	case v.kind == null || (v.kind == text && v.text == ""):
	case v.kind != text || err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") || len(v.text) > urlBytesMax:
		a.refuse(why, "%s is an http or https address", name)
	}
	return v.text
}

// partner reads what partners say of the shop behind an order. That the URL is
// one is not asked: the official clients' own example is none.
func (a *attributes) partner() {
	a.text("PSPMerchant")
	a.text("PSPMerchantURL")
	a.form("MerchantCategoryCode", category, reasonAttribute)
}

// person reads who stands behind an order: SenderInformation or
// RecipientInformation. docs/spec/trustly-eu.md#42-accountpayout--full.
func (a *attributes) person(name string) {
	v := a.v.get(name)
	if v.kind == null {
		return
	}
	if v.kind != object {
		a.refuse(reasonAttribute, "%s is an object", name)
		return
	}
	p := attributes{v: v}
	kind, first, last := p.text("Partytype"), p.text("Firstname"), p.text("Lastname")
	born := p.text("DateOfBirth")
	p.text("CustomerID")
	p.text("Address")
	if p.form("CountryCode", country, reasonAttribute) == "" {
		p.refuse(reasonAttribute, "CountryCode is required")
	}
	switch {
	case kind != "PERSON" && kind != "ORGANISATION":
		p.refuse(reasonAttribute, "Partytype is PERSON or ORGANISATION")
	case first == "" || (last == "" && kind == "PERSON"):
		p.refuse(reasonAttribute, "a person has two names, an organisation has one")
	}
	if _, err := time.Parse(time.DateOnly, born); kind == "PERSON" && born != "" && err != nil {
		p.refuse(reasonAttribute, "DateOfBirth is YYYY-MM-DD")
	}
	if p.err != nil {
		a.refuse(p.err.Reason, "%s: %s", name, p.err.Detail)
	}
}

// The methods that later steps of an order are told apart by.
const (
	methodDeposit       = "Deposit"
	methodCharge        = "Charge"
	methodSelectAccount = "SelectAccount"
	methodWithdraw      = "Withdraw"
)

// details are what we keep of an order, or of an account, for answers,
// notifications and reports. Who stands behind an order is not kept: nobody
// would read it.
type details struct {
	Method     string `json:"method,omitempty"`  // that began the order
	Mandate    string `json:"mandate,omitempty"` // "1": the payer lets the account be charged; "0": asked, and not given
	EndUser    string `json:"end_user,omitempty"`
	Reference  string `json:"reference,omitempty"`  // ExternalReference
	Account    string `json:"account,omitempty"`    // the number by which an account is known …
	House      string `json:"house,omitempty"`      // … its clearing house …
	Bank       string `json:"bank,omitempty"`       // … and its bank, where we know it
	Descriptor string `json:"descriptor,omitempty"` // … and what may be shown of its number
	Success    string `json:"success,omitempty"`    // where a person goes afterwards
	Fail       string `json:"fail,omitempty"`
	Suggested  string `json:"suggested,omitempty"` // amounts, as they were written
	Min        string `json:"min,omitempty"`
	Max        string `json:"max,omitempty"`
	Due        string `json:"due,omitempty"`   // of a charge: its day
	KYC        string `json:"kyc,omitempty"`   // "1": the merchant asks who its payer is, and says whether that will do
	Leads      string `json:"leads,omitempty"` // the state that the payer's bank takes the deposit to, once the merchant has said so
	Abort      string `json:"abort,omitempty"` // why nobody could say who the payer is
}

func (d details) String() string {
	text, _ := json.Marshal(d) // texts cannot fail
	return string(text)
}

// detailsOf reads what String wrote.
func detailsOf(text string) (d details) {
	_ = json.Unmarshal([]byte(text), &d) // what is not ours says nothing
	return d
}
