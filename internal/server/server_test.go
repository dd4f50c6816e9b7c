package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/server"
)

// TestEachRequestIsAnsweredInItsDialect makes calls of every kind to a server
// over a real store, and compares the answers, and what was observed.
func TestEachRequestIsAnsweredInItsDialect(t *testing.T) {
	w := newWorld(t)
	for _, x := range []struct {
		name, path, body string
		headers          []string
		status           int
		want, code       string
	}{
		{"accepted", "/plainly", "order 1000 EUR k1", nil, 418, "refunded", "ok"},
		{"the same again", "/plainly", "order 1000 EUR k1", nil, 418, "refunded (said before)", "ok"},
		{"its key with other words", "/plainly", "order 1001 EUR k1", nil, 418, "key_reused: the key was used for another request", "key_reused"},
		{"refused", "/plainly", "order 4001 EUR k2", nil, 418, "exceeds: the payment has less than this left to refund", "exceeds"},
		{"refused, and remembered", "/plainly", "order 4001 EUR k2", nil, 418, "exceeds: the payment has less than this left to refund (said before)", "exceeds"},
		{"unreadable", "/plainly", "order", nil, 418, "invalid: four words are wanted", "invalid"},
		{"too large", "/plainly", strings.Repeat("x", plainlyBodyMax+1), nil, 418, "invalid: too large after 64", "invalid"},
		{"as large as may be", "/plainly", "order 1 EUR k3" + strings.Repeat(" ", plainlyBodyMax-14), nil, 418, "refunded", "ok"},
		{"nobody", "/plainly", "order 1 EUR k4", []string{"Who", "nobody"}, 418, "unauthenticated: who are you", "unauthenticated"},
		{"a wrong word", "/plainly", "order 1 EUR k4", []string{"Word", "simsim"}, 418, "unauthenticated: who are you", "unauthenticated"},
		{"verify panics", "/plainly/verify", "order 1 EUR k4", nil, 418, "internal: internal error", "internal"},
		{"decode panics", "/plainly/decode", "order 1 EUR k4", nil, 418, "internal: internal error", "internal"},
		{"read panics", "/plainly/read", "", nil, 500, `{"error":{"code":"internal","message":"internal error"}}` + "\n", "internal"},
		{"encode panics", "/plainly/encode", "order 1 EUR k5", nil, 500, `{"error":{"code":"internal","message":"internal error"}}` + "\n", "internal"},
	} {
		status, got := w.post(t, x.path, x.body, x.headers...)
		if status != x.status || got != x.want {
			t.Errorf("%s: answered %d %q, want %d %q", x.name, status, got, x.status, x.want)
		}
		if code := <-w.seen; code != "plainly "+x.code {
			t.Errorf("%s: observed %q, want %q", x.name, code, x.code)
		}
	}
	status, got := w.post(t, "/elsewhere", "")
	if want := `{"error":{"code":"not_found","message":"nothing is served at this path"}}` + "\n"; status != http.StatusNotFound || got != want {
		t.Errorf("an unknown path is answered %d %q, want %q", status, got, want)
	}
}

// flagged is plainly for callers who say so.
type flagged struct{ plainly }

func (flagged) Name() string            { return "flagged" }
func (flagged) Mine(h http.Header) bool { return h.Get("Flag") != "" }

// TestDialectsThatShareAPathAreToldApart mounts two at one path, of which
// the first can tell its callers.
func TestDialectsThatShareAPathAreToldApart(t *testing.T) {
	w := newWorld(t, func(o *server.Options) { o.Dialects = []dialect.Dialect{flagged{}, plainly{}} })
	for flag, want := range map[string]string{"": "plainly unauthenticated", "up": "flagged unauthenticated"} {
		w.post(t, "/plainly", "", "Word", "simsim", "Flag", flag)
		if got := <-w.seen; got != want {
			t.Errorf("with the flag %q: %q, want %q", flag, got, want)
		}
	}
}

// TestAnAddressIsLetInByTheMerchantsList asks from this machine, with lists
// that name it and lists that do not.
func TestAnAddressIsLetInByTheMerchantsList(t *testing.T) {
	w := newWorld(t)
	for _, x := range []struct {
		list []string
		want bool
	}{
		{nil, true}, {[]string{}, false}, {[]string{"127.0.0.1"}, true}, {[]string{"127.0.0.0/8"}, true}, {[]string{"127.1.2.3/8"}, true},
		{[]string{"192.0.2.1", "::ffff:127.0.0.1"}, true}, {[]string{"192.0.2.0/24"}, false}, {[]string{"::1"}, false}, {[]string{"nonsense", "127.0.0"}, false},
	} {
		w.settings(t, func(s *remit.Settings) { s.IPAllow = x.list })
		_, got := w.post(t, "/plainly", "unreadable")
		if admitted := got != "forbidden: not from 127.0.0.1"; admitted != x.want {
			t.Errorf("with the list %q: %q", x.list, got)
		}
	}
}

// TestOnlyOurProxiesAreBelieved sends X-Forwarded-For to a server that trusts
// nobody, and to one that trusts this machine and one proxy behind it.
func TestOnlyOurProxiesAreBelieved(t *testing.T) {
	const lie = "192.0.2.9"
	trusting := func(o *server.Options) {
		o.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("198.51.100.7/32")}
	}
	for _, x := range []struct {
		name, forwarded, want string
		change                []func(*server.Options)
	}{
		{"no proxy is ours", "203.0.113.5", "127.0.0.1", nil},
		{"one proxy", "203.0.113.5", "203.0.113.5", []func(*server.Options){trusting}},
		{"a caller who lies to it", lie + ", 203.0.113.5", "203.0.113.5", []func(*server.Options){trusting}},
		{"two proxies", lie + ", 203.0.113.5, 198.51.100.7", "203.0.113.5", []func(*server.Options){trusting}},
		{"a proxy that says nothing", "", "127.0.0.1", []func(*server.Options){trusting}},
		{"nonsense", lie + ", unknown", "127.0.0.1", []func(*server.Options){trusting}},
		{"with ports", lie + ":1, 203.0.113.5:4711, [::ffff:198.51.100.7]:80", "203.0.113.5", []func(*server.Options){trusting}},
		{"in the other form", "::ffff:203.0.113.5", "203.0.113.5", []func(*server.Options){trusting}},
	} {
		w := newWorld(t, x.change...)
		w.settings(t, func(s *remit.Settings) { s.IPAllow = []string{} })
		if _, got := w.post(t, "/plainly", "", "X-Forwarded-For", x.forwarded); got != "forbidden: not from "+x.want {
			t.Errorf("%s: %q, want %s", x.name, got, x.want)
		}
	}
}

// order is an engine and a wire that say in which order things happened.
type order struct {
	server.Engine
	mu   sync.Mutex
	what []string
	httptest.ResponseRecorder
}

func (o *order) did(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.what = append(o.what, what)
}

// Write gives whatever was let go too early the time to show it.
func (o *order) Write(b []byte) (int, error) {
	time.Sleep(20 * time.Millisecond)
	o.did("written")
	return len(b), nil
}
func (o *order) Flush() { o.did("flushed") }
func (o *order) Ask(context.Context, remit.MerchantID, string, string, dialect.Operation) (remit.Result, error) {
	o.did("committed")
	return remit.Result{Owed: []remit.WorkID{{Seq: 7, N: 1}}}, nil
}

func (o *order) Release(_ context.Context, m remit.MerchantID, owed []remit.WorkID) error {
	if m != "acme" || !slices.Equal(owed, []remit.WorkID{{Seq: 7, N: 1}}) {
		return errors.New("that was not owed")
	}
	o.did("released")
	return nil
}

// TestANotificationNeverOvertakesTheAnswer follows a request whose commit owes
// a notification: it is let go only when the answer is on the wire.
func TestANotificationNeverOvertakesTheAnswer(t *testing.T) {
	o := &order{}
	w := newWorld(t, func(opt *server.Options) { opt.Engine = o })
	r := httptest.NewRequest(http.MethodPost, "/plainly", strings.NewReader("order 1 EUR k"))
	r.Header.Set("Who", "acme")
	r.Header.Set("Word", "sesame")
	w.server.ServeHTTP(o, r)
	w.server.Close()
	if want := []string{"committed", "written", "flushed", "released"}; !slices.Equal(o.what, want) {
		t.Errorf("got %q, want %q", o.what, want)
	}
}

// TestALogLineSaysNothingThatIsSecret lets a request fail in each place, and
// looks for what was in it.
func TestALogLineSaysNothingThatIsSecret(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *server.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w.post(t, "/plainly", "order 1 EUR secretkey")
	w.post(t, "/plainly", "secretbody")
	w.post(t, "/plainly", "", "Word", "secretword")
	w.post(t, "/plainly/decode", "secretbody")
	w.stop()
	text := log.String()
	if strings.Contains(text, "secret") && strings.Contains(strings.ReplaceAll(text, "reason=secret", ""), "secret") {
		t.Errorf("the log tells a secret:\n%s", text)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 4 {
		t.Errorf("four requests have %d lines", len(lines))
	}
	for _, want := range []string{
		"merchant=acme code=ok", "merchant=acme reason=envelope code=invalid", "claims=acme reason=secret code=unauthenticated", "code=internal",
	} {
		if !slices.ContainsFunc(lines, func(l string) bool {
			return strings.Contains(l, want) && strings.Contains(l, "trace=0123456789abcdef dialect=plainly")
		}) {
			t.Errorf("no line has %q:\n%s", want, text)
		}
	}
}

// gate is an engine that holds every request until it is opened.
type gate struct{ reached, open chan struct{} }

func (g gate) Ask(context.Context, remit.MerchantID, string, string, dialect.Operation) (remit.Result, error) {
	g.reached <- struct{}{}
	<-g.open
	return remit.Result{}, nil
}
func (gate) Release(context.Context, remit.MerchantID, []remit.WorkID) error { return nil }

// TestWhatIsInFlightIsAnsweredBeforeTheEnd stops a server while a request
// waits for its decision: the listener closes, the request gets its answer.
func TestWhatIsInFlightIsAnsweredBeforeTheEnd(t *testing.T) {
	g := gate{make(chan struct{}), make(chan struct{})}
	w := newWorld(t, func(o *server.Options) { o.Engine = g })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l, w.server, slog.New(slog.DiscardHandler)) }()

	w.url = "http://" + l.Addr().String()
	answer := make(chan string, 1)
	go func() {
		_, text := w.post(t, "/plainly", "order 1 EUR k")
		answer <- text
	}()
	<-g.reached
	stop()
	for { // the listener closes while the request waits
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		c.Close()
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-ended:
		t.Fatalf("the server ended with a request in flight: %v", err)
	default:
	}
	close(g.open)
	if got := <-answer; got != "refunded" {
		t.Errorf("the request in flight was answered %q", got)
	}
	must(t, <-ended)
}

// TestACallerWhoDoesNotWaitIsNoFaultOfOurs breaks the connection while the
// decision is awaited.
func TestACallerWhoDoesNotWaitIsNoFaultOfOurs(t *testing.T) {
	g := patient{make(chan struct{})}
	w := newWorld(t, func(o *server.Options) { o.Engine = g })
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	_, err = io.WriteString(c, "POST /plainly HTTP/1.1\r\nHost: x\r\nWho: acme\r\nWord: sesame\r\nContent-Length: 13\r\n\r\norder 1 EUR k")
	must(t, err)
	<-g.reached
	must(t, c.Close())
	if got := <-w.seen; got != "plainly gone" {
		t.Errorf("observed %q", got)
	}
}

// patient is an engine that decides nothing for as long as somebody waits.
type patient struct{ reached chan struct{} }

func (p patient) Ask(ctx context.Context, _ remit.MerchantID, _, _ string, _ dialect.Operation) (remit.Result, error) {
	close(p.reached)
	<-ctx.Done()
	return remit.Result{}, &remit.Error{Code: remit.Unavailable, Detail: "the answer did not come in time", Err: ctx.Err()}
}
func (patient) Release(context.Context, remit.MerchantID, []remit.WorkID) error { return nil }

// TestATruncatedBodyEndsItsConnection sends what the JavaScript client sends
// for text outside of ASCII: a Content-Length that is too small. The answer
// comes whole, the connection ends, and the rest is no request.
func TestATruncatedBodyEndsItsConnection(t *testing.T) {
	w := newWorld(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	defer c.Close()
	body := `{"method":"Refund","params":{"Data":{"Username":"` + strings.Repeat("å", 9000) + `"}},"version":"1.1"}`
	_, err = io.WriteString(c, "POST /api/1 HTTP/1.1\r\nHost: x\r\nContent-Length: "+itoa(len([]rune(body)))+"\r\n\r\n"+body)
	must(t, err)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	must(t, err)
	text, err := io.ReadAll(res.Body)
	must(t, err)
	if !res.Close || !strings.Contains(string(text), "ERROR_INVALID_PARAMETERS") {
		t.Errorf("closing %v, answered %s", res.Close, text)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
		t.Errorf("the connection went on: %q, %v", rest, err)
	}
}

// TestWhoSendsTooMuchReadsTheAnswer sends megabytes before it looks at what
// comes back, as most clients do: more than what lies in a connection unread.
func TestWhoSendsTooMuchReadsTheAnswer(t *testing.T) {
	w := newWorld(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	defer c.Close()
	must(t, c.(*net.TCPConn).SetWriteBuffer(64<<10))
	const size = 7 << 20
	_, err = io.WriteString(c, "POST /api/1 HTTP/1.1\r\nHost: x\r\nContent-Length: "+itoa(size)+"\r\n\r\n"+strings.Repeat("x", size))
	must(t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	text, err := io.ReadAll(res.Body)
	must(t, err)
	if !res.Close || !strings.Contains(string(text), "ERROR_INVALID_PARAMETERS") {
		t.Errorf("closing %v, answered %s", res.Close, text)
	}
}

// TestHalfABodyIsNoRequest breaks off in the middle of a body: the engine is
// never asked.
func TestHalfABodyIsNoRequest(t *testing.T) {
	o := &order{}
	w := newWorld(t, func(opt *server.Options) { opt.Engine = o })
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "POST /plainly HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\norder 1 EUR k")
	must(t, err)
	must(t, c.(*net.TCPConn).CloseWrite())
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || len(o.what) != 0 {
		t.Errorf("answered %d after %q", res.StatusCode, o.what)
	}
}

// TestReadySaysWhatIsMissing asks an admin listener with a check that fails.
func TestReadySaysWhatIsMissing(t *testing.T) {
	var failing error
	h := server.Admin(http.NotFoundHandler(), nil,
		server.Check{Name: "store", Ask: func(context.Context) error { return nil }},
		server.Check{Name: "clock", Ask: func(context.Context) error { return failing }})
	ask := func(path string) (int, string) {
		r := httptest.NewRecorder()
		h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
		return r.Code, r.Body.String()
	}
	if code, text := ask("/readyz"); code != http.StatusOK || text != "ready\n" {
		t.Errorf("ready is %d %q", code, text)
	}
	failing = errors.New("it is late")
	if code, text := ask("/readyz"); code != http.StatusServiceUnavailable || text != "clock: it is late\n" {
		t.Errorf("not ready is %d %q", code, text)
	}
	if code, _ := ask("/livez"); code != http.StatusOK {
		t.Errorf("alive is %d", code)
	}
	if code, _ := ask("/debug/pprof/"); code != http.StatusOK {
		t.Errorf("profiles are %d", code)
	}
}
