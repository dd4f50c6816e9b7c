package evidence_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remit"
	"remit/internal/evidence"
	"remit/internal/vault"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// dossier is one of a refund that came back.
func dossier() evidence.Dossier {
	amount := money.Amount{Minor: 1500, Currency: "EUR"}
	return evidence.Dossier{
		Disbursement: remit.Disbursement{ID: "d1", Merchant: "acme", Kind: remit.KindRefund, Payment: "p1", Amount: amount, State: remit.Returned,
			Account: "s1.sealed", AccountName: "s1.sealed-name", Reason: "account_closed"},
		Payment: &remit.Payment{ID: "p1", ExternalID: "7", Amount: money.Amount{Minor: 9900, Currency: "EUR"}, RefundedMinor: 400, PayerAccount: "s1.sealed"},
		Events: []remit.Event{{Seq: 2, Subject: "d1", Kind: "accepted", Link: "l2", Transfers: []ledger.Transfer{
			{ID: "2", Step: ledger.Hold, From: "a", To: "b", Amount: amount}}}},
		Requests: []evidence.Asked{{Request: store.Request{ID: "t1", Dialect: "trustly", Verified: true, Status: 200, Took: 1234 * time.Microsecond, Asked: "s1.sealed"},
			Text: "POST /api/1\n\n{}"}},
		PaymentEvents: []remit.Event{{Seq: 1, Subject: "p1", Kind: "funded", Link: "l1"}},
		Deliveries: []store.Delivered{{
			Delivery: remit.Delivery{ID: remit.WorkID{Seq: 2, N: 1}, Notice: remit.Notice{Kind: "credit", URL: "https://u:p@shop.example/n?secret=1"}},
			Log:      []remit.Try{{N: 1, Status: 500, Problem: "no", Response: "stack trace"}},
		}},
	}
}

// TestABundleIsBelievedAsItWasSignedOnly signs a bundle, reads it back, also
// laid out anew, and refuses it once a single digit differs.
func TestABundleIsBelievedAsItWasSignedOnly(t *testing.T) {
	v, err := vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	want := dossier().Bundle(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), "operator:ann")
	file, err := evidence.Sign(want, evidence.Key(v))
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, file); err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{file, compact.Bytes()} {
		got, by, err := evidence.Verify(text)
		if err != nil || !by.Equal(evidence.Key(v).Public()) {
			t.Fatalf("it is not believed: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	for _, text := range [][]byte{bytes.Replace(file, []byte("1500"), []byte("1501"), 1), bytes.Replace(file, []byte("/api/1"), []byte("/api/2"), 1), file[1:], nil, []byte("{}")} {
		if _, _, err := evidence.Verify(text); !errors.Is(err, evidence.ErrAltered) {
			t.Errorf("an altered file: got %v, want ErrAltered", err)
		}
	}
}

// TestABundleHoldsNothingSecret looks for what is sealed, for what a URL may
// hide, and for what a merchant's server answered.
func TestABundleHoldsNothingSecret(t *testing.T) {
	text, err := json.Marshal(dossier().Bundle(time.Time{}, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"sealed", "secret=1", "u:p", "stack trace"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("it holds %q: %s", secret, text)
		}
	}
}

// TestHistoryIsInOrder puts what happened to the payment before what happened
// to its refund.
func TestHistoryIsInOrder(t *testing.T) {
	all := dossier().History()
	if len(all) != 2 || all[0].Kind != "funded" || all[1].Kind != "accepted" {
		t.Errorf("got %+v", all)
	}
}
