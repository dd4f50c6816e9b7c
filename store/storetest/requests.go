package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"remit"
	"remit/store"
)

// requestsAreKept keeps requests of two merchants, some of them twice, chooses
// among them, and forgets the oldest of one merchant.
func requestsAreKept(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, s.AddRequests(ctx, nil))
	full := store.Request{
		Merchant: acme, ID: "c", At: after(time.Hour), Took: 1234 * time.Microsecond, Status: 200, Verified: true, Replayed: true, Dialect: "trustly",
		Operation: "refund", Stage: "decision", Code: "exceeds", Reason: "portion", Detail: "more than is left", Wire: "670", Named: "1000000001", Asked: "s1.x",
	}
	accepted := store.Request{Merchant: acme, ID: "b", At: after(time.Minute), Dialect: "paytrail", Verified: true, Subject: "d1"}
	bare := store.Request{Merchant: acme, ID: "a", At: epoch}
	theirs := store.Request{Merchant: globex, ID: "a", At: epoch, Subject: "d1", Named: "1000000001"}
	first := bare
	first.Detail = "replaced by the next one of its name"
	must(t, s.AddRequests(ctx, []store.Request{first, theirs}))
	must(t, s.AddRequests(ctx, []store.Request{full, accepted, bare}))
	for _, c := range []struct {
		f    store.RequestFilter
		want []store.Request
	}{
		{store.RequestFilter{}, []store.Request{bare, accepted, full}},
		{store.RequestFilter{Newest: true, Max: 2}, []store.Request{full, accepted}},
		{store.RequestFilter{Newest: true, After: "b"}, []store.Request{bare}},
		{store.RequestFilter{After: "b"}, []store.Request{full}},
		{store.RequestFilter{ID: "b"}, []store.Request{accepted}},
		{store.RequestFilter{ID: "z"}, nil},
		{store.RequestFilter{Dialect: "paytrail"}, []store.Request{accepted}},
		{store.RequestFilter{Refused: true, Newest: true}, []store.Request{full}},
		{store.RequestFilter{About: []string{"d1"}}, []store.Request{accepted}},
		{store.RequestFilter{About: []string{"d2", "1000000001", "d1"}, Newest: true}, []store.Request{full, accepted}},
		{store.RequestFilter{About: []string{""}}, nil},
		{store.RequestFilter{From: after(time.Minute)}, []store.Request{accepted, full}},
		{store.RequestFilter{To: after(time.Minute)}, []store.Request{bare}},
	} {
		c.f.Merchant = acme
		if c.f.Max == 0 {
			c.f.Max = 10
		}
		got, err := s.Requests(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}
	many := make([]string, 2_000) // such as all refunds of all payments of one payer
	for i := range many {
		many[i] = fmt.Sprint("x", i)
	}
	got, err := s.Requests(ctx, store.RequestFilter{Merchant: acme, About: append(many, "d1"), Max: 10})
	same(t, "about very much", got, err, []store.Request{accepted})
	must(t, found(ctx, s, acme, globex))
	for id, want := range map[string][]store.Request{"a": {bare, theirs}, "b": {accepted}, "": nil} {
		got, err := s.Requests(ctx, store.RequestFilter{ID: id, Max: 10})
		slices.SortFunc(got, func(a, b store.Request) int { return strings.Compare(string(a.Merchant), string(b.Merchant)) })
		same(t, fmt.Sprintf("%q of all merchants", id), got, err, want)
	}
	for _, c := range []struct{ max, want int }{{1, 1}, {10, 1}, {10, 0}} {
		n, err := s.ForgetRequests(ctx, acme, after(time.Hour), c.max)
		same(t, "forgotten", n, err, c.want)
	}
	for m, want := range map[remit.MerchantID][]store.Request{acme: {full}, globex: {theirs}} {
		got, err := s.Requests(ctx, store.RequestFilter{Merchant: m, Max: 10})
		same(t, "left of "+string(m), got, err, want)
	}
}
