package engine_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/check"
	"remit/internal/engine"
	"remit/internal/pgtest"
	"remit/internal/vault"
	"remit/money"
	"remit/rail"
	"remit/store"
	"remit/store/postgres"
	"remit/store/sqlite"
	"remit/store/storetest"
)

// eachStore runs a test against both stores, for real.
func eachStore(t *testing.T, f func(*testing.T, store.Store)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, openSQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, openPostgres(t, pgtest.DSN(t)))
	})
}

func openSQLite(t testing.TB) store.Store {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "remit.db"))
	must(t, err)
	return ready(t, s)
}

func openPostgres(t testing.TB, dsn string) store.Store {
	s, err := postgres.Open(t.Context(), dsn)
	must(t, err)
	return ready(t, s)
}

func ready(t testing.TB, s store.Store) store.Store {
	t.Cleanup(func() { s.Close() })
	must(t, s.Migrate(t.Context()))
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is an engine over a store, with a clock that is moved by hand.
type world struct {
	*engine.Engine
	store store.Store
	vault *vault.Vault
	mu    sync.Mutex
	at    time.Time
}

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newVault(t testing.TB) *vault.Vault {
	v, err := vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	must(t, err)
	return v
}

// ids numbers the ids of a process: 19 of [0-9a-z], unlike those of any other
// call.
func ids() func(remit.MerchantID) string {
	run := processes.Add(1)
	var n atomic.Int64
	return func(remit.MerchantID) string { return fmt.Sprintf("%04d%015d", run, n.Add(1)) }
}

var processes atomic.Int64

func newWorld(t testing.TB, s store.Store, change ...func(*engine.Config)) *world {
	w := &world{store: s, vault: newVault(t), at: start}
	cfg := engine.Config{
		Store: s, Vault: w.vault, Directory: nobody{}, Rail: "bank", Rails: map[string]rail.Rail{},
		Now: w.now, Real: time.Now, NewID: ids(),
		Sleep: func(context.Context, time.Duration) {},
	}
	for _, f := range change {
		f(&cfg)
	}
	w.Engine = engine.New(cfg)
	t.Cleanup(w.Close)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// nobody is a directory without keys.
type nobody struct{}

func (nobody) Signer(string) dialect.Signer { return nil }
func (nobody) KeyVersion(string) int64      { return 1 }
func (nobody) Merchant(context.Context, string, remit.MerchantID) (dialect.Caller, error) {
	return dialect.Caller{}, nil
}

func (w *world) merchant(t testing.TB, id remit.MerchantID, balance int64) {
	t.Helper()
	err := storetest.AddMerchant(t.Context(), w.store, remit.Merchant{ID: id, Created: start})
	must(t, err)
	if balance > 0 {
		_, err = w.Do(t.Context(), remit.TopUp{Head: w.Head(id, "operator:test", ""), Amount: eur(balance)})
		must(t, err)
	}
}

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

func (w *world) payment(t testing.TB, m remit.MerchantID, amount int64, state remit.PaymentState) remit.Payment {
	t.Helper()
	res, err := w.Do(t.Context(), remit.OpenPayment{
		Head: w.Head(m, "test", ""), Keyed: remit.Keyed{Dialect: "test"}, Amount: eur(amount), State: state, PayerAccount: "sealed",
	})
	must(t, err)
	return *res.Payment
}

// refund asks for a refund as Trustly would: it waits for funding, and is
// refused when the merchant is short.
func (w *world) refund(m remit.MerchantID, external string, amount int64, key string) remit.Refund {
	r := remit.Refund{
		Head: w.Head(m, remit.ActorMerchant, "request:test"), Keyed: remit.Keyed{Dialect: "test"}, Rail: "bank", Payment: remit.Name{Text: external},
		Amount: eur(amount), WhenUnfunded: remit.Wait,
	}
	if key != "" {
		r.Key, r.Digest, r.Remember, r.RefusalsBind = key, fmt.Sprint(external, amount), time.Hour, true
	}
	return r
}

// sound fails the test unless the books hold, and answers the report.
func (w *world) sound(t testing.TB) check.Report {
	t.Helper()
	r, err := check.Run(t.Context(), w.store, w.vault, nil)
	must(t, err)
	if !r.OK {
		t.Fatalf("the books are broken: %d faults, first %v", r.Faults, r.Broken[:min(3, len(r.Broken))])
	}
	return r
}

func (w *world) disbursements(t testing.TB, m remit.MerchantID) []remit.Disbursement {
	t.Helper()
	ds, err := w.store.Disbursements(t.Context(), store.Filter{Merchant: m, Max: 100_000})
	must(t, err)
	return ds
}

// flaky is a store whose commits fail unclearly when it is told to.
type flaky struct {
	store.Store
	fail func(n int64) fault // of the n-th Update, from 1
	n    atomic.Int64
}

type fault int

const (
	none   fault = iota
	lostOK       // kept, and the answer lost
	lostKO       // not kept, and nobody knows
	down         // not kept, and it is known
)

var errRolledBack = errors.New("rolled back")

func (f *flaky) Update(ctx context.Context, w store.Wants, decide func(*store.Have) (*store.Writes, error)) error {
	switch f.fail(f.n.Add(1)) {
	case lostOK:
		if err := f.Store.Update(ctx, w, decide); err != nil {
			return err
		}
		return fmt.Errorf("%w: the connection broke", store.ErrUnclear)
	case lostKO:
		f.Store.Update(ctx, w, func(h *store.Have) (*store.Writes, error) { decide(h); return nil, errRolledBack })
		return fmt.Errorf("%w: the connection broke", store.ErrUnclear)
	case down:
		return errors.New("the database is away")
	}
	return f.Store.Update(ctx, w, decide)
}
