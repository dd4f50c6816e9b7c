package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// captured makes a capture of 25.00 USD that has been collected, and answers
// its transactionId.
func (c *client) captured() string {
	c.Helper()
	return at(c.do("POST", "/payments", `{"dialect":"trustlyus","amount_minor":2500,"currency":"USD","order_reference":"WEB-1"}`), "external_id").(string)
}

// inAmerica asks something as a merchant there does.
func (c *client) inAmerica(path, form string) (int, any) {
	c.Helper()
	s := c.settings["trustlyus"].(map[string]any)
	r, err := http.NewRequest("POST", s["url"].(string)+path, strings.NewReader(form))
	must(c.T, err)
	r.SetBasicAuth(s["access_id"].(string), s["access_key"].(string))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	must(c.T, err)
	defer res.Body.Close()
	var out any
	must(c.T, json.NewDecoder(res.Body).Decode(&out))
	return res.StatusCode, out
}

func (c *client) giveBack(transaction, form string) (int, any) {
	c.Helper()
	return c.inAmerica("/transactions/"+transaction+"/refund", form)
}

// Two whole refunds at once are one refund, and one refusal; the books hold.
func TestOneOfTwoWholeRefundsWins(t *testing.T) {
	c := start(t)
	for range 10 {
		p := c.captured()
		var codes [2]int
		var both sync.WaitGroup
		for i := range codes {
			both.Go(func() { codes[i], _ = c.giveBack(p, "") })
		}
		both.Wait()
		if codes != [2]int{200, 400} && codes != [2]int{400, 200} {
			t.Fatalf("got %v", codes)
		}
		c.only(p)
	}
	c.sound()
}

// However many captures come at once, they stay below what the payer agreed
// to; and the authorization itself never brings money.
func TestCapturesStayBelowTheirCeiling(t *testing.T) {
	c := start(t)
	_, out := c.inAmerica("/establish", "currency=USD&amount=25.00&merchantReference=W&returnUrl=https://shop.example.net/&cancelUrl=https://shop.example.net/")
	authorization := at(out, "transactionId").(string)
	c.do("POST", "/payments/"+authorization+"/authorize", "")
	var codes [20]int
	var all sync.WaitGroup
	for i := range codes {
		all.Go(func() {
			codes[i], _ = c.inAmerica("/transactions/"+authorization+"/capture", fmt.Sprintf("amount=10.00&merchantReference=C-%d", i))
		})
	}
	all.Wait()
	captured := 0
	for _, code := range codes {
		if code == 200 {
			captured++
		}
	}
	if captured != 2 {
		t.Errorf("%d captures of 10.00 under an authorization of 25.00: %v", captured, codes)
	}
	c.refused(409, "POST", "/payments/"+authorization+"/fund", "")
	c.sound()
}

// A merchant in the Americas hears of each step by an event that it believes,
// and again every five minutes until it says 200.
func TestEventsAreToldEveryFiveMinutesUntilHeard(t *testing.T) {
	c := start(t)
	p := c.captured()
	c.do("DELETE", "/inbox", "")
	if code, _ := c.giveBack(p, "amount=7.50&merchantReference=RF-1"); code != 200 {
		t.Fatalf("got %d", code)
	}
	c.do("POST", "/inbox/behaviour", `{"status":202,"times":2}`)
	for _, step := range [][2]string{
		{"5s", "Process"}, // the window
		{"10s", "Process Complete Refund"},
		{"289s", "Process Complete Refund"},
		{"1s", "Process Complete Refund Process"},
		{"10s", "Process Complete Refund Process Complete"},
		{"13h", "Process Complete Refund Process Complete"},
	} {
		c.advance(step[0])
		var told []string
		ids := map[string]bool{}
		for _, i := range at(c.do("GET", "/inbox?dialect=trustlyus", ""), "items").([]any) {
			event, err := url.ParseQuery(at(i, "body").(string))
			must(t, err)
			told, ids[event.Get("eventId")] = append(told, event.Get("eventType")), true
			if at(i, "verified") != true || event.Get("accessId") != c.settings["trustlyus"].(map[string]any)["access_id"] {
				t.Errorf("not believed: %v", i)
			}
		}
		if got := strings.Join(told, " "); got != step[1] {
			t.Errorf("after %s: told %q, want %q", step[0], got, step[1])
		}
		if len(ids) > 3 {
			t.Errorf("%d events, want 3: a retry is the same event", len(ids))
		}
	}
	c.sound()
}

// The shield is off at first: two equal refunds are two. Held, the second
// waits for an operator; rejected, it is none.
func TestTheShieldIsTheMerchantsChoice(t *testing.T) {
	for mode, want := range map[string]struct {
		code  int
		state string
	}{"off": {200, "accepted"}, "warn": {200, "accepted"}, "hold": {200, "waiting"}, "reject": {400, ""}} {
		c := start(t)
		if got := at(c.do("GET", "/merchants/acme", ""), "shield"); got != "off" {
			t.Errorf("at first the shield is %v", got)
		}
		if got := at(c.do("POST", "/merchants/acme", `{"shield":"`+mode+`"}`), "shield"); got != mode {
			t.Errorf("the shield is %v, want %s", got, mode)
		}
		p := c.captured()
		first, _ := c.giveBack(p, "amount=7.50&merchantReference=RF-1")
		second, _ := c.giveBack(p, "amount=7.50&merchantReference=RF-1")
		if first != 200 || second != want.code {
			t.Errorf("%s: got %d and %d, want 200 and %d", mode, first, second, want.code)
		}
		items := at(c.do("GET", "/disbursements?external_id="+p, ""), "items").([]any)
		states := map[string]int{"accepted": 1}
		if want.state != "" {
			states[want.state]++
		}
		for _, d := range items {
			states[at(d, "state").(string)]--
		}
		for state, n := range states {
			if n != 0 {
				t.Errorf("%s: %d %s too few", mode, n, state)
			}
		}
		c.sound()
	}
	start(t).refused(400, "POST", "/merchants/acme", `{"shield":"maybe"}`)
}

// The example for integrators refunds, and believes what it is told of it; too
// much is refused in the provider's words.
func TestTheNodeExampleHearsOfItsRefund(t *testing.T) {
	c := start(t)
	for amount, want := range map[string]string{"7.50": "Refund .*: Partially Refunded", "120.00": "400: 200 Amount exceeds the balance"} {
		out, err := exec.Command(nodeJS(t), "../../examples/trustlyus/refund.mjs", filepath.Join(c.dir, "sandbox.json"), amount).CombinedOutput()
		if !regexp.MustCompile(want).Match(out) || (err == nil) != (amount == "7.50") {
			t.Errorf("%v: %s", err, out)
		}
	}
	c.sound()
}
