package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"remit"
	"remit/internal/books"
	"remit/internal/console"
	"remit/internal/node"
	"remit/internal/vault"
	"remit/ledger"
	"remit/money"
	"remit/store"
	"remit/store/sqlite"
)

// What the console's pages are opened over.
const (
	consolePayments = 1_000_000
	consoleRefunds  = 100_000 // settled, of the newest payments
	consoleBatch    = 2_000   // rows written at once
	consoleOpenings = 40      // of each page
	consoleSpread   = 90 * 24 * time.Hour
)

// pages measures the server's time for each page over a million payments of
// one merchant.
func pages(ctx context.Context, o options) (string, error) {
	s, err := sqlite.Open(ctx, filepath.Join(o.dir, "console.db"))
	if err != nil {
		return "", err
	}
	defer s.Close()
	if err := s.Migrate(ctx); err != nil {
		return "", err
	}
	n, err := start(ctx, s, make([]byte, vault.MasterKeyBytes))
	if err != nil {
		return "", err
	}
	defer n.Close()
	worst, err := stock(ctx, n, s)
	if err != nil {
		return "", err
	}
	if err := stockRequests(n, s); err != nil {
		return "", err
	}
	c := console.New(console.Options{Node: n, Real: time.Now, Operator: "operator:bench"})
	var t strings.Builder
	fmt.Fprintf(&t, `### Pages of the console

SQLite; one merchant with %d payments, %d refunds and %d requests; the server's time for a page, of %d openings, in ms.

| page | median | p95 |
|---|---|---|
`, consolePayments, consoleRefunds, consoleRequests, consoleOpenings)
	middle := fmt.Sprintf("p%019d", consolePayments/2)
	for _, page := range []struct{ name, path string }{
		{"overview", "/m/acme/"}, {"chart", "/m/acme/chart.json?currency=EUR"}, {"payments, newest", "/m/acme/payments"},
		{"payments, from the middle", "/m/acme/payments?after=" + middle}, {"one payment", "/m/acme/payments/" + middle},
		{"refunds", "/m/acme/refunds"}, {"one refund", fmt.Sprintf("/m/acme/out/d%019d", consoleRefunds/2)},
		{"search by id", "/search?in=acme&q=" + fmt.Sprint(1_000_000_000+consolePayments/2)}, {"search by amount", "/search?in=acme&q=49.90"},
		{"requests, newest", "/m/acme/requests"}, {"requests, refused, from the middle", "/m/acme/requests?refused=yes&after=" + trace(consoleRequests/2)},
		{"requests about one payment", "/m/acme/requests?about=" + fmt.Sprint(1_000_000_000+consolePayments-1)}, {"one request", "/m/acme/requests/" + trace(consoleRequests/2)},
		{"ledger", "/m/acme/ledger"}, {"ledger, at a moment half-way between two marks", "/m/acme/ledger?at=" + worst.Format("2006-01-02T15:04:05")},
		{"one account", "/m/acme/ledger/account?path=EUR"}, {"deliveries", "/m/acme/deliveries"}, {"settings", "/m/acme/settings"},
	} {
		var took []time.Duration
		for range consoleOpenings {
			r, w := httptest.NewRequest(http.MethodGet, console.Path+page.path, nil), httptest.NewRecorder()
			from := time.Now()
			c.ServeHTTP(w, r)
			took = append(took, time.Since(from))
			if w.Code >= http.StatusBadRequest {
				return "", fmt.Errorf("page %s answers %d", page.path, w.Code)
			}
		}
		slices.Sort(took)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		fmt.Fprintf(&t, "| %s | %.1f | %.1f |\n", page.name, ms(took[len(took)/2]), ms(took[len(took)*95/100]))
	}
	return t.String(), nil
}

// shelves are rows that are to be written, with the books that they make.
type shelves struct {
	store.Writes
	seq   int64
	books ledger.Books
}

// event adds one that carries out a transfer, and answers the transfer's id.
func (w *shelves) event(at time.Time, subject, kind string, t ledger.Transfer) (string, error) {
	w.seq++
	t.ID = remit.TransferID(w.seq, 0)
	w.Events = append(w.Events, remit.Event{
		Merchant: "acme", Seq: w.seq, At: at, Subject: subject, Kind: kind, Actor: "rail:simulator", Evidence: "bench", Cause: subject[1:], Transfers: []ledger.Transfer{t},
	})
	return t.ID, w.books.Lay(t, remit.MayGoNegative)
}

// keep writes them.
func (w *shelves) keep(ctx context.Context, s store.Store) error {
	err := s.Update(ctx, store.Wants{Merchants: []remit.MerchantID{"acme"}, Block: true}, func(h *store.Have) (*store.Writes, error) {
		m := h.Merchants["acme"]
		m.Seq = w.seq
		w.Merchants = []remit.Merchant{m}
		w.Accounts = map[remit.MerchantID][]ledger.Account{"acme": slices.Collect(maps.Values(w.books))}
		return &w.Writes, nil
	})
	w.Writes = store.Writes{}
	return err
}

// stock writes the rows themselves: a million payments through the engine
// would take an hour to no purpose here. It answers the moment whose books cost
// most.
func stock(ctx context.Context, n *node.Node, s store.Store) (worst time.Time, err error) {
	if err := n.AddMerchant(ctx, n.Engine.Head("acme", "operator:bench", "bench"), remit.Settings{Name: "Acme"}); err != nil {
		return worst, err
	}
	world, balance, clearing := remit.WorldAccount("acme", "EUR"), remit.BalanceAccount("acme", "EUR"), remit.ClearingAccount("acme", "simulator", "EUR")
	first := time.Now().Add(-consoleSpread).UTC().Truncate(time.Microsecond)
	rnd := rand.New(rand.NewPCG(1, 1))
	w := &shelves{seq: 1, books: ledger.Books{}}
	for i := range consolePayments {
		at := first.Add(consoleSpread / consolePayments * time.Duration(i))
		amount := money.Amount{Minor: 100 + rnd.Int64N(100_000), Currency: "EUR"}
		p := remit.Payment{
			ID: remit.PaymentID(fmt.Sprintf("p%019d", i)), Merchant: "acme", Dialect: "trustly", ExternalID: fmt.Sprint(1_000_000_000 + i), Amount: amount,
			State: remit.PaymentFunded, OrderReference: fmt.Sprintf("order-%d", i), PayerAccount: "sealed", Opened: at, Updated: at, Authorized: at, Funded: at,
		}
		if p.Funding, err = w.event(at, string(p.ID), "funded", ledger.Transfer{Step: ledger.Post, From: world, To: balance, Amount: amount}); err != nil {
			return worst, err
		}
		if w.seq == (consolePayments/2/books.Every)*books.Every+books.Every/2 {
			worst = at
		}
		if k := i - (consolePayments - consoleRefunds); k >= 0 {
			p.RefundedMinor, p.RefundsLive = 100, 1
			d := remit.Disbursement{
				ID: remit.DisbursementID(fmt.Sprintf("d%019d", k)), Merchant: "acme", Kind: remit.KindRefund, Payment: p.ID, Dialect: "trustly",
				Amount: money.Amount{Minor: 100, Currency: "EUR"}, State: remit.Settled, Reference: fmt.Sprintf("ref-%d", k), Rail: "simulator",
				Created: at, Updated: at, Sent: at, Settled: at,
			}
			hold := ledger.Transfer{Step: ledger.Hold, From: balance, To: clearing, Amount: d.Amount}
			if d.Hold, err = w.event(at, string(d.ID), "accepted", hold); err != nil {
				return worst, err
			}
			hold.Step, hold.Cites = ledger.PostHold, d.Hold
			if d.Paid, err = w.event(at, string(d.ID), "settled", hold); err != nil {
				return worst, err
			}
			w.Disbursements = append(w.Disbursements, d)
		}
		if w.Payments = append(w.Payments, p); len(w.Payments) == consoleBatch {
			if err := w.keep(ctx, s); err != nil {
				return worst, err
			}
		}
	}
	_, err = books.Keep(ctx, s, remit.Merchant{ID: "acme", Seq: w.seq})
	return worst, err
}
