package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// orders are the methods and the orders that the inbox was told of, in order.
func (c *caller) orders() (told []string) {
	c.Helper()
	for _, i := range c.inbox() {
		var body any
		must(c.T, json.Unmarshal([]byte(at(i, "body").(string)), &body))
		told = append(told, at(body, "method").(string)+" "+at(body, "params", "data", "messageid").(string))
	}
	return told
}

// Orders to whose pages nobody comes end by themselves when the clock has moved
// on for half an hour, each told by one cancel; those on which somebody has
// acted go on.
func TestOrdersThatNobodyFinishesAreCanceled(t *testing.T) {
	c := start(t).caller("acme")
	m := &mixed{caller: c}
	var left, done []any
	for _, method := range []string{"Deposit", "SelectAccount", "Withdraw"} {
		left = append(left, m.order(method, map[string]any{"Currency": "EUR"})) // m-1, m-3, m-5
		done = append(done, m.order(method, map[string]any{"Currency": "EUR"})) // m-2, m-4, m-6
	}
	for i, form := range []url.Values{{"choice": {"slow"}, "amount": {"5.00"}}, {"choice": {"spain"}}, {"choice": {"spain"}, "amount": {"5.00"}}} {
		form.Set("do", "go")
		c.act(at(done[i], "url"), form)
	}
	c.advance("29m")
	before := c.orders()
	if want := []string{"pending m-2", "account m-4", "debit m-6"}; !slices.Equal(before, want) {
		t.Fatalf("before their time was up: told %v, want %v", before, want)
	}
	c.advance("1m")
	after := c.orders()[len(before):]
	slices.Sort(after)
	if want := []string{"cancel m-1", "cancel m-3", "cancel m-5"}; !slices.Equal(after, want) {
		t.Errorf("told %v, want %v", after, want)
	}
	c.refused(http.StatusConflict, "POST", "/payments/"+at(left[0], "orderid").(string)+"/fund", "")
	c.do("POST", "/payments/"+at(done[0], "orderid").(string)+"/fund", "")
	c.advance("48h")
	for _, said := range c.orders()[len(before)+len(after):] {
		if strings.HasPrefix(said, "cancel") {
			t.Errorf("told %q afterwards", said)
		}
	}
	c.sound()
}

// A payment to which nobody agrees fails when its time is up, and says so.
func TestAPaymentThatNobodyAuthorizesExpires(t *testing.T) {
	b := start(t).inBritain()
	account := at(b.at["merchant_accounts"], "GBP").(string)
	id := at(b.ask(201, "POST", "/payments", `{"amount_in_minor":5000,"currency":"GBP","user":{"name":"A"},`+
		`"payment_method":{"type":"bank_transfer","provider_selection":{"type":"user_selected"},"beneficiary":{"type":"merchant_account","merchant_account_id":"`+account+`"}}}`), "id").(string)
	b.advance("14m")
	if got := at(b.ask(200, "GET", "/v3/payments/"+id, ""), "status"); got != "authorization_required" {
		t.Errorf("it is %v", got)
	}
	b.advance("2m")
	got := b.ask(200, "GET", "/v3/payments/"+id, "")
	if at(got, "status") != "failed" || at(got, "failure_reason") != "expired" || at(got, "failure_stage") != "authorization_required" {
		t.Errorf("it is %v", got)
	}
	if told := b.told(); told != "payment_failed" {
		t.Errorf("told %q", told)
	}
	b.refused(http.StatusConflict, "POST", "/payments/"+id+"/fund", "")
	b.sound()
}
