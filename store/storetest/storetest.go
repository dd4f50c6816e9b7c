// Package storetest holds a store to the promises of package store.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remit"
	"remit/store"
)

// Run holds a store to its promises. open gives an empty one, migrated, that
// is closed when its test ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, p := range []struct {
		name  string
		holds func(*testing.T, store.Store)
	}{
		{"every field comes back as it was kept", fieldsComeBack},
		{"what is not there is absent", absentIsAbsent},
		{"rows of one key replace each other", rowsReplace},
		{"many rows of many merchants find their own", manyRows},
		{"a refusal leaves no trace", refusalLeavesNoTrace},
		{"broken data is refused whole", brokenDataIsRefused},
		{"a context that has ended is said", contextIsSaid},
		{"a group reads what the one before it kept", groupsSeeEachOther},
		{"a reader sees whole groups only", readersSeeWholeGroups},
		{"an audit is one snapshot", auditIsOneSnapshot},
		{"refunds that wait are found", waitingAreFound},
		{"filters choose", filtersChoose},
		{"listings go on where they ended", listingsGoOn},
		{"what moved money is found", movedIsFound},
		{"texts and amounts are found", textsAreFound},
		{"the newest come first where that is asked", newestComeFirst},
		{"open ends are found", openEndsAreFound},
		{"days add up", daysAddUp},
		{"merchants are made", merchantsAreMade},
		{"the small tables keep", smallTablesKeep},
		{"marks lie on both sides", marksLieOnBothSides},
		{"slips are good for a time", slipsAreGoodForATime},
		{"expired answers are forgotten", answersAreForgotten},
		{"requests are kept, chosen and forgotten", requestsAreKept},
		{"work is leased until the lease runs out", workIsLeased},
		{"work of one order is first tried in order", workKeepsOrder},
		{"work is shared out between merchants", workIsShared},
		{"two claimers never get the same work", claimersNeverShare},
		{"the backlog is counted", backlogIsCounted},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.holds(t, open(t))
		})
	}
}

// The world of the tests: two merchants and a moment.
const (
	acme   remit.MerchantID = "acme"
	globex remit.MerchantID = "globex"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func after(d time.Duration) time.Time { return epoch.Add(d) }

// fieldsComeBack writes one full and one bare row of each kind, and compares
// what is read with what was written, absent times among it.
func fieldsComeBack(t *testing.T, s store.Store) {
	w := fullWrites()
	update(t, s, store.Wants{Merchants: []remit.MerchantID{acme}, Block: true}, w)
	want := haveOf(w)
	for name, read := range map[string]func() *store.Have{
		"read": func() *store.Have {
			h, err := s.Read(t.Context(), everything(w))
			if err != nil {
				t.Fatal(err)
			}
			return h
		},
		"update": func() (h *store.Have) {
			wants := everything(w)
			wants.Block = true
			err := s.Update(t.Context(), wants, func(got *store.Have) (*store.Writes, error) { h = got; return &store.Writes{}, nil })
			if err != nil {
				t.Fatal(err)
			}
			return h
		},
	} {
		if diff := cmp.Diff(want, read()); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// update keeps w, in a group that wants what it wants.
func update(t *testing.T, s store.Store, wants store.Wants, w *store.Writes) {
	t.Helper()
	if err := tryUpdate(t.Context(), s, wants, w); err != nil {
		t.Fatal(err)
	}
}

func tryUpdate(ctx context.Context, s store.Store, wants store.Wants, w *store.Writes) error {
	return s.Update(ctx, wants, func(*store.Have) (*store.Writes, error) { return w, nil })
}

// locked wants the merchants locked, and nothing else.
func locked(ms ...remit.MerchantID) store.Wants { return store.Wants{Merchants: ms, Block: true} }
