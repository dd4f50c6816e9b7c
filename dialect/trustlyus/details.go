package trustlyus

import (
	"crypto/sha1" //nolint:gosec // a fingerprint's form, nothing secret
	"encoding/base64"
	"encoding/json"
	"time"

	"remit"
)

// Scopes of further names of payments.
const (
	scopeAuthorization = "authorization" // shared by an authorization and all that is captured under it
	scopeDeposit       = "deposit"       // shared by all that takes a deposit back
	scopePayment       = "payment"       // the provider's payment, of which they all are parts
)

// details are what this dialect keeps of a payment or a disbursement.
type details struct {
	Type        int      `json:"type"`
	PaymentType int      `json:"payment_type,omitempty"`
	Ceiling     int64    `json:"ceiling,omitempty"` // in cents, of an authorization; 0 is none. Of a pre-authorization its amount
	Expires     int64    `json:"expires,omitempty"` // of a pre-authorization, in milliseconds
	IP          string   `json:"ip,omitempty"`
	Description string   `json:"description,omitempty"`
	ReturnURL   string   `json:"return_url,omitempty"`
	CancelURL   string   `json:"cancel_url,omitempty"`
	Customer    customer `json:"customer,omitzero"`
	LastFour    string   `json:"last_four,omitempty"` // of the payer's account
	Bank        *bank    `json:"bank,omitempty"`

	Reference string `json:"reference,omitempty"` // of the authorization under which it was made

	// Of a deposit, which is no payment's, and of what takes it back: what its
	// payee is known by.
	Authorization string `json:"authorization,omitempty"`
	Payment       string `json:"payment,omitempty"`
	Opened        int64  `json:"opened,omitempty"` // the authorization was, in milliseconds
}

// customer is who pays, in the merchant's words.
type customer struct {
	CustomerID string `json:"customerId,omitempty"`
	ExternalID string `json:"externalId,omitempty"`
	Name       string `json:"name,omitempty"`
}

// bank is where the payer's account is.
type bank struct {
	ID            string `json:"paymentProviderId"`
	Type          int    `json:"type"`
	Name          string `json:"name"`
	Country       string `json:"country"`
	InstantPayout bool   `json:"instantPayoutAvailable"`
}

// Banks: the one of the sandbox, and the one of which we know nothing (D11).
var (
	demoBank    = &bank{ID: "200005501", Type: 1, Name: "Demo Bank", Country: "US"}
	unknownBank = &bank{ID: "200000000", Type: 1, Name: "Bank", Country: "US"}
)

// lastFour is as much of an account number as may be shown.
func lastFour(account string) string { return account[max(0, len(account)-4):] }

// detailsOf reads what was kept. What nobody wrote is a capture: a payment
// that an operator made by hand.
func detailsOf(text string) details {
	d := details{Type: typeCapture, PaymentType: paymentDeferred}
	if text != "" {
		_ = json.Unmarshal([]byte(text), &d) // it was written by details.text
	}
	return d
}

// text writes the details to be kept.
func (d details) text() string {
	raw, _ := json.Marshal(d) // plain values cannot fail
	return string(raw)
}

// nameIn is a payment's name in a scope, "" if it has none.
func nameIn(p remit.Payment, scope string) string {
	for _, n := range p.Names {
		if n.Scope == scope {
			return n.Text
		}
	}
	return ""
}

// parentOf is the authorization under which a payment was captured, or the
// deposit that it takes back.
func parentOf(p remit.Payment, d details) string {
	switch d.Type {
	case typeAuthorize:
		return ""
	case typeReclaim:
		return nameIn(p, scopeDeposit)
	}
	return nameIn(p, scopeAuthorization)
}

// fingerprint stands for the payer's account without telling it. (D11)
func fingerprint(m remit.MerchantID, payment string) string {
	sum := sha1.Sum([]byte(string(m) + "/" + payment)) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

// millis is a time as the wire has it: 0 where it has not come.
// docs/spec/trustly-us.md#45-time-unit.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
