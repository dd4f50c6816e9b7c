package node_test

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/dialect/trustly"
	"remit/internal/clock"
	"remit/internal/node"
	"remit/internal/requestlog"
	"remit/internal/vault"
	"remit/rail"
	"remit/store"
	"remit/store/sqlite"
)

// TestRequestsAreForgottenInTime keeps more requests than are deleted at once,
// old ones and one of today, of two merchants: with a log of 30 days the old
// ones go, with none all of them.
func TestRequestsAreForgottenInTime(t *testing.T) {
	const old = 2_500
	ctx := t.Context()
	s, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "remit.db"))
	must(t, err)
	defer s.Close()
	must(t, s.Migrate(ctx))
	now := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)
	for _, m := range []remit.MerchantID{"acme", "globex"} {
		var rs []store.Request
		for i := range old {
			rs = append(rs, store.Request{Merchant: m, ID: fmt.Sprint(i), At: now.AddDate(0, 0, -31)})
		}
		must(t, s.AddRequests(ctx, append(rs, store.Request{Merchant: m, ID: "new", At: now.AddDate(0, 0, -29)})))
	}
	real := func() time.Time { return now }
	left(t, s, real, requestlog.DaysDefault, 1)
	left(t, s, real, 0, 0)
}

// left forgets what a log of so many days does, and counts the rest of each
// merchant.
func left(t *testing.T, s store.Store, real func() time.Time, days, want int) {
	t.Helper()
	n, err := node.Start(t.Context(), node.Config{
		Store: s, MasterKey: make([]byte, vault.MasterKeyBytes), Dialects: []dialect.Dialect{trustly.Dialect{}}, Rails: []rail.Rail{idle{}},
		Clock: clock.New(real, 0, false), Real: real, Rand: rand.Reader, NewID: func(m remit.MerchantID) string { return fmt.Sprintf("%019s", m) }, RequestLogDays: days,
	})
	must(t, err)
	defer n.Close()
	for _, m := range []remit.MerchantID{"acme", "globex"} {
		if days > 0 { // the first of two starts
			must(t, n.AddMerchant(t.Context(), n.Engine.Head(m, "operator:ann", "test"), remit.Settings{}))
		}
	}
	must(t, n.Forget(t.Context()))
	for _, m := range []remit.MerchantID{"acme", "globex"} {
		rest, err := s.Requests(t.Context(), store.RequestFilter{Merchant: m, Max: 10_000})
		must(t, err)
		if len(rest) != want {
			t.Errorf("with %d days %d requests of %s are left, want %d", days, len(rest), m, want)
		}
	}
	if (n.Requests == nil) != (days == 0) {
		t.Errorf("with %d days there is a log: %v", days, n.Requests != nil)
	}
}
