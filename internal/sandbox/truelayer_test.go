package sandbox_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// inBritain is a client of TrueLayer's API, from what sandbox.json says alone.
type inBritain struct {
	*client
	at    map[string]any
	key   *ecdsa.PrivateKey
	token string
	calls int
}

func (c *client) inBritain() *inBritain {
	c.Helper()
	b := &inBritain{client: c, at: c.settings["truelayer"].(map[string]any)}
	text, err := os.ReadFile(b.setting("signing_private_key"))
	must(c.T, err)
	block, _ := pem.Decode(text)
	b.key, err = x509.ParseECPrivateKey(block.Bytes)
	must(c.T, err)
	res, err := http.PostForm(b.setting("auth_url")+"/connect/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {b.setting("client_id")}, "client_secret": {b.setting("client_secret")},
	})
	must(c.T, err)
	defer res.Body.Close()
	var out any
	must(c.T, json.NewDecoder(res.Body).Decode(&out))
	b.token = at(out, "access_token").(string)
	return b
}

func (b *inBritain) setting(name string) string { return b.at[name].(string) }

// sign makes a Tl-Signature. docs/spec/truelayer.md#3-request-signing-tl-signature.
func (b *inBritain) sign(path, key, body string) string {
	b.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	head := encode(fmt.Appendf(nil, `{"alg":"ES512","kid":%q,"tl_version":"2","tl_headers":"Idempotency-Key"}`, b.setting("kid")))
	sum := sha512.Sum512([]byte(head + "." + encode([]byte("POST "+path+"\nIdempotency-Key: "+key+"\n"+body))))
	der, err := b.key.Sign(nil, sum[:], crypto.SHA512)
	must(b.T, err)
	var pair struct{ R, S *big.Int }
	_, err = asn1.Unmarshal(der, &pair)
	must(b.T, err)
	raw := make([]byte, 132)
	pair.R.FillBytes(raw[:66])
	pair.S.FillBytes(raw[66:])
	return head + ".." + encode(raw)
}

// ask makes a call, signed where it has a body, and expects its status.
func (b *inBritain) ask(status int, method, path, body string) any {
	b.Helper()
	b.calls++
	r, err := http.NewRequest(method, b.setting("api_url")+path, strings.NewReader(body))
	must(b.T, err)
	r.Header.Set("Authorization", "Bearer "+b.token)
	if body != "" {
		key := fmt.Sprint("key-", b.calls)
		r.Header.Set("Idempotency-Key", key)
		r.Header.Set("Tl-Signature", b.sign(path, key, body))
	}
	res, err := http.DefaultClient.Do(r)
	must(b.T, err)
	defer res.Body.Close()
	var out any
	must(b.T, json.NewDecoder(res.Body).Decode(&out))
	if res.StatusCode != status {
		b.Fatalf("%s %s: %d %v, want %d", method, path, res.StatusCode, out, status)
	}
	return out
}

// told are the types of the webhooks that came, each of which must be
// believed.
func (b *inBritain) told() string {
	b.Helper()
	var kinds []string
	for _, i := range at(b.do("GET", "/inbox?dialect=truelayer", ""), "items").([]any) {
		var body any
		must(b.T, json.Unmarshal([]byte(at(i, "body").(string)), &body))
		if at(i, "verified") != true {
			b.Errorf("the inbox does not believe %v", i)
		}
		kinds = append(kinds, at(body, "type").(string))
	}
	return strings.Join(kinds, " ")
}

// A payer pays on the page into the merchant account that sandbox.json names;
// the refund is executed, comes back, and can be made again. Each step is seen
// at once, and told by a webhook.
func TestAPaymentByPageIsRefundedAndComesBack(t *testing.T) {
	b := start(t).inBritain()
	account := at(b.at["merchant_accounts"], "GBP").(string)
	paid := b.ask(201, "POST", "/payments", `{"amount_in_minor":5000,"currency":"GBP","user":{"name":"A"},"hosted_page":{"return_uri":"http://localhost/back"},`+
		`"payment_method":{"type":"bank_transfer","provider_selection":{"type":"user_selected"},"beneficiary":{"type":"merchant_account","merchant_account_id":"`+account+`"}}}`)
	page, _, _ := strings.Cut(at(at(paid, "hosted_page"), "uri").(string), "#")
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.PostForm(page, url.Values{"do": {"Execute"}})
	must(t, err)
	res.Body.Close()
	payment := at(paid, "id").(string)
	if to := res.Header.Get("Location"); to != "http://localhost/back?payment_id="+payment {
		t.Errorf("the payer is sent to %q", to)
	}
	refunds := "/v3/payments/" + payment + "/refunds"
	refund := at(b.ask(202, "POST", refunds, `{"reference":"all of it"}`), "id").(string)
	b.ask(400, "POST", refunds, `{"amount_in_minor":1,"reference":"more"}`)
	b.advance("1m")
	if got := at(b.ask(200, "GET", refunds+"/"+refund, ""), "status"); got != "executed" {
		t.Errorf("the refund is %v", got)
	}
	b.do("POST", "/disbursements/"+at(b.only(payment), "id").(string)+"/outcome", `{"outcome":"return"}`)
	b.do("POST", "/drain", "")
	after := b.ask(200, "GET", refunds+"/"+refund, "")
	if at(after, "status") != "failed" || at(after, "failure_reason") != "returned" {
		t.Errorf("the refund is %v", after)
	}
	b.ask(202, "POST", refunds, `{"amount_in_minor":5000,"reference":"again"}`)
	if got, want := b.told(), "payment_executed payment_creditable payment_settled refund_executed refund_failed"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	b.sound()
}

// A receiver that answers 500 is told again, by the same body, until it
// answers 2xx. Each try says when it was made.
func TestAWebhookIsToldUntilItIsTaken(t *testing.T) {
	b := start(t).inBritain()
	payment := at(b.do("POST", "/payments", `{"dialect":"truelayer","amount_minor":5000,"currency":"EUR"}`), "external_id").(string)
	b.do("DELETE", "/inbox", "")
	b.do("POST", "/inbox/behaviour", `{"status":500,"times":3}`)
	b.ask(202, "POST", "/v3/payments/"+payment+"/refunds", `{"amount_in_minor":1,"reference":"A"}`)
	b.advance("73h")
	items := at(b.do("GET", "/inbox?dialect=truelayer", ""), "items").([]any)
	for _, i := range items {
		if at(i, "body") != at(items[0], "body") || at(i, "verified") != true {
			t.Errorf("told %v, then %v", items[0], i)
		}
		came, err := time.Parse(time.RFC3339, at(i, "received_at").(string))
		must(t, err)
		if sent := at(i, "headers", "X-Tl-Webhook-Timestamp"); sent != came.Format("2006-01-02T15:04:05Z") {
			t.Errorf("sent at %v, received at %s", sent, came)
		}
	}
	if len(items) != 4 {
		t.Errorf("told %d times, want 4", len(items))
	}
	b.sound()
}

// A payment that the control API has made went into the account that
// sandbox.json names; and what is not served below the version is refused in
// the provider's words.
func TestWhatTheControlAPIMakesLooksLikeAnyOther(t *testing.T) {
	b := start(t).inBritain()
	payment := at(b.do("POST", "/payments", `{"dialect":"truelayer","amount_minor":5000,"currency":"EUR"}`), "external_id").(string)
	paid := b.ask(200, "GET", "/v3/payments/"+payment, "")
	if got, want := at(paid, "payment_method", "beneficiary", "merchant_account_id"), at(b.at, "merchant_accounts", "EUR"); got != want {
		t.Errorf("paid into %v, want %v", got, want)
	}
	if got := b.ask(404, "GET", "/v3/mandates/"+payment, ""); at(got, "title") != "Not Found" {
		t.Errorf("refused by %v", got)
	}
}

// A payment that the merchant made, and that the control API says is paid, has
// a payer to whom it can be refunded.
func TestAPaymentThatTheControlAPIFundsCanBeRefunded(t *testing.T) {
	b := start(t).inBritain()
	account := at(b.at["merchant_accounts"], "EUR").(string)
	paid := b.ask(201, "POST", "/payments", `{"amount_in_minor":5000,"currency":"EUR","user":{"name":"A"},`+
		`"payment_method":{"type":"bank_transfer","provider_selection":{"type":"user_selected"},"beneficiary":{"type":"merchant_account","merchant_account_id":"`+account+`"}}}`)
	payment := at(paid, "id").(string)
	b.do("POST", "/payments/"+payment+"/fund", "")
	b.ask(202, "POST", "/v3/payments/"+payment+"/refunds", `{"amount_in_minor":3000,"reference":"A"}`)
	b.advance("1m")
	b.wantState(payment, "settled")
	b.sound()
}

// A payment that nobody's account is known of stays so when it is funded.
func TestFundingGuessesNoPayer(t *testing.T) {
	b := start(t).inBritain()
	payment := at(b.do("POST", "/payments", `{"dialect":"truelayer","amount_minor":5000,"currency":"EUR","state":"authorized","attributes":{"payer":null}}`), "external_id").(string)
	b.do("POST", "/payments/"+payment+"/fund", "")
	b.ask(202, "POST", "/v3/payments/"+payment+"/refunds", `{"amount_in_minor":3000,"reference":"A"}`)
	b.advance("1m")
	if got := at(b.wantState(payment, "failed"), "reason"); got != "no_beneficiary" {
		t.Errorf("failed for %v", got)
	}
}

// Where the merchant has said where its webhooks go, those about payments of
// the control API go there too.
func TestWebhooksGoWhereTheMerchantHasThem(t *testing.T) {
	b := start(t).inBritain()
	got := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.URL.Path }))
	defer receiver.Close()
	now := b.do("POST", "/merchants/acme", fmt.Sprintf(`{"config":{"truelayer.webhook_uri":"%s/mine"}}`, receiver.URL))
	if is := at(now, "config", "truelayer.webhook_uri"); is != receiver.URL+"/mine" {
		t.Errorf("the setting is %v", is)
	}
	b.do("POST", "/payments", `{"dialect":"truelayer","amount_minor":5000,"currency":"EUR"}`)
	b.do("POST", "/drain", "")
	select {
	case path := <-got:
		if path != "/mine" {
			t.Errorf("told at %s", path)
		}
	default:
		t.Error("told nobody")
	}
	if told := b.told(); told != "" {
		t.Errorf("the inbox was told %s", told)
	}
}

// The example for integrators refunds; too much is refused in the provider's
// words.
func TestTheNodeExampleRefundsInBritain(t *testing.T) {
	c := start(t)
	for amount, want := range map[string]string{"3000": "refund .* of 3000 EUR of payment .*: pending", "12000": "400 Invalid Parameters: amount_in_minor"} {
		out, err := exec.Command(nodeJS(t), "../../examples/truelayer/refund.mjs", filepath.Join(c.dir, "sandbox.json"), amount).CombinedOutput()
		if !regexp.MustCompile(want).Match(out) || (err == nil) != (amount == "3000") {
			t.Errorf("%v: %s", err, out)
		}
	}
	c.sound()
}
