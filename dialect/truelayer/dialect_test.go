package truelayer

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"remit"
	"remit/dialect"
	"remit/dialect/dialecttest"
	"remit/internal/p521"
)

// recorded are all recorded sections of a name.
func recorded(t *testing.T, section string) (all []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(text).Files {
			if f.Name == section {
				all = append(all, string(f.Data))
			}
		}
	}
	return all
}

// TestEveryErrorHasItsForm puts every code, with every reason that has a line
// of its own, into a problem document: each of the members that official
// clients insist on is there, the status is that of the answer, and errors is
// an object of lists, only where parameters are invalid.
func TestEveryErrorHasItsForm(t *testing.T) {
	for _, code := range remit.Codes() {
		if _, ok := problems[fault{code, ""}]; !ok {
			t.Errorf("the code %s alone has no words", code)
		}
	}
	for f := range problems {
		call := New().Read(dialect.Request{Method: "GET", Path: "/v3/payouts/1", Trace: "0123456789abcdef"})
		res := call.Encode(readKeys(t), remit.Result{}, remit.Errorf(f.code, f.reason, "a detail"))
		var d struct {
			Type, Title, Detail string
			Status              int
			TraceID             string `json:"trace_id"`
			Errors              map[string][]string
		}
		if err := json.Unmarshal(res.Body, &d); err != nil {
			t.Errorf("%v: %v: %s", f, err, res.Body)
		}
		switch {
		case res.Header.Get("Content-Type") != "application/problem+json":
			t.Errorf("%v is %s", f, res.Header.Get("Content-Type"))
		case !strings.HasPrefix(d.Type, errorTypes) || d.Title == "" || d.Detail == "" || d.Status != res.Status:
			t.Errorf("%v lacks something: %s", f, res.Body)
		case d.TraceID != "00000000000000000123456789abcdef" || res.Header.Get("Tl-Trace-Id") != d.TraceID || res.Header.Get("X-Tl-Correlation-Id") != d.TraceID:
			t.Errorf("%v does not name its request: %v %s", f, res.Header, res.Body)
		case len(d.Errors) > 0 && d.Title != "Invalid Parameters":
			t.Errorf("%v lists parameters: %s", f, res.Body)
		}
	}
}

// TestConversationsShowEveryError looks for each title of the provider's table
// in what was recorded. Three have no conversation, since they come of what goes
// on around a request: what they look like is tried above.
func TestConversationsShowEveryError(t *testing.T) {
	titles := map[string]bool{}
	for _, p := range problems {
		titles[p.title] = true
	}
	bodies := strings.Join(recorded(t, "response"), "\n")
	for title := range titles {
		elsewhere := []string{"Unknown Error", "Rate Limit Exceeded", "Idempotency-Key Concurrency Conflict"} // the last: http_test.go
		if !strings.Contains(bodies, `"title":"`+title+`"`) && !slices.Contains(elsewhere, title) {
			t.Errorf("no conversation shows %q", title)
		}
	}
}

// TestEveryWebhookIsRecorded looks for each type that is sent.
func TestEveryWebhookIsRecorded(t *testing.T) {
	bodies := strings.Join(recorded(t, "notice"), "\n")
	for _, kind := range []string{
		"refund_executed", "refund_failed", "payout_executed", "payout_failed", "payment_authorized", "payment_executed",
		"payment_creditable", "payment_settled", "payment_failed", "payment_settlement_stalled",
	} {
		if !strings.Contains(bodies, `"type":"`+kind+`"`) {
			t.Errorf("no conversation shows %s", kind)
		}
	}
}

// TestIssuedCredentialsWork issues credentials, signs a request with them, and
// has it verified with what is kept. The same randomness gives the same
// credentials, which a sandbox with a seed relies on.
func TestIssuedCredentialsWork(t *testing.T) {
	issue := func() dialect.Credentials {
		c, err := New().Issue(rand.NewChaCha8([32]byte{1}), "acme")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := issue()
	if again := issue(); again.Secrets[secretName] != c.Secrets[secretName] || len(c.Public) != 1 {
		t.Errorf("issued %v, then %v", c.Secrets, again.Secrets)
	}
	for kid, text := range c.Private {
		if issue().Private[kid] != text {
			t.Error("the key is another the second time")
		}
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "EC PRIVATE KEY" {
			t.Fatalf("the private key is %q", text)
		}
		path := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		key, _ := readKey(t, path)
		if publicPEM(t, key.Public()) != c.Public[kid] {
			t.Error("the two halves of the key do not belong together")
		}
	}
}

// TestKeysAreListedByTheirNames reads our JWKS as a client does, and finds the
// key there that a webhook names.
func TestKeysAreListedByTheirNames(t *testing.T) {
	k := readKeys(t)
	hook, list := webhook(t, k, "https://merchant.example/hooks")
	var keys struct {
		Keys []struct{ Kty, Alg, Kid, Crv, X, Y string }
	}
	if err := json.Unmarshal(list, &keys); err != nil || len(keys.Keys) != 1 {
		t.Fatalf("%v: %s", err, list)
	}
	j, err := parseJWS(hook.Signature)
	if err != nil {
		t.Fatal(err)
	}
	got := keys.Keys[0]
	number := func(text string) *big.Int {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(raw) != 66 {
			t.Errorf("a coordinate has %d bytes: %v", len(raw), err)
		}
		return new(big.Int).SetBytes(raw)
	}
	if got.Kty != "EC" || got.Alg != "ES512" || got.Crv != "P-521" || got.Kid != j.Kid {
		t.Errorf("listed %+v, named %s", got, j.Kid)
	}
	if number(got.X).Cmp(k.server.X) != 0 || number(got.Y).Cmp(k.server.Y) != 0 {
		t.Error("the coordinates are another key's")
	}
}

// TestRetriesGrowAndEnd adds the waits of many webhooks up: they grow, differ
// from webhook to webhook, are the same each time, and end within 72 hours.
func TestRetriesGrowAndEnd(t *testing.T) {
	firsts := map[time.Duration]bool{}
	for _, content := range []string{"a", "b", "c", "d"} {
		n, total, tries := remit.Notice{Content: content}, time.Duration(0), int64(0)
		for ; ; tries++ {
			wait, more := Dialect{}.Retry(n, tries)
			if again, _ := (Dialect{}).Retry(n, tries); again != wait {
				t.Fatalf("try %d waits %s, then %s", tries, wait, again)
			}
			if !more {
				break
			}
			if tries == 1 {
				firsts[wait] = true
			}
			total += wait
		}
		if total > retryTotal || total < retryTotal-slowest-slowest/4 || tries < 10 {
			t.Errorf("given up after %d tries and %s", tries, total)
		}
	}
	if len(firsts) < 2 {
		t.Errorf("the waits do not differ: %v", firsts)
	}
}

// TestAMerchantDoesNotBelieveAStranger changes a webhook in each of its parts,
// and has it verified with another key.
func TestAMerchantDoesNotBelieveAStranger(t *testing.T) {
	k := readKeys(t)
	hook, _ := webhook(t, k, "https://merchant.example/hooks/tl/")
	arrived := func() dialect.Request {
		r := dialect.Request{Method: hook.Method, Path: "/hooks/tl", Body: []byte(hook.Body), Header: http.Header{}}
		for name, v := range hook.Headers {
			r.Header.Set(name, v)
		}
		return r
	}
	if _, problem := New().Receive(arrived(), dialect.Credentials{}, k.server.Public()); problem != "" {
		t.Errorf("a webhook of ours: %s", problem)
	}
	for what, spoil := range map[string]func(*dialect.Request) crypto.PublicKey{
		"body": func(r *dialect.Request) crypto.PublicKey { r.Body = []byte("{}"); return k.server.Public() },
		"path": func(r *dialect.Request) crypto.PublicKey { r.Path = "/"; return k.server.Public() },
		"timestamp": func(r *dialect.Request) crypto.PublicKey {
			r.Header.Set(headerTimestamp, "x")
			return k.server.Public()
		},
		"unsigned": func(r *dialect.Request) crypto.PublicKey { r.Header.Del(headerSignature); return k.server.Public() },
		"key":      func(*dialect.Request) crypto.PublicKey { return k.merchant.Public() },
		"no key":   func(*dialect.Request) crypto.PublicKey { return nil },
	} {
		r := arrived()
		key := spoil(&r)
		if _, problem := New().Receive(r, dialect.Credentials{}, key); problem == "" {
			t.Errorf("a webhook with another %s is believed", what)
		}
	}
	for status, want := range map[int]bool{200: true, 204: true, 299: true, 199: false, 302: false, 404: false, 500: false} {
		if err := New().Acknowledged(remit.Notice{}, dialect.Reply{Status: status}, dialect.Caller{}); (err == nil) != want {
			t.Errorf("%d acknowledges: %v", status, err)
		}
	}
}

// TestATokenIsWorthNothingElsewhere tries tokens under another key of the
// installation, of the other kind, and after their time.
func TestATokenIsWorthNothingElsewhere(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	access := token{client: "acme", scopes: []string{scopePayments}, expires: now.Add(tokenLife)}
	claim := func(key []byte, path, text string, at time.Time) error {
		h := http.Header{"Authorization": {"Bearer " + text}}
		_, err := New().Read(dialect.Request{Method: "GET", Path: path, Header: h, Key: key, At: at}).Claim()
		return err
	}
	text := access.write(dialecttest.RequestKey)
	if err := claim(dialecttest.RequestKey, "/v3/payouts/1", text, now); err != nil {
		t.Error(err)
	}
	if err := claim([]byte("another key"), "/v3/payouts/1", text, now); err == nil {
		t.Error("a token of another installation is believed")
	}
	if err := claim(dialecttest.RequestKey, "/v3/payouts/1", text, now.Add(tokenLife)); err == nil {
		t.Error("a token is believed after its time")
	}
	if err := claim(dialecttest.RequestKey, "/v3/payouts/1", dialect.Mark(dialecttest.RequestKey, markBank, "acme", "payments", "99999999999"), now); err == nil {
		t.Error("a payer's link is taken for a token")
	}
}

// TestATokenEndsWithItsSecrets tries an access token and a payment's own token
// while the client has the secrets under which they were made, others, and
// none.
func TestATokenEndsWithItsSecrets(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for what, x := range map[string]token{
		"an access token":     {scopes: []string{scopePayments}},
		"a payment's own one": {resource: "1"},
	} {
		x.client, x.issued, x.expires = "acme", "first", now.Add(time.Minute)
		h := http.Header{"Authorization": {"Bearer " + x.write(dialecttest.RequestKey)}}
		for issued, want := range map[string]error{"first": nil, "second": errToken, "": errToken} {
			call := New().Read(dialect.Request{Method: "GET", Path: "/v3/payments/1", Header: h, Key: dialecttest.RequestKey, At: now})
			if who, err := call.Claim(); who != "acme" || err != nil {
				t.Fatalf("%s is %q's, %v", what, who, err)
			}
			if err := call.Verify(dialect.Caller{Known: true, Admitted: true, Issued: issued}); err != want {
				t.Errorf("%s under the secrets %q: %v, want %v", what, issued, err, want)
			}
		}
	}
}

// TestEachTryOfAWebhookIsSignedAnew seals one webhook at two times: the body is
// the same, the timestamp is that of the try and is signed, and a receiver
// believes both.
func TestEachTryOfAWebhookIsSignedAnew(t *testing.T) {
	b := bench(t)
	notice := remit.Notice{Kind: "refund_executed", URL: "https://merchant.example/hooks/tl/", Content: details(frozen{Body: json.RawMessage(`{"event_id":"1"}`)})}
	seal := func(at time.Time) (dialect.Outgoing, dialect.Request) {
		out, err := b.Dialect.Seal(notice, b.Signer, dialect.Caller{}, at)
		if err != nil {
			t.Fatal(err)
		}
		return out, dialect.Request{Method: out.Method, Path: "/hooks/tl", Header: out.Header, Body: out.Body}
	}
	first, arrived := seal(time.Date(2026, 3, 12, 15, 14, 18, 900_000_000, time.UTC))
	again, late := seal(time.Date(2026, 3, 14, 2, 0, 0, 0, time.FixedZone("", 3600)))
	if a, b := first.Header.Get(headerTimestamp), again.Header.Get(headerTimestamp); a != "2026-03-12T15:14:18Z" || b != "2026-03-14T01:00:00Z" {
		t.Errorf("sent at %s, then at %s", a, b)
	}
	if !bytes.Equal(first.Body, again.Body) || first.Header.Get(headerSignature) == again.Header.Get(headerSignature) {
		t.Error("another body, or the same signature")
	}
	for _, r := range []dialect.Request{arrived, late} {
		if _, problem := b.Dialect.Receive(r, b.Credentials, b.Server); problem != "" {
			t.Error(problem)
		}
	}
	late.Header.Set(headerTimestamp, first.Header.Get(headerTimestamp))
	if _, problem := b.Dialect.Receive(late, b.Credentials, b.Server); problem == "" {
		t.Error("a timestamp that was altered is believed")
	}
}

// TestPathsAreToldApart has a look at what find makes of paths.
func TestPathsAreToldApart(t *testing.T) {
	for path, want := range map[string]string{
		"/v3/payments": "/payments", "/payments/": "/payments", "/v3/payments/1/refunds/2": "/payments/1/refunds/2", "/connect/token/": "/connect/token",
		"/v3/connect/token": "", "/v3": "", "/": "", "/payments//refunds": "", "/v3/v3/payments": "", "/payments/1/refunds/2/3": "",
	} {
		method := "GET"
		if path == "/v3/payments" || path == "/payments/" || path == "/connect/token/" {
			method = "POST"
		}
		_, _, plain, _, err := find(method, path)
		if (err == nil) != (want != "") || (err == nil && plain != want) {
			t.Errorf("%s %s is %q, %v", method, path, plain, err)
		}
	}
}

// rotated are server keys, version 1 first. One that is nil cannot be read.
type rotated []crypto.Signer

func (r rotated) Key(version int64) (crypto.Signer, error) {
	if version == 0 {
		version = int64(len(r))
	}
	if version > int64(len(r)) || r[version-1] == nil {
		return nil, errors.New("the key cannot be read")
	}
	return r[version-1], nil
}

// TestTheNewestKeysAreListed rotates our key more often than keys are listed:
// the newest is among them, the oldest is not. Where one cannot be read no list
// is given, since merchants would keep it.
func TestTheNewestKeysAreListed(t *testing.T) {
	var all rotated
	for i := range keysListedMax + 3 {
		key, err := newKey(rand.NewChaCha8([32]byte{byte(i)}))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, key)
	}
	list := func(r rotated) dialect.Response {
		return New().Read(dialect.Request{Method: "GET", Path: "/.well-known/jwks"}).Encode(r, remit.Result{}, nil)
	}
	kid := func(n int) string {
		name, _, err := kidOf(all[n].Public())
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	res := list(all)
	if n := bytes.Count(res.Body, []byte(`"kid"`)); n != keysListedMax {
		t.Errorf("%d keys are listed", n)
	}
	for n, want := range map[int]bool{0: false, 2: false, 3: true, len(all) - 1: true} {
		if bytes.Contains(res.Body, []byte(kid(n))) != want {
			t.Errorf("key %d is listed: %t", n, !want)
		}
	}
	all[5] = nil
	if res := list(all); res.Status != http.StatusInternalServerError || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("without one of the keys: %d %v %s", res.Status, res.Header, res.Body)
	}
}

// TestASwitchDoesWithoutOurArithmetic verifies with a verifier that cannot be
// used: a merchant with the switch does not come near it, any other does.
func TestASwitchDoesWithoutOurArithmetic(t *testing.T) {
	k, r := readKeys(t), sample()
	k.prove(t, &r)
	verify := func(on bool) (err error) {
		defer func() {
			if recover() != nil {
				err = errors.New("the tables were asked")
			}
		}()
		call := Dialect{keys: &p521.Verifier{}}.Read(r)
		if _, err := call.Claim(); err != nil {
			t.Fatal(err)
		}
		return call.Verify(dialect.Caller{
			Known: true, Admitted: true, PublicKeys: map[string]crypto.PublicKey{testKid: k.merchant.Public()},
			Settings: remit.Settings{Switches: map[string]bool{switchStandardECC: on}},
		})
	}
	if err := verify(true); err != nil {
		t.Errorf("with the switch: %v", err)
	}
	if verify(false) == nil {
		t.Error("without the switch the tables are not asked")
	}
	r.Body = []byte("{}")
	if verify(true) == nil {
		t.Error("with the switch another body is believed")
	}
}
