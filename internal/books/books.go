// Package books tells what a merchant's accounts came to at a moment, and
// keeps the marks that make the answer quick.
//
// The answer is made of transfers alone. It begins at whatever is known nearest
// to the moment: nothing, a mark before it or behind it, or the accounts as
// they are now; and lays over it, or lifts off it, what lies between.
package books

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"remit"
	"remit/ledger"
	"remit/store"
)

// Every is how many events of a merchant lie between two marks: so that at most
// half as many are read for any moment behind the first.
const Every = 10_000

// Moment is a merchant's books as they were with one of its events. Accounts on
// which nothing had moved by then are not among them.
type Moment struct {
	Books ledger.Books
	Seq   int64 // of that event; 0 is before the first
	Read  int64 // how many events were read for it
}

// At are a merchant's books at a time: with its newest event that is not after
// it.
func At(ctx context.Context, s store.Store, m remit.MerchantID, at time.Time) (Moment, error) {
	seq, err := s.SeqAt(ctx, m, at)
	if err != nil {
		return Moment{}, err
	}
	have, err := s.Read(ctx, store.Wants{Merchants: []remit.MerchantID{m}, Accounts: []store.AccountsRef{{Merchant: m}}})
	if err != nil {
		return Moment{}, err
	}
	before, behind, err := s.Marks(ctx, m, seq)
	if err != nil {
		return Moment{}, err
	}
	from, known := int64(0), ledger.Books{}
	nearer := func(at int64, b ledger.Books) {
		if distance(at, seq) < distance(from, seq) {
			from, known = at, b
		}
	}
	nearer(have.Merchants[m].Seq, have.Books[m])
	if before.Seq > 0 {
		nearer(before.Seq, of(before))
	}
	if behind.Seq > 0 {
		nearer(behind.Seq, of(behind))
	}
	step := known.Lay
	if from > seq {
		step = known.Lift
	}
	err = s.Transfers(ctx, m, min(from, seq), max(from, seq), func(t ledger.Transfer) error { return step(t, remit.MayGoNegative) })
	maps.DeleteFunc(known, func(_ ledger.AccountID, a ledger.Account) bool { return a.Debits == 0 && a.Credits == 0 && a.Held == 0 })
	return Moment{Books: known, Seq: seq, Read: distance(from, seq)}, err
}

func distance(a, b int64) int64 { return max(a, b) - min(a, b) }

func of(k store.Mark) ledger.Books {
	b := ledger.Books{}
	for _, a := range k.Accounts {
		b[a.ID] = a
	}
	return b
}

// Keep makes the marks that a merchant has come past since its last, and says
// how many. Whoever makes one makes the same.
func Keep(ctx context.Context, s store.Store, m remit.Merchant) (kept int, err error) {
	last, _, err := s.Marks(ctx, m.ID, math.MaxInt64)
	if err != nil {
		return 0, err
	}
	b := of(last)
	for next := last.Seq + Every; next <= m.Seq; next += Every {
		err := s.Transfers(ctx, m.ID, next-Every, next, func(t ledger.Transfer) error { return b.Lay(t, remit.MayGoNegative) })
		if err == nil {
			err = s.AddMark(ctx, store.Mark{Merchant: m.ID, Seq: next, Accounts: accounts(b)})
		}
		if err != nil {
			return kept, fmt.Errorf("the mark of %s at event %d: %w", m.ID, next, err)
		}
		kept++
	}
	return kept, nil
}

// accounts are those of books on which something moved, in the order of a mark.
func accounts(b ledger.Books) (list []ledger.Account) {
	for _, a := range b {
		if a.Debits != 0 || a.Credits != 0 || a.Held != 0 {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b ledger.Account) int {
		return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.ID, b.ID))
	})
	return list
}
