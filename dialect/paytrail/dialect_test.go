package paytrail

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"remit"
	"remit/dialect"
	"remit/dialect/dialecttest"
	"remit/money"
)

// TestEveryReturnCodeOfTheSeedIsShown finds each of the page's return codes,
// and of the general ones, in a recorded answer with the status that the page
// gives it, a description and a workaround.
// docs/spec/paytrail.md#a44-errors-of-this-call-s.
func TestEveryReturnCodeOfTheSeedIsShown(t *testing.T) {
	want := map[string]string{
		"invalid-refund-rows": "400", "invalid-amount": "400", "invalid-vat-percent": "400", "invalid-description": "400",
		"invalid-notify-url": "400", "invalid-key": "400", "missing-email": "400", "invalid-email": "400", "invalid-interface": "400",
		"nonunique-payment-identifier": "400", "payment-not-found": "404",
		"payment-interface-type-does-not-support-refunding": "405", "payment-method-does-not-support-refunding": "405",
		"payment-status-does-not-support-refunding": "405",
		"invalid-signature":                         "403", "invalid-api-name": "403", "merchant-inactive": "403", "refunds-not-enabled": "403", "invalid-json": "400",
		"invalid-refund-token": "404", "refund-status-does-not-support-cancelling": "405", "invalid-order-number": "404",
		"invalid-consumer-payment-id": "404", "invalid-settlement-id": "404", "invalid-date-range": "404", "invalid-date-format": "404",
	}
	shown := map[string]string{}
	for _, text := range recorded(t, "response") {
		head, body, _ := strings.Cut(text, "\n\n")
		var e struct {
			Error *struct{ Title, Description, Workaround string }
		}
		if json.Unmarshal([]byte(body), &e) != nil || e.Error == nil {
			continue
		}
		status, _, _ := strings.Cut(head, "\n")
		shown[e.Error.Title] = status
		if e.Error.Description == "" || e.Error.Workaround == "" {
			t.Errorf("%s says too little: %s", e.Error.Title, body)
		}
	}
	for title, status := range want {
		if shown[title] != status {
			t.Errorf("%s is shown with status %q, want %s", title, shown[title], status)
		}
	}
}

// recorded are all recorded sections of a name.
func recorded(t *testing.T, section string) (all []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversation is recorded", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(text).Files {
			if f.Name == section {
				all = append(all, string(f.Data))
			}
		}
	}
	return all
}

// TestOurErrorsAreInBothTables: every code alone has words in either API.
func TestOurErrorsAreInBothTables(t *testing.T) {
	for _, code := range remit.Codes() {
		if merchantProblems[fault{code, ""}].title == "" || paymentProblems[fault{code, ""}].status == 0 {
			t.Errorf("the code %s alone has no words", code)
		}
	}
}

// TestAnswersAreNoRequests sends each recorded answer of the Payment API back
// as a request: who listens to us must not be able to speak for the merchant.
// What a stranger makes us sign is believed by nobody; of what the merchant is
// answered no refund and no payment can be made.
func TestAnswersAreNoRequests(t *testing.T) {
	who := dialect.Caller{Known: true, Admitted: true, Shared: bench().Credentials.Shared}
	tried := 0
	for _, text := range recorded(t, "response") {
		head, body, _ := strings.Cut(text, "\n\n")
		h := http.Header{}
		for line := range strings.Lines(head) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				h.Set(name, value)
			}
		}
		if h.Get(headerSignature) == "" {
			continue
		}
		tried++
		path := paymentsPath + "/" + h.Get(headerTransaction) + "/refund"
		for _, r := range []dialect.Request{{Method: "GET", Path: strings.TrimSuffix(path, "/refund")}, {Method: "POST", Path: path}, {Method: "POST", Path: paymentsPath}} {
			r.Header, r.Body = h, []byte(strings.TrimSuffix(body, "\n"))
			call := Dialect{}.Read(r)
			if err := call.Verify(who); err != nil {
				continue
			}
			if strings.HasPrefix(head, "401") && h.Get(headerMethod) == "" {
				t.Errorf("what a stranger was answered is believed: %s", text)
			}
			op, err := call.Decode()
			if err == nil && (op.Refund != nil && len(op.Refund.Faults) == 0 || op.Open != nil && len(op.Open.Faults) == 0) {
				t.Errorf("an answer is a command: %s", text)
			}
		}
	}
	if tried < 50 {
		t.Errorf("only %d answers were tried", tried)
	}
}

// TestHeadersOfAnswersAreInSmallLetters: a client in use looks for no others;
// and another takes Location by its capital.
// docs/spec/paytrail.md#b9-traps-in-part-b, docs/spec/paytrail.md#a42-success.
func TestHeadersOfAnswersAreInSmallLetters(t *testing.T) {
	r := dialect.Request{Method: "GET", Path: "/payments/x", Header: http.Header{"Checkout-Account": {demoAccount}, "Checkout-Method": {"GET"}, "Checkout-Algorithm": {"sha256"}}}
	SignPayment(&r, demoAccountSecret)
	call := Dialect{}.Read(r)
	if err := call.Verify(dialect.Caller{Known: true, Admitted: true, Shared: bench().Credentials.Shared}); err != nil {
		t.Fatal(err)
	}
	res := call.Encode(nil, remit.Result{}, remit.NotFound)
	for _, name := range []string{"checkout-account", "checkout-algorithm", "checkout-method", "checkout-nonce", "checkout-timestamp", "signature", "request-id"} {
		if len(res.Header[name]) != 1 {
			t.Errorf("%s is not there once: %v", name, res.Header)
		}
	}
	for _, text := range recorded(t, "response") {
		if strings.HasPrefix(text, "202") && !strings.Contains(text, "\nLocation: ") {
			t.Errorf("no Location: %s", text)
		}
	}
}

// TestCallersAreTold tells callers of each API, and those of others.
func TestCallersAreTold(t *testing.T) {
	for want, headers := range map[bool][]http.Header{
		true:  {{"Checkout-Account": {"1"}}, {"Authorization": {scheme + " 1:x"}}},
		false: {{}, {"Authorization": {"Bearer x"}}},
	} {
		for _, h := range headers {
			if got := (Dialect{}).Mine(h); got != want {
				t.Errorf("%v: %t", h, got)
			}
		}
	}
}

// TestCredentialsAreTwoPairs issues credentials: two ids of nine digits, two
// secrets, none like another.
func TestCredentialsAreTwoPairs(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		c, err := Dialect{}.Issue(rand.Reader, "acme")
		if err != nil {
			t.Fatal(err)
		}
		merchant, account := strings.TrimPrefix(string(c.Principal), principalMerchant), strings.TrimPrefix(string(c.Also[0]), principalAccount)
		for _, s := range []string{merchant, account, c.Shared[sharedMerchant], c.Shared[sharedPayment]} {
			if seen[s] {
				t.Errorf("%s was issued twice", s)
			}
			seen[s] = true
		}
		if len(merchant) != 9 || len(account) != 9 || len(c.Shared[sharedMerchant]) != secretLength || len(c.Shared[sharedPayment]) != secretLength {
			t.Errorf("%+v", c)
		}
	}
	if _, err := (Dialect{}).Issue(bytes.NewReader(nil), "acme"); err == nil {
		t.Error("credentials were made of no randomness")
	}
}

// TestNoticesAreTriedOnTheirSchedules adds the waits up: of a status
// notification 1, 3, 6 … 55 hours after the first try, eleven tries in all.
// docs/spec/paytrail.md#a8-status-notifications-m-not.
func TestNoticesAreTriedOnTheirSchedules(t *testing.T) {
	hours := func(kind string) (all []float64) {
		after := time.Duration(0)
		for tries := int64(1); ; tries++ {
			wait, more := Dialect{}.Retry(remit.Notice{Kind: kind}, tries)
			if !more {
				return all
			}
			after += wait
			all = append(all, after.Hours())
		}
	}
	want := []float64{1, 3, 6, 10, 15, 21, 28, 36, 45, 55}
	got := hours(noticeStatus)
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("try %d comes after %v h, want %v", i+2, got[i], want[i])
		}
	}
	if got := hours(noticeCallback); len(got) != 4 || got[3] != 24 {
		t.Errorf("callbacks are tried again after %v h", got)
	}
	if got := hours(noticeMail); len(got) != len(mailWaits) {
		t.Errorf("mails are tried again after %v h", got)
	}
}

// TestABadNoticeIsNotSent seals what was kept badly, and what there is no
// secret for.
func TestABadNoticeIsNotSent(t *testing.T) {
	to := dialect.Caller{Shared: bench().Credentials.Shared}
	for _, kind := range []string{noticeStatus, noticeCallback, noticeMail, "other"} {
		if _, err := (Dialect{}).Seal(remit.Notice{Kind: kind, Content: "{"}, nil, to, time.Time{}); !errors.Is(err, errBadly) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, kind := range []string{noticeStatus, noticeCallback} {
		if _, err := (Dialect{}).Seal(remit.Notice{Kind: kind, Content: "{}"}, nil, dialect.Caller{}, time.Time{}); !errors.Is(err, errBadly) {
			t.Errorf("%s is signed without a secret: %v", kind, err)
		}
	}
}

// TestAForgedNotificationIsNotBelieved alters notifications of both APIs.
func TestAForgedNotificationIsNotBelieved(t *testing.T) {
	for _, query := range []string{
		"refundToken=x&oldStatus=created&newStatus=completed&signature=" + statusChange{Token: "x", Old: "created", New: "cancelled"}.hash(demoMerchantSecret),
		fields{headerAccount: demoAccount, headerAlgorithm: "sha256", "checkout-status": "ok"}.query("another secret"),
		"",
	} {
		if _, problem := (Dialect{}).Receive(dialect.Request{Method: "GET", Query: query}, bench().Credentials, nil); problem == "" {
			t.Errorf("%q is believed", query)
		}
	}
}

// TestPaymentsAreStagedOrRefused tries what a sandbox can be asked for.
func TestPaymentsAreStagedOrRefused(t *testing.T) {
	euros := money.Amount{Minor: 2500, Currency: "EUR"}
	for attributes, ok := range map[string]bool{
		`{}`: true,
		`{"interface":"E1","rows":[{"amount_minor":2700,"vat_percent":2550},{"amount_minor":-200,"vat_percent":0}]}`: true,
		`{"interface":"third-party","payment_method":"paypal","paid":false}`:                                         true,
		`{"interface":"S1","rows":[{"amount_minor":2500,"vat_percent":2550}]}`:                                       false,
		`{"rows":[{"amount_minor":2499,"vat_percent":2550}]}`:                                                        false,
		`{"rows":[{"amount_minor":2500,"vat_percent":10001}]}`:                                                       false,
		`{"rows":[{"amount_minor":-500,"vat_percent":0},{"amount_minor":3000,"vat_percent":2550}]}`:                  true,
		`{"rows":[{"amount_minor":9223372036854775807},{"amount_minor":9223372036854775807},{"amount_minor":2502}]}`: false,
		`{"paid":false}`: true,
		`{"rows":7}`:     false, `{"interface":"E3"}`: false, `{"payment_method":"gold"}`: false, `{"type":"pay"}`: false,
	} {
		s := dialect.Spec{Amount: euros, State: remit.PaymentFunded, Demo: true}
		if err := json.Unmarshal([]byte(attributes), &s.More); err != nil {
			t.Fatal(err)
		}
		if _, err := (Dialect{}).Stage(s); (err == nil) != ok {
			t.Errorf("%s: %v", attributes, err)
		}
	}
	// Of a payment that was made elsewhere nothing is invented.
	s := dialect.Spec{Amount: euros, State: remit.PaymentFunded}
	if _, err := (Dialect{}).Stage(s); err == nil {
		t.Error("a payment by no method")
	}
	s.More = map[string]json.RawMessage{"payment_method": json.RawMessage(`"paypal"`)}
	if o, err := (Dialect{}).Stage(s); err != nil || strings.Contains(o.Details, "example") {
		t.Errorf("%v, %s", err, o.Details)
	}
	s.More["paid"] = json.RawMessage("false")
	if _, err := (Dialect{}).Stage(s); err == nil {
		t.Error("a payment that is funded and not paid")
	}
	if _, err := (Dialect{}).Stage(dialect.Spec{Amount: money.Amount{Minor: 1, Currency: "SEK"}}); err == nil {
		t.Error("a payment in SEK")
	}
}

// TestIBANsAreChecked takes examples of the ISO 13616 register, and spoils
// them.
func TestIBANsAreChecked(t *testing.T) {
	for text, want := range map[string]bool{
		"FI2112345600000785": true, "GB33BUKB20201555555555": true, "NO9386011117947": true, "MT84MALT011000012345MTLCAST001S": true,
		"FI2112345600000786": false, "FI1212345600000785": false, "FI21": false, "": false, "fi2112345600000785": false, "FI21123456000007850000000000000000000": false,
	} {
		if got := validIBAN(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
	if got := plainIBAN(" fi21 1234 5600 0007 85\t"); got != "FI2112345600000785" {
		t.Errorf("got %q", got)
	}
}

// TestATooLargeBodyIsSaidSo: the connection is closed behind what was left
// unread.
func TestATooLargeBodyIsSaidSo(t *testing.T) {
	for _, r := range samples()[:3] {
		r.TooLarge = true
		call := Dialect{}.Read(r)
		_, err := call.Claim()
		res := call.Encode(nil, remit.Result{}, err)
		if !errors.Is(err, remit.Invalid) || res.Status != http.StatusBadRequest || res.Header.Get("Connection") != "close" {
			t.Errorf("%s: %v, %d", r.Path, err, res.Status)
		}
	}
}

// FuzzMerchant and FuzzPayments send whatever comes to the two APIs, signed.
func FuzzMerchant(f *testing.F) {
	dialecttest.Fuzz(f, fuzzed(func(r *dialect.Request) { SignMerchant(r, demoMerchant, demoMerchantSecret) }), "/merchant/v1/payments/103118840027/refunds")
}

func FuzzPayments(f *testing.F) {
	const id = "0f6c1e52-3a7d-4b0e-9c1f-7d2a8e5b4c10"
	dialecttest.Fuzz(f, fuzzed(func(r *dialect.Request) {
		r.Header = http.Header{"Checkout-Account": {demoAccount}, "Checkout-Algorithm": {"sha512"}, "Checkout-Method": {r.Method}, "Checkout-Transaction-Id": {id}}
		SignPayment(r, demoAccountSecret)
	}), "/payments/"+id+"/refund")
}

// FuzzCreate sends orders.
func FuzzCreate(f *testing.F) {
	dialecttest.Fuzz(f, fuzzed(func(r *dialect.Request) {
		r.Header = http.Header{"Checkout-Account": {demoAccount}, "Checkout-Algorithm": {"sha256"}, "Checkout-Method": {r.Method}}
		SignPayment(r, demoAccountSecret)
	}), "/payments")
}

func fuzzed(sign func(*dialect.Request)) dialecttest.Bench {
	b := bench()
	b.Prove = func(_ testing.TB, r *dialect.Request) {
		r.Header = http.Header{"Timestamp": {"now"}}
		sign(r)
	}
	return b
}
