package trustly

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"time"

	"remit"
	"remit/dialect"
)

// The notifications, by the provider's names of them.
// docs/spec/trustly-eu.md#53-types.
const (
	noticeCredit             = "credit"
	noticeDebit              = "debit"
	noticePayoutConfirmation = "payoutconfirmation"
	noticePayoutFailed       = "payoutfailed"
)

// Notices are the notifications about a refund after its acceptance. They go
// where those of its deposit went. (D13)
// docs/spec/trustly-eu.md#56-which-notifications-for-refund-and-accountpayout.
func (Dialect) Notices(o dialect.Occurrence) []remit.Notice {
	d, p := o.Disbursement, o.Payment
	if d == nil || p == nil || d.Kind != remit.KindRefund || o.Event.Subject != string(d.ID) || p.NotificationURL == "" {
		return nil
	}
	on := o.Merchant.Settings.On
	var kinds []string
	switch remit.State(o.Event.Kind) {
	case remit.Settled:
		if on(remit.SwitchPayoutConfirmation) {
			kinds = []string{noticePayoutConfirmation}
		}
	case remit.Failed, remit.Returned:
		if d.Reason == remit.ReasonPaymentGone {
			break // the deposit's own notifications tell of it
		}
		if on(remit.SwitchPayoutFailed) {
			kinds = []string{noticePayoutFailed}
		}
		kinds = append(kinds, noticeCredit)
	case remit.Canceled:
		kinds = []string{noticeCredit}
	}
	var all []remit.Notice
	for _, kind := range kinds {
		all = append(all, notice(kind, o))
	}
	return all
}

// timestampLayout leaves trailing zeros out, and has a blank where ISO 8601
// has a T: a client in use would make a date of that before it verifies.
// docs/spec/trustly-eu.md#8-traps D1.
const timestampLayout = "2006-01-02 15:04:05.999999-07"

// bankErrors are the words of payoutfailed for why a refund failed. Only the
// first is documented. (D9)
var bankErrors = map[remit.Reason]string{
	remit.ReasonAccountUnknown: "incorrect_account_number",
}

// notice freezes one notification. All seven members are always there, since
// two clients verify over the members that they expect, and no other.
// docs/spec/trustly-eu.md#8-traps N1, N2.
func notice(kind string, o dialect.Occurrence) remit.Notice {
	d, p := o.Disbursement, o.Payment
	data := []member{
		{"amount", str(amountText(d.Amount))},
		{"currency", str(string(d.Amount.Currency))},
		{"messageid", str(p.OrderReference)},
		{"orderid", str(p.ExternalID)},
		{"enduserid", str(p.Attributes.EndUserID)},
		{"notificationid", str(o.Number())},
		{"timestamp", str(o.Event.At.UTC().Format(timestampLayout))},
	}
	if kind == noticePayoutFailed {
		code, ok := bankErrors[d.Reason]
		if !ok {
			code = string(d.Reason)
		}
		data = append(data, member{"errorcode", str(code)}, member{"errormessage", str(code)})
	}
	content := value{kind: object, members: []member{
		{"uuid", str(o.UUID())}, {"data", value{kind: object, members: data}},
	}}
	return remit.Notice{Kind: kind, URL: p.NotificationURL, Content: string(appendJSON(nil, content)), KeyVersion: o.KeyVersion}
}

// Seal signs a frozen notification. docs/spec/trustly-eu.md#52-request-shape.
func (Dialect) Seal(n remit.Notice, s dialect.Signer, _ dialect.Caller) (dialect.Outgoing, error) {
	frozen, err := parse([]byte(n.Content))
	if err != nil {
		return dialect.Outgoing{}, fmt.Errorf("trustly: a notice was kept badly: %w", err)
	}
	uuid, data := frozen.get("uuid"), frozen.get("data")
	signature, err := plain.seal(s, n.KeyVersion, n.Kind, uuid.text, data)
	if err != nil {
		return dialect.Outgoing{}, err
	}
	params := value{kind: object, members: []member{{"signature", str(signature)}, {"uuid", uuid}, {"data", data}}}
	body := value{kind: object, members: []member{{"method", str(n.Kind)}, {"params", params}, {"version", str("1.1")}}}
	return dialect.Outgoing{
		Method: http.MethodPost,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body:   appendJSON(nil, body),
	}, nil
}

// Acknowledged believes the merchant's signature, and nothing else of the
// reply: neither its status nor its headers, nor what else its body holds.
// The official clients differ in all of them. (D14)
// docs/spec/trustly-eu.md#54-response-the-merchant-must-give.
func (Dialect) Acknowledged(n remit.Notice, r dialect.Reply, who dialect.Caller) error {
	key := usable(who.PublicKeys)
	if key == nil {
		return errors.New("there is no public key of the merchant to verify the reply with")
	}
	frozen, err := parse([]byte(n.Content))
	if err != nil {
		return fmt.Errorf("trustly: a notice was kept badly: %w", err)
	}
	reply, err := parse(r.Body)
	if err != nil {
		return fmt.Errorf("the reply cannot be read: %w", err)
	}
	result := reply.get("result")
	uuid, method, data := result.get("uuid").text, result.get("method").text, result.get("data")
	if uuid != frozen.get("uuid").text || method != n.Kind {
		return errors.New("the reply is to another notification")
	}
	if !verify(key, result.get("signature").text, method, uuid, data, data.without("message")) {
		return errors.New("the reply's signature does not hold")
	}
	switch status := data.get("status").text; {
	case status == "OK":
		return nil
	case status == "FAILED" && n.Kind == noticeDebit:
		return nil // it is the merchant's answer: do not pay out
	case status == "FAILED":
		return errors.New("the merchant answered FAILED")
	}
	return errors.New("the reply's status is not known")
}

// without is the object without one of its members: three clients add a
// message to FAILED after they have signed.
func (v value) without(name string) value {
	rest := value{kind: v.kind}
	for _, m := range v.members {
		if m.name != name {
			rest.members = append(rest.members, m)
		}
	}
	return rest
}

// early are the first waits between tries, and then it goes on hourly. The
// provider publishes no times. (D14)
var early = [...]time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute}

const (
	hourlyTries = 7 * 24 // for seven days
	// retryTotal is how long after its first try a delivery is given up.
	retryTotal = 21*time.Minute + 40*time.Second + hourlyTries*time.Hour
)

// Retry is how long to wait after so many tries.
func (Dialect) Retry(_ remit.Notice, tries int64) (time.Duration, bool) {
	switch n := int64(len(early)); {
	case tries <= 0:
		return 0, true
	case tries <= n:
		return early[tries-1], true
	case tries <= n+hourlyTries:
		return time.Hour, true
	}
	return 0, false
}

// Receive answers a notification with OK, signed.
func (Dialect) Receive(r dialect.Request, c dialect.Credentials, server crypto.PublicKey) (dialect.Response, string) {
	v, err := parse(r.Body)
	if err != nil {
		return refuseNotice("the notification cannot be read: " + err.Error())
	}
	params := v.get("params")
	method, uuid := v.get("method").text, params.get("uuid").text
	key, err := privateKey(c.Private[keyName])
	if err != nil {
		return refuseNotice(err.Error())
	}
	data := value{kind: object, members: []member{{"status", str("OK")}}}
	signature, err := plain.sign(key, message(method, uuid, data, bytewise))
	if err != nil {
		return refuseNotice(err.Error())
	}
	result := value{kind: object, members: []member{
		{"signature", str(signature)}, {"uuid", str(uuid)}, {"method", str(method)}, {"data", data},
	}}
	reply := dialect.Response{
		Status: http.StatusOK,
		Header: http.Header{"Content-Type": {contentType}},
		Body:   appendJSON(nil, value{kind: object, members: []member{{"result", result}, {"version", str("1.1")}}}),
	}
	ours, ok := server.(*rsa.PublicKey)
	if !ok || !verify(ours, params.get("signature").text, method, uuid, params.get("data")) {
		return reply, "the signature does not hold"
	}
	return reply, ""
}

// refuseNotice is what a merchant's web server says of what its listener
// could not answer.
func refuseNotice(why string) (dialect.Response, string) {
	return dialect.Response{
		Status: http.StatusInternalServerError,
		Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		Body:   []byte("the notification was not understood\n"),
	}, why
}
