package sandbox_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// How many calls a run makes: in every test run, and where REMIT_SOAK is set.
const (
	mixedCalls = 250
	soakCalls  = 10_000
)

// serialized writes any value as signatures want it.
func serialized(v any) (text string) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			text += name + serialized(v[name])
		}
	case []any:
		for _, element := range v {
			text += serialized(element)
		}
	case float64:
		text = strconv.FormatInt(int64(v), 10)
	case string:
		text = v
	}
	return text
}

// caller calls Trustly's API as one merchant.
type caller struct {
	*client
	at                 map[string]any
	key                *rsa.PrivateKey
	server             *rsa.PublicKey
	username, password string
}

func (c *client) caller(merchant string) *caller {
	c.Helper()
	s := c.section(merchant)
	key, err := x509.ParsePKCS1PrivateKey(pemAt(c.T, s["merchant_private_key"]))
	must(c.T, err)
	server, err := x509.ParsePKIXPublicKey(pemAt(c.T, s["server_public_key"]))
	must(c.T, err)
	return &caller{client: c, at: s, key: key, server: server.(*rsa.PublicKey), username: s["username"].(string), password: s["password"].(string)}
}

// call makes one signed call, and answers the data of its result, or the code
// of its error. An answer that is not signed by the server fails the test.
func (c *caller) call(method string, data map[string]any) (result any, code int) {
	c.Helper()
	data = maps.Clone(data)
	data["Username"], data["Password"] = c.username, c.password
	id := uuid()
	sum := sha1.Sum([]byte(method + id + serialized(data)))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA1, sum[:])
	must(c.T, err)
	body, err := json.Marshal(map[string]any{"method": method, "version": "1.1", "params": map[string]any{
		"Signature": base64.StdEncoding.EncodeToString(signature), "UUID": id, "Data": data,
	}})
	must(c.T, err)
	res, err := http.Post(c.at["url"].(string), "application/json", bytes.NewReader(body))
	must(c.T, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	must(c.T, err)
	var out any
	must(c.T, json.Unmarshal(raw, &out))
	signed := at(out, "result")
	if signed == nil {
		signed = at(out, "error", "error")
		code = int(at(out, "error", "code").(float64))
	}
	given, err := base64.StdEncoding.DecodeString(at(signed, "signature").(string))
	must(c.T, err)
	sum = sha1.Sum([]byte(method + id + serialized(at(signed, "data"))))
	must(c.T, rsa.VerifyPKCS1v15(c.server, crypto.SHA1, sum[:], given))
	return at(signed, "data"), code
}

// accept makes a call that must not be refused.
func (c *caller) accept(method string, data map[string]any) any {
	c.Helper()
	result, code := c.call(method, data)
	if code != 0 {
		c.Fatalf("%s %v: %d", method, data, code)
	}
	return result
}

// act sends the form of an order's page.
func (c *caller) act(page any, form url.Values) {
	c.Helper()
	stay := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := stay.PostForm(page.(string), form)
	must(c.T, err)
	res.Body.Close()
	if res.StatusCode >= http.StatusInternalServerError {
		c.Errorf("the page of %v: %d", form, res.StatusCode)
	}
}

var steve = map[string]any{"EndUserID": "user-1", "ClearingHouse": "SWEDEN", "BankNumber": "6112", "AccountNumber": "69706212",
	"Firstname": "Steve", "Lastname": "Smith"}

func (c *caller) payout(account any, message, amount string) map[string]any {
	return map[string]any{"AccountID": account, "NotificationURL": c.settings["inbox_url"], "EndUserID": "user-1", "MessageID": message,
		"Amount": amount, "Currency": "EUR", "Attributes": map[string]any{"ShopperStatement": "Shop", "ExternalReference": "x-" + message}}
}

// A MessageID names one payout, also where many ask for it at once, each under
// a UUID of its own.
func TestOneOfManyHasTheMessageID(t *testing.T) {
	c := startAt(t, t.TempDir(), nil).caller("acme")
	account := at(c.accept("RegisterAccount", steve), "accountid")
	var all sync.WaitGroup
	codes := make(chan int, 20)
	for range cap(codes) {
		all.Go(func() {
			_, code := c.call("AccountPayout", c.payout(account, "the-one", "10.00"))
			codes <- code
		})
	}
	all.Wait()
	close(codes)
	count := map[int]int{}
	for code := range codes {
		count[code]++
	}
	if want := map[int]int{0: 1, 637: cap(codes) - 1}; !maps.Equal(count, want) {
		t.Errorf("got %v, want %v", count, want)
	}
	c.sound()
}

// mixed is a merchant who does all that the API lets it do, at random.
type mixed struct {
	*caller
	rnd      *mathrand.Rand
	account  any
	deposits []string
	n        int
}

func (m *mixed) name() string {
	m.n++
	return fmt.Sprintf("m-%d", m.n)
}

func (m *mixed) amount() string { return fmt.Sprintf("%d.%02d", m.rnd.IntN(90), 1+m.rnd.IntN(99)) }

// order begins an order on a page, and answers its page.
func (m *mixed) order(method string, more map[string]any) any {
	data := map[string]any{"NotificationURL": m.settings["inbox_url"], "EndUserID": "user-1", "MessageID": m.name(), "Attributes": map[string]any{}}
	maps.Copy(data, more)
	result := m.accept(method, data)
	if method == "Deposit" {
		m.deposits = append(m.deposits, at(result, "orderid").(string))
	}
	return result
}

// step makes one call, or has the bank do something with one of the
// disbursements.
func (m *mixed) step() {
	m.Helper()
	deposit := m.deposits[m.rnd.IntN(len(m.deposits))]
	switch m.rnd.IntN(12) {
	case 0, 1:
		page := at(m.order("Deposit", nil), "url")
		m.act(page, url.Values{"do": {"go"}, "amount": {m.amount()}, "choice": {[]string{"demo", "demo", "slow", "poor"}[m.rnd.IntN(4)]}})
	case 2, 3, 4:
		m.call("Refund", map[string]any{"OrderID": deposit, "Amount": m.amount(), "Currency": "EUR", "Attributes": map[string]any{"ExternalReference": m.name()}})
	case 5, 6:
		amount := m.amount()
		if m.rnd.IntN(10) == 0 {
			amount = "99999999.00" // there is less
		}
		m.call("AccountPayout", m.payout(m.account, fmt.Sprintf("m-%d", m.rnd.IntN(m.n+2)), amount))
	case 7:
		data := maps.Clone(steve)
		maps.Copy(data, m.payout("", m.name(), m.amount()))
		delete(data, "AccountID")
		m.accept("RegisterAccountPayout", data)
	case 8:
		order := m.order("Withdraw", map[string]any{"Currency": "EUR"})
		m.act(at(order, "url"), url.Values{"do": {"go"}, "amount": {m.amount()}, "choice": {"spain"}})
		m.call([]string{"ApproveWithdrawal", "DenyWithdrawal", "GetWithdrawals"}[m.rnd.IntN(3)], map[string]any{"OrderID": at(order, "orderid")})
	case 9:
		m.accept("Balance", map[string]any{})
		m.accept("GetWithdrawals", map[string]any{"OrderID": deposit})
	case 10:
		for _, d := range at(m.do("GET", "/disbursements?external_id="+deposit, ""), "items").([]any) {
			outcome := []string{`"refuse"`, `"return"`, `"settle"`, `"abort"`}[m.rnd.IntN(4)]
			m.try("POST", "/disbursements/"+at(d, "id").(string)+"/outcome", `{"outcome":`+outcome+`}`)
		}
	case 11:
		m.advance([]string{"1m", "90m", "5h"}[m.rnd.IntN(3)])
	}
}

// report reads a day's settlement report, and adds its movements up by
// currency. Each row must say the sum of its currency.
func (m *mixed) report(day string) map[string]int64 {
	m.Helper()
	result, code := m.call("ViewAutomaticSettlementDetailsCSV", map[string]any{"SettlementDate": day, "Attributes": map[string]any{"APIVersion": "1.2"}})
	if code == 620 {
		return nil // nothing settled
	}
	rows, err := csv.NewReader(strings.NewReader(at(result, "view_automatic_settlement_details").(string))).ReadAll()
	must(m.T, err)
	sums, totals := map[string]int64{}, map[string]string{}
	for _, row := range rows[1:] {
		sums[row[2]] += cents(m.T, row[3])
		totals[row[2]] = row[4]
	}
	for currency, total := range totals {
		if cents(m.T, total) != sums[currency] {
			m.Errorf("%s: the rows in %s add up to %d, the report says %s", day, currency, sums[currency], total)
		}
	}
	return sums
}

func cents(t *testing.T, amount string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.Replace(amount, ".", "", 1), 10, 64)
	must(t, err)
	return n
}

// After a run of every kind of call the books are whole, nothing was paid
// twice, and the settlement reports of all days add up to just the balance
// that the ledger has, in each currency; so does the account ledger. A failure
// names its seed.
func TestTheReportsAreTheLedger(t *testing.T) {
	calls := mixedCalls
	if os.Getenv("REMIT_SOAK") != "" {
		calls = soakCalls
	}
	const seed = 11
	c := startAt(t, t.TempDir(), new(int64(seed)))
	m := &mixed{caller: c.caller("acme"), rnd: mathrand.New(mathrand.NewPCG(seed, 0))}
	first := at(c.do("GET", "/clock", ""), "now").(string)
	m.account = at(m.accept("RegisterAccount", steve), "accountid")
	m.deposits = []string{c.pay("")}
	for range calls {
		m.step()
	}
	c.advance("48h")
	c.sound()
	reported := map[string]int64{}
	now, err := time.Parse(time.RFC3339, at(c.do("GET", "/clock", ""), "now").(string))
	must(t, err)
	day, err := time.Parse(time.DateOnly, first[:len(time.DateOnly)])
	must(t, err)
	for ; !day.After(now); day = day.Add(24 * time.Hour) {
		for currency, minor := range m.report(day.Format(time.DateOnly)) {
			reported[currency] += minor
		}
	}
	listed := map[string]int64{}
	for _, row := range m.accept("AccountLedger", map[string]any{"FromDate": "2000-01-01", "ToDate": "2100-01-01"}).([]any) {
		listed[at(row, "currency").(string)] += cents(t, at(row, "amount").(string))
	}
	for _, b := range at(c.do("GET", "/merchants/acme", ""), "balances").([]any) {
		currency, balance := at(b, "currency").(string), int64(at(b, "balance_minor").(float64))
		if reported[currency] != balance || listed[currency] != balance {
			t.Errorf("seed %d: the balance in %s is %d; the reports add up to %d, the account ledger to %d",
				seed, currency, balance, reported[currency], listed[currency])
		}
	}
	t.Logf("%d calls; reported %v", calls, reported)
}

// The example makes every call, and hears of everything.
func TestTheExampleOfEachCallRuns(t *testing.T) {
	c := startAt(t, t.TempDir(), nil)
	out, err := exec.CommandContext(t.Context(), nodeJS(t), "../../examples/trustly/calls.mjs", filepath.Join(c.dir, "sandbox.json")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"notified: pending", "notified: credit", "notified: account", `"bank":"Handelsbanken"`, `Charge {"result":"1"`, "15.00 OK",
		`CancelCharge {"result":"1"`, "notified: debit", "11.00 OK", "notified: cancel", "13.00 FAILED", `MerchantSettlement {"reference":`,
		"AccountLedger has rows", "BANK_WITHDRAWAL_QUEUED,EUR,-30.00", `"transferstate":"CONFIRMED"`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	c.sound()
}

// A merchant whose own account is set has its balance paid out to it.
func TestAMerchantSettles(t *testing.T) {
	c := start(t).caller("acme")
	ask := map[string]any{"MessageID": "s1", "Amount": "12.00", "Currency": "EUR"}
	if _, code := c.call("MerchantSettlement", ask); code != 621 {
		t.Errorf("without an account: got %d, want 621", code)
	}
	account := at(c.accept("RegisterAccount", steve), "accountid").(string)
	c.do("POST", "/merchants/acme", `{"config":{"trustly.settlement_account.EUR":"`+account+`"}}`)
	reference := at(c.accept("MerchantSettlement", ask), "reference")
	c.advance("1m")
	items := at(c.do("GET", "/disbursements?external_id="+reference.(string), ""), "items")
	if at(items, 0, "state") != "settled" || at(items, 0, "amount_minor") != 1200.0 {
		t.Errorf("got %v, want 12.00 settled", items)
	}
	c.refused(http.StatusBadRequest, "POST", "/merchants/acme", `{"config":{"trustly.withdrawals":true}}`)
	c.sound()
}
