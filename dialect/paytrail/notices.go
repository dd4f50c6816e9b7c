package paytrail

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/dialect"
)

// The kinds of notices.
const (
	noticeStatus   = "refund-status" // of the Merchant API
	noticeCallback = "callback"      // of the Payment API
	noticeMail     = "mail"          // to the customer
)

// Notices tell of a refund in the words of the API in which it was asked for,
// of a payment to whoever named callbacks for it, and the customer by mail.
// That a refund was created is told to the customer alone.
// docs/spec/paytrail.md#a8-status-notifications-m-not.
func (Dialect) Notices(o dialect.Occurrence) []remit.Notice {
	if o.Payment == nil {
		return nil
	}
	if o.Disbursement == nil {
		return paymentNotices(o)
	}
	if o.Event.Subject != string(o.Disbursement.ID) {
		return nil
	}
	d := kept[disbursement](o.Disbursement.Details)
	var all []remit.Notice
	if d.Account == "" {
		all = statusNotices(o, d)
	} else {
		all = callbackNotices(o, d)
	}
	return append(all, mails(o, d)...)
}

// statusChange is the content of a status notification.
type statusChange struct {
	Token string `json:"token"`
	Old   string `json:"old"`
	New   string `json:"new"`
	Upper bool   `json:"upper,omitempty"`
}

// statusNotices tell of a refund's new state. One that came back from the bank
// has been cancelled after it was completed. (D16)
func statusNotices(o dialect.Occurrence, d disbursement) []remit.Notice {
	state := remit.State(o.Event.Kind)
	change := statusChange{
		Token: o.Disbursement.ExternalID, Old: refundStatus(o.Was), New: refundStatus(state),
		Upper: setting(o.Merchant.Settings, settingHashCase) == "upper",
	}
	if d.NotifyURL == "" || !remit.IsState(o.Event.Kind) || change.New == refundCreated {
		return nil
	}
	return []remit.Notice{{Kind: noticeStatus, URL: d.NotifyURL, Content: keep(change)}}
}

// hash is the signature of a status notification: a plain hash, and no HMAC.
func (s statusChange) hash(secret string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.Token, s.Old, s.New, secret}, "|")))
	text := hex.EncodeToString(sum[:])
	if s.Upper {
		return strings.ToUpper(text)
	}
	return text
}

func (s statusChange) query(secret string) string {
	return "refundToken=" + url.QueryEscape(s.Token) + "&oldStatus=" + s.Old + "&newStatus=" + s.New + "&signature=" + s.hash(secret)
}

// callbackNotices tell of a refund's end. What failed for want of money has no
// transaction: it has no id to tell.
// docs/spec/paytrail.md#b6-callbacks-p-doc.
func callbackNotices(o dialect.Occurrence, d disbursement) []remit.Notice {
	x := o.Disbursement
	f := fields{
		headerAccount: d.Account, headerAlgorithm: d.Algorithm, "checkout-amount": strconv.FormatInt(x.Amount.Minor, 10),
		"checkout-provider": kept[payment](o.Payment.Details).Provider, headerTransaction: x.ExternalID,
	}
	f.some("checkout-stamp", d.Stamp)
	f.some("checkout-reference", d.Reference)
	target := d.Callbacks.Cancel
	switch remit.State(o.Event.Kind) {
	case remit.Settled:
		target, f["checkout-status"] = d.Callbacks.Success, statusOK
	case remit.Failed, remit.Canceled, remit.Returned:
		f["checkout-status"] = statusFail
		if x.Reason == remit.ReasonShort {
			delete(f, headerTransaction)
		}
	default:
		return nil
	}
	return []remit.Notice{{Kind: noticeCallback, URL: target, Content: keep(f)}}
}

// some adds a field that has a value.
func (f fields) some(name, value string) {
	if value != "" {
		f[name] = value
	}
}

// returned are the fields with which a payer is sent back to the shop, and
// with which the shop is called.
func returned(p remit.Payment) fields {
	d := kept[payment](p.Details)
	f := fields{
		headerAccount: d.Account, headerAlgorithm: d.Algorithm, "checkout-amount": strconv.FormatInt(p.Amount.Minor, 10),
		"checkout-stamp": d.Stamp, "checkout-reference": d.Reference, "checkout-status": checkoutStatus(p.State),
		headerTransaction: p.ExternalID,
	}
	f.some("checkout-provider", d.Provider)
	return f
}

// paymentNotices tell of a payment's end.
func paymentNotices(o dialect.Occurrence) []remit.Notice {
	d := kept[payment](o.Payment.Details)
	target := d.Callbacks.Cancel
	switch remit.PaymentState(o.Event.Kind) {
	case remit.PaymentFunded:
		target = d.Callbacks.Success
	case remit.PaymentFailed, remit.PaymentCanceled:
	default:
		return nil
	}
	if target == "" {
		return nil
	}
	return []remit.Notice{{Kind: noticeCallback, URL: target, Content: keep(returned(*o.Payment))}}
}

// errBadly means that a notice cannot be read again.
var errBadly = errors.New("paytrail: a notice was kept badly")

// Seal signs a frozen notice with the secret of the API that it belongs to.
// A mail is not signed.
func (Dialect) Seal(n remit.Notice, _ dialect.Signer, to dialect.Caller, _ time.Time) (dialect.Outgoing, error) {
	get := dialect.Outgoing{Method: http.MethodGet}
	switch n.Kind {
	case noticeStatus:
		var s statusChange
		if json.Unmarshal([]byte(n.Content), &s) != nil || to.Shared[sharedMerchant] == "" {
			return get, errBadly
		}
		get.Query = s.query(to.Shared[sharedMerchant])
		return get, nil
	case noticeCallback:
		var f fields
		if json.Unmarshal([]byte(n.Content), &f) != nil || to.Shared[sharedPayment] == "" {
			return get, errBadly
		}
		get.Query = f.query(to.Shared[sharedPayment])
		return get, nil
	case noticeMail:
		var m letter
		if json.Unmarshal([]byte(n.Content), &m) != nil {
			return get, errBadly
		}
		return dialect.Outgoing{Method: dialect.MethodMail, Header: http.Header{"Subject": {m.Subject}}, Body: []byte(m.Text)}, nil
	}
	return get, errBadly
}

// Acknowledged takes any 2xx.
func (Dialect) Acknowledged(_ remit.Notice, r dialect.Reply, _ dialect.Caller) error {
	if r.Status < 200 || r.Status > 299 {
		return fmt.Errorf("the answer's status is %d", r.Status)
	}
	return nil
}

// The waits between tries. Those of callbacks and mails are ours: the provider
// publishes none. (D12)
var (
	callbackWaits = []time.Duration{10 * time.Minute, time.Hour, 4 * time.Hour, 18*time.Hour + 50*time.Minute}
	mailWaits     = []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
)

// statusTriesMax is how often a status notification is tried: at once, and 1,
// 3, 6, 10, 15, 21, 28, 36, 45 and 55 hours later.
// docs/spec/paytrail.md#a8-status-notifications-m-not.
const statusTriesMax = 11

// Retry is how long to wait after so many tries: of a status notification an
// hour more each time.
func (Dialect) Retry(n remit.Notice, tries int64) (time.Duration, bool) {
	waits := callbackWaits
	switch n.Kind {
	case noticeStatus:
		return time.Duration(tries) * time.Hour, tries < statusTriesMax
	case noticeMail:
		waits = mailWaits
	}
	if tries < 1 || tries > int64(len(waits)) {
		return 0, tries < 1
	}
	return waits[tries-1], true
}

// Receive answers as a correct merchant would, whichever API the call is of.
func (Dialect) Receive(r dialect.Request, c dialect.Credentials, _ crypto.PublicKey) (dialect.Response, string) {
	reply := dialect.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte("ok\n")}
	if r.Method == dialect.MethodMail {
		return reply, ""
	}
	q := query(r.Query)
	if token := q.Get("refundToken"); token != "" {
		s := statusChange{Token: token, Old: q.Get("oldStatus"), New: q.Get("newStatus")}
		if strings.ToLower(q.Get("signature")) != s.hash(c.Shared[sharedMerchant]) {
			return reply, "the signature does not hold"
		}
		return reply, ""
	}
	if !signedQuery(q).holds(q.Get(headerSignature), c.Shared[sharedPayment], nil) {
		return reply, "the signature does not hold"
	}
	return reply, ""
}

// letter is a mail to a customer.
type letter struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// mails tell the customer that a refund was created or cancelled, and ask for
// an account where nobody knows one. A refund that failed for want of money
// was never told of.
// docs/spec/paytrail.md#a8-status-notifications-m-not.
func mails(o dialect.Occurrence, d disbursement) []remit.Notice {
	x := o.Disbursement
	to := d.Email
	if d.Account == "" {
		to = cmp.Or(to, kept[payment](o.Payment.Details).Email)
	}
	if to == "" || x.Reason == remit.ReasonShort {
		return nil
	}
	state := remit.State(o.Event.Kind)
	asks := state == remit.Waiting && x.WaitingFor == remit.WaitAccount
	l := letter{Subject: "Your refund from " + shop(o.Merchant)}
	switch {
	case asks:
		l.Text = created(o, d) + "\nWe do not know your account. Please tell us where to pay the refund:\n" + accountLink(o, d) + "\n"
	case d.Account != "":
		return nil // the Payment API sends no other mail
	case o.Was == "" && (state == remit.Accepted || state == remit.Waiting):
		l.Text = created(o, d)
	case state == remit.Failed || state == remit.Canceled || state == remit.Returned:
		l.Subject = "Your refund from " + shop(o.Merchant) + " was cancelled"
		l.Text = fmt.Sprintf("%s has cancelled the refund of %s%s.\n", shop(o.Merchant), x.Amount, order(o))
	default:
		return nil
	}
	return []remit.Notice{{Kind: noticeMail, URL: "mailto:" + url.PathEscape(to), Content: keep(l)}}
}

func shop(m remit.Merchant) string { return cmp.Or(m.Settings.Name, string(m.ID)) }

func order(o dialect.Occurrence) string {
	if n := named(*o.Payment, scopeOrder); n != "" {
		return " for order " + n
	}
	return ""
}

// created tells of a refund with its rows.
func created(o dialect.Occurrence, d disbursement) string {
	text := fmt.Sprintf("%s refunds you %s%s.\n", shop(o.Merchant), o.Disbursement.Amount, order(o))
	for _, r := range d.Rows {
		if r.Description != "" {
			text += fmt.Sprintf("  %s: %s\n", r.Description, euros(r.Minor))
		}
	}
	return text
}

// accountLink is where the customer names an account.
func accountLink(o dialect.Occurrence, d disbursement) string {
	return d.Origin + accountPath + dialect.Mark(o.Key(), accountPath, string(o.Merchant.ID), o.Disbursement.ExternalID)
}
