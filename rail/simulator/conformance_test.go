package simulator_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"remit/money"
	"remit/rail"
	"remit/rail/railtest"
	"remit/rail/simulator"
)

const token = "a token of the tests"

var errLost = errors.New("the answer is lost")

// subject is a bank under test, with a rail to it of either form.
type subject struct {
	path string
	bank *simulator.Bank
	lose atomic.Bool
}

func (s *subject) open(t *testing.T) {
	t.Helper()
	if s.bank != nil {
		must(t, s.bank.Close()) // which only lets the file go
	}
	b, err := simulator.Open(s.path, simulator.Options{Delay: time.Hour, Hook: func(point string) error {
		if point == simulator.AfterJournal && s.lose.CompareAndSwap(true, false) {
			return errLost
		}
		return nil
	}})
	must(t, err)
	s.bank = b
	t.Cleanup(func() { _ = b.Close() })
}

// subjectOf gives the conformance suite its hands on a bank.
func subjectOf(t *testing.T, s *subject, r rail.Rail) railtest.Subject {
	return railtest.Subject{
		Rail: r,
		Instruction: func(n int) rail.Instruction {
			i := pay(fmt.Sprint("acme-d", n))
			i.Amount.Minor += int64(n)
			return i
		},
		Amounts: []money.Amount{{Minor: 1, Currency: "EUR"}, {Minor: 999_999_999_999_999_999, Currency: "SEK"}, {Minor: 5, Currency: "JPY"},
			{Minor: 1234, Currency: "BHD"}, {Minor: 1 << 53, Currency: "GBP"}, {Minor: 1<<53 + 1, Currency: "USD"}},
		Settle: func(t *testing.T, id string) {
			t.Helper()
			must(t, s.bank.Steer(t.Context(), id, rail.Order{Outcome: "settle"}))
		},
		Paid: func(t *testing.T, id string) int {
			t.Helper()
			all, err := s.bank.Booked(t.Context())
			must(t, err)
			for _, b := range all {
				if b.EndToEndID == id {
					return b.Paid
				}
			}
			return 0
		},
		Lose: func(*testing.T) { s.lose.Store(true) },
	}
}

func TestTheRailInProcessKeepsItsPromises(t *testing.T) {
	railtest.Run(t, func(t *testing.T) railtest.Subject {
		s := &subject{path: filepath.Join(t.TempDir(), "bank.journal")}
		s.open(t)
		out := subjectOf(t, s, simulator.New("simulator", s.bank))
		out.Crash = func(t *testing.T) rail.Rail {
			s.open(t) // from the file alone; nobody uses the old one again
			return simulator.New("simulator", s.bank)
		}
		return out
	})
}

// The same over HTTP. A lost answer is a connection that breaks after the
// bank has done its work; a bank that is cut off listens no longer.
func TestTheRailOverHTTPKeepsItsPromises(t *testing.T) {
	railtest.Run(t, func(t *testing.T) railtest.Subject {
		s := &subject{path: filepath.Join(t.TempDir(), "bank.journal")}
		s.open(t)
		server := serveBank(t, s, "127.0.0.1:0")
		address := server.Listener.Addr().String()
		out := subjectOf(t, s, simulator.Dial("simulator", server.URL, token, nil))
		out.Cut = func(*testing.T) func() {
			server.Close()
			return func() { server = serveBank(t, s, address) }
		}
		out.Crash = func(t *testing.T) rail.Rail {
			server.Close()
			s.open(t)
			server = serveBank(t, s, address)
			return simulator.Dial("simulator", server.URL, token, nil)
		}
		return out
	})
}

// serveBank listens at an address for calls to the bank that s has open.
func serveBank(t *testing.T, s *subject, address string) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	bank := simulator.Handler(s.bank, token)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		losing := s.lose.Load() && r.URL.Path == "/submit"
		kept := httptest.NewRecorder()
		bank.ServeHTTP(kept, r)
		if losing {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(kept.Code)
		_, _ = w.Write(kept.Body.Bytes())
	}))
	_ = server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// TestErrorsKeepTheirMeaningOverHTTP: those that an engine and a sandbox tell
// apart; and nothing is said to who does not know the token.
func TestErrorsKeepTheirMeaningOverHTTP(t *testing.T) {
	s := &subject{path: filepath.Join(t.TempDir(), "bank.journal")}
	s.open(t)
	url := serveBank(t, s, "127.0.0.1:0").URL
	c := simulator.Dial("simulator", url, token, nil)
	ctx := t.Context()
	_, notSent := c.Lookup(ctx, "a")
	order := c.Steer(ctx, "a", rail.Order{Outcome: "pay"})
	must(t, c.Steer(ctx, "a", rail.Order{Outcome: "refuse", Reason: "account_closed"}))
	out, err := c.Submit(ctx, pay("a"))
	if err != nil || out.Status != rail.Refused || out.Reason != "AC04" {
		t.Errorf("Submit answers %+v, %v", out, err)
	}
	other := pay("a")
	other.Account = "SE45"
	_, different := c.Submit(ctx, other)
	tooLate := c.Steer(ctx, "a", rail.Order{Outcome: "settle"})
	var cursor error
	for _, err := range c.Statements(ctx, "99") {
		cursor = err
	}
	for _, e := range []struct{ got, want error }{
		{notSent, rail.ErrNotSent}, {order, rail.ErrOrder}, {different, simulator.ErrDifferent},
		{tooLate, rail.ErrTooLate}, {cursor, simulator.ErrCursor},
	} {
		if !errors.Is(e.got, e.want) {
			t.Errorf("got %v, want %v", e.got, e.want)
		}
	}
	stranger := simulator.Dial("simulator", url, "a guess", nil)
	if _, err := stranger.Lookup(ctx, "a"); err == nil || errors.Is(err, rail.ErrNotSent) {
		t.Errorf("a stranger's Lookup: %v", err)
	}
	if all, err := stranger.Booked(ctx); err == nil {
		t.Errorf("a stranger reads %v", all)
	}
}

// TestASilentBankBreaksTheConnection: over HTTP too, Submit learns nothing,
// and the third look-up everything.
func TestASilentBankBreaksTheConnection(t *testing.T) {
	s := &subject{path: filepath.Join(t.TempDir(), "bank.journal")}
	s.open(t)
	server := httptest.NewServer(simulator.Handler(s.bank, token))
	defer server.Close()
	c := simulator.Dial("simulator", server.URL, token, nil)
	i := pay("a")
	i.Remittance = "remit:unknown"
	if out, err := c.Submit(t.Context(), i); !errors.Is(err, io.EOF) || errors.Is(err, rail.ErrNotSent) || out.Status != rail.Unknown {
		t.Errorf("Submit answers %+v, %v, want a connection that ends", out, err)
	}
	for _, want := range []rail.Status{rail.Unknown, rail.Unknown, rail.Settled} {
		if out, err := c.Lookup(t.Context(), "a"); err != nil || out.Status != want {
			t.Errorf("Lookup answers %+v, %v, want %s", out, err, want)
		}
	}
	all, err := c.Booked(t.Context())
	if err != nil || len(all) != 1 || all[0].Submitted != 1 || all[0].Paid != 1 {
		t.Errorf("the journal has %+v, %v", all, err)
	}
}

// TestAStatementOfManyPagesIsWhole reads more lines over HTTP than go into
// one answer.
func TestAStatementOfManyPagesIsWhole(t *testing.T) {
	s := &subject{path: filepath.Join(t.TempDir(), "bank.journal")}
	s.open(t)
	c := simulator.Dial("simulator", serveBank(t, s, "127.0.0.1:0").URL, token, nil)
	const count = 1000 // two full pages
	for n := range count {
		i := pay(fmt.Sprint("acme-d", n))
		i.Remittance = "remit:settle=0s"
		if _, err := s.bank.Submit(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for line, err := range c.Statements(t.Context(), "") {
		must(t, err)
		if want := fmt.Sprint("acme-d", n); line.EndToEndID != want {
			t.Fatalf("line %d is of %s", n, line.EndToEndID)
		}
		n++
	}
	if n != count {
		t.Errorf("%d lines, want %d", n, count)
	}
}
