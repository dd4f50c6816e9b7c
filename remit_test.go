package remit

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"remit/ledger"
)

// TestAMerchantsNameIsShortAndPlain, so that it fits into an end-to-end id of
// 35 characters and into a path.
func TestAMerchantsNameIsShortAndPlain(t *testing.T) {
	for name, want := range map[MerchantID]bool{
		"acme": true, "a": true, "7": true, "abcdefghijklmn": true,
		"": false, "abcdefghijklmno": false, "Acme": false, "a-b": false, "a/b": false, "ä": false, "a b": false,
	} {
		if got := name.Valid(); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}

// TestAnEndToEndIDLeadsBack to the merchant and the disbursement, and fits
// what SEPA allows.
func TestAnEndToEndIDLeadsBack(t *testing.T) {
	d := Disbursement{Merchant: "abcdefghijklmn", ID: "d0123456789abcdefghi"}
	id := d.EndToEndID()
	m, back, ok := ParseEndToEndID(id)
	if !ok || m != d.Merchant || back != d.ID || len(id) != 35 {
		t.Errorf("%s, of %d bytes: got %s, %s, %t", id, len(id), m, back, ok)
	}
	for _, bad := range []string{"", "acme", "acme-", "-d1", "ACME-d1", "abcdefghijklmno-d1"} {
		if _, _, ok := ParseEndToEndID(bad); ok {
			t.Errorf("%q was taken apart", bad)
		}
	}
}

// TestTheChartKnowsItsAccounts: a path within a merchant leads back to the
// account, no two accounts are the same, and just the world and what is owed
// may be overdrawn.
func TestTheChartKnowsItsAccounts(t *testing.T) {
	seen := map[ledger.AccountID]bool{}
	for id, want := range map[ledger.AccountID]struct {
		path     string
		negative bool
	}{
		BalanceAccount("acme", "EUR"):             {"EUR", false},
		ClearingAccount("acme", "slow", "EUR"):    {"clearing/slow/EUR", false},
		WorldAccount("acme", "EUR"):               {"world/EUR", true},
		OwedAccount("acme", "EUR"):                {"owed/EUR", true},
		BalanceAccount("world", "EUR"):            {"EUR", false},
		ClearingAccount("acme", "world/x", "EUR"): {"clearing/world/x/EUR", false},
	} {
		if got := AccountPath(id); got != want.path || MayGoNegative(id) != want.negative || seen[id] {
			t.Errorf("%s: path %s, may go negative %t", id, got, MayGoNegative(id))
		}
		seen[id] = true
	}
	if got, want := AccountAt("acme", "owed/EUR"), OwedAccount("acme", "EUR"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTheZeroSettingsForbidNothing.
func TestTheZeroSettingsForbidNothing(t *testing.T) {
	var s Settings
	if !s.MayCall("Refund") || s.On(SwitchPayoutFailed) || s.SendWindow() != 0 || s.Blocked("user") {
		t.Errorf("got %+v", s)
	}
	s = Settings{Functions: map[string]bool{"Refund": false, "Balance": true}, SendWindowMicros: 1_500_000}
	if s.MayCall("Refund") || !s.MayCall("Balance") || !s.MayCall("AccountPayout") || s.SendWindow() != 1500*time.Millisecond {
		t.Errorf("got %+v", s)
	}
}

// TestAListOfNobodyStaysAList when it is stored: it lets nobody in, while no
// list lets everybody in.
func TestAListOfNobodyStaysAList(t *testing.T) {
	for _, want := range [][]string{nil, {}, {"192.0.2.1"}} {
		text, err := json.Marshal(Settings{IPAllow: want}.clone())
		if err != nil {
			t.Fatal(err)
		}
		var got Settings
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if (got.IPAllow == nil) != (want == nil) || !slices.Equal(got.IPAllow, want) {
			t.Errorf("%#v was stored as %s, and read as %#v", want, text, got.IPAllow)
		}
	}
}
