package requestlog_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"remit"
	"remit/dialect"
	"remit/internal/requestlog"
	"remit/internal/vault"
	"remit/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a store that keeps what it is given, when it is let.
type shelf struct {
	gate chan struct{} // closed: everything is let through
	mu   sync.Mutex
	kept []store.Request
	most int // of one batch
	err  error
}

func (s *shelf) AddRequests(_ context.Context, rs []store.Request) error {
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(s.most, len(rs))
	if s.err == nil {
		s.kept = append(s.kept, rs...)
	}
	return s.err
}

func (s *shelf) all() []store.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// fake is a dialect of which only the masking is asked.
type fake struct{ dialect.Dialect }

func (fake) Private() dialect.Private { return private }

// begin starts a log on a shelf. Its gate is open.
func begin(t *testing.T, s *shelf, real func() time.Time, told ...io.Writer) (*requestlog.Log, *vault.Vault) {
	t.Helper()
	v, err := vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if s.gate == nil {
		s.gate = make(chan struct{})
		close(s.gate)
	}
	return requestlog.New(requestlog.Options{
		Store: s, Vault: v, Dialects: map[string]dialect.Dialect{"fake": fake{}}, Real: real, Log: slog.New(slog.NewTextHandler(io.MultiWriter(told...), nil)),
	}), v
}

func record(m remit.MerchantID, n int, verified bool) requestlog.Record {
	return requestlog.Record{
		Request: dialect.Request{Method: "POST", Path: "/x", Header: jsonHeader, Body: []byte(`{"Password":"sesame"}`), Trace: fmt.Sprintf("%016d", n)},
		Kept:    store.Request{Merchant: m, Dialect: "fake", Verified: verified, Named: "a\x00\xff FI2112345600000785", Detail: strings.Repeat("x", 300)},
	}
}

// TestARequestIsKeptSealedAndOpensForItsMerchantOnly adds a request, and reads
// it back from what the store was given; it opens under no other merchant or
// trace.
func TestARequestIsKeptSealedAndOpensForItsMerchantOnly(t *testing.T) {
	s := &shelf{}
	l, v := begin(t, s, time.Now)
	defer l.Close()
	l.Add(record("acme", 1, true))
	l.Flush(t.Context())
	got := s.all()
	if len(got) != 1 || got[0].ID != fmt.Sprintf("%016d", 1) || got[0].Named != "a·· •••0785" || !strings.Contains(got[0].Detail, "… (cut here: 300") {
		t.Fatalf("kept %+v", got)
	}
	if strings.Contains(string(got[0].Asked), "Password") {
		t.Error("it is not sealed")
	}
	text, err := requestlog.Asked(v, got[0])
	if want := "POST /x\nContent-Type: application/json\n\n{\"Password\":\"•••\"}"; text != want || err != nil {
		t.Errorf("it opens as %q, %v", text, err)
	}
	for _, other := range []store.Request{{Merchant: "globex", ID: got[0].ID, Asked: got[0].Asked}, {Merchant: "acme", ID: "2", Asked: got[0].Asked}} {
		if _, err := requestlog.Asked(v, other); !errors.Is(err, vault.ErrSealed) {
			t.Errorf("it opens for %s %s: %v", other.Merchant, other.ID, err)
		}
	}
}

// TestWhatWaitsIsWrittenAtTheEnd adds many requests and closes the log: all
// are there, in batches.
func TestWhatWaitsIsWrittenAtTheEnd(t *testing.T) {
	const asked = 700
	s := &shelf{}
	l, _ := begin(t, s, time.Now)
	for i := range asked {
		l.Add(record("acme", i, true))
	}
	l.Close()
	if got := len(s.all()); got != asked || s.most < 2 {
		t.Errorf("%d of %d were kept, at most %d at once", got, asked, s.most)
	}
	if got := l.Lost(); got != (requestlog.Lost{}) {
		t.Errorf("lost %+v", got)
	}
}

// TestNobodyWaitsForTheLog holds the store up: Add returns, and what is too
// much is counted.
func TestNobodyWaitsForTheLog(t *testing.T) {
	const asked = 6000
	s := &shelf{gate: make(chan struct{})}
	l, _ := begin(t, s, time.Now)
	for i := range asked {
		l.Add(record("acme", i, true))
	}
	lost := l.Lost()
	close(s.gate)
	l.Close()
	if kept := int64(len(s.all())); lost.Full == 0 || kept+lost.Full != asked {
		t.Errorf("%d were kept and %d lost of %d", kept, lost.Full, asked)
	}
}

// TestLargeBodiesAreBounded holds the store up, and adds bodies of a megabyte:
// few of them wait in memory.
func TestLargeBodiesAreBounded(t *testing.T) {
	s := &shelf{gate: make(chan struct{})}
	l, _ := begin(t, s, time.Now)
	r := record("acme", 1, true)
	r.Request.Body = make([]byte, 1<<20)
	for range 300 {
		l.Add(r)
	}
	if got := l.Lost().Full; got < 20 {
		t.Errorf("%d were lost", got)
	}
	close(s.gate)
	l.Close()
}

// TestAStoreThatFailsLosesABatch counts what the store did not take.
func TestAStoreThatFailsLosesABatch(t *testing.T) {
	s := &shelf{err: errors.New("the disk is full")}
	l, _ := begin(t, s, time.Now)
	l.Add(record("acme", 1, true))
	l.Close()
	if got := l.Lost(); got.Failed != 1 {
		t.Errorf("lost %+v", got)
	}
}

// TestAStoreThatHangsDoesNotHoldUpTheEnd closes a log whose store never answers,
// as a store may that does not look at its context: within seconds, by a clock that
// only the test's goroutines move, the log is closed. What was lost is counted once,
// and told, and a Flush that waits returns with its context.
func TestAStoreThatHangsDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const asked = 300
		s, told := &shelf{gate: make(chan struct{})}, &bytes.Buffer{}
		l, _ := begin(t, s, time.Now, told)
		for i := range asked {
			l.Add(record("acme", i, true))
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		l.Flush(ctx)
		began := time.Now()
		l.Close()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if lines := told.String(); !strings.Contains(lines, "requests=300") {
			t.Errorf("it told %q", lines)
		}
		close(s.gate)
		synctest.Wait()
		if lost, kept := l.Lost(), len(s.all()); lost.Failed != asked || kept >= asked {
			t.Errorf("lost %+v; the store took %d at last", lost, kept)
		}
	})
}

// TestStrangersCannotFillTheLog asks in a merchant's name, without a proof:
// some are kept each hour, another merchant's are too, and the merchant's own
// always.
func TestStrangersCannotFillTheLog(t *testing.T) {
	now := time.Unix(0, 0)
	s := &shelf{}
	l, _ := begin(t, s, func() time.Time { return now })
	for i := range 140 {
		now = now.Add(time.Hour / 141)
		l.Add(record("acme", i, false))
	}
	l.Add(record("globex", 200, false))
	l.Add(record("acme", 201, true))
	now = now.Add(time.Hour)
	l.Add(record("acme", 202, false))
	l.Close()
	if got, lost := len(s.all()), l.Lost(); got != 103 || lost.Limited != 40 {
		t.Errorf("%d were kept, lost %+v", got, lost)
	}
}

// TestNoLogKeepsNothing uses a log that is switched off.
func TestNoLogKeepsNothing(t *testing.T) {
	var l *requestlog.Log
	l.Add(record("acme", 1, true))
	l.Flush(t.Context())
	if l.Lost() != (requestlog.Lost{}) {
		t.Error("it lost what it does not keep")
	}
	l.Close()
}
