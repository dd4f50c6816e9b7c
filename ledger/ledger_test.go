package ledger

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"remit/money"
)

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

// someBooks has a merchant with 10.00, of which 4.00 are held.
func someBooks() Books {
	return Books{
		"world":    {ID: "world", Currency: "EUR", Debits: 1000, MayGoNegative: true},
		"merchant": {ID: "merchant", Currency: "EUR", Credits: 1000, Held: 400},
		"clearing": {ID: "clearing", Currency: "EUR"},
		"kronor":   {ID: "kronor", Currency: "SEK"},
		"full":     {ID: "full", Currency: "EUR", Credits: math.MaxInt64, Debits: math.MaxInt64},
	}
}

// TestApply carries out each step, and looks at both accounts.
func TestApply(t *testing.T) {
	for name, x := range map[string]struct {
		step         Step
		from, to     AccountID
		minor        int64
		cites        string
		want, wantTo Account
	}{
		"post":           {Post, "merchant", "clearing", 600, "", Account{Credits: 1000, Debits: 600, Held: 400}, Account{Credits: 600}},
		"hold":           {Hold, "merchant", "clearing", 600, "", Account{Credits: 1000, Held: 1000}, Account{}},
		"post a hold":    {PostHold, "merchant", "clearing", 400, "h", Account{Credits: 1000, Debits: 400}, Account{Credits: 400}},
		"a part of it":   {PostHold, "merchant", "clearing", 100, "h", Account{Credits: 1000, Debits: 100, Held: 300}, Account{Credits: 100}},
		"void a hold":    {Void, "merchant", "clearing", 400, "h", Account{Credits: 1000}, Account{}},
		"from the world": {Post, "world", "clearing", 5000, "", Account{Debits: 6000}, Account{Credits: 5000}},
	} {
		b := someBooks()
		if err := b.Apply(Transfer{ID: "t", Step: x.step, From: x.from, To: x.to, Amount: eur(x.minor), Cites: x.cites}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for id, want := range map[AccountID]Account{x.from: x.want, x.to: x.wantTo} {
			got := b[id]
			if got.Debits != want.Debits || got.Credits != want.Credits || got.Held != want.Held {
				t.Errorf("%s: got %+v, want %+v", name, got, want)
			}
		}
		if err := b.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestARefusedTransferLeavesTheBooks as they were, and says why.
func TestARefusedTransferLeavesTheBooks(t *testing.T) {
	for name, x := range map[string]struct {
		t    Transfer
		want error
	}{
		"more than is available": {Transfer{Step: Post, From: "merchant", To: "clearing", Amount: eur(601)}, ErrInsufficientFunds},
		"to promise more":        {Transfer{Step: Hold, From: "merchant", To: "clearing", Amount: eur(601)}, ErrInsufficientFunds},
		"more than is held":      {Transfer{Step: PostHold, From: "merchant", To: "clearing", Amount: eur(401), Cites: "h"}, ErrMalformed},
		"to free more":           {Transfer{Step: Void, From: "merchant", To: "clearing", Amount: eur(401), Cites: "h"}, ErrMalformed},
		"a hold of no name":      {Transfer{Step: PostHold, From: "merchant", To: "clearing", Amount: eur(1)}, ErrMalformed},
		"a void of no name":      {Transfer{Step: Void, From: "merchant", To: "clearing", Amount: eur(1)}, ErrMalformed},
		"nothing":                {Transfer{Step: Post, From: "merchant", To: "clearing", Amount: eur(0)}, ErrMalformed},
		"less than nothing":      {Transfer{Step: Post, From: "merchant", To: "clearing", Amount: eur(-1)}, ErrMalformed},
		"to itself":              {Transfer{Step: Post, From: "merchant", To: "merchant", Amount: eur(1)}, ErrMalformed},
		"from nobody":            {Transfer{Step: Post, From: "nobody", To: "clearing", Amount: eur(1)}, ErrMalformed},
		"to nobody":              {Transfer{Step: Post, From: "merchant", To: "nobody", Amount: eur(1)}, ErrMalformed},
		"across currencies":      {Transfer{Step: Post, From: "merchant", To: "kronor", Amount: eur(1)}, ErrMalformed},
		"in another currency":    {Transfer{Step: Post, From: "merchant", To: "clearing", Amount: money.Amount{Minor: 1, Currency: "SEK"}}, ErrMalformed},
		"no step":                {Transfer{From: "merchant", To: "clearing", Amount: eur(1)}, ErrMalformed},
		"more than a total fits": {Transfer{Step: Post, From: "world", To: "full", Amount: eur(1)}, money.ErrOverflow},
	} {
		b := someBooks()
		if err := b.Apply(x.t); !errors.Is(err, x.want) {
			t.Errorf("%s: got %v, want %v", name, err, x.want)
		}
		if !maps.Equal(b, someBooks()) {
			t.Errorf("%s was refused, and left a trace: %v", name, b)
		}
	}
}

// TestAllOrNothing: when one transfer of many is refused, those before it are
// undone, whichever it is.
func TestAllOrNothing(t *testing.T) {
	good := []Transfer{
		{ID: "1", Step: Post, From: "world", To: "merchant", Amount: eur(50)},
		{ID: "2", Step: Hold, From: "merchant", To: "clearing", Amount: eur(650)},
		{ID: "3", Step: PostHold, From: "merchant", To: "clearing", Amount: eur(650), Cites: "2"},
		{ID: "4", Step: Void, From: "merchant", To: "clearing", Amount: eur(400), Cites: "h"},
	}
	for at := range len(good) + 1 {
		for _, to := range []AccountID{"nobody", "clearing"} {
			ts := append(append(append([]Transfer{}, good[:at]...), Transfer{ID: "bad", Step: Post, From: "merchant", To: to, Amount: eur(100_000)}), good[at:]...)
			b := someBooks()
			if err := b.ApplyAll(ts); err == nil {
				t.Errorf("a bad transfer at %d was carried out", at)
			}
			if !maps.Equal(b, someBooks()) {
				t.Errorf("a bad transfer at %d left a trace: %v", at, b)
			}
		}
	}
	b := someBooks()
	if err := b.ApplyAll(good); err != nil {
		t.Fatal(err)
	}
	if got := b["merchant"]; got.Balance() != 400 || got.Available() != 400 {
		t.Errorf("got %+v", got)
	}
}

// TestCheckFindsEachBrokenInvariant.
func TestCheckFindsEachBrokenInvariant(t *testing.T) {
	if err := someBooks().Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(a *Account){
		"money from nowhere":        func(a *Account) { a.Credits++ },
		"money to nowhere":          func(a *Account) { a.Debits++ },
		"more promised than is":     func(a *Account) { a.Held = 1001 },
		"less than nothing held":    func(a *Account) { a.Held = -1 },
		"less than nothing debited": func(a *Account) { a.Debits, a.Credits = -1, 999 },
		"another currency":          func(a *Account) { a.Currency = "SEK" },
	} {
		b := someBooks()
		a := b["merchant"]
		spoil(&a)
		b["merchant"] = a
		if b.Check() == nil {
			t.Errorf("%s was not found", name)
		}
	}
}

// TestAReversalUndoes a transfer, whichever way it moved the money.
func TestAReversalUndoes(t *testing.T) {
	b := someBooks()
	moved := Transfer{ID: "1", Step: PostHold, From: "merchant", To: "clearing", Amount: eur(400), Cites: "h"}
	back := moved.Reverse("2")
	if want := (Transfer{ID: "2", Step: Post, From: "clearing", To: "merchant", Amount: eur(400), Cites: "1"}); back != want {
		t.Errorf("got %+v, want %+v", back, want)
	}
	if err := b.ApplyAll([]Transfer{moved, back}); err != nil {
		t.Fatal(err)
	}
	if got := b["merchant"].Balance(); got != 1000 || b["clearing"].Balance() != 0 {
		t.Errorf("got %+v", b)
	}
}

// TestNoTransfersBreakTheBooks applies transfers at random, most of them
// wrong. The books must hold after each, and a refused one must leave no
// trace. A failure names its seed.
func TestNoTransfersBreakTheBooks(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		ids := []AccountID{"world", "merchant", "clearing", "kronor", "full", "nobody"}
		steps := []Step{Post, Hold, PostHold, Void, ""}
		b := someBooks()
		for range 200 {
			before := maps.Clone(b)
			tr := Transfer{ID: "t", Step: steps[rnd.IntN(len(steps))], From: ids[rnd.IntN(len(ids))], To: ids[rnd.IntN(len(ids))],
				Amount: eur(rnd.Int64N(500) - 10), Cites: strings.Repeat("h", rnd.IntN(2))}
			if err := b.Apply(tr); err != nil && !maps.Equal(before, b) {
				t.Fatalf("seed %d: %+v was refused, and left a trace", seed, tr)
			}
			if err := b.Check(); err != nil {
				t.Fatalf("seed %d: after %+v: %v", seed, tr, err)
			}
		}
	}
}
