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

// Seal signs a frozen notification. docs/spec/trustly-eu.md#52-request-shape.
func (Dialect) Seal(n remit.Notice, s dialect.Signer, _ dialect.Caller, _ time.Time) (dialect.Outgoing, error) {
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
// The official clients differ in all of them. (D14) Where it is no
// acknowledgement, another status than 200 is said first.
// docs/spec/trustly-eu.md#54-response-the-merchant-must-give.
func (Dialect) Acknowledged(n remit.Notice, r dialect.Reply, who dialect.Caller) error {
	err := believed(n, r, who)
	if err != nil && r.Status != http.StatusOK {
		return fmt.Errorf("HTTP %d: %w", r.Status, err)
	}
	return err
}

// believed is nil for an acknowledgement, or why the reply is none.
func believed(n remit.Notice, r dialect.Reply, who dialect.Caller) error {
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
	case n.Kind == noticeKYC && (status == statusContinue || status == statusFinish):
		return nil // what it asks is Heard's matter
	case status == "FAILED" && n.Kind == noticeDebit:
		return nil // it is the merchant's answer: do not pay out
	case status == "FAILED":
		return errors.New("the merchant answered FAILED")
	}
	return errors.New("the reply's status is not known")
}

// What a merchant answers to kyc: the deposit goes on, or ends.
// docs/spec/trustly-eu.md#54-response-the-merchant-must-give.
const (
	statusContinue = "CONTINUE"
	statusFinish   = "FINISH"
)

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
	status := "OK"
	if method == noticeKYC {
		status = statusContinue
	}
	data := value{kind: object, members: []member{{"status", str(status)}}}
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
