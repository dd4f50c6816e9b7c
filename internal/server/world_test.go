package server_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"remit"
	"remit/dialect"
	"remit/dialect/trustly"
	"remit/internal/clock"
	"remit/internal/node"
	"remit/internal/server"
	"remit/money"
	"remit/rail"
	"remit/rail/simulator"
	"remit/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plainly is the smallest dialect that can refund: the caller stands in
// headers, the command is words in the body. Its path says what breaks.
type plainly struct{}

const plainlyBodyMax = 64

func (plainly) Name() string { return "plainly" }
func (plainly) Routes() []dialect.Route {
	return []dialect.Route{{Method: http.MethodPost, Path: "/plainly"}, {Method: http.MethodPost, Path: "/plainly/{breaks}"}}
}
func (plainly) BodyBytesMax() int64                 { return plainlyBodyMax }
func (plainly) Read(r dialect.Request) dialect.Call { return say{r}.breaks("read") }
func (plainly) Private() dialect.Private {
	return dialect.Private{Secrets: []string{"password"}, Headers: []string{"Who"}}
}
func (plainly) Settings() dialect.Names                         { return dialect.Names{} }
func (plainly) Checks() []dialect.Check                         { return nil }
func (plainly) Notices(dialect.Occurrence) []remit.Notice       { return nil }
func (plainly) Retry(remit.Notice, int64) (time.Duration, bool) { return 0, false }
func (plainly) NewServerKey(io.Reader) (string, error)          { return "", nil }
func (plainly) Seal(remit.Notice, dialect.Signer, dialect.Caller, time.Time) (dialect.Outgoing, error) {
	return dialect.Outgoing{}, nil
}
func (plainly) Acknowledged(remit.Notice, dialect.Reply, dialect.Caller) error { return nil }
func (plainly) Receive(dialect.Request, dialect.Credentials, crypto.PublicKey) (dialect.Response, string) {
	return dialect.Response{}, ""
}
func (plainly) Issue(_ io.Reader, m remit.MerchantID) (dialect.Credentials, error) {
	return dialect.Credentials{Principal: dialect.Principal(m), Secrets: map[string]string{"word": "sesame"}}, nil
}

type say struct{ r dialect.Request }

func (s say) breaks(where string) say {
	if s.r.Path == "/plainly/"+where {
		panic("the dialect breaks in " + where)
	}
	return s
}

func (s say) Claim() (dialect.Principal, error) {
	if s.r.TooLarge {
		return "", remit.Errorf(remit.Invalid, remit.ReasonTooLarge, "too large after %d", len(s.r.Body))
	}
	return dialect.Principal(s.r.Header.Get("Who")), nil
}

func (s say) Verify(who dialect.Caller) error {
	s.breaks("verify")
	switch {
	case !who.Known || !who.Secret("word", s.r.Header.Get("Word")):
		return remit.Errorf(remit.Unauthenticated, remit.ReasonSecret, "who are you")
	case !who.Admitted:
		return remit.Errorf(remit.Forbidden, remit.ReasonAddress, "not from %s", s.r.From)
	}
	return nil
}

func (s say) Decode() (dialect.Operation, error) {
	s.breaks("decode")
	var r remit.Refund
	if _, err := fmt.Sscan(string(s.r.Body), &r.Payment.Text, &r.Amount.Minor, &r.Amount.Currency, &r.Key); err != nil {
		return dialect.Operation{}, remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "four words are wanted")
	}
	r.Remember, r.RefusalsBind = time.Hour, true
	return dialect.Operation{Refund: &dialect.Refund{Refund: r, Content: s.r.Body}}, nil
}

func (s say) Encode(_ dialect.Signer, r remit.Result, err error) dialect.Response {
	s.breaks("encode")
	text := "refunded"
	if err != nil {
		text = remit.AsError(err).Code.String() + ": " + remit.AsError(err).Detail
	}
	if r.Replayed {
		text += " (said before)"
	}
	return dialect.Response{Status: http.StatusTeapot, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte(text)}
}

// silent is a merchant whom notifications never reach.
type silent struct{}

func (silent) Send(context.Context, string, dialect.Outgoing) (dialect.Reply, time.Duration, error) {
	return dialect.Reply{}, 0, errors.New("nobody is there")
}

// seen is an observer that remembers. A request is observed after its answer.
type seen chan string

func (s seen) Request(dialect, code string, _ time.Duration) { s <- dialect + " " + code }

// seenMax is how many requests a test may make without looking.
const seenMax = 100

// world is a server over a real node, with one merchant, acme, that has
// 100.00 EUR and a funded payment "order" of 50.00.
type world struct {
	*node.Node
	seen    seen
	options server.Options
	server  *server.Server
	url     string
	dir     string                         // of the database
	stop    func()                         // waits until all is answered and told
	secrets map[string]dialect.Credentials // of acme, by dialect
}

func newWorld(t *testing.T, change ...func(*server.Options)) *world {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	s, err := sqlite.Open(ctx, filepath.Join(dir, "remit.db"))
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	must(t, s.Migrate(ctx))
	bank, err := simulator.Open(filepath.Join(dir, "bank.journal"), simulator.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, bank.Close()) })
	n := 0
	w := &world{dir: dir, seen: make(seen, seenMax), secrets: map[string]dialect.Credentials{}}
	dialects := []dialect.Dialect{trustly.Dialect{}, plainly{}}
	w.Node, err = node.Start(ctx, node.Config{
		Store: s, MasterKey: make([]byte, 32), Dialects: dialects, Rails: []rail.Rail{simulator.New("simulator", bank)},
		Clock: clock.New(time.Now, 0, false), Real: time.Now, Rand: rand.Reader, Caller: silent{},
		NewID: func(remit.MerchantID) string { n++; return fmt.Sprintf("%019d", n) },
	})
	must(t, err)
	t.Cleanup(w.Node.Close)
	w.merchant(t)
	w.options = server.Options{
		Dialects: dialects, Directory: w.Directory, Engine: w.Engine, Now: w.Clock.Now, Real: time.Now,
		NewTrace: func() string { return "0123456789abcdef" }, Observer: w.seen,
	}
	for _, f := range change {
		f(&w.options)
	}
	w.server = server.New(w.options)
	web := httptest.NewServer(w.server)
	w.stop = func() { web.Close(); w.server.Close() }
	t.Cleanup(w.stop)
	w.url = web.URL
	return w
}

func (w *world) merchant(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	err := w.AddMerchant(ctx, w.Engine.Head("acme", "operator:test", "test"), remit.Settings{})
	must(t, err)
	for name := range w.Dialects {
		w.secrets[name], err = w.Issue(ctx, w.Engine.Head("acme", "operator:test", "test"), name)
		must(t, err)
	}
	_, err = w.Engine.Do(ctx, remit.TopUp{Head: w.Engine.Head("acme", "operator:test", "test"), Amount: money.Amount{Minor: 10000, Currency: "EUR"}})
	must(t, err)
	for _, in := range []string{"plainly", "trustly"} {
		_, err = w.Engine.Do(ctx, remit.OpenPayment{
			Head: w.Engine.Head("acme", "engine", "test"), Keyed: remit.Keyed{Dialect: in}, ExternalID: map[string]string{"plainly": "order", "trustly": "1234567890"}[in],
			Amount: money.Amount{Minor: 5000, Currency: "EUR"}, State: remit.PaymentFunded, NotificationURL: "https://merchant.example/",
		})
		must(t, err)
	}
}

func (w *world) settings(t *testing.T, f func(*remit.Settings)) {
	t.Helper()
	_, err := w.Engine.Do(t.Context(), remit.ChangeSettings{Head: w.Engine.Head("acme", "operator:test", "test"), Change: f})
	must(t, err)
}

// post makes a call of plainly, as acme.
func (w *world) post(t *testing.T, path, body string, headers ...string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.url+path, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Who", "acme")
	r.Header.Set("Word", "sesame")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	must(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	must(t, err)
	if res.ContentLength != int64(len(raw)) {
		t.Errorf("the answer has %d bytes, and Content-Length %d", len(raw), res.ContentLength)
	}
	return res.StatusCode, string(raw)
}
