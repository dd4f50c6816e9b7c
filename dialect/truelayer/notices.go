package truelayer

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"remit"
	"remit/dialect"
)

// switchAuthorized tells of payments that were authorized too.
// docs/spec/truelayer.md#11-webhooks, 11.5: off by default.
const switchAuthorized = "truelayer.payment_authorized"

// frozen is a notice as it is kept: all of its request but its timestamp and
// its signature.
type frozen struct {
	JKU  string          `json:"jku,omitempty"`
	Body json.RawMessage `json:"body"`
}

// Notices are the webhooks about payments, refunds and payouts. What is
// pending or authorized is told of by none.
// docs/spec/truelayer.md#11-webhooks, 11.5, 11.8.
func (Dialect) Notices(o dialect.Occurrence) []remit.Notice {
	var bodies []map[string]any
	to := o.Merchant.Settings.Config[configWebhookURI]
	switch d, p := o.Disbursement, o.Payment; {
	case d != nil && d.Kind == remit.KindRefund && p != nil:
		to = cmp.Or(d.NotificationURL, p.NotificationURL, to)
		bodies = told("refund", map[string]any{"refund_id": d.ExternalID, "payment_id": p.ExternalID}, o)
	case d != nil && d.Kind == remit.KindPayout:
		to = cmp.Or(d.NotificationURL, to)
		x := detailsOf(*d)
		bodies = told("payout", map[string]any{"payout_id": d.ExternalID, "beneficiary": x.Beneficiary, "merchant_account_id": x.AccountID}, o)
	case p != nil && o.Event.Subject == string(p.ID):
		to = cmp.Or(p.NotificationURL, to)
		bodies = paymentTold(o)
	}
	if to == "" {
		return nil
	}
	var all []remit.Notice
	for _, b := range bodies {
		b["event_version"], b["event_id"] = 1, o.UUID()
		all = append(all, remit.Notice{
			Kind: b["type"].(string), URL: to, KeyVersion: o.KeyVersion,
			Content: details(frozen{o.Merchant.Settings.Config[configJKU], json.RawMessage(details(b))}),
		})
	}
	return all
}

// told is what is told of a refund or a payout.
func told(what string, body map[string]any, o dialect.Occurrence) []map[string]any {
	d := *o.Disbursement
	switch remit.State(o.Event.Kind) {
	case remit.Settled:
		body["type"], body["executed_at"] = what+"_executed", stamp(o.Event.At)
		body["scheme_id"] = cmp.Or(detailsOf(d).Scheme, schemes[d.Amount.Currency], "unknown")
	case remit.Failed, remit.Canceled, remit.Returned:
		d.State = remit.State(o.Event.Kind)
		body["type"], body["failed_at"], body["failure_reason"] = what+"_failed", stamp(o.Event.At), failureOf(d)
	default:
		return nil
	}
	if m := detailsOf(d).Metadata; m != nil {
		body["metadata"] = m
	}
	return []map[string]any{body}
}

// paymentTold is what is told of a payment. Its payer's account is not among
// it: what is kept to be sent is not sealed. (D10)
func paymentTold(o dialect.Occurrence) []map[string]any {
	p := *o.Payment
	d := paymentDetailsOf(p)
	at := stamp(o.Event.At)
	body := func(kind, when string, more map[string]any) map[string]any {
		b := map[string]any{"type": kind, when: at, "payment_id": p.ExternalID}
		if d.Metadata != nil {
			b["metadata"] = d.Metadata
		}
		for name, v := range more {
			b[name] = v
		}
		return b
	}
	how := map[string]string{"type": "bank_transfer"}
	if d.Method.Selection.Provider != "" { // else none was chosen
		how["provider_id"], how["scheme_id"] = d.Method.Selection.Provider, d.Method.Selection.Scheme
	}
	source := sourceJSON{ID: nameIn(p, scopeSource), Accounts: []identifier{}}
	switch remit.PaymentState(o.Event.Kind) {
	case remit.KindLate:
		return []map[string]any{body("payment_settlement_stalled", "settlement_stalled_at", nil)}
	case remit.PaymentAuthorized:
		switch {
		case d.external():
			return []map[string]any{body("payment_executed", "executed_at", map[string]any{"payment_method": how, "payment_source": source})}
		case o.Merchant.Settings.On(switchAuthorized):
			return []map[string]any{body("payment_authorized", "authorized_at", map[string]any{"payment_method": how, "payment_source": source})}
		}
	case remit.PaymentFunded:
		return []map[string]any{
			body("payment_executed", "executed_at", map[string]any{"payment_method": how, "payment_source": source}),
			body("payment_creditable", "creditable_at", nil),
			body("payment_settled", "settled_at", map[string]any{"payment_method": how, "payment_source": source, "user_id": nameIn(p, scopeUser)}),
		}
	case remit.PaymentFailed, remit.PaymentCanceled, remit.PaymentReversed:
		stage, reason := failedAt(p, d)
		return []map[string]any{body("payment_failed", "failed_at", map[string]any{"payment_method": how, "failure_stage": stage, "failure_reason": reason})}
	}
	return nil
}

// What a webhook's signature covers, in this order and spelling.
// docs/spec/truelayer.md#11-webhooks, 11.2.
const (
	headerTimestamp = "X-Tl-Webhook-Timestamp"
	webhookSigned   = headerTimestamp + ",Content-Type"
)

// timestampLayout is RFC 3339, in UTC, to the second.
// docs/spec/truelayer.md#11-webhooks, 11.2.
const timestampLayout = "2006-01-02T15:04:05Z"

// Seal signs a webhook for a try. Its timestamp is the time at which it is sent,
// and is signed: of one webhook every try has the same body, and a signature of
// its own. (D12) docs/spec/truelayer.md#11-webhooks, 11.7.
func (Dialect) Seal(n remit.Notice, s dialect.Signer, _ dialect.Caller, at time.Time) (dialect.Outgoing, error) {
	var f frozen
	if err := json.Unmarshal([]byte(n.Content), &f); err != nil {
		return dialect.Outgoing{}, fmt.Errorf("truelayer: a notice was kept badly: %w", err)
	}
	to, err := url.Parse(n.URL)
	if err != nil {
		return dialect.Outgoing{}, errors.New("truelayer: a notice has no URL")
	}
	key, err := s.Key(n.KeyVersion)
	if err != nil {
		return dialect.Outgoing{}, err
	}
	kid, _, err := kidOf(key.Public())
	if err != nil {
		return dialect.Outgoing{}, err
	}
	h := http.Header{headerTimestamp: {at.UTC().Format(timestampLayout)}, "Content-Type": {"application/json"}}
	j := jose{Alg: algorithm, Kid: kid, Version: signatureVersion, Headers: webhookSigned, JKU: f.JKU}
	signature, err := signJWS(key, j, http.MethodPost, signedPath(to), h, f.Body)
	if err != nil {
		return dialect.Outgoing{}, err
	}
	h.Set(headerSignature, signature)
	return dialect.Outgoing{Method: http.MethodPost, Header: h, Body: f.Body}, nil
}

// signedPath is the path of a webhook's URL, without the slash at its end: a
// library in use cuts that off before it verifies.
func signedPath(u *url.URL) string { return cmp.Or(strings.TrimRight(u.EscapedPath(), "/"), "/") }

// Acknowledged takes any 2xx, and looks at nothing else.
// docs/spec/truelayer.md#11-webhooks, 11.6.
func (Dialect) Acknowledged(_ remit.Notice, r dialect.Reply, _ dialect.Caller) error {
	if r.Status/100 != 2 {
		return fmt.Errorf("the merchant answered %d", r.Status)
	}
	return nil
}

// Waits between tries: a few fast ones, then twice as long each time up to
// slowest, for retryTotal in all. Each is up to a quarter longer or shorter.
// docs/spec/truelayer.md#11-webhooks, 11.6, D13.
const (
	fastest    = 5 * time.Second
	slowest    = 8 * time.Hour
	retryTotal = 72 * time.Hour
)

// Retry is how long to wait after so many tries. What scatters the waits comes
// from the notice, so that they are the same however often it is asked.
func (Dialect) Retry(n remit.Notice, tries int64) (time.Duration, bool) {
	wait, total := time.Duration(0), time.Duration(0)
	for i := range tries {
		wait = scatter(n, i, min(fastest<<min(2*max(i-1, 0), 20), slowest))
		if total += wait; total > retryTotal {
			return 0, false
		}
	}
	return wait, true
}

func scatter(n remit.Notice, i int64, wait time.Duration) time.Duration {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", n.Content, i)
	quarter := int64(wait / 4)
	return wait - time.Duration(quarter) + time.Duration(int64(h.Sum64()>>1)%(2*quarter))
}

// Receive answers a webhook as a merchant does who uses the official library.
func (Dialect) Receive(r dialect.Request, _ dialect.Credentials, server crypto.PublicKey) (dialect.Response, string) {
	reply := dialect.Response{Status: http.StatusNoContent}
	key, ok := server.(*ecdsa.PublicKey)
	if !ok {
		return reply, "there is no key to verify the webhook with"
	}
	j, err := parseJWS(r.Header.Get(headerSignature))
	switch {
	case err != nil:
	case !j.covers(headerTimestamp) || !slices.Contains(r.Header["Content-Type"], "application/json"):
		err = errors.New("the signature leaves out the timestamp, or the webhook is not JSON")
	default:
		err = j.holds(key, nil, r.Method, r.Path, r.Header, r.Body)
	}
	if err != nil {
		return reply, err.Error()
	}
	return reply, ""
}
