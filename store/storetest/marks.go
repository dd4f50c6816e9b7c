package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"remit"
	"remit/ledger"
	"remit/store"
)

// marksLieOnBothSides keeps marks, finds those around a number, goes through
// the transfers between two numbers, and finds the number of a time.
func marksLieOnBothSides(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, found(ctx, s, acme, globex))
	for range 4 {
		must(t, step(ctx, s, acme))
	}
	mark := func(seq, n int64) store.Mark {
		return store.Mark{Merchant: acme, Seq: seq, Accounts: []ledger.Account{
			{ID: remit.BalanceAccount(acme, "EUR"), Currency: "EUR", Debits: n, Credits: 9},
			{ID: remit.WorldAccount(acme, "EUR"), Currency: "EUR", Debits: 9, Held: 1, MayGoNegative: true},
		}}
	}
	one, three := mark(1, 1), mark(3, 3)
	for _, k := range []store.Mark{one, three, mark(3, 7)} { // the third comes too late
		must(t, s.AddMark(ctx, k))
	}
	for seq, want := range map[int64][2]store.Mark{0: {{}, one}, 1: {one, three}, 2: {one, three}, math.MaxInt64: {three, {}}} {
		before, behind, err := s.Marks(ctx, acme, seq)
		same(t, fmt.Sprint("marks around ", seq), [2]store.Mark{before, behind}, err, want)
	}
	before, behind, err := s.Marks(ctx, globex, 2)
	same(t, "another merchant's marks", [2]store.Mark{before, behind}, err, [2]store.Mark{})
	var shown []store.Mark
	nothing := store.Visitor{
		Merchant: func(remit.Merchant) error { return nil }, Event: func(remit.Event) error { return nil }, Payment: func(remit.Payment) error { return nil },
		Name: func(store.PaymentName) error { return nil }, Beneficiary: func(remit.Beneficiary) error { return nil },
		Disbursement: func(remit.Disbursement) error { return nil }, Accounts: func(remit.MerchantID, []ledger.Account) error { return nil },
		Mark: func(k store.Mark) error { shown = append(shown, k); return nil },
	}
	must(t, s.Audit(ctx, nothing))
	same(t, "an audit's marks", shown, nil, []store.Mark{one, three})

	var ids []string
	err = s.Transfers(ctx, acme, 1, 3, func(x ledger.Transfer) error { ids = append(ids, x.ID); return nil })
	same(t, "transfers behind 1 and up to 3", ids, err, []string{"2", "3"})

	var events []remit.Event
	for i := range int64(4) {
		events = append(events, remit.Event{Merchant: globex, Seq: i + 1, At: after(time.Duration(i/2) * time.Hour)})
	}
	update(t, s, locked(globex), &store.Writes{Merchants: []remit.Merchant{{ID: globex, Seq: 4}}, Events: events})
	for at, want := range map[time.Duration]int64{-time.Microsecond: 0, 0: 2, time.Minute: 2, time.Hour: 4, 9 * time.Hour: 4} {
		seq, err := s.SeqAt(ctx, globex, after(at))
		same(t, "the number of "+at.String(), seq, err, want)
	}
	events = nil
	for i, at := range []time.Duration{10, 12, 11, 13, 12, 20} { // two processes' clocks are a second apart
		events = append(events, remit.Event{Merchant: globex, Seq: int64(i) + 5, At: after(at*time.Second + time.Hour)})
	}
	update(t, s, locked(globex), &store.Writes{Merchants: []remit.Merchant{{ID: globex, Seq: 10}}, Events: events})
	for at, want := range map[time.Duration]int64{9: 4, 10: 5, 11: 7, 12: 9, 13: 9, 19: 9, 20: 10} {
		seq, err := s.SeqAt(ctx, globex, after(at*time.Second+time.Hour))
		same(t, fmt.Sprintf("the number of second %d, where two clocks differ", at), seq, err, want)
	}
}

// slipsAreGoodForATime: one of a name at a time, which can be changed and read
// until it has expired, and is forgotten then.
func slipsAreGoodForATime(t *testing.T, s store.Store) {
	ctx := t.Context()
	slip := func(name, text string, hours int) store.Slip {
		return store.Slip{Name: name, Text: text, Expires: after(time.Duration(hours) * time.Hour)}
	}
	for _, c := range []struct {
		at   int // hours
		slip store.Slip
		want bool
	}{{0, slip("a", "1", 1), true}, {0, slip("a", "2", 9), false}, {0, slip("b", "1", 9), true}, {1, slip("a", "3", 3), true}, {2, slip("a", "4", 9), false}} {
		added, err := s.AddSlip(ctx, after(time.Duration(c.at)*time.Hour), c.slip)
		same(t, fmt.Sprintf("%+v", c), added, err, c.want)
	}
	set, err := s.SetSlip(ctx, slip("b", "2", 2))
	same(t, "a slip that is there", set, err, true)
	set, err = s.SetSlip(ctx, slip("c", "2", 2))
	same(t, "a slip that is not there", set, err, false)
	for at, want := range map[int]store.Slip{1: slip("b", "2", 2), 2: {}} {
		got, ok, err := s.Slip(ctx, after(time.Duration(at)*time.Hour), "b")
		same(t, fmt.Sprint("the slip after hours: ", at), []any{got, ok}, err, []any{want, want.Name != ""})
	}
	_, err = s.AddSlip(ctx, epoch, slip("d", "1", 1))
	must(t, err)
	for range 2 {
		must(t, s.DropSlip(ctx, "d"))
	}
	set, err = s.SetSlip(ctx, slip("d", "2", 2))
	same(t, "a slip that was dropped", set, err, false)
	for _, want := range []int{1, 1, 0} {
		n, err := s.ForgetSlips(ctx, after(4*time.Hour), 1)
		same(t, "forgotten", n, err, want)
	}
}
