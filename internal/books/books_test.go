package books_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remit"
	"remit/internal/books"
	"remit/ledger"
	"remit/money"
	"remit/store"
	"remit/store/sqlite"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// second is when the event of a number happened.
func second(seq int64) time.Time { return start.Add(time.Duration(seq) * time.Second) }

// TestTheBooksOfAnyMoment writes transfers of every step, and asks for the
// books before the first, behind the last, and at random moments between:
// they are those that the transfers up to there make, before there are marks
// and after, and with marks no more than half of what lies between two is
// read.
func TestTheBooksOfAnyMoment(t *testing.T) {
	const events = 3*books.Every + 500
	ctx := t.Context()
	s, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "remit.db"))
	must(t, err)
	defer s.Close()
	must(t, s.Migrate(ctx))
	rnd := rand.New(rand.NewPCG(1, 2))
	moments := map[int64]ledger.Books{0: {}}
	for range 20 {
		moments[1+rnd.Int64N(events)] = nil
	}
	for _, seq := range []int64{1, books.Every, books.Every + 1, 3 * books.Every, events - 1, events} {
		moments[seq] = nil
	}
	m := remit.Merchant{ID: "acme", Created: start, Seq: events}
	w := &store.Writes{Merchants: []remit.Merchant{m}, Accounts: map[remit.MerchantID][]ledger.Account{}}
	now := write(t, w, rnd, events, moments)
	for _, a := range now {
		w.Accounts["acme"] = append(w.Accounts["acme"], a)
	}
	must(t, s.Update(ctx, store.Wants{Merchants: []remit.MerchantID{"acme"}, New: []remit.MerchantID{"acme"}, Block: true},
		func(*store.Have) (*store.Writes, error) { return w, nil }))

	compare := func(most int64) {
		t.Helper()
		for seq, want := range moments {
			got, err := books.At(ctx, s, "acme", second(seq).Add(time.Millisecond))
			must(t, err)
			if got.Seq != seq || got.Read > most {
				t.Errorf("the moment of event %d is that of %d, for which %d were read", seq, got.Seq, got.Read)
			}
			if diff := cmp.Diff(want, got.Books); diff != "" {
				t.Errorf("event %d: -want +got\n%s", seq, diff)
			}
		}
	}
	compare(events/2 + 1)
	for _, want := range []int{3, 0} {
		kept, err := books.Keep(ctx, s, m)
		must(t, err)
		if kept != want {
			t.Errorf("%d marks were kept, want %d", kept, want)
		}
	}
	compare(books.Every/2 + 1)
}

// write makes events of every kind of transfer, and fills in the books of the
// moments that are asked for. It answers the books at the end.
func write(t *testing.T, w *store.Writes, rnd *rand.Rand, events int64, moments map[int64]ledger.Books) ledger.Books {
	t.Helper()
	now := ledger.Books{}
	type hold struct {
		id string
		ledger.Transfer
	}
	var holds []hold
	for seq := int64(1); seq <= events; seq++ {
		c := money.Currency([]string{"EUR", "SEK"}[rnd.IntN(2)])
		x := ledger.Transfer{ID: remit.TransferID(seq, 0), Step: ledger.Post, From: remit.WorldAccount("acme", c), To: remit.BalanceAccount("acme", c), Amount: money.Amount{Minor: 1 + rnd.Int64N(99), Currency: c}}
		switch {
		case rnd.IntN(3) == 0:
			x.Step, x.From, x.To = ledger.Hold, x.To, remit.ClearingAccount("acme", "simulator", c)
			holds = append(holds, hold{x.ID, x})
		case rnd.IntN(2) == 0 && len(holds) > 0:
			h := holds[0]
			holds = holds[1:]
			x.Step, x.From, x.To, x.Amount, x.Cites = []ledger.Step{ledger.PostHold, ledger.Void}[rnd.IntN(2)], h.From, h.To, h.Amount, h.id
		}
		for _, id := range []ledger.AccountID{x.From, x.To} {
			if _, ok := now[id]; !ok {
				now[id] = ledger.Account{ID: id, Currency: x.Amount.Currency, MayGoNegative: remit.MayGoNegative(id)}
			}
		}
		e := remit.Event{Merchant: "acme", Seq: seq, At: second(seq), Link: fmt.Sprint(seq)}
		if now.Apply(x) == nil {
			e.Transfers = []ledger.Transfer{x}
		} else {
			x.Step = ""
			holds = holds[:max(0, len(holds)-1)] // it was a hold of what was not there
		}
		w.Events = append(w.Events, e)
		if _, asked := moments[seq]; asked {
			moments[seq] = maps.Clone(now)
			maps.DeleteFunc(moments[seq], func(_ ledger.AccountID, a ledger.Account) bool { return a.Debits+a.Credits+a.Held == 0 })
		}
	}
	return now
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
