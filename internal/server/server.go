// Package server answers merchants over HTTP. It mounts each dialect at its
// provider's native paths, and takes a request from its bytes to the engine
// and back.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/requestlog"
)

// Limits of one request, of real time.
const (
	askTimeout     = 25 * time.Second // for the decision: a client in use waits 30 s in all
	releaseTimeout = 20 * time.Second // for letting the notifications go: less than their lease
)

// Engine carries out what merchants ask.
type Engine interface {
	Ask(ctx context.Context, m remit.MerchantID, in, evidence string, op dialect.Operation) (remit.Result, error)
	Release(ctx context.Context, m remit.MerchantID, owed []remit.WorkID) error
}

// Directory knows who asks, and signs as us.
type Directory interface {
	Caller(ctx context.Context, in string, p dialect.Principal) (dialect.Caller, error)
	Signer(in string) dialect.Signer
}

// Observer is told of each request; it may be called at once. code is "ok",
// the name of a remit.Code, or "gone" where the caller did not wait.
type Observer interface {
	Request(dialect, code string, took time.Duration)
}

// Requests keeps what was asked, and what came of it. It does not wait.
type Requests interface {
	Add(requestlog.Record)
}

// Options are what a server is made of.
type Options struct {
	Dialects  []dialect.Dialect
	Directory Directory
	Engine    Engine
	Now       func() time.Time       // of the business clock
	Real      func() time.Time       // of the real clock
	NewTrace  func() string          // another name for each request: 16 of [0-9a-f]
	Key       func(in string) []byte // see dialect.Request.Key
	Origin    string                 // under which merchants reach us; "" is the one that each request names
	Proxies   []netip.Prefix         // whose X-Forwarded-For is believed
	Observer  Observer               // nil observes nothing
	Requests  Requests               // nil keeps nothing
	Log       *slog.Logger           // nil logs nothing
}

// Server is the handler of the public listener.
type Server struct {
	o        Options
	mounts   []mount
	keys     map[string][]byte // of o.Key, by dialect: each is a derivation
	signing  places
	releases sync.WaitGroup
}

// mount is where one dialect listens.
type mount struct {
	d   dialect.Dialect
	mux *http.ServeMux // of patterns alone: nothing is served by it
}

// New mounts the dialects. Where several listen at one path, in whatever
// patterns, the first takes a request that says by its header that it is the
// dialect's; the last of them takes what none does.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = blind{}
	}
	s := &Server{o: o, keys: map[string][]byte{}, signing: make(places, runtime.GOMAXPROCS(0))}
	for _, d := range o.Dialects {
		if o.Key != nil {
			s.keys[d.Name()] = o.Key(d.Name())
		}
		m := mount{d, http.NewServeMux()}
		for _, r := range d.Routes() {
			m.mux.HandleFunc(strings.TrimPrefix(r.Method+" "+r.Path, " "), func(http.ResponseWriter, *http.Request) {})
		}
		s.mounts = append(s.mounts, m)
	}
	return s
}

// whose is the dialect that a request speaks, of those that listen where it
// came; nil where none does.
func (s *Server) whose(r *http.Request) (d dialect.Dialect) {
	for _, m := range s.mounts {
		if _, pattern := m.mux.Handler(r); pattern == "" {
			continue
		}
		d = m.d
		if t, ok := d.(dialect.Teller); ok && t.Mine(r.Header) {
			break
		}
	}
	return d
}

// blind is an observer that looks away.
type blind struct{}

func (blind) Request(string, string, time.Duration) {}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d := s.whose(r); d != nil {
		s.serve(d, w, r)
		return
	}
	write(w, plain(http.StatusNotFound, "not_found", "nothing is served at this path"))
}

// Close waits until all that was answered has let its notifications go. The
// engine must still run, and no request may come in any more.
func (s *Server) Close() { s.releases.Wait() }

// exchange is one request on its way: what is known of it so far.
type exchange struct {
	d        dialect.Dialect
	request  dialect.Request
	merchant remit.MerchantID // once it has shown that it is this one
	claimed  remit.MerchantID // before that
	stage    dialect.Stage    // how far it has come
	asks     dialect.Operation
	page     bool // it is a payer's, and names a merchant by our own mark
}

// serve takes one request from the wire and puts its answer there. Only then
// do the notifications go that it causes.
func (s *Server) serve(d dialect.Dialect, w http.ResponseWriter, r *http.Request) {
	start := s.o.Real()
	x := &exchange{d: d}
	res, result, err := s.answer(x, w, r)
	write(w, res)
	s.release(x, result)
	took := s.o.Real().Sub(start)
	s.keep(x, res, result, err, took)
	s.tell(x, res.Status, result.Replayed, err, took)
}

// answer reads a request and makes its answer, whatever the dialect.
func (s *Server) answer(x *exchange, w http.ResponseWriter, r *http.Request) (res dialect.Response, result remit.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = broke(p)
			res = plain(http.StatusInternalServerError, remit.Internal.String(), "internal error")
		}
	}()
	if x.request, err = s.read(x.d, w, r); err != nil {
		// Who sends half a body does not wait for an answer.
		return plain(http.StatusBadRequest, remit.Invalid.String(), remit.AsError(err).Detail), result, err
	}
	call := x.d.Read(x.request)
	ctx, stop := context.WithTimeout(r.Context(), askTimeout)
	defer stop()
	result, err = s.ask(ctx, x, call)
	if err == nil && result.Refusal != nil {
		err = result.Refusal
	}
	return call.Encode(inTurn{s.o.Directory.Signer(x.d.Name()), s.signing}, result, err), result, err
}

// ask finds out who asks what, and has it carried out. A panic in it is the
// dialect's internal error.
func (s *Server) ask(ctx context.Context, x *exchange, call dialect.Call) (result remit.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = remit.Result{}, broke(p)
		}
	}()
	x.stage = dialect.StageClaim
	principal, err := call.Claim()
	if err != nil {
		return result, err
	}
	in := x.d.Name()
	if principal == "" {
		x.page = true
		return s.decide(ctx, x, call)
	}
	who, err := s.o.Directory.Caller(ctx, in, principal)
	if err != nil {
		return result, unavailable(err)
	}
	x.claimed, x.stage = who.Merchant, dialect.StageVerify
	who.Admitted = who.Known && admitted(who.Settings.IPAllow, x.request.From)
	if err := call.Verify(who); err != nil {
		return result, err
	}
	if !who.Known {
		return result, fmt.Errorf("dialect %s verified a caller whom nobody knows", in)
	}
	x.merchant = who.Merchant
	return s.decide(ctx, x, call)
}

// decide has carried out what a call asks for that may be made.
func (s *Server) decide(ctx context.Context, x *exchange, call dialect.Call) (remit.Result, error) {
	x.stage = dialect.StageDecode
	op, err := call.Decode()
	if err != nil {
		return remit.Result{}, err
	}
	if x.page {
		x.merchant = op.Merchant
	}
	x.asks, x.stage = op, dialect.StageDecide
	return s.o.Engine.Ask(ctx, x.merchant, x.d.Name(), "request:"+x.request.Trace, op)
}

// unavailable is what a store that cannot be read comes to for the caller.
func unavailable(err error) error {
	if _, ok := errors.AsType[*remit.Error](err); ok {
		return err
	}
	return &remit.Error{Code: remit.Unavailable, Detail: "the service cannot be used now", Err: err}
}

// stackBytesMax is how much of a panic's stack is logged, in bytes.
const stackBytesMax = 4 << 10

// broke makes an error of a panic.
func broke(p any) error {
	stack := make([]byte, stackBytesMax)
	return &remit.Error{Code: remit.Internal, Detail: "internal error", Err: fmt.Errorf("panic: %v\n%s", p, stack[:runtime.Stack(stack, false)])}
}

// restBytesMax is how much is taken off the wire, in bytes, beyond the most
// that a dialect allows: many clients read no answer before all is sent.
const restBytesMax = 8 << 20

// read takes the request off the wire, whole and bounded. Of a body that is
// too large the beginning is kept, the rest thrown away, and its connection is
// closed after the answer.
func (s *Server) read(d dialect.Dialect, w http.ResponseWriter, r *http.Request) (dialect.Request, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, d.BodyBytesMax()))
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		err = nil
		_, _ = io.CopyN(io.Discard, r.Body, restBytesMax) // whatever of it comes
	case err != nil:
		err = &remit.Error{Code: remit.Invalid, Reason: remit.ReasonEnvelope, Detail: "the body did not come whole", Err: err}
	}
	if r.Host != "" {
		r.Header.Set("Host", r.Host) // net/http takes it out
	}
	return dialect.Request{
		Method: r.Method, Origin: s.origin(r), Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header, Body: body, TooLarge: tooLarge,
		From: From(r, s.o.Proxies), At: s.o.Now(), Trace: s.o.NewTrace(), Key: s.keys[d.Name()],
	}, err
}

// origin is under which merchants and payers reach us.
func (s *Server) origin(r *http.Request) string {
	if s.o.Origin != "" {
		return s.o.Origin
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// write puts an answer on the wire, all of it. A caller that has gone may ask
// again: it will get the same answer.
func write(w http.ResponseWriter, res dialect.Response) {
	h := w.Header()
	for name, values := range res.Header {
		h[name] = values
	}
	if res.Status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(res.Body)))
	}
	if h.Get("Connection") == "close" {
		linger(w)
	}
	w.WriteHeader(res.Status)
	_, _ = w.Write(res.Body)
	_ = http.NewResponseController(w).Flush()
}

// linger has the connection closed in two steps, as net/http does behind a
// body that is too large, and only then: what the caller sent beyond its
// Content-Length lies unread, and closing at once would reset the connection
// and may take the answer away from who has not read it yet.
func linger(w http.ResponseWriter) {
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("beyond")), 0).Read(make([]byte, 1))
}

// plain is an answer to a request of which no dialect could speak.
func plain(status int, code, message string) dialect.Response {
	return dialect.Response{
		Status: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: fmt.Appendf(nil, `{"error":{"code":%q,"message":%q}}`+"\n", code, message),
	}
}

// release lets the notifications go that waited for the answer. If it fails
// their lease runs out.
func (s *Server) release(x *exchange, result remit.Result) {
	if len(result.Owed) == 0 {
		return
	}
	s.releases.Go(func() {
		ctx, stop := context.WithTimeout(context.Background(), releaseTimeout)
		defer stop()
		if err := s.o.Engine.Release(ctx, x.merchant, result.Owed); err != nil {
			s.o.Log.Warn("notifications wait until their lease runs out", "trace", x.request.Trace, "merchant", x.merchant, "error", err)
		}
	})
}

// tell says once what became of a request: never what was in it. The cause of
// a fault of our own is told here, and nowhere else.
func (s *Server) tell(x *exchange, status int, replayed bool, err error, took time.Duration) {
	code, level := outcome(err)
	attrs := []slog.Attr{
		slog.String("trace", x.request.Trace), slog.String("dialect", x.d.Name()), slog.Int("status", status), slog.Duration("took", took),
	}
	switch {
	case x.merchant != "":
		attrs = append(attrs, slog.String("merchant", string(x.merchant)))
	case x.claimed != "":
		attrs = append(attrs, slog.String("claims", string(x.claimed)))
	}
	if replayed {
		attrs = append(attrs, slog.Bool("replayed", true))
	}
	if reason := remit.AsError(err).Reason; reason != "" {
		attrs = append(attrs, slog.String("reason", string(reason)))
	}
	if level == slog.LevelError {
		attrs = append(attrs, slog.Any("error", err))
	}
	s.o.Observer.Request(x.d.Name(), code, took)
	s.o.Log.LogAttrs(context.Background(), level, "request", append(attrs, slog.String("code", code))...)
}

// outcome is what came of a request in one word, and how much it matters to
// us.
func outcome(err error) (code string, level slog.Level) {
	if err == nil {
		return "ok", slog.LevelInfo
	}
	if errors.Is(err, context.Canceled) {
		return "gone", slog.LevelInfo
	}
	c := remit.AsError(err).Code
	if c == remit.Internal || c == remit.Unavailable {
		return c.String(), slog.LevelError
	}
	return c.String(), slog.LevelInfo
}
