package paytrail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"remit"
	"remit/dialect"
)

// Limits of a refund. docs/spec/paytrail.md#a41-request.
const (
	rowsMax             = 500
	rowMinorMax         = 49_999_999 // cents, of one row
	vatMax              = 10_000     // hundredths of a percent
	descriptionRunesMax = 255        // characters; the provider publishes no figure (D4)
	urlBytesMax         = 2_048      // of a notifyUrl
	emailBytesMax       = 254
)

// merchantRefund is the body of a refund as it can be read before the payment
// is known.
type merchantRefund struct {
	rows    []refundRow
	counted bool   // rows is a list of 1 to rowsMax
	unknown string // the first key that is none
	notify  text
	email   text
}

type refundRow struct {
	amount      int64 // 0 where it is none
	vat         int64 // hundredths of a percent; -1 where it is none
	vatGiven    bool
	description text
}

// text is a member that should be one.
type text struct {
	is    string
	wrong bool // it is something else
}

// readText reads a member; null is absent, since the PHP library sends it so.
// docs/spec/paytrail.md#a41-request.
func readText(v json.RawMessage) (t text) {
	if v != nil {
		var s *string
		t.wrong = json.Unmarshal(v, &s) != nil
		if s != nil {
			t.is = *s
		}
	}
	return t
}

// whole is how a number of cents or of hundredths is written: neither as a
// text nor with a point nor with an exponent.
var whole = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)

// readWhole reads a number from 0 to 999999999; -1 is none.
func readWhole(v json.RawMessage) int64 {
	if !whole.Match(v) {
		return -1
	}
	n, _ := strconv.ParseInt(string(v), 10, 64) // nine digits fit
	return n
}

// readMerchantRefund takes a body apart. An error is that it is no JSON, or
// no object.
func readMerchantRefund(body []byte) (r merchantRefund, err error) {
	members, err := object(body)
	if err != nil {
		return r, err
	}
	for name := range members {
		if name != "rows" && name != "email" && name != "notifyUrl" {
			r.unknown = name
		}
	}
	r.notify, r.email = readText(members["notifyUrl"]), readText(members["email"])
	var rows []json.RawMessage
	if json.Unmarshal(members["rows"], &rows) != nil || len(rows) == 0 || len(rows) > rowsMax {
		return r, nil
	}
	r.counted = true
	for _, raw := range rows {
		r.row(raw)
	}
	return r, nil
}

func (r *merchantRefund) row(raw json.RawMessage) {
	members, err := object(raw)
	if err != nil {
		r.counted = false
		return
	}
	for name := range members {
		if name != "amount" && name != "vatPercent" && name != "description" {
			r.unknown = name
		}
	}
	row := refundRow{amount: readWhole(members["amount"]), vat: -1, description: readText(members["description"])}
	if row.amount < 1 || row.amount > rowMinorMax {
		row.amount = 0
	}
	if v, ok := members["vatPercent"]; ok && !isNull(v) {
		row.vatGiven = true
		if n := readWhole(v); n <= vatMax {
			row.vat = n
		}
	}
	r.rows = append(r.rows, row)
}

// object reads a JSON object. A member that occurs twice counts as it stands
// last.
func object(raw []byte) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	if members == nil {
		return nil, fmt.Errorf("null is no object")
	}
	return members, nil
}

func isNull(v json.RawMessage) bool { return string(bytes.TrimSpace(v)) == "null" }

// fault is the first thing wrong with the refund, of a payment that can be
// refunded. docs/spec/paytrail.md#a44-errors-of-this-call-s.
func (r merchantRefund) fault(p remit.Payment, sandbox bool) *remit.Error {
	if r.unknown != "" {
		return remit.Errorf(remit.Invalid, reasonKey, "an unknown key was given")
	}
	if !r.counted {
		return remit.Errorf(remit.Invalid, reasonRows, "rows is a list of 1 to %d objects", rowsMax)
	}
	if err := r.rowsFault(byRate(p)); err != nil {
		return err
	}
	d := kept[payment](p.Details)
	switch {
	case r.notify.wrong || (r.notify.is != "" && !callable(r.notify.is, urlBytesMax, sandbox)):
		return remit.Errorf(remit.Invalid, reasonNotifyURL, "notifyUrl is not a valid URL")
	case r.email.wrong || (r.email.is != "" && !address(r.email.is)):
		return remit.Errorf(remit.Invalid, reasonEmail, "the email address is malformed")
	case r.email.is == "" && d.Interface == interfaceS1 && !providerOf(d.Provider).card:
		return remit.Errorf(remit.Invalid, reasonNoEmail, "no email was given for a payment of the S1 interface")
	}
	return nil
}

// rowsFault names the first row with a wrong amount, then with a wrong rate,
// then with too long a text.
func (r merchantRefund) rowsFault(rates bool) *remit.Error {
	for i, row := range r.rows {
		if row.amount == 0 {
			return remit.Errorf(remit.Invalid, reasonAmount, "row %d has no sum from 1 to %d", i+1, rowMinorMax)
		}
	}
	for i, row := range r.rows {
		switch {
		case rates && !row.vatGiven:
			return remit.Errorf(remit.Invalid, reasonVAT, "row %d has no VAT percent", i+1)
		case !rates && row.vatGiven:
			return remit.Errorf(remit.Invalid, reasonVAT, "row %d has a VAT percent, and the order had no product rows", i+1)
		case rates && row.vat < 0:
			return remit.Errorf(remit.Invalid, reasonVAT, "row %d has a VAT percent that is not from 0 to %d", i+1, vatMax)
		}
	}
	for i, row := range r.rows {
		if row.description.wrong || utf8.RuneCountInString(row.description.is) > descriptionRunesMax {
			return remit.Errorf(remit.Invalid, reasonDescription, "row %d has a description that is no text of at most %d characters", i+1, descriptionRunesMax)
		}
	}
	return nil
}

// callable tells whether a URL is one that notifications may go to.
func callable(s string, bytesMax int, sandbox bool) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= bytesMax && u.Hostname() != "" && u.User == nil && (u.Scheme == "https" || (sandbox && u.Scheme == "http"))
}

// address tells whether a text is an address as RFC 822 writes it, and
// nothing else.
func address(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= emailBytesMax && !strings.ContainsAny(s, "\r\n\"")
}

// refundable says why a payment cannot be refunded, whatever is asked.
// docs/spec/paytrail.md#a44-errors-of-this-call-s.
func refundable(p remit.Payment) *remit.Error {
	d := kept[payment](p.Details)
	switch {
	case d.Interface == interfaceSimple1 || d.Interface == interfaceSimple3:
		return remit.Errorf(remit.Invalid, reasonInterface, "payments of the simple interface version 1 or 3 cannot be refunded")
	case d.Interface == interfaceThirdParty:
		return remit.Errorf(remit.Unsupported, reasonInterfaceType, "the payment was made through a third party")
	case providerOf(d.Provider).final:
		return remit.Errorf(remit.Unsupported, reasonPaymentMethod, "payments of this method cannot be refunded")
	case p.State != remit.PaymentFunded:
		return remit.Errorf(remit.Conflict, reasonPaymentStatus, "the payment is not successfully completed")
	}
	return nil
}

// byPayment tells by the header what the path holds. It is never guessed: an
// order number can look like a payment id.
// docs/spec/paytrail.md#a11-traps-in-part-a, 6.
func (c *merchantCall) byPayment() remit.Name {
	if strings.EqualFold(strings.TrimSpace(c.r.Header.Get("Refund-Origin")), "internal") {
		return remit.Name{Scope: scopePayment, Text: c.piece}
	}
	return remit.Name{Scope: scopeOrder, Text: c.piece}
}

// decodeMerchantRefund leaves all but the JSON to be judged when the payment
// is known. docs/spec/paytrail.md#a44-errors-of-this-call-s.
func decodeMerchantRefund(c *merchantCall) (dialect.Operation, error) {
	body, err := readMerchantRefund(c.r.Body)
	if err != nil {
		return dialect.Operation{}, remit.Errorf(remit.Invalid, reasonJSON, "the body is no JSON object")
	}
	if c.piece == "" {
		return dialect.Operation{}, remit.Errorf(remit.NotFound, "", "no payment is named")
	}
	sandbox := c.who.Settings.On(remit.SwitchSandbox)
	r := remit.Refund{
		Naming: remit.Token, Payment: c.byPayment(), Shielded: true,
		WhenUnfunded: remit.Refuse, WhenShort: remit.FailLater, WhenNowhere: remit.Wait,
		Judge: func(p remit.Payment) *remit.Error {
			if err := refundable(p); err != nil {
				return err
			}
			return body.fault(p, sandbox)
		},
	}
	d := disbursement{Email: body.email.is, NotifyURL: body.notify.is, Origin: c.r.Origin}
	for _, row := range body.rows {
		if row.description.is != "" {
			d.Rows = append(d.Rows, shownRow{row.amount, row.description.is})
		}
		r.Amount.Minor += row.amount
		if row.vat >= 0 {
			r.Portions = share(r.Portions, rate(row.vat), row.amount)
		}
	}
	r.Details = keep(d)
	return dialect.Operation{Refund: &dialect.Refund{Refund: r}}, nil
}
