package sandbox_test

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sdk is Paytrail's own client, as npm knows it.
const sdk = "@paytrail/paytrail-js-sdk@1.0.5"

// paytrail are acme's settings there.
func (c *client) paytrail(name string) string {
	return c.settings["paytrail"].(map[string]any)[name].(string)
}

// finnish makes a payment of 25.00 EUR that has been paid, and answers its
// names. more are members of the call.
func (c *client) finnish(more string) map[string]any {
	c.Helper()
	p := c.do("POST", "/payments", `{"dialect":"paytrail","amount_minor":2500,"currency":"EUR","order_reference":"WEB-1"`+more+`}`)
	return at(p, "external_ids").(map[string]any)
}

// request is one with headers.
func (c *client) request(method, target, body string, headers map[string]string) *http.Request {
	c.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	must(c.T, err)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return r
}

// speak sends one request, and answers its status, its body and its Location.
func (c *client) speak(r *http.Request) (int, string, string) {
	c.Helper()
	res, err := http.DefaultTransport.RoundTrip(r)
	must(c.T, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	must(c.T, err)
	return res.StatusCode, string(answer), res.Header.Get("Location")
}

func keyed(secret, text string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// merchantAPI asks the Merchant API, of a payment id where it is one.
func (c *client) merchantAPI(method, path, body string) *http.Request {
	c.Helper()
	sum := md5.Sum([]byte(body))
	hash, who := base64.StdEncoding.EncodeToString(sum[:]), "PaytrailMerchantAPI "+c.paytrail("merchant_id")
	const at = "2026-03-02T09:15:30+02:00"
	return c.request(method, c.paytrail("merchant_api_url")+path, body, map[string]string{
		"Timestamp": at, "Content-MD5": hash, "Refund-Origin": "internal",
		"Authorization": who + ":" + base64.StdEncoding.EncodeToString(keyed(c.paytrail("merchant_secret"),
			strings.Join([]string{method, "/merchant/v1" + path, who, at, hash}, "\n"))),
	})
}

// paymentAPI asks the Payment API for a refund.
func (c *client) paymentAPI(transaction any, body string) *http.Request {
	c.Helper()
	lines := []string{
		"checkout-account:" + c.paytrail("account"), "checkout-algorithm:sha256", "checkout-method:POST", "checkout-nonce:n",
		"checkout-timestamp:2026-03-02T07:15:30.123Z", "checkout-transaction-id:" + transaction.(string),
	}
	headers := map[string]string{"signature": hex.EncodeToString(keyed(c.paytrail("secret"), strings.Join(append(lines, body), "\n")))}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ":")
		headers[name] = value
	}
	return c.request("POST", c.paytrail("payment_api_url")+"/payments/"+transaction.(string)+"/refund", body, headers)
}

// callbacks are a refund's, at the inbox.
func (c *client) callbacks() string {
	to := c.settings["inbox_url"].(string) + "/acme/paytrail"
	return `"callbackUrls":{"success":"` + to + `/ok?order=1","cancel":"` + to + `/ko"}`
}

// A refund through each API is told in its own words to the shop, which
// believes it, and the older API's to the customer, by mail.
func TestEachPaytrailAPITellsInItsOwnWords(t *testing.T) {
	c := start(t)
	names := c.finnish("")
	c.do("DELETE", "/inbox", "")
	if code, answer, _ := c.speak(c.paymentAPI(names["payment_api"], `{"amount":590,`+c.callbacks()+`}`)); code != 201 {
		t.Fatalf("got %d %s", code, answer)
	}
	notify := c.settings["inbox_url"].(string) + "/acme/paytrail/status"
	code, answer, location := c.speak(c.merchantAPI("POST", "/payments/"+names["merchant_api"].(string)+"/refunds",
		`{"rows":[{"amount":1910}],"email":"maija@example.net","notifyUrl":"`+notify+`"}`))
	if code != 202 || answer != "" {
		t.Fatalf("got %d %s", code, answer)
	}
	if code, _, _ := c.speak(c.paymentAPI(names["payment_api"], `{"amount":1,`+c.callbacks()+`}`)); code != 400 {
		t.Errorf("nothing is left, and a refund is answered %d", code)
	}
	c.advance("1m")
	var told []string
	for _, i := range at(c.do("GET", "/inbox?dialect=paytrail", ""), "items").([]any) {
		if at(i, "verified") != true {
			t.Errorf("not believed: %v", i)
		}
		q, err := url.ParseQuery(at(i, "query").(string))
		must(t, err)
		told = append(told, strings.TrimSpace(strings.Join([]string{at(i, "method").(string), at(i, "path").(string), q.Get("checkout-status") + q.Get("newStatus")}, " ")))
	}
	slices.Sort(told)
	want := []string{"GET /inbox/acme/paytrail/ok ok", "GET /inbox/acme/paytrail/status completed", "MAIL maija@example.net"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	token := location[strings.LastIndexByte(location, '/'):]
	if code, answer, _ := c.speak(c.merchantAPI("GET", "/refunds"+token, "")); code != 200 || !strings.Contains(answer, `"status":"completed"`) {
		t.Errorf("got %d %s", code, answer)
	}
	c.sound()
}

// A shop that does not answer is told of a refund's status eleven times in 55
// hours.
func TestAStatusIsToldElevenTimes(t *testing.T) {
	c := start(t)
	names := c.finnish("")
	notify := c.settings["inbox_url"].(string) + "/acme/paytrail/status"
	c.speak(c.merchantAPI("POST", "/payments/"+names["merchant_api"].(string)+"/refunds", `{"rows":[{"amount":1}],"notifyUrl":"`+notify+`"}`))
	c.do("DELETE", "/inbox", "")
	c.do("POST", "/inbox/behaviour", `{"status":500,"times":100}`)
	for _, step := range []struct {
		by   string
		want int
	}{{"1m", 1}, {"1h", 2}, {"2h", 3}, {"12h", 6}, {"40h", 11}, {"1000h", 11}} {
		c.advance(step.by)
		got := 0
		for _, i := range at(c.do("GET", "/inbox?dialect=paytrail", ""), "items").([]any) {
			if at(i, "method") == "GET" {
				got++
			}
		}
		if got != step.want {
			t.Errorf("after %s more the shop was told %d times, want %d", step.by, got, step.want)
		}
	}
}

// Where nobody knows the payer's account the customer is mailed a link,
// names an account there, and is paid.
func TestACustomerNamesAnAccount(t *testing.T) {
	c := start(t)
	names := c.finnish(`,"attributes":{"interface":"S1","payer":null}`)
	c.do("DELETE", "/inbox", "")
	if code, answer, _ := c.speak(c.merchantAPI("POST", "/payments/"+names["merchant_api"].(string)+"/refunds", `{"rows":[{"amount":2500}],"email":"maija@example.net"}`)); code != 202 {
		t.Fatalf("got %d %s", code, answer)
	}
	c.advance("1h")
	mail := at(c.do("GET", "/inbox?dialect=paytrail", ""), "items", 0)
	_, link, _ := strings.Cut(at(mail, "body").(string), "\nhttp")
	link = "http" + strings.TrimSpace(link)
	if at(mail, "method") != "MAIL" || at(mail, "path") != "maija@example.net" || !strings.HasPrefix(link, c.settings["base_url"].(string)) {
		t.Fatalf("the customer was told %v", mail)
	}
	if code, page, _ := c.speak(c.request("GET", link, "", nil)); code != 200 || !strings.Contains(page, `name="iban"`) {
		t.Errorf("got %d %s", code, page)
	}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for _, try := range []struct {
		form string
		want int
	}{{"name=Maija&iban=FI2112345600000786", 422}, {"name=Maija&iban=FI2112345600000785", 200}, {"name=Eve&iban=GB33BUKB20201555555555", 409}} {
		if code, page, _ := c.speak(c.request("POST", link, try.form, form)); code != try.want {
			t.Errorf("%s is answered %d, want %d: %s", try.form, code, try.want, page)
		}
	}
	if code, _, _ := c.speak(c.request("POST", link+"x", "name=Eve&iban=GB33BUKB20201555555555", form)); code != 404 {
		t.Errorf("a link that is not ours is answered %d", code)
	}
	c.advance("1m")
	for _, name := range names { // any of them will do
		c.wantState(name.(string), "settled")
	}
	c.sound()
}

// On the wire the Payment API's headers are in small letters, and Location has
// its capital: clients in use look for nothing else.
func TestHeadersAreWrittenAsClientsReadThem(t *testing.T) {
	c := start(t)
	names := c.finnish("")
	for want, r := range map[string]*http.Request{
		"\r\ncheckout-account: ": c.paymentAPI(names["payment_api"], `{"amount":590,`+c.callbacks()+`}`),
		"\r\nsignature: ":        c.paymentAPI(names["payment_api"], `{"amount":-1}`),
		"\r\nLocation: ":         c.merchantAPI("POST", "/payments/"+names["merchant_api"].(string)+"/refunds", `{"rows":[{"amount":1}]}`),
	} {
		conn, err := net.Dial("tcp", r.URL.Host)
		must(t, err)
		r.Close = true
		must(t, r.Write(conn))
		answer, err := io.ReadAll(conn)
		must(t, err)
		must(t, conn.Close())
		if !strings.Contains(string(answer), want) {
			t.Errorf("%q lacks %q", answer, want)
		}
	}
}

// nodeJS is where Node is, where it is installed.
func nodeJS(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	return path
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REMIT_REQUIRE_ALL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// The example for integrators, which has nothing in common with our code,
// refunds through both APIs.
func TestThePaytrailExampleUnderstandsUs(t *testing.T) {
	c := start(t)
	out, err := exec.Command(nodeJS(t), "../../examples/paytrail/refund.mjs", filepath.Join(c.dir, "sandbox.json")).CombinedOutput()
	const want = "Payment API: refunded 5.90 EUR: ok\nMerchant API: refunded 4.1 EUR: created\n"
	if err != nil || string(out) != want {
		t.Errorf("%v: got %s, want %s", err, out, want)
	}
}

// Paytrail's own client for Node makes a payment, has it paid, and refunds it
// in each of its ways: only the host is another.
func TestPaytrailsOwnClientUnderstandsUs(t *testing.T) {
	path, dir := nodeJS(t), t.TempDir()
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", sdk)
	install.Dir = dir
	must(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte("{}"), 0o600))
	if out, err := install.CombinedOutput(); err != nil {
		missing(t, "npm cannot install "+sdk+": "+string(out))
	}
	script, err := os.ReadFile("testdata/paytrail-sdk.cjs")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "sdk.cjs"), script, 0o600))
	c := start(t)
	c.do("DELETE", "/inbox", "")
	run := exec.Command(path, "sdk.cjs", filepath.Join(c.dir, "sandbox.json"))
	run.Dir = dir
	out, err := run.CombinedOutput()
	// The client says 200 for 201.
	want := strings.Join([]string{
		"create 200", "create-badly 400", "status-new 200 new", "refund-unpaid 400", "paid 303 true", "status-paid 200 ok",
		"refund 200 ok", "refund-item 200 ok", "refund-by-mail 200 pending", "refund-too-much 400", "refund-badly 400",
		"refund-unknown 404", "refund-wrong-secret 401", "status-malformed 400",
	}, "\n")
	got := strings.ReplaceAll(strings.TrimSpace(string(out)), " \n", "\n")
	if err != nil || got != want {
		t.Fatalf("%v: got\n%s\nwant\n%s", err, got, want)
	}
	c.advance("1m")
	items := at(c.do("GET", "/inbox?dialect=paytrail", ""), "items").([]any)
	for _, i := range items {
		if at(i, "verified") != true {
			t.Errorf("not believed: %v", i)
		}
	}
	if len(items) != 4 { // the payment's, and three refunds'
		t.Errorf("%d calls, want 4", len(items))
	}
	c.sound()
}
