package trustlyus

import (
	"cmp"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/dialect"
)

// Types of events. docs/spec/trustly-us.md#73-eventtype-values.
const (
	eventAuthorize = "Authorize"
	eventProcess   = "Process"
	eventComplete  = "Complete"
	eventRefund    = "Refund"
	eventReverse   = "Reverse"
	eventCancel    = "Cancel"
	eventDeny      = "Deny"
	eventFail      = "Fail"
	eventExpire    = "Expire"
)

// events are the types that a status is told by; the others are told by none.
// (D5)
var events = map[int]string{
	statusAuthorized: eventAuthorize, statusProcessed: eventProcess, statusCompleted: eventComplete, statusReversed: eventReverse,
	statusCanceled: eventCancel, statusVoided: eventCancel, statusDenied: eventDeny, statusFailed: eventFail,
	statusExpired: eventExpire,
}

// Settings of a merchant's events.
const (
	failEvent       = "fail_event"       // another word for Fail. docs/spec/trustly-us.md#14-open-questions
	notificationURL = "notification_url" // where a payment names none
	algorithm       = "hmac"             // HmacSHA512 instead of the default
)

// Notices are the events that a change owes the merchant. A refund tells of
// itself, and once it has settled of its capture too.
func (Dialect) Notices(o dialect.Occurrence) []remit.Notice {
	w := shopOf(o.Merchant.ID, o.Merchant.Settings)
	switch d, p := o.Disbursement, o.Payment; {
	case !remit.IsState(o.Event.Kind):
		return nil
	case d != nil:
		t := w.ofDisbursement(*d, p)
		all := told(o, t, events[t.Status], d.NotificationURL, failureCode(*d))
		if p == nil || d.State != remit.Settled {
			return all
		}
		if t = w.ofPayment(*p); t.Status == statusPartly || t.Status == statusRefunded {
			all = append(all, told(o, t, eventRefund, p.NotificationURL, "")...)
		}
		return all
	case p != nil:
		now := *p
		now.State = remit.PaymentState(o.Event.Kind) // one of several moves of the same change
		t := w.ofPayment(now)
		return told(o, t, events[t.Status], p.NotificationURL, "")
	}
	return nil
}

// told is the event of a kind that tells of a transaction; none where the kind
// or its place is not known.
func told(o dialect.Occurrence, t transaction, kind, to, errorCode string) []remit.Notice {
	config := o.Merchant.Settings.Config
	if kind == eventFail {
		kind = cmp.Or(config[Name+"."+failEvent], kind)
	}
	if p := o.Payment; to == "" && p != nil {
		to = p.NotificationURL
	}
	to = cmp.Or(to, config[Name+"."+notificationURL])
	if kind == "" || to == "" {
		return nil
	}
	content, _ := json.Marshal(parameters(o, t, kind, errorCode)) // texts cannot fail
	return []remit.Notice{{Kind: kind, URL: to, Content: string(content), KeyVersion: o.KeyVersion}}
}

// failureCode is the provider's number for why a disbursement failed.
func failureCode(d remit.Disbursement) string {
	switch {
	case d.State != remit.Failed:
		return ""
	case d.Reason == remit.ReasonShort:
		return strconv.Itoa(codeNotEnough)
	case slices.Contains(denials, d.Reason) || d.Reason == remit.ReasonNoBeneficiary:
		return strconv.Itoa(codeAccount)
	}
	return strconv.Itoa(codeInternal)
}

// parameters are an event's, in the documented order; the access id is put in
// where it is sealed. docs/spec/trustly-us.md#72-parameters.
func parameters(o dialect.Occurrence, t transaction, kind, errorCode string) [][2]string {
	all := [][2]string{
		{"merchantId", string(o.Merchant.ID)},
		{"merchantReference", t.MerchantReference},
		{"paymentType", strconv.Itoa(t.Payment.PaymentType)},
		{"transactionType", strconv.Itoa(t.Type)},
		{"eventId", o.Number()},
		{"eventType", kind},
		{"objectId", t.TransactionID},
		{"objectType", "Transaction"},
		{"message", ""},
	}
	if t.Original != "" {
		all = append(all, [2]string{"parentObjectId", t.Original})
	}
	all = append(all,
		[2]string{"timeZone", timeZone},
		[2]string{"createdAt", strconv.FormatInt(o.Event.At.UnixMilli(), 10)},
		[2]string{"accessId", ""},
		[2]string{"paymentProviderTransaction.status", t.Provider.Status},
		[2]string{"paymentProviderTransaction.statusMessage", t.Provider.StatusMessage},
		[2]string{"status", strconv.Itoa(t.Status)},
		[2]string{"statusMessage", t.StatusMessage},
	)
	if errorCode != "" {
		all = append(all, [2]string{"errorCode", errorCode})
	}
	return all
}

// encode writes parameters as they are sent. A blank is %20: a plus would be
// read in two ways. docs/spec/trustly-us.md#74-notification-signature-d-nsig.
func encode(parameters [][2]string) string {
	parts := make([]string, len(parameters))
	for i, p := range parameters {
		parts[i] = escape(p[0]) + "=" + escape(p[1])
	}
	return strings.Join(parts, "&")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// answerWithin is how long a merchant has to say 200.
// docs/spec/trustly-us.md#71-delivery.
const answerWithin = 3 * time.Second

// Seal signs an event as it is sent.
func (Dialect) Seal(n remit.Notice, _ dialect.Signer, to dialect.Caller, _ time.Time) (dialect.Outgoing, error) {
	var all [][2]string
	if err := json.Unmarshal([]byte(n.Content), &all); err != nil {
		return dialect.Outgoing{}, fmt.Errorf("trustlyus: a notice was kept badly: %w", err)
	}
	id, key := to.Shared[accessID], to.Shared[accessKey]
	if id == "" || key == "" {
		return dialect.Outgoing{}, errors.New("trustlyus: the merchant has no access key to sign with")
	}
	for i := range all {
		if all[i][0] == "accessId" {
			all[i][1] = id
		}
	}
	body := encode(all)
	return dialect.Outgoing{
		Method: http.MethodPost,
		Header: http.Header{
			"Content-Type":  {"application/x-www-form-urlencoded"},
			"Authorization": {authorize(id, key, body, to.Settings.Config[Name+"."+algorithm])},
		},
		Body: []byte(body), Timeout: answerWithin,
	}, nil
}

// authorize is the header of an event: it looks like credentials, and is the
// signature over the decoded body.
func authorize(id, key, body, algorithm string) string {
	text, err := url.QueryUnescape(body)
	if err != nil {
		text = body // a stranger's: its signature will not hold
	}
	return basic(id, sign(key, text, algorithm))
}

// Acknowledged takes 200 for an acknowledgement, and nothing else.
func (Dialect) Acknowledged(_ remit.Notice, r dialect.Reply, _ dialect.Caller) error {
	if r.Status != http.StatusOK {
		return fmt.Errorf("the merchant answered %d, and not 200", r.Status)
	}
	return nil
}

// An event is tried every five minutes for twelve hours.
// docs/spec/trustly-us.md#71-delivery.
const (
	retryEvery = 5 * time.Minute
	retryFor   = 12 * time.Hour
)

// Retry is how long to wait after so many tries.
func (Dialect) Retry(_ remit.Notice, tries int64) (time.Duration, bool) {
	return retryEvery, tries <= int64(retryFor/retryEvery)
}

// Receive answers an event, and tells whether its signature holds.
func (Dialect) Receive(r dialect.Request, c dialect.Credentials, _ crypto.PublicKey) (dialect.Response, string) {
	reply := dialect.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte("Ok")}
	id, signature := credentials(r.Header.Get("Authorization"))
	text, err := url.QueryUnescape(string(r.Body))
	switch {
	case err != nil:
		return reply, "the event cannot be read"
	case id != c.Shared[accessID] || !signedBy(c.Shared[accessKey], signature, text):
		return reply, "the signature does not hold"
	}
	return reply, ""
}
