package trustlyus

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remit"
	"remit/dialect"
	"remit/money"
)

var start = time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)

// TestEveryRefusalIsKnownToTheClients goes through all problems: each has one
// of the documented statuses and codes, a message, and a domain.
// docs/spec/trustly-us.md#63-http-codes-d-err.
func TestEveryRefusalIsKnownToTheClients(t *testing.T) {
	statuses := map[int]bool{400: true, 401: true, 404: true, 500: true, 503: true}
	codes := map[int]bool{100: true, 200: true, 210: true, 300: true, 375: true}
	for f, p := range problems {
		if !statuses[p.status] || !codes[p.code] || !strings.HasPrefix(domainOf(p.code), exceptions) {
			t.Errorf("%v is %+v", f, p)
		}
	}
	for _, code := range remit.Codes() {
		if p, _ := problemOf(&remit.Error{Code: code, Detail: "a detail"}); p.status == 0 || p.message == "" {
			t.Errorf("%s has no words", code)
		}
	}
}

// TestWhatMayHaveBeenCommittedIsNever503: a client in use sends a refund again
// after a 503. docs/spec/trustly-us.md#11-traps-what-clients-send-read-or-choke-on T5.
func TestWhatMayHaveBeenCommittedIsNever503(t *testing.T) {
	for reason, want := range map[remit.Reason]int{"": 500, remit.ReasonQueueFull: 503, remit.ReasonShuttingDown: 503} {
		res := Dialect{}.Read(sample()).Encode(nil, remit.Result{}, remit.Errorf(remit.Unavailable, reason, "a detail"))
		if res.Status != want {
			t.Errorf("%q: got %d, want %d", reason, res.Status, want)
		}
	}
}

// TestAStrangerLearnsNothing answers the same to an unknown access id, to a
// wrong key, and to somebody unknown whose key is right.
func TestAStrangerLearnsNothing(t *testing.T) {
	yes := func(string, string) bool { return true }
	var first []byte
	for _, who := range []dialect.Caller{{}, {Secret: yes}, {Known: true, Secret: func(string, string) bool { return false }}} {
		call := Dialect{}.Read(sample())
		res := call.Encode(nil, remit.Result{}, call.Verify(who))
		if first == nil {
			first = res.Body
		}
		if !bytes.Equal(first, res.Body) || res.Status != http.StatusUnauthorized {
			t.Errorf("%t: %d %s", who.Known, res.Status, res.Body)
		}
	}
}

// TestMoneyAddsUpInEveryState goes through the states of captures and refunds:
// balance = paid - reversed - refunded, and nothing is below zero.
// docs/spec/trustly-us.md#5-money-model-and-refund-bookkeeping.
func TestMoneyAddsUpInEveryState(t *testing.T) {
	amount := money.Amount{Minor: 2500, Currency: usd}
	for _, c := range []struct {
		state    remit.PaymentState
		refunded int64
		want     string // status, pending, paid, refunded, reversed, balance
	}{
		{remit.PaymentOpened, 0, "Pending 25.00 0.00 0.00 0.00 0.00"},
		{remit.PaymentAuthorized, 0, "Authorized 25.00 0.00 0.00 0.00 0.00"},
		{remit.PaymentFunded, 0, "Completed 0.00 25.00 0.00 0.00 25.00"},
		{remit.PaymentFunded, 750, "Partially Refunded 0.00 25.00 7.50 0.00 17.50"},
		{remit.PaymentFunded, 2500, "Refunded 0.00 25.00 25.00 0.00 0.00"},
		{remit.PaymentReversed, 0, "Reversed 0.00 25.00 0.00 25.00 0.00"},
		{remit.PaymentReversed, 750, "Reversed 0.00 25.00 7.50 25.00 0.00"},
		{remit.PaymentFailed, 0, "Denied 0.00 0.00 0.00 0.00 0.00"},
		{remit.PaymentCanceled, 0, "Canceled 0.00 0.00 0.00 0.00 0.00"},
	} {
		x := shop{}.ofPayment(remit.Payment{State: c.state, Amount: amount, RefundedMinor: c.refunded})
		got := strings.Join([]string{x.StatusMessage, x.Pending, x.Paid, x.Refunded, x.Reversed, x.Balance}, " ")
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.state, got, c.want)
		}
	}
	for _, c := range []struct {
		state  remit.State
		reason remit.Reason
		want   string
	}{
		{remit.Waiting, "", "On Hold 25.00 0.00 0.00 0.00 0.00"},
		{remit.Accepted, "", "Pending 25.00 0.00 0.00 0.00 0.00"},
		{remit.Sent, "", "Processed 25.00 0.00 0.00 0.00 0.00"},
		{remit.Settled, "", "Completed 0.00 25.00 0.00 0.00 25.00"},
		{remit.Failed, remit.ReasonAccountBlocked, "Denied 0.00 0.00 0.00 0.00 0.00"},
		{remit.Failed, remit.ReasonNoBeneficiary, "Failed 0.00 0.00 0.00 0.00 0.00"},
		{remit.Canceled, remit.ReasonAborted, "Canceled 0.00 0.00 0.00 0.00 0.00"},
		{remit.Returned, remit.ReasonAccountClosed, "Reversed 0.00 25.00 0.00 25.00 0.00"},
	} {
		x := shop{}.ofDisbursement(remit.Disbursement{State: c.state, Reason: c.reason, Amount: amount}, nil)
		got := strings.Join([]string{x.StatusMessage, x.Pending, x.Paid, x.Refunded, x.Reversed, x.Balance}, " ")
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.state, got, c.want)
		}
	}
}

// TestEventsByChange goes through every event of refunds and payments, and
// lists what is told of which.
// docs/spec/trustly-us.md#73-eventtype-values.
func TestEventsByChange(t *testing.T) {
	p := remit.Payment{ID: "p1", ExternalID: "capture", State: remit.PaymentFunded, Amount: money.Amount{Minor: 2500, Currency: usd}, RefundedMinor: 2500,
		NotificationURL: "https://shop.example.net/"}
	list := func(o dialect.Occurrence) string {
		o.Number = func() string { return "1" }
		var got []string
		for _, n := range (Dialect{}).Notices(o) {
			out, err := Dialect{}.Seal(n, nil, dialect.Caller{Shared: map[string]string{accessID: "i", accessKey: "k"}}, start)
			if err != nil {
				t.Fatal(err)
			}
			if out.Timeout != 3*time.Second {
				t.Errorf("%s may take %s", n.Kind, out.Timeout)
			}
			_, object, _ := strings.Cut(string(out.Body), "&objectId=")
			object, _, _ = strings.Cut(object, "&")
			got = append(got, n.Kind+" "+object)
		}
		return strings.Join(got, ", ")
	}
	for state, want := range map[remit.State]string{
		remit.Waiting: "", remit.Accepted: "", remit.Sent: "Process refund", remit.Settled: "Complete refund, Refund capture",
		remit.Failed: "Fail refund", remit.Canceled: "Cancel refund", remit.Returned: "Reverse refund",
		remit.State(remit.KindStuck): "", remit.State(remit.KindUnknown): "",
	} {
		d := remit.Disbursement{ID: "d1", Kind: remit.KindRefund, Payment: "p1", ExternalID: "refund", State: state}
		if got := list(dialect.Occurrence{Event: remit.Event{Subject: "d1", Kind: string(state)}, Disbursement: &d, Payment: &p}); got != want {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
	}
	gone := p
	gone.State = remit.PaymentReversed
	d := remit.Disbursement{ID: "d1", Kind: remit.KindRefund, Payment: "p1", ExternalID: "refund", State: remit.Settled}
	if got := list(dialect.Occurrence{Event: remit.Event{Subject: "d1", Kind: string(remit.Settled)}, Disbursement: &d, Payment: &gone}); got != "Complete refund" {
		t.Errorf("of a capture that was reversed: %q", got)
	}
	p.RefundedMinor = 0
	for state, want := range map[remit.PaymentState]string{
		remit.PaymentOpened: "", remit.PaymentAuthorized: "Authorize capture", remit.PaymentFunded: "Complete capture", remit.PaymentFailed: "Deny capture",
		remit.PaymentCanceled: "Cancel capture", remit.PaymentReversed: "Reverse capture",
	} {
		if got := list(dialect.Occurrence{Event: remit.Event{Subject: "p1", Kind: string(state)}, Payment: &p}); got != want {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
	}
}

// TestAnEventIsTriedForTwelveHours: once, and then every five minutes.
// docs/spec/trustly-us.md#71-delivery.
func TestAnEventIsTriedForTwelveHours(t *testing.T) {
	var total time.Duration
	tries := int64(1)
	for ; ; tries++ {
		wait, more := Dialect{}.Retry(remit.Notice{}, tries)
		if !more {
			break
		}
		if wait != 5*time.Minute {
			t.Fatalf("after %d tries the wait is %s", tries, wait)
		}
		total += wait
	}
	if total != 12*time.Hour || tries != 145 {
		t.Errorf("given up after %s and %d tries", total, tries)
	}
}

// TestOnly200Acknowledges: 201, 202 and 204 do not.
func TestOnly200Acknowledges(t *testing.T) {
	for status, want := range map[int]bool{200: true, 201: false, 202: false, 204: false, 302: false, 500: false} {
		if err := (Dialect{}).Acknowledged(remit.Notice{}, dialect.Reply{Status: status}, dialect.Caller{}); (err == nil) != want {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestAMerchantDoesNotBelieveAStranger has events arrive that are signed with
// another key, for another access id, or not at all.
func TestAMerchantDoesNotBelieveAStranger(t *testing.T) {
	c := bench(t).Credentials
	const body = "merchantId=acme&eventType=Complete"
	for header, want := range map[string]bool{
		authorize(testID, testKey, body, ""):         true,
		authorize(testID, testKey, body, hmacSHA512): true,
		authorize(testID, "another", body, ""):       false,
		authorize("another", testKey, body, ""):      false,
		basic(testID, testKey):                       false,
		"":                                           false,
	} {
		r := dialect.Request{Header: http.Header{"Authorization": {header}}, Body: []byte(body)}
		if reply, problem := (Dialect{}).Receive(r, c, nil); (problem == "") != want || reply.Status != 200 {
			t.Errorf("%s: %d %q", header, reply.Status, problem)
		}
	}
	r := dialect.Request{Header: http.Header{"Authorization": {basic(testID, testKey)}}, Body: []byte("%zz")}
	if _, problem := (Dialect{}).Receive(r, c, nil); problem == "" {
		t.Error("what cannot be read was believed")
	}
}

// TestANoticeIsNotSentUnsigned: without the key, or kept badly, there is
// nothing to send.
func TestANoticeIsNotSentUnsigned(t *testing.T) {
	if _, err := (Dialect{}).Seal(remit.Notice{Content: "[]"}, nil, dialect.Caller{}, start); err == nil {
		t.Error("sealed without a key")
	}
	if _, err := (Dialect{}).Seal(remit.Notice{Content: "{"}, nil, dialect.Caller{Shared: map[string]string{accessID: "i", accessKey: "k"}}, start); err == nil {
		t.Error("sealed what cannot be read")
	}
}

// TestStagedPaymentsAreWhatWasAskedFor stages each kind, and what is none.
func TestStagedPaymentsAreWhatWasAskedFor(t *testing.T) {
	spec := dialect.Spec{Amount: money.Amount{Minor: 100, Currency: usd}, State: remit.PaymentFunded}
	for kind, want := range map[string]int{"": typeCapture, `"capture"`: typeCapture, `"pay"`: typePay, `"refund"`: 0, `7`: 0} {
		spec.More = nil
		if kind != "" {
			spec.More = map[string]json.RawMessage{"type": json.RawMessage(kind)}
		}
		o, err := Dialect{}.Stage(spec)
		if want == 0 {
			if err == nil {
				t.Errorf("%s was staged", kind)
			}
			continue
		}
		if err != nil || detailsOf(o.Details).Type != want {
			t.Errorf("%s: %v, %s", kind, err, o.Details)
		}
	}
	spec.More = nil
	if o, err := (Dialect{}).Stage(spec); err != nil || detailsOf(o.Details).Bank != nil {
		t.Errorf("a bank is invented: %v, %s", err, o.Details)
	}
	spec.Demo = true
	if o, err := (Dialect{}).Stage(spec); err != nil || detailsOf(o.Details).Bank == nil {
		t.Errorf("a sandbox has no bank: %v, %s", err, o.Details)
	}
	spec.Demo, spec.More = false, map[string]json.RawMessage{"rows": json.RawMessage("[]")}
	if _, err := (Dialect{}).Stage(spec); err == nil {
		t.Error("an attribute of another's is let through")
	}
	spec.More = nil
	spec.Amount.Currency = "EUR"
	if _, err := (Dialect{}).Stage(spec); err == nil {
		t.Error("staged euros")
	}
}

// TestIssuedCredentialsWork: the key that is compared is the key that is
// computed with, and the id is the principal.
func TestIssuedCredentialsWork(t *testing.T) {
	c, err := Dialect{}.Issue(strings.NewReader(strings.Repeat("seed", 20)), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if c.Secrets[accessKey] == "" || c.Secrets[accessKey] != c.Shared[accessKey] || c.Shared[accessID] != string(c.Principal) || len(c.Principal) != 20 {
		t.Errorf("issued %+v", c)
	}
	if _, err := (Dialect{}).Issue(strings.NewReader("short"), "acme"); err == nil {
		t.Error("issued without randomness")
	}
}

// TestBodiesThatCannotBeReadAreRefused: nothing of them is taken for an
// absent amount.
func TestBodiesThatCannotBeReadAreRefused(t *testing.T) {
	const form, object = "application/x-www-form-urlencoded", "application/json; charset=UTF-8"
	for _, c := range [][2]string{
		{form, "amount=%zz"}, {form, "amount=1;amount=2"}, {form, "amount=1&amount=1"},
		{object, " "}, {object, "[]"}, {object, `"amount"`}, {object, `{} {}`}, {object, `{"amount":"1"`}, {object, `{"a":{"b":1},"a.b":2}`},
		{object, `{"a":[1,{"b":[2]}`}, {object, `{"a":{"b":`}, {object, `{"a":1e999}`}, {object, `{"a`}, {object, `{"a":}`},
		{object, strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)},
		{"", "amount=1"}, {"text/plain", "amount=1"}, {"application/json; charset", "{}"},
	} {
		if f, fault := readFields(c[0], []byte(c[1])); fault == nil {
			t.Errorf("%s %s was read: %v", c[0], c[1], f)
		}
	}
	f, fault := readFields(object, []byte(`{"a":[1,{"b":[2]}],"c":{"d":true,"e":false,"f":null,"g":0},"h.i":"x"}`))
	want := fields{"a": {odd: true}, "c.d": {text: "true"}, "c.e": {text: "false", falsy: true}, "c.f": {null: true, falsy: true},
		"c.g": {text: "0", falsy: true}, "h.i": {text: "x"}}
	if diff := cmp.Diff(want, f, cmp.AllowUnexported(field{})); fault != nil || diff != "" {
		t.Errorf("%v %s", fault, diff)
	}
	if f, fault := readFields("", nil); fault != nil || len(f) != 0 {
		t.Errorf("no body: %v %v", f, fault)
	}
}

// TestAListThatIsCutShortIsNoList: it would say that what it lacks is not
// there. A body that is too large is refused as well.
func TestAListThatIsCutShortIsNoList(t *testing.T) {
	b := bench(t)
	ask := func(r dialect.Request, res remit.Result) dialect.Response {
		b.Prove(t, &r)
		call := Dialect{}.Read(r)
		_, err := call.Decode()
		return call.Encode(nil, res, err)
	}
	list := dialect.Request{Method: "GET", Path: "/api/v1/transactions"}
	if got := ask(list, remit.Result{}); got.Status != 200 {
		t.Errorf("a whole one: %d %s", got.Status, got.Body)
	}
	if got := ask(list, remit.Result{More: true}); got.Status != 400 || !bytes.Contains(got.Body, []byte("createdAt.start")) {
		t.Errorf("one cut short: %d %s", got.Status, got.Body)
	}
	large := sample()
	large.TooLarge = true
	if got := ask(large, remit.Result{}); got.Status != 400 {
		t.Errorf("a body too large: %d %s", got.Status, got.Body)
	}
}

// TestTheCallersAddressIsKept: a refund answers with it.
func TestTheCallersAddressIsKept(t *testing.T) {
	r := sample()
	r.From = netip.MustParseAddr("2001:db8::9")
	prove(t, &r)
	op, err := Dialect{}.Read(r).Decode()
	if err != nil {
		t.Fatal(err)
	}
	if got := detailsOf(op.Refund.Details).IP; got != "2001:db8::9" {
		t.Errorf("got %q", got)
	}
}
