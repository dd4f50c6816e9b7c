package truelayer_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/dialect/truelayer"
	"remit/internal/clock"
	"remit/internal/node"
	"remit/internal/p521"
	"remit/internal/server"
	"remit/money"
	"remit/rail"
	"remit/rail/simulator"
	"remit/store/relational"
	"remit/store/sqlite"
)

// shop is a client of a whole server: a node over SQLite, one merchant, and
// nothing of the dialect but its wire. Requests are signed with the standard
// library here, by the specification's words.
type shop struct {
	*node.Node
	url, token, kid string
	key             *ecdsa.PrivateKey
	http            *http.Client
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// silent is a merchant whom webhooks never reach.
type silent struct{}

func (silent) Send(context.Context, string, dialect.Outgoing) (dialect.Reply, time.Duration, error) {
	return dialect.Reply{}, 0, errors.New("nobody is there")
}

// callers is how many requests are on their way at once at most.
const callers = 32

func openShop(t testing.TB) *shop { t.Helper(); return openShopOver(t, relational.Options{}) }

// openShopOver is one whose store has a hook.
func openShopOver(t testing.TB, o relational.Options) *shop {
	t.Helper()
	dir := t.TempDir()
	s, err := sqlite.OpenWith(t.Context(), filepath.Join(dir, "remit.db"), o)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	must(t, s.Migrate(t.Context()))
	bank, err := simulator.Open(filepath.Join(dir, "bank.journal"), simulator.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, bank.Close()) })
	var ids atomic.Int64
	x := &shop{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}}
	dialects := []dialect.Dialect{truelayer.New()}
	x.Node, err = node.Start(t.Context(), node.Config{
		Store: s, MasterKey: make([]byte, 32), Dialects: dialects, Rails: []rail.Rail{simulator.New("simulator", bank)},
		Clock: clock.New(time.Now, 0, false), Real: time.Now, Rand: rand.Reader, Caller: silent{},
		NewID: func(remit.MerchantID) string { return fmt.Sprintf("%019d", ids.Add(1)) },
	})
	must(t, err)
	t.Cleanup(x.Node.Close)
	err = x.AddMerchant(t.Context(), x.Engine.Head("acme", "operator:test", "test"), remit.Settings{Name: "Acme", Switches: map[string]bool{remit.SwitchSandbox: true}})
	must(t, err)
	c, err := x.Issue(t.Context(), x.Engine.Head("acme", "operator:test", "test"), truelayer.Name)
	must(t, err)
	x.kid = slices.Collect(maps.Keys(c.Private))[0]
	block, _ := pem.Decode([]byte(c.Private[x.kid]))
	x.key, err = x509.ParseECPrivateKey(block.Bytes)
	must(t, err)
	serve := server.New(server.Options{
		Dialects: dialects, Directory: x.Directory, Engine: x.Engine, Now: x.Clock.Now, Real: time.Now, Key: x.RequestKey,
		NewTrace: func() string { return "0123456789abcdef" },
	})
	web := httptest.NewServer(serve)
	t.Cleanup(func() { x.http.CloseIdleConnections(); web.Close(); serve.Close() })
	x.url = web.URL
	x.grant(t, c)
	return x
}

// pay makes a payment that is settled, and answers its id.
func (x *shop) pay(t testing.TB, minor int64) string {
	t.Helper()
	return x.payFrom(t, "sealed", minor)
}

func (x *shop) payFrom(t testing.TB, account remit.Sealed, minor int64) string {
	t.Helper()
	open, err := truelayer.New().Stage(dialect.Spec{Amount: money.Amount{Minor: minor, Currency: "EUR"}, State: remit.PaymentFunded})
	must(t, err)
	open.Head, open.Dialect, open.PayerAccount = x.Engine.Head("acme", "engine", "test"), truelayer.Name, account
	res, err := x.Engine.Do(t.Context(), open)
	must(t, err)
	return res.Payment.ExternalID
}

func (x *shop) request(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, x.url+path, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+x.token)
	return r
}

// signed is a request with its signature.
// docs/spec/truelayer.md#3-request-signing-tl-signature.
func (x *shop) signed(t testing.TB, path, key, body string) *http.Request {
	t.Helper()
	return x.signedWith(t, path, key, body, "", "")
}

// signedWith is one with a signature over more headers than the key: their
// names behind it, and what stands of them in the signed text.
func (x *shop) signedWith(t testing.TB, path, key, body, names, lines string) *http.Request {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	head := encode(fmt.Appendf(nil, `{"alg":"ES512","kid":%q,"tl_version":"2","tl_headers":"Idempotency-Key%s"}`, x.kid, names))
	sum := sha512.Sum512([]byte(head + "." + encode([]byte("POST "+path+"\nIdempotency-Key: "+key+"\n"+lines+body))))
	der, err := x.key.Sign(rand.Reader, sum[:], crypto.SHA512)
	must(t, err)
	r := x.request(t, "POST", path, body)
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set("Tl-Signature", head+".."+encode(raw(t, der)))
	return r
}

// raw writes a signature as r and s, each with zeros before it.
func raw(t testing.TB, der []byte) []byte {
	t.Helper()
	var pair struct{ R, S *big.Int }
	_, err := asn1.Unmarshal(der, &pair)
	must(t, err)
	out := make([]byte, p521.SignatureBytes)
	pair.R.FillBytes(out[:len(out)/2])
	pair.S.FillBytes(out[len(out)/2:])
	return out
}

func (x *shop) send(t testing.TB, r *http.Request) (int, []byte) {
	t.Helper()
	res, err := x.http.Do(r)
	must(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, body
}

type answer struct {
	status int
	body   []byte
}

// atOnce sends requests at the same time.
func (x *shop) atOnce(t testing.TB, requests []*http.Request) []answer {
	t.Helper()
	answers := make([]answer, len(requests))
	var all sync.WaitGroup
	for i, r := range requests {
		all.Go(func() { answers[i].status, answers[i].body = x.send(t, r) })
	}
	all.Wait()
	return answers
}

// TestOfRefundsAtOnceOneIsAccepted asks many times at once, under as many
// keys, for the whole of one payment: one is accepted, the others are refused,
// and the list shows one. docs/spec/truelayer.md#15-minimal-conformance-script-server-side-self-check, 8.
func TestOfRefundsAtOnceOneIsAccepted(t *testing.T) {
	x := openShop(t)
	path := "/v3/payments/" + x.pay(t, 10000) + "/refunds"
	var requests []*http.Request
	for i := range callers {
		requests = append(requests, x.signed(t, path, fmt.Sprint("key-", i), `{"amount_in_minor":10000,"reference":"A"}`))
	}
	count := map[int]int{}
	for _, a := range x.atOnce(t, requests) {
		count[a.status]++
	}
	if count[202] != 1 || count[400] != callers-1 {
		t.Errorf("answered %v", count)
	}
	_, list := x.send(t, x.request(t, "GET", path, ""))
	if n := bytes.Count(list, []byte(`"id"`)); n != 1 {
		t.Errorf("%d refunds are listed: %s", n, list)
	}
}

// TestAKeyIsUsedByOneRequestAtATime sends one request many times at once,
// signed anew each time: those that are answered 202 name one refund, the
// others are told that the key is in use, and one more gets the first answer
// to the byte.
func TestAKeyIsUsedByOneRequestAtATime(t *testing.T) {
	x := openShop(t)
	path, body := "/v3/payments/"+x.pay(t, 10000)+"/refunds", `{"amount_in_minor":100,"reference":"A"}`
	var requests []*http.Request
	for range callers {
		requests = append(requests, x.signed(t, path, "a-key", body))
	}
	var accepted []byte
	for _, a := range x.atOnce(t, requests) {
		switch {
		case a.status == 202 && (accepted == nil || bytes.Equal(a.body, accepted)):
			accepted = a.body
		case a.status == 409 && bytes.Contains(a.body, []byte("Idempotency-Key Concurrency Conflict")):
		default:
			t.Errorf("%d %s, after %s", a.status, a.body, accepted)
		}
	}
	if status, again := x.send(t, x.signed(t, path[len("/v3"):], "a-key", body)); status != 202 || !bytes.Equal(again, accepted) {
		t.Errorf("again: %d %s, after %s", status, again, accepted)
	}
	_, list := x.send(t, x.request(t, "GET", path, ""))
	if n := bytes.Count(list, []byte(`"id"`)); n != 1 {
		t.Errorf("%d refunds are listed: %s", n, list)
	}
}

// TestWhileARequestIsDecidedItsKeyIsTaken holds a request before its commit: the
// same request is refused meanwhile, whatever its body, by an answer that binds
// nothing. Then the first is accepted, and its answer repeated.
// docs/spec/truelayer.md#10-idempotency, 10.7.
func TestWhileARequestIsDecidedItsKeyIsTaken(t *testing.T) {
	var armed atomic.Bool
	held, goOn := make(chan bool), make(chan bool)
	x := openShopOver(t, relational.Options{Hook: func(p relational.Point) error {
		if p == relational.BeforeCommit && armed.CompareAndSwap(true, false) {
			held <- true
			<-goOn
		}
		return nil
	}})
	path, body := "/v3/payments/"+x.pay(t, 10000)+"/refunds", `{"amount_in_minor":100,"reference":"A"}`
	first := x.signed(t, path, "k", body)
	same, other := x.signed(t, path, "k", body), x.signed(t, path, "k", body+" ")
	answers := make(chan answer)
	armed.Store(true)
	go func() {
		status, body := x.send(t, first)
		answers <- answer{status, body}
	}()
	<-held
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	soon, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	for _, r := range []*http.Request{same, other} {
		status, got := x.send(t, r.WithContext(soon))
		if status != 409 || !bytes.Contains(got, []byte(`"title":"Idempotency-Key Concurrency Conflict"`)) {
			t.Errorf("meanwhile: %d %s", status, got)
		}
	}
	release()
	a := <-answers
	if a.status != 202 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if status, again := x.send(t, x.signed(t, path, "k", body)); status != 202 || !bytes.Equal(again, a.body) {
		t.Errorf("%d %s, after %s", status, again, a.body)
	}
}

// grant asks for an access token with a client's secret.
func (x *shop) grant(t testing.TB, c dialect.Credentials) {
	t.Helper()
	_, answer := x.send(t, x.request(t, "POST", "/connect/token", fmt.Sprintf(
		`{"grant_type":"client_credentials","client_id":%q,"client_secret":%q,"scope":"payments"}`, c.Principal, c.Secrets["client_secret"])))
	var got struct {
		Token string `json:"access_token"`
	}
	must(t, json.Unmarshal(answer, &got))
	x.token = got.Token
}

// TestNewSecretsEndTheTokens issues a client's credentials anew, and revokes
// them: its tokens, a payment's own among them, are refused at once, and those
// of another client are not. A key that is replaced ends none.
func TestNewSecretsEndTheTokens(t *testing.T) {
	x := openShop(t)
	head := func(m remit.MerchantID) remit.Head { return x.Engine.Head(m, "operator:test", "test") }
	must(t, x.AddMerchant(t.Context(), head("globex"), remit.Settings{Name: "Globex"}))
	other, err := x.Issue(t.Context(), head("globex"), truelayer.Name)
	must(t, err)
	acme := x.token
	x.grant(t, other)
	globex := x.token
	x.token = acme
	path := "/v3/payments"
	status, made := x.send(t, x.signed(t, path, "k", `{"amount_in_minor":100,"currency":"EUR","user":{"name":"A"},"payment_method":{"type":"bank_transfer",`+
		`"provider_selection":{"type":"user_selected"},"beneficiary":{"type":"external_account","account_holder_name":"B","reference":"r","account_identifier":{"type":"iban","iban":"FI2112345600000785"}}}}`))
	if status != 201 {
		t.Fatalf("%d %s", status, made)
	}
	var payment struct {
		ID    string `json:"id"`
		Token string `json:"resource_token"`
	}
	must(t, json.Unmarshal(made, &payment))
	mine, theirs := path+"/"+payment.ID, "/v3/merchant-accounts"
	want := func(when string, mineIs int) {
		t.Helper()
		for _, ask := range []struct {
			whose, token, path string
			status             int
		}{{"acme's", acme, mine, mineIs}, {"the payment's", payment.Token, mine, mineIs}, {"globex's", globex, theirs, 200}} {
			x.token = ask.token
			if got, body := x.send(t, x.request(t, "GET", ask.path, "")); got != ask.status {
				t.Errorf("%s: %s token is answered %d %s, want %d", when, ask.whose, got, body, ask.status)
			}
		}
	}
	want("at first", 200)
	public, err := x509.MarshalPKIXPublicKey(x.key.Public())
	must(t, err)
	_, err = x.SetPublicKey(t.Context(), head("acme"), truelayer.Name, x.kid, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	must(t, err)
	want("with another key", 200)
	again, err := x.Issue(t.Context(), head("acme"), truelayer.Name)
	must(t, err)
	want("with new secrets", 401)
	x.grant(t, again)
	if got, body := x.send(t, x.request(t, "GET", mine, "")); got != 200 {
		t.Errorf("under the new secrets: %d %s", got, body)
	}
	acme = x.token
	err = x.Revoke(t.Context(), head("acme"), truelayer.Name)
	must(t, err)
	want("revoked", 401)
}

// TestTheHostMayBeSigned signs a header that the HTTP library of a server keeps
// elsewhere than the others: every header of a request as received may be
// signed. docs/spec/truelayer.md#3-request-signing-tl-signature, 3.5.
func TestTheHostMayBeSigned(t *testing.T) {
	x := openShop(t)
	path, host := "/v3/payments/"+x.pay(t, 10000)+"/refunds", strings.TrimPrefix(x.url, "http://")
	for signed, want := range map[string]int{host: 202, "elsewhere.example": 401} {
		r := x.signedWith(t, path, "k", `{"amount_in_minor":1,"reference":"A"}`, ",Host", "Host: "+signed+"\n")
		if status, body := x.send(t, r); status != want {
			t.Errorf("signed for %s: %d %s, want %d", signed, status, body, want)
		}
	}
}

// TestAReplayHasTheLinksOfTheFirstAnswer opens a payment with a page, and sends
// the same request again to another name of the server: the answer is the
// first one to the byte.
func TestAReplayHasTheLinksOfTheFirstAnswer(t *testing.T) {
	x := openShop(t)
	_, accounts := x.send(t, x.request(t, "GET", "/v3/merchant-accounts", ""))
	var all struct{ Items []struct{ ID string } }
	must(t, json.Unmarshal(accounts, &all))
	body := `{"amount_in_minor":100,"currency":"GBP","hosted_page":{"return_uri":"https://merchant.example/"},"payment_method":{"type":"bank_transfer",` +
		`"provider_selection":{"type":"user_selected"},"beneficiary":{"type":"merchant_account","merchant_account_id":"` + all.Items[0].ID + `"}}}`
	status, first := x.send(t, x.signed(t, "/v3/payments", "k", body))
	if status != 201 || !bytes.Contains(first, []byte(x.url+"/login/")) {
		t.Fatalf("%d %s", status, first)
	}
	elsewhere := x.signed(t, "/v3/payments", "k", body)
	elsewhere.Host = "elsewhere.example"
	if status, again := x.send(t, elsewhere); status != 201 || !bytes.Equal(again, first) {
		t.Errorf("%d %s, after %s", status, again, first)
	}
}

// TestTransactionsComeInPages lists more payments than a page holds: the first
// page names the second, the second names none, and each payment stands there
// once. docs/spec/truelayer.md#7-merchant-accounts, 7.3.
func TestTransactionsComeInPages(t *testing.T) {
	x := openShop(t)
	const more = dialect.QueryMax + 5
	payments := make([]string, more)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := i; n < more; n += callers {
				payments[n] = x.payFrom(t, "", 1)
			}
		})
	}
	all.Wait()
	_, accounts := x.send(t, x.request(t, "GET", "/v3/merchant-accounts", ""))
	var list struct {
		Items []struct{ ID, Currency string }
	}
	must(t, json.Unmarshal(accounts, &list))
	euro := slices.IndexFunc(list.Items, func(a struct{ ID, Currency string }) bool { return a.Currency == "EUR" })
	path := "/v3/merchant-accounts/" + list.Items[euro].ID + "/transactions?from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z"
	seen := map[string]int{}
	page := func(path string) (count int, cursor string) {
		status, body := x.send(t, x.request(t, "GET", path, ""))
		var got struct {
			Items []struct {
				Payment string `json:"payment_id"`
			}
			Pagination *struct {
				Next string `json:"next_cursor"`
			}
		}
		must(t, json.Unmarshal(body, &got))
		if status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		for _, item := range got.Items {
			seen[item.Payment]++
		}
		if got.Pagination != nil {
			cursor = got.Pagination.Next
		}
		return len(got.Items), cursor
	}
	count, cursor := page(path)
	if count != dialect.QueryMax || cursor == "" {
		t.Fatalf("%d on the first page, then %q", count, cursor)
	}
	if count, cursor = page(path + "&cursor=" + cursor); count != more-dialect.QueryMax || cursor != "" {
		t.Errorf("%d on the second page, then %q", count, cursor)
	}
	for _, p := range payments {
		if seen[p] != 1 {
			t.Errorf("the payment %q is listed %d times", p, seen[p])
		}
	}
}
