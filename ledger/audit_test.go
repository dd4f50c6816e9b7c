package ledger

import (
	"maps"
	"slices"
	"testing"

	"remit/money"
)

// life is what a payment and its refunds write: money comes, one refund is
// paid and comes back, one is called back, one is still held.
func life() []Transfer {
	paid := Transfer{ID: "3", Step: PostHold, From: "merchant", To: "clearing", Amount: eur(300), Cites: "2"}
	return []Transfer{
		{ID: "1", Step: Post, From: "world", To: "merchant", Amount: eur(1000)},
		{ID: "2", Step: Hold, From: "merchant", To: "clearing", Amount: eur(300)},
		paid,
		paid.Reverse("4"),
		{ID: "5", Step: Hold, From: "merchant", To: "clearing", Amount: eur(200)},
		{ID: "6", Step: Void, From: "merchant", To: "clearing", Amount: eur(200), Cites: "5"},
		{ID: "7", Step: Hold, From: "merchant", To: "clearing", Amount: eur(400)},
	}
}

func audit(ts []Transfer) (*Audit, error) {
	a := NewAudit(func(id AccountID) bool { return id == "world" })
	for _, t := range ts {
		if err := a.Add(t); err != nil {
			return a, err
		}
	}
	return a, nil
}

// TestAnAuditMakesTheBooksAnew, and knows what is still open.
func TestAnAuditMakesTheBooksAnew(t *testing.T) {
	a, err := audit(life())
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Books["merchant"]; got.Balance() != 1000 || got.Available() != 600 || a.Transfers() != len(life()) {
		t.Errorf("got %+v of %d transfers", got, a.Transfers())
	}
	if got := slices.Collect(maps.Keys(a.OpenHolds())); !slices.Equal(got, []string{"7"}) {
		t.Errorf("got the open holds %v", got)
	}
	if broken := a.Compare(slices.Collect(maps.Values(a.Books))); len(broken) > 0 {
		t.Errorf("got %v", broken)
	}
}

// TestAnAuditFindsEachWrongTransfer: one that is altered, doubled, or whose
// cause is missing.
func TestAnAuditFindsEachWrongTransfer(t *testing.T) {
	for name, spoil := range map[string]func([]Transfer) []Transfer{
		"paid more than was held":    func(ts []Transfer) []Transfer { ts[2].Amount.Minor++; return ts },
		"paid less than was held":    func(ts []Transfer) []Transfer { ts[2].Amount.Minor--; return ts },
		"paid from elsewhere":        func(ts []Transfer) []Transfer { ts[2].From = "world"; return ts },
		"paid to elsewhere":          func(ts []Transfer) []Transfer { ts[2].To = "world"; return ts },
		"paid in another currency":   func(ts []Transfer) []Transfer { ts[2].Amount.Currency = "SEK"; return ts },
		"paid another's hold":        func(ts []Transfer) []Transfer { ts[2].Cites = "1"; return ts },
		"paid twice":                 func(ts []Transfer) []Transfer { return slices.Insert(ts, 3, ts[2]) },
		"returned more than paid":    func(ts []Transfer) []Transfer { ts[3].Amount.Minor++; return ts },
		"returned to elsewhere":      func(ts []Transfer) []Transfer { ts[3].To = "world"; return ts },
		"returned twice":             func(ts []Transfer) []Transfer { return slices.Insert(ts, 4, ts[3]) },
		"returned, and never paid":   func(ts []Transfer) []Transfer { return slices.Delete(ts, 2, 3) },
		"let go twice":               func(ts []Transfer) []Transfer { return slices.Insert(ts, 6, ts[5]) },
		"let go of less":             func(ts []Transfer) []Transfer { ts[5].Amount.Minor--; return ts },
		"let go after it was paid":   func(ts []Transfer) []Transfer { ts[5].Cites, ts[5].Amount = "2", eur(300); return ts },
		"held under a used name":     func(ts []Transfer) []Transfer { ts[6].ID = "1"; return ts },
		"held twice":                 func(ts []Transfer) []Transfer { return append(ts, ts[6]) },
		"posted under a used name":   func(ts []Transfer) []Transfer { return append(ts, ts[0]) },
		"money that is not there":    func(ts []Transfer) []Transfer { ts[6].Amount.Minor = 1001; return ts },
		"the payment is missing":     func(ts []Transfer) []Transfer { return ts[1:] },
		"the order is another":       func(ts []Transfer) []Transfer { ts[1], ts[2] = ts[2], ts[1]; return ts },
		"a step that nobody knows":   func(ts []Transfer) []Transfer { ts[6].Step = "borrow"; return ts },
		"a transfer back to oneself": func(ts []Transfer) []Transfer { ts[6].To = ts[6].From; return ts },
	} {
		if _, err := audit(spoil(life())); err == nil {
			t.Errorf("%s: was not found", name)
		}
	}
}

// TestAnAuditFindsEachWrongTotal that somebody stored.
func TestAnAuditFindsEachWrongTotal(t *testing.T) {
	a, err := audit(life())
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Account){
		"credits":  func(s *Account) { s.Credits++ },
		"debits":   func(s *Account) { s.Debits++ },
		"both":     func(s *Account) { s.Credits++; s.Debits++ },
		"held":     func(s *Account) { s.Held-- },
		"currency": func(s *Account) { s.Currency = money.Currency("SEK") },
		"name":     func(s *Account) { s.ID = "another" },
	} {
		stored := slices.Collect(maps.Values(a.Books))
		i := slices.IndexFunc(stored, func(s Account) bool { return s.ID == "merchant" })
		spoil(&stored[i])
		if len(a.Compare(stored)) == 0 {
			t.Errorf("%s: was not found", name)
		}
		if len(a.Compare(slices.Delete(stored, i, i+1))) == 0 {
			t.Error("a missing account was not found")
		}
	}
	unused := append(slices.Collect(maps.Values(a.Books)), Account{ID: "unused", Currency: "EUR"})
	if broken := a.Compare(unused); len(broken) > 0 {
		t.Errorf("an account without transfers: %v", broken)
	}
}
