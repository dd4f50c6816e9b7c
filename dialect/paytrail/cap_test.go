package paytrail_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/dialect/paytrail"
	"remit/internal/check"
	"remit/internal/engine"
	"remit/internal/pgtest"
	"remit/internal/vault"
	"remit/money"
	"remit/store"
	"remit/store/postgres"
	"remit/store/sqlite"
	"remit/store/storetest"
)

var at = time.Date(2026, time.March, 12, 15, 14, 18, 0, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// nobody is a directory without keys: this dialect has none of its own.
type nobody struct{}

func (nobody) Signer(string) dialect.Signer { return nil }
func (nobody) KeyVersion(string) int64      { return 0 }
func (nobody) Merchant(context.Context, string, remit.MerchantID) (dialect.Caller, error) {
	return dialect.Caller{}, nil
}

// TestBothAPIsShareOneCap refunds one payment of 10.00 in pieces of 0.15
// through both APIs at once, from a hundred goroutines, on both stores: 66
// are accepted and 34 refused, whichever API they came through, and the books
// hold.
func TestBothAPIsShareOneCap(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "remit.db"))
		must(t, err)
		shareCap(t, s)
	})
	t.Run("postgres", func(t *testing.T) {
		s, err := postgres.Open(t.Context(), pgtest.DSN(t))
		must(t, err)
		shareCap(t, s)
	})
}

const (
	callers   = 100
	pieceOf   = 15
	wholeIs   = 1_000
	acceptMax = wholeIs / pieceOf
)

func shareCap(t *testing.T, s store.Store) {
	defer s.Close()
	must(t, s.Migrate(t.Context()))
	err := storetest.AddMerchant(t.Context(), s, remit.Merchant{ID: "acme", Created: at})
	must(t, err)
	v, err := vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	must(t, err)
	d := paytrail.Dialect{}
	var ids atomic.Int64
	e := engine.New(engine.Config{
		Store: s, Vault: v, Directory: nobody{}, Dialects: map[string]dialect.Dialect{d.Name(): d}, Rail: "bank",
		Now: func() time.Time { return at }, Real: time.Now, Key: func(string) []byte { return []byte("key") },
		NewID: func(remit.MerchantID) string { return fmt.Sprintf("%019d", ids.Add(1)) },
	})
	defer e.Close()
	stage, err := d.Stage(dialect.Spec{Amount: money.Amount{Minor: wholeIs, Currency: "EUR"}, State: remit.PaymentFunded, OrderReference: "WEB-1", Demo: true})
	must(t, err)
	stage.Head, stage.Dialect, stage.PayerAccount = e.Head("acme", "test", ""), d.Name(), "sealed"
	opened, err := e.Do(t.Context(), stage)
	must(t, err)
	_, names := d.Names(*opened.Payment)

	var accepted, refused [2]atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			api := i % 2
			status := ask(t, e, d, []dialect.Request{merchantRefund(names["merchant_api"]), paymentRefund(names["payment_api"])}[api])
			switch status {
			case []int{http.StatusAccepted, http.StatusCreated}[api]:
				accepted[api].Add(1)
			case http.StatusBadRequest:
				refused[api].Add(1)
			default:
				t.Errorf("status %d", status)
			}
		})
	}
	all.Wait()
	t.Logf("accepted %d and %d, refused %d and %d", accepted[0].Load(), accepted[1].Load(), refused[0].Load(), refused[1].Load())
	if got := accepted[0].Load() + accepted[1].Load(); got != acceptMax {
		t.Errorf("%d were accepted, want %d", got, acceptMax)
	}
	ds, err := s.Disbursements(t.Context(), store.Filter{Merchant: "acme", Max: callers})
	must(t, err)
	report, err := check.Run(t.Context(), s, v, nil)
	must(t, err)
	if len(ds) != acceptMax || !report.OK {
		t.Errorf("%d refunds were kept, want %d; the books: %v", len(ds), acceptMax, report.Broken)
	}
}

const (
	merchantSecret = "of the Merchant API"
	paymentSecret  = "of the Payment API"
)

func merchantRefund(id string) dialect.Request {
	r := dialect.Request{
		Method: "POST", Path: "/merchant/v1/payments/" + id + "/refunds", Origin: "https://remit.example", At: at,
		Header: http.Header{"Timestamp": {"2026-03-12T17:14:18+0200"}, "Refund-Origin": {"internal"}},
		Body:   fmt.Appendf(nil, `{"rows":[{"amount":%d}]}`, pieceOf),
	}
	paytrail.SignMerchant(&r, "1", merchantSecret)
	return r
}

func paymentRefund(id string) dialect.Request {
	r := dialect.Request{
		Method: "POST", Path: "/payments/" + id + "/refund", Origin: "https://remit.example", At: at, Key: []byte("key"), Trace: "trace",
		Header: http.Header{
			"Checkout-Account": {"2"}, "Checkout-Algorithm": {"sha256"}, "Checkout-Method": {"POST"}, "Checkout-Nonce": {"n"},
			"Checkout-Timestamp": {"2026-03-12T15:14:18.000Z"}, "Checkout-Transaction-Id": {id},
		},
		Body: fmt.Appendf(nil, `{"amount":%d,"callbackUrls":{"success":"https://shop.example/ok","cancel":"https://shop.example/ko"}}`, pieceOf),
	}
	paytrail.SignPayment(&r, paymentSecret)
	return r
}

// ask answers one request as a server does.
func ask(t *testing.T, e *engine.Engine, d paytrail.Dialect, r dialect.Request) int {
	call := d.Read(r)
	who := dialect.Caller{Known: true, Admitted: true, Merchant: "acme", Shared: map[string]string{"merchant_api": merchantSecret, "payment_api": paymentSecret}}
	_, err := call.Claim()
	if err == nil {
		err = call.Verify(who)
	}
	var res remit.Result
	if err == nil {
		var op dialect.Operation
		if op, err = call.Decode(); err == nil {
			res, err = e.Ask(t.Context(), "acme", d.Name(), "request", op)
		}
	}
	return call.Encode(nil, res, err).Status
}
