package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remit"
	"remit/ledger"
	"remit/store"
)

// same compares what a listing gave.
func same(t *testing.T, what string, got any, err error, want any) {
	t.Helper()
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

// filtersChoose lists by each filter, and by two of them.
func filtersChoose(t *testing.T, s store.Store) {
	ctx, w := t.Context(), fullWrites()
	must(t, found(ctx, s, globex))
	must(t, step(ctx, s, globex))
	update(t, s, locked(acme), w)
	d1, d2 := w.Disbursements[0], w.Disbursements[1]
	for _, c := range []struct {
		f    store.Filter
		want []remit.Disbursement
	}{
		{store.Filter{}, []remit.Disbursement{d2, d1}}, // d2 has no time: it is the oldest
		{store.Filter{Max: 1}, []remit.Disbursement{d2}},
		{store.Filter{Payment: "p1"}, []remit.Disbursement{d1}},
		{store.Filter{Payment: "p2"}, nil},
		{store.Filter{External: "1000000001"}, []remit.Disbursement{d1}},
		{store.Filter{External: "x1"}, []remit.Disbursement{d1}},
		{store.Filter{External: "n1"}, nil},
		{store.Filter{State: remit.Accepted}, []remit.Disbursement{d2}},
		{store.Filter{State: remit.Accepted, Payment: "p1"}, nil},
		{store.Filter{State: remit.Waiting, External: "x1"}, []remit.Disbursement{d1}},
	} {
		c.f.Merchant = acme
		if c.f.Max == 0 {
			c.f.Max = 10
		}
		got, err := s.Disbursements(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}
	for subject, want := range map[string][]remit.Event{"d1": w.Events[:1], "": w.Events[1:], "d2": nil} {
		got, err := s.Events(ctx, acme, subject)
		same(t, "events of "+subject, got, err, want)
	}
	dead, bare := store.Delivered{Delivery: w.Deliveries[0], Log: w.Tries}, store.Delivered{Delivery: w.Deliveries[1]}
	for _, c := range []struct {
		f    store.DeliveryFilter
		want []store.Delivered
	}{
		{store.DeliveryFilter{}, []store.Delivered{dead, bare}},
		{store.DeliveryFilter{Max: 1}, []store.Delivered{dead}},
		{store.DeliveryFilter{Subject: "d1"}, []store.Delivered{dead}},
		{store.DeliveryFilter{State: remit.DeliveryDead}, []store.Delivered{dead}},
		{store.DeliveryFilter{State: remit.DeliveryDelivered}, nil},
	} {
		c.f.Merchant = acme
		if c.f.Max == 0 {
			c.f.Max = 10
		}
		got, err := s.Deliveries(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}
}

// listingsGoOn pages through listings, and cuts them by time.
func listingsGoOn(t *testing.T, s store.Store) {
	ctx := t.Context()
	w := &store.Writes{Merchants: []remit.Merchant{{ID: acme, Seq: 4}, {ID: globex}}}
	for i := range int64(4) {
		at, n := after(time.Duration(i/2)*time.Hour), fmt.Sprint(i)
		w.Payments = append(w.Payments, remit.Payment{ID: remit.PaymentID("p" + n), Merchant: acme, Dialect: "d" + n, ExternalID: n, Amount: cents(1), State: remit.PaymentState("s" + n), Opened: at})
		w.Disbursements = append(w.Disbursements, remit.Disbursement{ID: remit.DisbursementID("d" + n), Merchant: acme, Dialect: "d" + n, Amount: cents(1), Created: at})
		id := remit.TransferID(i+1, 0)
		w.Events = append(w.Events, remit.Event{Merchant: acme, Seq: i + 1, At: at, Transfers: []ledger.Transfer{
			{ID: id, From: remit.WorldAccount(acme, "EUR"), To: remit.BalanceAccount(acme, "EUR"), Amount: cents(1)}}})
	}
	w.Events[1].Transfers = nil
	w.Payments = append(w.Payments, remit.Payment{ID: "p9", Merchant: globex, ExternalID: "9", Amount: cents(1)})
	update(t, s, locked(acme, globex), w)

	hour := after(time.Hour)
	for _, c := range []struct {
		f    store.PaymentFilter
		want []remit.Payment
	}{
		{store.PaymentFilter{Max: 9}, w.Payments[:4]},
		{store.PaymentFilter{Max: 2, After: "p0"}, w.Payments[1:3]},
		{store.PaymentFilter{Max: 9, From: hour}, w.Payments[2:4]},
		{store.PaymentFilter{Max: 9, To: hour}, w.Payments[:2]},
		{store.PaymentFilter{Max: 9, Dialect: "d1"}, w.Payments[1:2]},
		{store.PaymentFilter{Max: 9, State: "s2"}, w.Payments[2:3]},
	} {
		c.f.Merchant = acme
		got, err := s.Payments(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}
	for _, c := range []struct {
		f    store.Filter
		want []remit.Disbursement
	}{
		{store.Filter{Max: 2, After: "d1"}, w.Disbursements[2:]},
		{store.Filter{Max: 9, From: hour}, w.Disbursements[2:]},
		{store.Filter{Max: 9, To: hour}, w.Disbursements[:2]},
		{store.Filter{Max: 9, Dialect: "d3"}, w.Disbursements[3:]},
	} {
		c.f.Merchant = acme
		got, err := s.Disbursements(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}
	for _, c := range []struct {
		f    store.Span
		want []remit.Event
	}{
		{store.Span{Max: 9, From: epoch, To: hour}, w.Events[:1]}, // the second moves no money
		{store.Span{Max: 9, From: hour, To: after(2 * time.Hour)}, w.Events[2:]},
		{store.Span{Max: 1, From: epoch, To: after(2 * time.Hour), After: 1}, w.Events[2:3]},
		{store.Span{Max: 9, From: after(2 * time.Hour), To: after(3 * time.Hour)}, nil},
	} {
		c.f.Merchant = acme
		got, err := s.EventsIn(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}
}

// movedIsFound keeps an event of each step of a transfer, and one that holds
// before it posts, and asks for those that moved money: bare, in pages.
func movedIsFound(t *testing.T, s store.Store) {
	w := &store.Writes{Merchants: []remit.Merchant{{ID: acme, Seq: 6}}}
	var want []remit.Event
	for i, steps := range [][]ledger.Step{{ledger.Hold}, {ledger.Post}, {ledger.Void}, {ledger.PostHold}, {ledger.Hold, ledger.Post}, {}} {
		e := remit.Event{Merchant: acme, Seq: int64(i) + 1, At: after(time.Duration(i) * time.Hour), Subject: "d1", Kind: "settled"}
		moves := false
		for j, step := range steps {
			moves = moves || step == ledger.Post || step == ledger.PostHold
			e.Transfers = append(e.Transfers, ledger.Transfer{ID: remit.TransferID(e.Seq, j), Step: step,
				From: remit.BalanceAccount(acme, "EUR"), To: remit.ClearingAccount(acme, "post", "EUR"), Amount: cents(1), Cites: "post"})
		}
		if moves {
			want = append(want, e)
		}
		e.Actor, e.Evidence, e.Cause, e.Link = "engine", "work:1.0", "c1", "link"
		w.Events = append(w.Events, e)
	}
	update(t, s, locked(acme), w)
	span := store.Span{Merchant: acme, To: after(24 * time.Hour), Moved: true, Max: 9}
	got, err := s.EventsIn(t.Context(), span)
	same(t, "all", got, err, want)
	span.Max = 2
	got, err = s.EventsIn(t.Context(), span)
	same(t, "the first page", got, err, want[:2])
	span.After = got[1].Seq
	got, err = s.EventsIn(t.Context(), span)
	same(t, "the next page", got, err, want[2:])
	span.After, span.From = 0, after(3*time.Hour)
	got, err = s.EventsIn(t.Context(), span)
	same(t, "from a time on", got, err, want[1:])
}

// merchantsAreMade makes merchants in a group: who is refused leaves no row,
// one that is there stays as it is, and what it is known by is its own.
func merchantsAreMade(t *testing.T, s store.Store) {
	ctx, m := t.Context(), fullWrites().Merchants[0]
	made := func(id remit.MerchantID) store.Wants {
		return store.Wants{Merchants: []remit.MerchantID{id}, New: []remit.MerchantID{id}, Credentials: []remit.MerchantID{id}, Block: true}
	}
	refused := errors.New("refused")
	err := s.Update(ctx, made(acme), func(h *store.Have) (*store.Writes, error) {
		same(t, "a bare row", h.Merchants[acme], nil, remit.Merchant{ID: acme})
		return nil, refused
	})
	if !errors.Is(err, refused) {
		t.Fatalf("got %v", err)
	}
	ms, err := s.Merchants(ctx)
	same(t, "merchants after a refusal", ms, err, []remit.Merchant(nil))

	c := remit.Credential{Dialect: "trustly", Principal: "user", Merchant: acme, Sealed: "s1", Created: epoch}
	update(t, s, made(acme), &store.Writes{Merchants: []remit.Merchant{m}, Credentials: []remit.Credential{c}})
	c.Sealed, c.Ended = "", after(time.Hour)
	err = s.Update(ctx, made(acme), func(h *store.Have) (*store.Writes, error) {
		same(t, "the row as it was", h.Merchants[acme], nil, m)
		same(t, "what it is known by", len(h.Credentials[acme]), nil, 1)
		return &store.Writes{Credentials: []remit.Credential{c}}, nil
	})
	must(t, err)
	update(t, s, made("aaa"), &store.Writes{Merchants: []remit.Merchant{{ID: "aaa"}}})
	ms, err = s.Merchants(ctx)
	same(t, "merchants", ms, err, []remit.Merchant{{ID: "aaa"}, m})
	for after, want := range map[remit.MerchantID][]remit.Merchant{"": {{ID: "aaa"}}, "aaa": {m}, acme: nil} {
		some, all, err := s.SomeMerchants(ctx, after, 1)
		same(t, fmt.Sprintf("merchants behind %q", after), []any{some, all}, err, []any{want, 2})
	}

	theirs := c
	theirs.Merchant = "aaa"
	if err := tryUpdate(ctx, s, made("aaa"), &store.Writes{Credentials: []remit.Credential{theirs}}); !errors.Is(err, store.ErrData) {
		t.Errorf("another merchant took the name: %v", err)
	}
	for _, nobody := range []string{"a\x00b", "\xff"} { // any stranger may claim to be one that no database can look for
		_, ok, err := s.Credential(ctx, "trustly", nobody)
		same(t, "somebody with a name that cannot be kept", ok, err, false)
	}
	got, ok, err := s.Credential(ctx, "trustly", "user")
	same(t, "credential", []any{got, ok}, err, []any{c, true})
	_, ok, err = s.Credential(ctx, "paytrail", "user")
	same(t, "nobody's credential", ok, err, false)
	cs, err := s.Credentials(ctx, acme)
	same(t, "credentials", cs, err, []remit.Credential{c})
}

// smallTablesKeep tries what belongs to no group.
func smallTablesKeep(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, s.Ready(ctx))
	must(t, s.Migrate(ctx)) // once more changes nothing
	for v := range int64(3) {
		x := store.Secret{Name: "key", Version: v + 1, Sealed: remit.Sealed(fmt.Sprint("v", v+1)), Created: epoch}
		added, err := s.AddSecret(ctx, x)
		same(t, "new secret", added, err, true)
		x.Sealed = "other"
		added, err = s.AddSecret(ctx, x)
		same(t, "secret that is taken", added, err, false)
	}
	for version, want := range map[int64]remit.Sealed{0: "v3", 2: "v2", 7: ""} {
		x, ok, err := s.Secret(ctx, "key", version)
		same(t, fmt.Sprint("secret ", version), []any{x.Sealed, ok}, err, []any{want, want != ""})
	}

	for _, want := range []string{"", "5", "6"} {
		if want != "" {
			must(t, s.SetCursor(ctx, "simulator", want))
		}
		got, err := s.Cursor(ctx, "simulator")
		same(t, "cursor", got, err, want)
	}
	now, err := s.Clock(ctx)
	must(t, err)
	if off := time.Since(now).Abs(); off > time.Minute {
		t.Errorf("the database's clock is off by %s", off)
	}
}

// answersAreForgotten forgets no more than it is told to, and only what has
// expired.
func answersAreForgotten(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, found(ctx, s, acme, globex))
	var refs []store.AnswerRef
	for _, m := range []remit.MerchantID{acme, globex} {
		for i := range 5 {
			a := remit.Answer{Merchant: m, Scope: "s", Key: fmt.Sprint(i), Expires: after(time.Duration(i) * time.Hour)}
			update(t, s, locked(m), &store.Writes{Answers: []remit.Answer{a}})
			refs = append(refs, store.AnswerRef{Merchant: m, Scope: "s", Key: a.Key})
		}
	}
	for _, c := range []struct{ max, want, left int }{{1, 1, 9}, {4, 4, 5}, {10, 1, 4}, {10, 0, 4}} {
		n, err := s.Forget(ctx, after(3*time.Hour), c.max)
		same(t, "forgotten", n, err, c.want)
		h, err := s.Read(ctx, store.Wants{Answers: refs})
		same(t, "left", len(h.Answers), err, c.left)
	}
}
