package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"remit"
	"remit/store"
)

// pieces keeps work, one piece an order unless order names it.
func pieces(t *testing.T, s store.Store, ws ...remit.Work) {
	t.Helper()
	w := &store.Writes{Work: ws}
	seen := map[remit.MerchantID]bool{}
	wants := store.Wants{Block: true}
	for i := range ws {
		if ws[i].Order == "" {
			ws[i].Order = ws[i].ID.String()
		}
		if m := ws[i].Merchant; !seen[m] {
			seen[m] = true
			wants.Merchants = append(wants.Merchants, m)
			w.Merchants = append(w.Merchants, remit.Merchant{ID: m})
		}
	}
	update(t, s, wants, w)
}

func piece(m remit.MerchantID, seq int64, due time.Duration) remit.Work {
	return remit.Work{Merchant: m, ID: remit.WorkID{Seq: seq}, Kind: remit.WorkSend, Due: after(due)}
}

// claim asks for work at a time of both clocks, for a minute.
func claim(t *testing.T, s store.Store, at time.Duration, max int) []remit.Work {
	t.Helper()
	ws, err := s.Claim(t.Context(), store.Claim{Now: after(at), Real: after(at), Lease: after(at + time.Minute), Max: max})
	must(t, err)
	return ws
}

func ids(ws []remit.Work) (s []string) {
	for _, w := range ws {
		s = append(s, string(w.Merchant)+" "+w.ID.String())
	}
	return s
}

// workIsLeased claims what is due, and only once until the lease has run out.
func workIsLeased(t *testing.T, s store.Store) {
	deliver := piece(acme, 3, 0)
	deliver.Kind = remit.WorkDeliver
	kept := piece(acme, 4, 0)
	kept.Lease = after(30 * time.Second) // already leased, to whom writes it
	timer := piece(acme, 5, 0)
	timer.Kind = remit.WorkExpire
	pieces(t, s, piece(acme, 1, 0), piece(acme, 2, time.Hour), deliver, kept, timer)

	for kind, want := range map[remit.WorkKind]string{remit.WorkDeliver: "acme 3.0", remit.WorkExpire: "acme 5.0"} {
		only, err := s.Claim(t.Context(), store.Claim{Now: epoch, Real: epoch, Lease: after(time.Minute), Max: 9, Kind: kind})
		same(t, string(kind), ids(only), err, []string{want})
	}
	got := claim(t, s, 0, 9)
	want := piece(acme, 1, 0)
	want.Order, want.Lease, want.Fence = "1.0", after(time.Minute), 1
	same(t, "due", got, nil, []remit.Work{want})
	same(t, "leased", ids(claim(t, s, 59*time.Second, 9)), nil, []string{"acme 4.0"})
	same(t, "run out", ids(claim(t, s, time.Minute, 9)), nil, []string{"acme 1.0", "acme 3.0", "acme 5.0"})
	h, err := s.Read(t.Context(), store.Wants{Work: []store.WorkRef{{Merchant: acme, ID: remit.WorkID{Seq: 1}}}})
	want.Lease, want.Fence = after(2*time.Minute), 2
	same(t, "leased again", h.Work[store.WorkRef{Merchant: acme, ID: want.ID}], err, want)

	// Both clocks count: what is due long since is still somebody's.
	none, err := s.Claim(t.Context(), store.Claim{Now: after(24 * time.Hour), Real: after(time.Minute), Lease: after(time.Hour), Max: 9})
	same(t, "by two clocks", ids(none), err, []string{"acme 2.0"})
}

// workKeepsOrder claims three pieces of one order: each only once the one
// before it was tried, or done.
func workKeepsOrder(t *testing.T, s store.Store) {
	var ws []remit.Work
	for i := range int64(3) {
		w := piece(acme, 1+i/2, 0)
		w.ID.N, w.Order = i%2, "o"
		ws = append(ws, w)
	}
	ws[0].Due = after(time.Second) // the first is due last, and still goes first
	pieces(t, s, ws...)
	same(t, "before the first is due", ids(claim(t, s, 0, 9)), nil, []string(nil))
	first := claim(t, s, time.Second, 9)
	same(t, "first", ids(first), nil, []string{"acme 1.0"})
	same(t, "while the first is out", ids(claim(t, s, 2*time.Second, 9)), nil, []string(nil))
	first[0].Tries, first[0].Lease, first[0].Due = 1, time.Time{}, after(time.Hour)
	update(t, s, locked(acme), &store.Writes{Work: first})
	second := claim(t, s, 2*time.Second, 9)
	same(t, "once the first was tried", ids(second), nil, []string{"acme 1.1"})
	update(t, s, locked(acme), &store.Writes{Done: []store.WorkRef{{Merchant: acme, ID: second[0].ID}}})
	same(t, "once the second is done", ids(claim(t, s, 2*time.Second, 9)), nil, []string{"acme 2.0"})
}

// workIsShared claims fewer pieces than there are, from merchants of whom one
// has most: each gets its share, whoever is passed over first.
func workIsShared(t *testing.T, s store.Store) {
	for i := range int64(20) {
		pieces(t, s, piece(acme, i, 0))
	}
	pieces(t, s, piece(globex, 1, time.Second), piece("zeta", 1, 2*time.Second), piece("yota", 1, time.Hour))
	got := claim(t, s, time.Minute, 6)
	same(t, "shares", ids(got), nil, []string{"acme 0.0", "acme 1.0", "globex 1.0", "zeta 1.0"})
	pieces(t, s, piece(globex, 2, time.Second), piece("zeta", 2, 2*time.Second))
	for skip, want := range map[int]string{1: "globex 2.0", 2: "zeta 2.0", 3: "acme 2.0"} {
		one, err := s.Claim(t.Context(), store.Claim{Now: after(time.Minute), Real: after(time.Minute), Lease: after(time.Hour), Max: 1, Skip: skip})
		same(t, fmt.Sprint("skip ", skip), ids(one), err, []string{want})
		one[0].Lease = time.Time{}
		pieces(t, s, one...)
	}
}

// claimersNeverShare lets claimers race for the work of two merchants until
// none is left. Each piece goes to one of them, and none is forgotten.
func claimersNeverShare(t *testing.T, s store.Store) {
	const claimers, each = 6, 100
	var ws []remit.Work
	for i := range int64(each) {
		ws = append(ws, piece(acme, i, 0), piece(globex, i, 0))
	}
	pieces(t, s, ws...)
	var mu sync.Mutex
	times := map[string]int{}
	var wg sync.WaitGroup
	for i := range claimers {
		wg.Go(func() {
			for {
				got, err := s.Claim(t.Context(), store.Claim{Now: epoch, Real: epoch, Lease: after(time.Minute), Max: 7, Skip: i})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, id := range ids(got) {
					times[id]++
				}
				left := 2*each - len(times)
				mu.Unlock()
				if left == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	for id, n := range times {
		if n != 1 {
			t.Errorf("work %s was claimed %d times", id, n)
		}
	}
}

// backlogIsCounted counts what waits, and says what is next.
func backlogIsCounted(t *testing.T, s store.Store) {
	ctx := t.Context()
	b, err := s.Backlog(ctx, epoch)
	same(t, "empty", b, err, store.Backlog{})
	_, ok, err := s.NextDue(ctx, "", epoch)
	same(t, "nothing next", ok, err, false)

	deliver := piece(globex, 1, -time.Hour)
	deliver.Kind = remit.WorkDeliver
	late, timer := piece(acme, 2, time.Hour), piece(globex, 2, 2*time.Hour)
	timer.Kind = remit.WorkExpire
	pieces(t, s, piece(acme, 1, 0), late, deliver, timer)
	update(t, s, locked(acme), &store.Writes{
		Deliveries:    []remit.Delivery{{Merchant: acme, ID: remit.WorkID{Seq: 9}, State: remit.DeliveryDead}, {Merchant: acme, ID: remit.WorkID{Seq: 10}}},
		Disbursements: []remit.Disbursement{{ID: "d1", Merchant: acme, Amount: cents(1), State: remit.Sent, Stuck: true}},
	})
	b, err = s.Backlog(ctx, epoch)
	same(t, "backlog", b, err, store.Backlog{Send: 2, Deliver: 1, Expire: 1, Due: 2, OldestDue: after(-time.Hour), Dead: 1, Stuck: 1})
	next, ok, err := s.NextDue(ctx, "", epoch)
	same(t, "next", []any{next, ok}, err, []any{after(-time.Hour), true})
	next, ok, err = s.NextDue(ctx, remit.WorkSend, epoch)
	same(t, "next to send", []any{next, ok}, err, []any{epoch, true})
	next, ok, err = s.NextDue(ctx, remit.WorkExpire, epoch)
	same(t, "next to expire", []any{next, ok}, err, []any{after(2 * time.Hour), true})
	claim(t, s, 0, 9)
	next, ok, err = s.NextDue(ctx, "", epoch)
	same(t, "next that is free", []any{next, ok}, err, []any{after(time.Hour), true})
	next, ok, err = s.NextDue(ctx, "", after(time.Minute))
	same(t, "next once leases have run out", []any{next, ok}, err, []any{after(-time.Hour), true})
}
