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
	consoleRefunds  = 100_000        // settled, of the newest payments
	consolePayouts  = consoleRefunds // settled and told of, one beside each refund
	consoleOthers   = 200            // merchants that have nothing
	consoleBatch    = 2_000          // rows written at once
	consoleOpenings = 40             // of each page
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
	shelf, err := stock(ctx, n, s)
	if err != nil {
		return "", err
	}
	if err := stockRequests(ctx, n, s); err != nil {
		return "", err
	}
	c := console.New(console.Options{Node: n, Real: time.Now, Operator: "operator:bench"})
	var t strings.Builder
	fmt.Fprintf(&t, `### Pages of the console

SQLite; one merchant with %d payments, %d refunds, %d payouts with a notification each, and %d requests, beside %d that have nothing; the server's
time for a page, of %d openings, in ms.

| page | median | p95 |
|---|---|---|
`, consolePayments, consoleRefunds, consolePayouts, consoleRequests, consoleOthers, consoleOpenings)
	middle := fmt.Sprintf("p%019d", consolePayments/2)
	for _, page := range []struct{ name, path string }{
		{"overview", "/m/acme/"}, {"chart", "/m/acme/chart.json?currency=EUR"}, {"payments, newest", "/m/acme/payments"},
		{"payments, from the middle", "/m/acme/payments?after=" + middle}, {"one payment", "/m/acme/payments/" + middle},
		{"refunds", "/m/acme/refunds"}, {"one refund", fmt.Sprintf("/m/acme/out/d%019d", consoleRefunds/2)},
		{"payouts", "/m/acme/payouts"}, {"one payout", fmt.Sprintf("/m/acme/out/d%019d", consoleRefunds+consolePayouts/2)},
		{"search by id", "/search?in=acme&q=" + fmt.Sprint(1_000_000_000+consolePayments/2)}, {"search by amount", "/search?in=acme&q=49.90"},
		{"requests, newest", "/m/acme/requests"}, {"requests, refused, from the middle", "/m/acme/requests?refused=yes&after=" + trace(consoleRequests/2)},
		{"requests about one payment", "/m/acme/requests?about=" + fmt.Sprint(1_000_000_000+consolePayments-1)}, {"one request", "/m/acme/requests/" + trace(consoleRequests/2)},
		{"ledger", "/m/acme/ledger"}, {"ledger, at a moment half-way between two marks", "/m/acme/ledger?at=" + shelf.worst.Format("2006-01-02T15:04:05")},
		{"one account", "/m/acme/ledger/account?path=EUR"}, {"deliveries", "/m/acme/deliveries"},
		{"one delivery", "/m/acme/deliveries/" + shelf.told.String()}, {"settings", "/m/acme/settings"}, {"merchants", "/merchants"},
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
	worst time.Time    // the moment whose books cost most
	told  remit.WorkID // the last notification
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

// pay adds a disbursement that has settled, with its events.
func (w *shelves) pay(d remit.Disbursement) (err error) {
	t := ledger.Transfer{Step: ledger.Hold, From: remit.BalanceAccount("acme", "EUR"), To: remit.ClearingAccount("acme", "simulator", "EUR"), Amount: d.Amount}
	if d.Hold, err = w.event(d.Created, string(d.ID), "accepted", t); err != nil {
		return err
	}
	t.Step, t.Cites = ledger.PostHold, d.Hold
	d.Paid, err = w.event(d.Created, string(d.ID), "settled", t)
	w.Disbursements = append(w.Disbursements, d)
	return err
}

// tell adds the notification of what happened last, acknowledged at once.
func (w *shelves) tell(d remit.Disbursement) {
	w.told = remit.WorkID{Seq: w.seq}
	w.Deliveries = append(w.Deliveries, remit.Delivery{
		Merchant: "acme", ID: w.told, Dialect: "trustly", Subject: string(d.ID), State: remit.DeliveryDelivered, Tries: 1, Created: d.Created, Updated: d.Created,
		Notice: remit.Notice{Kind: "payoutconfirmation", URL: "https://acme.example/trustly", KeyVersion: 1,
			Content: fmt.Sprintf(`{"uuid":"00000000-0000-4000-8000-%012d","data":{"amount":%q,"currency":"EUR"}}`, w.seq, d.Amount.Major())},
	})
	w.Tries = append(w.Tries, remit.Try{Merchant: "acme", Delivery: w.told, N: 1, At: d.Created, Took: time.Millisecond, Status: http.StatusOK, Response: "{}"})
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
// would take an hour to no purpose here.
func stock(ctx context.Context, n *node.Node, s store.Store) (*shelves, error) {
	w := &shelves{seq: 1, books: ledger.Books{}}
	for i := range consoleOthers + 1 {
		m, name := remit.MerchantID(fmt.Sprintf("other%d", i)), "Another"
		if i == 0 {
			m, name = "acme", "Acme"
		}
		if err := n.AddMerchant(ctx, n.Engine.Head(m, "operator:bench", "bench"), remit.Settings{Name: name}); err != nil {
			return w, err
		}
	}
	world, balance := remit.WorldAccount("acme", "EUR"), remit.BalanceAccount("acme", "EUR")
	first := time.Now().Add(-consoleSpread).UTC().Truncate(time.Microsecond)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range consolePayments {
		at := first.Add(consoleSpread / consolePayments * time.Duration(i))
		amount := money.Amount{Minor: 100 + rnd.Int64N(100_000), Currency: "EUR"}
		p := remit.Payment{
			ID: remit.PaymentID(fmt.Sprintf("p%019d", i)), Merchant: "acme", Dialect: "trustly", ExternalID: fmt.Sprint(1_000_000_000 + i), Amount: amount,
			State: remit.PaymentFunded, OrderReference: fmt.Sprintf("order-%d", i), PayerAccount: "sealed", Opened: at, Updated: at, Authorized: at, Funded: at,
		}
		var err error
		if p.Funding, err = w.event(at, string(p.ID), "funded", ledger.Transfer{Step: ledger.Post, From: world, To: balance, Amount: amount}); err != nil {
			return w, err
		}
		if w.seq == (consolePayments/2/books.Every)*books.Every+books.Every/2 {
			w.worst = at
		}
		if k := i - (consolePayments - consoleRefunds); k >= 0 {
			p.RefundedMinor, p.RefundsLive = 100, 1
			if err := w.out(k, p); err != nil {
				return w, err
			}
		}
		if w.Payments = append(w.Payments, p); len(w.Payments) == consoleBatch {
			if err := w.keep(ctx, s); err != nil {
				return w, err
			}
		}
	}
	_, err := books.Keep(ctx, s, remit.Merchant{ID: "acme", Seq: w.seq})
	return w, err
}

// out adds the refund of a payment, and a payout beside it.
func (w *shelves) out(k int, p remit.Payment) error {
	at := p.Funded
	d := remit.Disbursement{
		ID: remit.DisbursementID(fmt.Sprintf("d%019d", k)), Merchant: "acme", Kind: remit.KindRefund, Payment: p.ID, Dialect: "trustly",
		Amount: money.Amount{Minor: 100, Currency: "EUR"}, State: remit.Settled, Reference: fmt.Sprintf("ref-%d", k), Rail: "simulator",
		Created: at, Updated: at, Sent: at, Settled: at,
	}
	if err := w.pay(d); err != nil {
		return err
	}
	d.ID, d.Kind, d.Payment = remit.DisbursementID(fmt.Sprintf("d%019d", consoleRefunds+k)), remit.KindPayout, ""
	d.Reference, d.Account = fmt.Sprintf("pay-%d", k), "sealed"
	if err := w.pay(d); err != nil {
		return err
	}
	w.tell(d)
	return nil
}
