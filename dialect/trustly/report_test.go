package trustly

import (
	"errors"
	"testing"

	"remit"
	"remit/dialect"
	"remit/dialect/dialecttest"
	"remit/money"
)

// TestAReportThatDoesNotAddUpIsNotGiven takes one minor unit away from each
// part of a report in turn, leaves movements out, and cuts the list short.
func TestAReportThatDoesNotAddUpIsNotGiven(t *testing.T) {
	eur := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }
	report := func() remit.Result {
		return remit.Result{
			Opening: []remit.Balance{{Currency: "EUR", Minor: 1000}, {Currency: "SEK", Minor: 7}},
			Closing: []remit.Balance{{Currency: "EUR", Minor: 1250}, {Currency: "SEK", Minor: 7}},
			Entries: []remit.Entry{{Seq: 1, Kind: remit.KindTopUp, Amount: eur(300)}, {Seq: 2, Kind: remit.KindTopUp, Amount: eur(-50)}},
		}
	}
	if all, err := movements(report()); err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	for what, spoil := range map[string]func(*remit.Result){
		"the opening balance":  func(r *remit.Result) { r.Opening[0].Minor-- },
		"the closing balance":  func(r *remit.Result) { r.Closing[0].Minor++ },
		"another currency":     func(r *remit.Result) { r.Closing[1].Minor++ },
		"one movement":         func(r *remit.Result) { r.Entries[1].Amount.Minor++ },
		"a movement left out":  func(r *remit.Result) { r.Entries = r.Entries[:1] },
		"a movement twice":     func(r *remit.Result) { r.Entries = append(r.Entries, r.Entries[0]) },
		"a list that goes on":  func(r *remit.Result) { r.More = true },
		"a currency of nobody": func(r *remit.Result) { r.Entries[0].Amount.Currency = "DKK" },
	} {
		r := report()
		spoil(&r)
		if _, err := movements(r); !errors.Is(err, remit.Internal) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestThePageHasWordsForEverything answers every error on the page of an order.
func TestThePageHasWordsForEverything(t *testing.T) {
	session := dialect.Mark(dialecttest.RequestKey, markCheckout, "acme", "1187741486", methodDeposit, "EUR")
	dialecttest.Total(t, bench(t), dialect.Request{Method: "GET", Path: checkoutPath, Query: "SessionID=" + session, Key: dialecttest.RequestKey})
}

// FuzzForm sends any form to the page of each kind of order. It must mean
// something, or be refused, and must be answered.
func FuzzForm(f *testing.F) {
	for _, form := range []string{"", "do=go&choice=demo", "do=cancel", "do=go&choice=spain&amount=12,50", "do=go&choice=demo&amount=9e9", "%zz", "do=go&amount="} {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, form string) {
		for _, method := range []string{methodDeposit, methodSelectAccount, methodWithdraw, "Refund"} {
			session := dialect.Mark(dialecttest.RequestKey, markCheckout, "acme", "1187741486", method, "EUR")
			call := Dialect{}.Read(dialect.Request{Method: "POST", Path: checkoutPath, Query: "SessionID=" + session, Key: dialecttest.RequestKey, Body: []byte(form)})
			if _, err := call.Claim(); err != nil {
				t.Fatal(err)
			}
			op, err := call.Decode()
			if err == nil && op.Move == nil && op.Payout == nil {
				t.Fatalf("%q of %s is neither done nor refused", form, method)
			}
			if op.Move != nil && op.Move.Amount.Minor < 0 || op.Payout != nil && op.Payout.Amount.Minor < 0 {
				t.Fatalf("%q is an amount below zero", form)
			}
			if res := call.Encode(nil, remit.Result{}, err); res.Status == 0 || len(res.Body) == 0 {
				t.Fatal("no answer")
			}
		}
	})
}
