package sandbox_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remit"
	"remit/dialect"
	"remit/dialect/trustly"
	"remit/internal/node"
	"remit/internal/sandbox"
)

// sandbox.json says what a client needs, for both merchants; private keys are
// its owner's alone, and no two merchants share anything.
func TestSandboxJSONSaysWhatAClientNeeds(t *testing.T) {
	c := start(t)
	base := c.settings["base_url"].(string)
	for name, want := range map[string]any{
		"console_url": base + "/console", "control_url": base + "/_sandbox", "inbox_url": base + "/inbox", "merchant": "acme",
	} {
		if got := c.settings[name]; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	acme, globex := c.section("acme"), c.section("globex")
	if acme["url"] != base+"/api/1" || acme["password"] == globex["password"] || acme["username"] == globex["username"] {
		t.Errorf("got %v and %v", acme, globex)
	}
	for _, s := range []map[string]any{acme, globex} {
		info, err := os.Stat(s["merchant_private_key"].(string))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %s", info.Name(), info.Mode())
		}
		for _, name := range []string{"merchant_public_key", "server_public_key"} {
			if _, err := x509.ParsePKIXPublicKey(pemAt(t, s[name])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, m := range []string{"acme", "globex"} {
		got := at(c.do("GET", "/merchants/"+m, ""), "balances")
		var want []any
		for _, cur := range []string{"EUR", "SEK", "GBP", "USD"} {
			want = append(want, map[string]any{"currency": cur, "balance_minor": 1e8, "available_minor": 1e8})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", m, diff)
		}
	}
}

// A refund waits five seconds in which it can be called back, and is settled
// ten after that, each to the moment; and every book says so.
func TestARefundSettlesAfterItsWindowAndTheBanksDelay(t *testing.T) {
	c := start(t)
	p := c.pay("")
	c.accepted("acme", p, "30.00")
	for _, step := range [][2]string{{"4999ms", "accepted"}, {"1ms", "sent"}, {"9999ms", "sent"}, {"1ms", "settled"}} {
		c.advance(step[0])
		c.wantState(p, step[1])
	}
	d := c.only(p)
	for name, want := range map[string]any{
		"kind": "refund", "amount_minor": 3000.0, "currency": "EUR", "payment_external_id": p, "external_id": "", "reason": "",
	} {
		if got := at(d, name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	var states []any
	var last time.Time
	for _, m := range at(d, "timeline").([]any) {
		when, err := time.Parse(time.RFC3339, at(m, "at").(string))
		must(t, err)
		if when.Before(last) || at(m, "evidence") == "" {
			t.Errorf("timeline: %v", m)
		}
		states, last = append(states, at(m, "state")), when
	}
	if want := []any{"accepted", "sent", "settled"}; !slices.Equal(states, want) {
		t.Errorf("timeline: got %v, want %v", states, want)
	}
	var steps []any
	for _, x := range at(d, "transfers").([]any) {
		steps = append(steps, at(x, "step"), at(x, "amount_minor"), at(x, "currency"), at(x, "from"), at(x, "to"))
	}
	want := []any{"hold", 3000.0, "EUR", "merchant/acme/EUR", "merchant/acme/clearing/simulator/EUR",
		"post_hold", 3000.0, "EUR", "merchant/acme/EUR", "merchant/acme/clearing/simulator/EUR"}
	if !slices.Equal(steps, want) {
		t.Errorf("transfers: got %v, want %v", steps, want)
	}
	bank := at(c.do("GET", "/bank", ""), "instructions", 0)
	for name, want := range map[string]any{
		"end_to_end_id": "acme-" + at(d, "id").(string), "disbursement_id": at(d, "id"), "amount_minor": 3000.0, "currency": "EUR",
		"times_submitted": 1.0, "times_paid": 1.0, "state": "settled",
	} {
		if got := at(bank, name); got != want {
			t.Errorf("bank %s: got %v, want %v", name, got, want)
		}
	}
	if got := c.do("GET", "/disbursements/"+at(d, "id").(string), ""); !cmp.Equal(got, d) {
		t.Errorf("one disbursement: %s", cmp.Diff(d, got))
	}
	check := c.do("GET", "/ledger/check", "")
	if at(check, "ok") != true || at(check, "transfers") != 11.0 || at(check, "currencies", "EUR") == nil {
		t.Errorf("the books: %v", check)
	}
	c.sound()
}

// Listings are in the order in which refunds were made, though all of these
// are made at one moment of a clock that stands still.
func TestListingsAreInOrder(t *testing.T) {
	c := start(t)
	p := c.pay("")
	for n := range 9 {
		c.accepted("acme", p, fmt.Sprintf("%d.00", n+1))
	}
	for _, query := range []string{"", "?external_id=" + p} {
		for n, d := range at(c.do("GET", "/disbursements"+query, ""), "items").([]any) {
			if got, want := at(d, "amount_minor"), float64(100*(n+1)); got != want {
				t.Errorf("%s place %d: got %v, want %v", query, n, got, want)
			}
		}
	}
}

// Each outcome does what it says, at once, also to a refund that is still in
// its window; after that only what the state allows can be asked for.
func TestEveryOutcomeIsShownByTheNextRead(t *testing.T) {
	for _, x := range []struct {
		outcome, state, reason string
		paid                   float64
		still                  []string // what can be asked for after it
	}{
		{outcome: "settle", state: "settled", paid: 1, still: []string{"return"}},
		{outcome: `refuse","reason":"account_closed`, state: "failed", reason: "account_closed"},
		{outcome: `refuse","reason":"AC01`, state: "failed", reason: "account_unknown"},
		{outcome: "refuse", state: "failed", reason: "refused_by_bank"},
		{outcome: `return","reason":"account_closed`, state: "returned", reason: "account_closed", paid: 1},
		{outcome: "stall", state: "sent", still: []string{"settle", "refuse", "return", "stall", "unknown"}},
		{outcome: "unknown", state: "sent", paid: 1, still: []string{"return"}},
		{outcome: "abort", state: "canceled", reason: "aborted"},
	} {
		t.Run(x.outcome, func(t *testing.T) {
			c := start(t)
			p := c.pay("")
			c.accepted("acme", p, "30.00")
			path := "/disbursements/" + at(c.only(p), "id").(string) + "/outcome"
			answer := c.do("POST", path, `{"outcome":"`+x.outcome+`"}`)
			d := c.wantState(p, x.state)
			if diff := cmp.Diff(d, answer); diff != "" {
				t.Errorf("the answer is not what the next read says: %s", diff)
			}
			if got := at(d, "reason"); got != x.reason {
				t.Errorf("reason: got %v, want %q", got, x.reason)
			}
			paid := at(c.do("GET", "/bank", ""), "instructions", 0, "times_paid")
			if x.outcome == "abort" {
				if paid != nil {
					t.Error("what was called back has reached the bank")
				}
			} else if paid != x.paid {
				t.Errorf("paid %v times, want %v", paid, x.paid)
			}
			for _, other := range []string{"settle", "refuse", "stall", "unknown", "abort", "return"} {
				if !slices.Contains(x.still, other) {
					c.refused(http.StatusConflict, "POST", path, `{"outcome":"`+other+`"}`)
				}
			}
			if len(x.still) > 0 {
				c.do("POST", path, `{"outcome":"`+x.still[0]+`"}`)
			}
			c.sound()
		})
	}
}

// A bank that pays and does not answer is asked until it tells: at the third
// look-up. Meanwhile nothing says that it is paid, and nothing is paid twice.
func TestUnknownIsToldByTheThirdLookUp(t *testing.T) {
	c := start(t)
	p := c.pay("")
	c.accepted("acme", p, "30.00")
	c.do("POST", "/disbursements/"+at(c.only(p), "id").(string)+"/outcome", `{"outcome":"unknown"}`)
	c.advance("5s")
	c.advance("30s")
	c.wantState(p, "sent")
	c.advance("2m")
	c.wantState(p, "settled")
	if got := at(c.do("GET", "/bank", ""), "instructions", 0, "times_submitted"); got != 1.0 {
		t.Errorf("submitted %v times, want once", got)
	}
	c.sound()
}

// An outcome can be ordered for later: the window ends at once, and the rest
// comes at its own time; a return six days after success is notified.
func TestAnOutcomeCanComeLater(t *testing.T) {
	c := start(t)
	p := c.pay(`,"order_reference":"order 17","attributes":{"end_user_id":"u-1"}`)
	c.accepted("acme", p, "30.00")
	path := "/disbursements/" + at(c.only(p), "id").(string) + "/outcome"
	c.do("POST", path, `{"outcome":"refuse","after":"1h"}`)
	c.wantState(p, "sent")
	c.advance("59m59s")
	c.wantState(p, "sent")
	c.do("POST", path, `{"outcome":"settle"}`)
	c.wantState(p, "settled")
	if got := c.inbox(); len(got) != 0 {
		t.Fatalf("got %v, want nothing said of a success", got)
	}

	c.do("POST", path, `{"outcome":"return","after":"144h","reason":"account_closed"}`)
	c.advance("143h")
	c.wantState(p, "settled")
	c.advance("1h")
	c.wantState(p, "returned")
	got := c.inbox()
	if len(got) != 1 {
		t.Fatalf("got %d notifications, want 1", len(got))
	}
	var body any
	must(t, json.Unmarshal([]byte(at(got[0], "body").(string)), &body))
	for name, want := range map[string]any{"amount": "30.00", "currency": "EUR", "orderid": p, "messageid": "order 17", "enduserid": "u-1"} {
		if got := at(body, "params", "data", name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]any{
		"dialect": "trustly", "method": "POST", "path": "/inbox/acme/trustly", "query": "", "verified": true, "problem": "", "response_status": 200.0,
	} {
		if got := at(got[0], name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if at(body, "method") != "credit" || !strings.Contains(at(got[0], "response_body").(string), `"status":"OK"`) {
		t.Errorf("got %v", got[0])
	}
	c.sound()
}

// Nobody is told that an order is good that is not: unknown words, members
// and ids are refused, and change nothing.
func TestAnOrderThatMakesNoSenseIsRefused(t *testing.T) {
	c := start(t)
	p := c.pay("")
	c.accepted("acme", p, "30.00")
	path := "/disbursements/" + at(c.only(p), "id").(string) + "/outcome"
	for _, body := range []string{
		``, `{}`, `[]`, `{"outcome":"explode"}`, `{"outcome":""}`, `{"outcome":null}`, `{"outcome":7}`, `{"Outcome":"settle"}`,
		`{"outcome":"settle","when":"now"}`, `{"outcome":"settle"} {}`, `{"outcome":"settle","outcome":"refuse"}`,
		`{"outcome":"settle","after":"soon"}`, `{"outcome":"settle","after":"-1s"}`, `{"outcome":"settle","after":60}`, `{"outcome":"return","after":"999999h"}`,
		`{"outcome":"refuse","reason":"bad mood"}`, `{"outcome":"stall","after":"1h"}`, `{"outcome":"abort","after":"1h"}`, `{"outcome":"settle"`,
	} {
		c.refused(http.StatusBadRequest, "POST", path, body)
	}
	c.refused(http.StatusNotFound, "POST", "/disbursements/d0000000000000000000/outcome", `{"outcome":"settle"}`)
	c.refused(http.StatusNotFound, "GET", "/disbursements/d0000000000000000000", "")
	c.wantState(p, "accepted")
}

// A refund of a payment whose money is on its way waits for it; a second one
// is refused meanwhile. When the money comes it is sent, and when it never
// comes it fails.
func TestARefundWaitsForThePaymentsMoney(t *testing.T) {
	c := start(t)
	p := c.pay(`,"state":"authorized"`)
	c.accepted("acme", p, "30.00")
	c.wantState(p, "waiting")
	c.wantCode(716, "acme", p, "30.00")
	c.advance("72h")
	c.wantState(p, "waiting")
	c.do("POST", "/payments/"+p+"/fund", "")
	c.wantState(p, "accepted")
	c.advance("15s")
	c.wantState(p, "settled")
	c.refused(http.StatusConflict, "POST", "/payments/"+p+"/fund", "")
	c.refused(http.StatusConflict, "POST", "/payments/"+p+"/fail", "")
	c.refused(http.StatusConflict, "POST", "/payments/"+p+"/authorize", "")

	q := c.pay(`,"state":"authorized"`)
	c.accepted("acme", q, "30.00")
	c.do("POST", "/payments/"+q+"/fail", "{}")
	c.wantState(q, "failed")
	c.wantCode(671, "acme", q, "30.00")
	c.wantCode(671, "acme", c.pay(`,"state":"failed"`), "30.00")
	c.refused(http.StatusNotFound, "POST", "/payments/1/fund", "")
	c.sound()
}

// A merchant is put into the state that each of these refusals needs, and out
// of it again; each call takes effect with the next request.
func TestAMerchantIsPutIntoTheStateThatAnErrorNeeds(t *testing.T) {
	c := start(t)
	p := c.pay("")
	for _, x := range []struct {
		into, back string
		code       int
	}{
		{`{"balance_minor":{"EUR":0}}`, `{"balance_minor":{"EUR":100000000}}`, 603},
		{`{"functions":{"Refund":false}}`, `{"functions":{"Refund":true}}`, 602},
		{`{"ip_allow":["192.0.2.1"]}`, `{"ip_allow":null}`, 607},
		{`{"disabled":true}`, `{"disabled":false}`, 718},
		{`{"public_key":null}`, `{"public_key":"restore"}`, 639},
		{`{"public_key":` + newPublicKey(t) + `}`, `{"public_key":"restore"}`, 636},
	} {
		c.do("POST", "/merchants/acme", x.into)
		c.wantCode(x.code, "acme", p, "1.00")
		c.do("POST", "/merchants/acme", `{}`)
		c.wantCode(x.code, "acme", p, "1.00")
		c.accepted("globex", at(c.do("POST", "/payments", `{"merchant":"globex","dialect":"trustly","amount_minor":10000,"currency":"EUR"}`), "external_id").(string), "1.00")
		c.do("POST", "/merchants/acme", x.back)
		c.accepted("acme", p, "1.00")
	}
	got := c.do("POST", "/merchants/globex", `{"switches":{"payout_failed":true},"end_users_blocked":["u-1"],"functions":{"Refund":false},"ip_allow":["127.0.0.1","::1/128"]}`)
	if !cmp.Equal(got, c.do("GET", "/merchants/globex", "")) || at(got, "switches", "payout_failed") != true || at(got, "end_users_blocked", 0) != "u-1" {
		t.Errorf("got %v", got)
	}
	c.sound()
}

func newPublicKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	text, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	must(t, err)
	return string(text)
}

// Whoever opens the control API's own address is told which calls there are.
func TestTheControlAPIListsItsCalls(t *testing.T) {
	c := start(t)
	for _, path := range []string{"", "/"} {
		got, _ := at(c.do("GET", path, ""), "calls").([]any)
		if !slices.Contains(got, any("POST /clock/advance")) {
			t.Errorf("GET %q: got %v", path, got)
		}
	}
	c.refused(http.StatusNotFound, "POST", "", "")
}

// What makes no sense is refused in the same words everywhere, and nothing
// has changed after it: neither the books nor a merchant.
func TestWhatMakesNoSenseChangesNothing(t *testing.T) {
	c := start(t)
	before, merchant := c.do("GET", "/ledger/check", ""), c.do("GET", "/merchants/acme", "")
	const fine = `"dialect":"trustly","amount_minor":1,"currency":"EUR"`
	for path, bodies := range map[string][]string{
		"/payments": {
			``, `{`, `null`, `{}`, `{"dialect":"trustly"}`, `{"dialect":"gopher","amount_minor":1,"currency":"EUR"}`,
			`{"dialect":"trustly","amount_minor":0,"currency":"EUR"}`, `{"dialect":"trustly","amount_minor":-1,"currency":"EUR"}`,
			`{"dialect":"trustly","amount_minor":1.5,"currency":"EUR"}`, `{"dialect":"trustly","amount_minor":"1","currency":"EUR"}`,
			`{"dialect":"trustly","amount_minor":1e30,"currency":"EUR"}`, `{"dialect":"trustly","amount_minor":1,"currency":"XXQ"}`,
			`{"dialect":"trustly","amount_minor":1,"currency":"eur"}`, `{"dialect":"trustly","amount_minor":1}`,
			`{` + fine + `,"merchant":"initech"}`, `{` + fine + `,"state":"paid"}`, `{` + fine + `,"colour":"red"}`, `{` + fine + `,"dialect":"trustly"}`,
			`{` + fine + `,"notification_url":"here"}`, `{` + fine + `,"notification_url":""}`, `{` + fine + `,"notification_url":null}`,
			`{` + fine + `,"attributes":[]}`, `{` + fine + `,"attributes":{"colour":"red"}}`, `{` + fine + `,"attributes":{"single_refund":"yes"}}`,
			`{` + fine + `,"attributes":{"payer":{"name":"A"}}}`, `{` + fine + `,"attributes":{"payer":{"name":"A","iban":"7"}}}`, `{` + fine + `,"attributes":{"payer":"A"}}`,
		},
		"/accounts":        {`{}`, `{"dialect":"gopher","iban":"FI2112345600000785","holder":"A"}`, `{"dialect":"trustly","iban":7,"holder":"A"}`},
		"/clock/advance":   {``, `{}`, `{"by":"-1s"}`, `{"by":"tomorrow"}`, `{"by":72}`, `{"by":"1s","and":1}`, `{"by":"9999999h"}`},
		"/drain":           {`{"all":true}`},
		"/inbox/behaviour": {`{}`, `{"status":99}`, `{"status":"500"}`, `{"status":500,"times":-1}`, `{"delay":"2m"}`, `{"status":500,"body":""}`},
		"/merchants/acme": {
			`{"name":"x"}`, `{"disabled":null}`, `{"disabled":"yes"}`, `{"balance_minor":{"EUR":-1}}`, `{"balance_minor":{"XXQ":1}}`, `{"balance_minor":7}`,
			`{"disabled":true,"balance_minor":{"EUR":1,"SEK":"2"}}`, `{"ip_allow":["somewhere"]}`, `{"ip_allow":[]}`, `{"ip_allow":"192.0.2.1"}`,
			`{"functions":{"Refund":"no"}}`, `{"functions":{"Refund":null}}`, `{"functions":null}`, `{"functions":{"refnd":false}}`, `{"config":{"truelayer.webhook_urI":"http://a.test/"}}`, `{"config":{"truelayer.iban.":"x"}}`, `{"switches":{"sandbox":false}}`, `{"end_users_blocked":["a",null]}`, `{"ip_allow":[null]}`, `{"switches":{"warp":true}}`, `{"public_key":"none"}`, `{"public_key":7}`, `{"disabled":true,"public_key":""}`,
		},
	} {
		for _, body := range bodies {
			c.refused(http.StatusBadRequest, "POST", path, body)
		}
	}
	for _, x := range [][2]string{
		{"GET", "//clock"}, {"GET", "/merchants/../clock"}, {"GET", "/nothing"}, {"GET", "/payments"}, {"PUT", "/clock"}, {"GET", "/merchants/initech"}, {"POST", "/merchants/initech"}, {"DELETE", "/disbursements"},
	} {
		c.refused(http.StatusNotFound, x[0], x[1], "")
	}
	for _, x := range []string{"/disbursements?externalid=1", "/inbox?dialect=gopher", "/inbox?limit=1", "/clock?x=1"} {
		c.refused(http.StatusBadRequest, "GET", x, "")
	}
	c.refused(http.StatusBadRequest, "POST", "/accounts", `{"dialect":"trustly","iban":"FI2112345600000786","holder":"A"}`)
	if got := c.do("GET", "/ledger/check", ""); !cmp.Equal(got, before) {
		t.Errorf("the books have changed: %s", cmp.Diff(before, got))
	}
	if got := c.do("GET", "/merchants/acme", ""); !cmp.Equal(got, merchant) {
		t.Errorf("the merchant has changed: %s", cmp.Diff(merchant, got))
	}
}

// The same request again is answered with the same bytes, and refunds nothing
// more; its UUID with other content is refused.
func TestTheSameRequestIsAnsweredByTheSameBytes(t *testing.T) {
	c := start(t)
	p, id := c.pay(""), uuid()
	body := c.refund("acme", id, p, "30.00")
	first, _, _ := c.send("acme", body)
	c.advance("1h")
	again, _, _ := c.send("acme", body)
	if !bytes.Equal(first, again) {
		t.Errorf("got %s, want %s", again, first)
	}
	c.only(p)
	if _, _, code := c.send("acme", c.refund("acme", id, p, "31.00")); code != 688 {
		t.Errorf("the same UUID with another amount: got %d, want 688", code)
	}
	c.sound()
}

// A receiver that fails three times is called a fourth time, each at its own
// virtual time, with the same bytes; then no more.
func TestAReceiverThatFailsIsCalledAgainWithTheSameBytes(t *testing.T) {
	c := start(t)
	p := c.pay("")
	c.accepted("acme", p, "30.00")
	c.do("POST", "/inbox/behaviour", `{"status":500,"times":3}`)
	c.do("POST", "/disbursements/"+at(c.only(p), "id").(string)+"/outcome", `{"outcome":"refuse"}`)
	c.advance("24h")
	got := c.inbox()
	if len(got) != 4 {
		t.Fatalf("got %d calls, want 4", len(got))
	}
	var first time.Time
	for i, want := range []struct {
		after  time.Duration
		status float64
	}{{0, 500}, {10 * time.Second, 500}, {40 * time.Second, 500}, {100 * time.Second, 200}} {
		when, err := time.Parse(time.RFC3339, at(got[i], "received_at").(string))
		must(t, err)
		if i == 0 {
			first = when
		}
		if when.Sub(first) != want.after || at(got[i], "response_status") != want.status {
			t.Errorf("call %d: %s after the first, answered %v, want %+v", i, when.Sub(first), at(got[i], "response_status"), want)
		}
		if at(got[i], "body") != at(got[0], "body") || at(got[i], "verified") != true {
			t.Errorf("call %d is not the first one over again: %v", i, got[i])
		}
	}
}

// The receiver answers as whoever the notification is for, also where the URL
// does not say who that is; what nobody is owed is kept as not verified. Its
// listing can be emptied.
func TestTheInboxAnswersForWhomTheNotificationIs(t *testing.T) {
	c := start(t)
	url := c.settings["inbox_url"].(string)
	for _, target := range []string{url, url + "/somewhere/below"} {
		p := at(c.do("POST", "/payments", `{"merchant":"globex","dialect":"trustly","amount_minor":100,"currency":"EUR","notification_url":"`+target+`"}`), "external_id").(string)
		c.accepted("globex", p, "1.00")
		c.do("POST", "/disbursements/"+at(c.only(p), "id").(string)+"/outcome", `{"outcome":"refuse"}`)
	}
	c.advance("24h")
	got := c.inbox()
	if len(got) != 2 || at(got[0], "path") != "/inbox" || at(got[1], "path") != "/inbox/somewhere/below" || at(got[1], "verified") != true {
		t.Fatalf("got %v, want two calls that were each acknowledged at once", got)
	}
	for _, target := range []string{url, url + "/acme/trustly"} {
		res, err := http.Post(target+"?a=b", "application/json", strings.NewReader(`{"forged":true}`))
		must(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		must(t, res.Body.Close())
	}
	all := at(c.do("GET", "/inbox", ""), "items").([]any)
	for _, i := range all[2:] {
		if at(i, "verified") != false || at(i, "problem") == "" || at(i, "query") != "a=b" || at(i, "body") != `{"forged":true}` || at(i, "headers", "Content-Type") != "application/json" {
			t.Errorf("got %v", i)
		}
	}
	c.do("DELETE", "/inbox", "")
	if got := at(c.do("GET", "/inbox", ""), "items").([]any); len(got) != 0 {
		t.Errorf("got %v, want nothing", got)
	}
}

// A notification URL on this machine, over plain http, is called.
func TestNotificationsGoToPlainHTTPOnLoopback(t *testing.T) {
	c := start(t)
	got := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer s.Close()
	p := c.pay(`,"notification_url":"` + s.URL + `/hook"`)
	c.accepted("acme", p, "1.00")
	c.do("POST", "/disbursements/"+at(c.only(p), "id").(string)+"/outcome", `{"outcome":"refuse"}`)
	select {
	case body := <-got:
		if !strings.Contains(body, p) {
			t.Errorf("got %s", body)
		}
	default:
		t.Error("nobody called before the outcome was answered")
	}
}

// Whoever is being notified may ask us something before it answers, also
// where a seed has one thing done at a time.
func TestAReceiverMayCallBack(t *testing.T) {
	c := start(t)
	var p string
	asked := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		res, err := http.Get(c.settings["control_url"].(string) + "/disbursements?external_id=" + p)
		if err != nil {
			asked <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		asked <- string(body)
	}))
	defer s.Close()
	p = c.pay(`,"notification_url":"` + s.URL + `"`)
	c.accepted("acme", p, "1.00")
	c.do("POST", "/disbursements/"+at(c.only(p), "id").(string)+"/outcome", `{"outcome":"refuse"}`)
	if got := <-asked; !strings.Contains(got, `"state":"failed"`) {
		t.Errorf("got %s", got)
	}
}

// Values on the magic page choose an outcome without the control API, and
// switches decide which of them the merchant is told of.
func TestMagicValuesAndSwitches(t *testing.T) {
	c := start(t)
	c.do("POST", "/merchants/acme", `{"switches":{"payout_failed":true,"payout_confirmation":true}}`)
	closed := at(c.do("POST", "/payments", `{"dialect":"trustly","amount_minor":9990001,"currency":"EUR"}`), "external_id").(string)
	c.accepted("acme", closed, "99900.01")
	c.accepted("acme", c.pay(""), "1.00")
	c.advance("15s")
	if got := at(c.wantState(closed, "failed"), "reason"); got != "account_closed" {
		t.Errorf("reason: got %v", got)
	}
	var methods []any
	for _, i := range c.inbox() {
		var body any
		must(t, json.Unmarshal([]byte(at(i, "body").(string)), &body))
		methods = append(methods, at(body, "method"))
	}
	if want := []any{"payoutfailed", "credit", "payoutconfirmation"}; !slices.Equal(methods, want) {
		t.Errorf("got %v, want %v", methods, want)
	}
	c.do("POST", "/merchants/acme", `{"switches":{"payout_confirmation":false}}`)
	c.do("DELETE", "/inbox", "")
	c.accepted("acme", c.pay(""), "1.00")
	c.advance("15s")
	if got := c.inbox(); len(got) != 0 {
		t.Errorf("got %v, want nothing", got)
	}
}

// Where the payer's account is not known nothing is guessed: the refund fails
// when it would be sent.
func TestARefundToNobodyFails(t *testing.T) {
	c := start(t)
	p := c.pay(`,"attributes":{"payer":null}`)
	c.accepted("acme", p, "1.00")
	c.advance("5s")
	if got := at(c.wantState(p, "failed"), "reason"); got != "no_beneficiary" {
		t.Errorf("reason: got %v", got)
	}
}

// The single refund of a payment that allows one is the only one.
func TestAPaymentCanAllowOneRefund(t *testing.T) {
	c := start(t)
	p := c.pay(`,"attributes":{"single_refund":true,"payer":{"name":"Ada","iban":"SE45 5000 0000 0583 9825 7466"},"interface":"E1","rows":[]}`)
	c.accepted("acme", p, "1.00")
	c.wantCode(672, "acme", p, "1.00")
}

// The clock only goes forward, and says where it is.
func TestTheClockOnlyGoesForward(t *testing.T) {
	c := start(t)
	read := func(out any) time.Time {
		when, err := time.Parse(time.RFC3339, at(out, "now").(string))
		must(t, err)
		return when
	}
	before := read(c.do("GET", "/clock", ""))
	if got := read(c.do("GET", "/clock", "")); !got.Equal(before) {
		t.Errorf("with a seed the clock went from %s to %s by itself", before, got)
	}
	if got := read(c.do("POST", "/clock/advance", `{"by":"72h"}`)); got.Sub(before) != 72*time.Hour {
		t.Errorf("the clock went %s, want 72h", got.Sub(before))
	}
}

// Without a seed everything goes on by itself, in real time; and what drain
// ran it tells. The bank's and the window's times are jumped over.
func TestWithoutASeedWorkRunsByItself(t *testing.T) {
	c := startAt(t, t.TempDir(), nil)
	p := c.pay("")
	c.accepted("acme", p, "1.00")
	c.advance("5s")
	if got := at(c.do("POST", "/drain", ""), "ran"); got != 0.0 {
		t.Errorf("drain ran %v, want nothing left to run", got)
	}
	c.wantState(p, "sent")
	id := at(c.only(p), "id").(string)
	c.do("POST", "/disbursements/"+id+"/outcome", `{"outcome":"refuse","after":"1ms"}`)
	for range 100 {
		if got := c.inbox(); len(got) == 1 {
			c.wantState(p, "failed")
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("after ten seconds nobody was told that the bank refused")
}

// A sandbox that starts again in its folder goes on where it was: the same
// address, credentials, clock and refunds, and new ids that are not the old ones.
func TestASandboxGoesOnWhereItWas(t *testing.T) {
	for name, seed := range map[string]*int64{"seed": new(int64(3)), "no seed": nil} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := startAt(t, dir, seed)
			p := c.pay("")
			c.accepted("acme", p, "1.00")
			c.do("POST", "/merchants/globex", `{"public_key":null,"balance_minor":{"EUR":0}}`)
			c.advance("1000h")
			base := c.settings["base_url"]
			settings, clock, refund := c.section("acme"), at(c.do("GET", "/clock", ""), "now").(string), c.only(p)
			c.stop()

			c = startAt(t, dir, seed)
			if c.settings["base_url"] != base {
				t.Errorf("it answers at %v, and answered at %v", c.settings["base_url"], base)
			}
			if now := at(c.do("GET", "/clock", ""), "now").(string); now < clock {
				t.Errorf("the clock went back from %s to %s", clock, now)
			}
			for _, name := range []string{"username", "password", "merchant_private_key"} {
				if c.section("acme")[name] != settings[name] {
					t.Errorf("%s: got %v, want %v", name, c.section("acme")[name], settings[name])
				}
			}
			if got := c.only(p); !cmp.Equal(got, refund) {
				t.Errorf("the refund: %s", cmp.Diff(refund, got))
			}
			if got := at(c.do("GET", "/merchants/globex", ""), "balances", 0, "balance_minor"); got != 0.0 {
				t.Errorf("globex was given %v again", got)
			}
			c.accepted("acme", p, "2.00")
			for range 20 {
				q := c.do("POST", "/payments", `{"dialect":"trustly","amount_minor":10000,"currency":"EUR"}`)
				c.accepted("acme", at(q, "external_id").(string), "2.00")
				if id := at(q, "payment_id").(string); id[1:] == at(refund, "id").(string)[1:] {
					t.Errorf("%v is an id of before the start", id)
				}
			}
			c.advance("15s")
			if got := at(c.do("GET", "/disbursements", ""), "items").([]any); len(got) != 22 {
				t.Errorf("got %d refunds, want 22", len(got))
			}
			c.sound()
		})
	}
}

// Two sandboxes with one seed that are asked the same give the same names to
// everything, down to those in notifications.
func TestASeedMakesTheSameIDs(t *testing.T) {
	life := func() (names []any) {
		c := start(t)
		for _, m := range []string{"acme", "globex"} {
			c.do("POST", "/merchants/"+m, `{"switches":{"payout_failed":true}}`)
		}
		for i, outcome := range []string{"refuse", "return", "unknown", "settle", "abort"} {
			m := []string{"acme", "globex"}[i%2]
			p := c.do("POST", "/payments", `{"merchant":"`+m+`","dialect":"trustly","amount_minor":10000,"currency":"EUR"}`)
			names = append(names, at(p, "payment_id"), at(p, "external_id"))
			c.accepted(m, at(p, "external_id").(string), "1.00")
			c.accepted(m, at(p, "external_id").(string), "2.00")
			for _, d := range at(c.do("GET", "/disbursements?external_id="+at(p, "external_id").(string), ""), "items").([]any) {
				names = append(names, at(d, "id"))
				c.do("POST", "/disbursements/"+at(d, "id").(string)+"/outcome", `{"outcome":"`+outcome+`"}`)
			}
			c.advance("1h")
		}
		for _, i := range c.inbox() {
			var body any
			must(t, json.Unmarshal([]byte(at(i, "body").(string)), &body))
			names = append(names, at(i, "id"), at(body, "method"), at(body, "params", "uuid"), at(body, "params", "data", "notificationid"))
		}
		for _, d := range at(c.do("GET", "/disbursements", ""), "items").([]any) {
			names = append(names, at(d, "id"), at(d, "state"), at(d, "timeline", 0, "evidence"), fmt.Sprint(at(d, "transfers")))
		}
		for _, i := range at(c.do("GET", "/bank", ""), "instructions").([]any) {
			names = append(names, at(i, "end_to_end_id"))
		}
		c.sound()
		return append(names, c.section("acme")["password"], c.section("globex")["password"])
	}
	first := life()
	if len(first) < 60 {
		t.Fatalf("only %d names were given", len(first))
	}
	if diff := cmp.Diff(first, life()); diff != "" {
		t.Error(diff)
	}
}

// eager is a dialect that tells of a refund as soon as it is accepted.
type eager struct{ trustly.Dialect }

func (e eager) Notices(o dialect.Occurrence) []remit.Notice {
	if o.Event.Kind == string(remit.Accepted) {
		o.Event.Kind = string(remit.Canceled)
	}
	return e.Dialect.Notices(o)
}

// With a seed what a merchant's request causes is done before anything else
// is, though nobody moves the clock or drains.
func TestWithASeedARequestIsCarriedOutBeforeTheNext(t *testing.T) {
	o := config(t, t.TempDir(), new(int64(7)))
	o.Dialects = []dialect.Dialect{eager{}}
	c := startWith(t, o)
	p := c.pay("")
	for n := range 5 {
		c.accepted("acme", p, "1.00")
		if got := c.inbox(); len(got) != n+1 {
			t.Fatalf("got %d notifications, want %d", len(got), n+1)
		}
	}
}

// Credentials that were revoked are as bad when the sandbox has started again.
func TestWhatWasRevokedStaysSo(t *testing.T) {
	dir := t.TempDir()
	var n *node.Node
	begin := func() *client {
		o := config(t, dir, new(int64(3)))
		public := o.Public
		o.Public = func(its *node.Node, newTrace func() string) (http.Handler, func()) {
			n = its
			return public(its, newTrace)
		}
		return startWith(t, o)
	}
	c := begin()
	must(t, n.Revoke(t.Context(), n.Engine.Head("acme", "operator:test", "test"), "trustly"))
	c.stop()
	begin()
	for in, want := range map[string]bool{"trustly": false, "truelayer": true} {
		who, err := n.Directory.Merchant(t.Context(), in, "acme")
		must(t, err)
		if who.Known != want {
			t.Errorf("%s: acme is known: %t", in, who.Known)
		}
	}
}

// A folder belongs to one sandbox at a time, and to one seed for ever.
func TestAFolderBelongsToOneSandbox(t *testing.T) {
	dir := t.TempDir()
	c := startAt(t, dir, new(int64(1)))
	open := func(seed *int64) error {
		o := config(t, dir, seed)
		defer o.Listener.Close()
		s, err := sandbox.Open(t.Context(), o)
		if err == nil {
			must(t, s.Close())
		}
		return err
	}
	if err := open(new(int64(1))); !errors.Is(err, sandbox.ErrInUse) {
		t.Errorf("a second sandbox: got %v, want %v", err, sandbox.ErrInUse)
	}
	c.stop()
	if err := open(new(int64(2))); !errors.Is(err, sandbox.ErrSeed) {
		t.Errorf("another seed: got %v, want %v", err, sandbox.ErrSeed)
	}
	must(t, open(nil))
}

// What serve mounts has no control API, no inbox, and nothing that the
// sandbox adds.
func TestServeMountsNoControlAPI(t *testing.T) {
	o := config(t, t.TempDir(), nil)
	defer o.Listener.Close()
	var served http.Handler
	o.Public = func(n *node.Node, newTrace func() string) (http.Handler, func()) {
		h, answered := public(n, newTrace, o.Log)
		served = h
		return h, answered
	}
	s, err := sandbox.Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	for _, path := range []string{"/_sandbox/clock", "/_sandbox", "/_sandbox/merchants/acme", "/inbox", "/inbox/acme/trustly"} {
		w := httptest.NewRecorder()
		served.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, w.Code)
		}
	}
}
