package truelayer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"remit/dialect"
	"remit/dialect/dialecttest"
	"remit/money"
)

// keys are our own key, as the server, and a merchant's.
type keys struct {
	server   *ecdsa.PrivateKey
	merchant *ecdsa.PrivateKey
	private  string // the merchant's, as PEM
}

func readKey(t testing.TB, file string) (*ecdsa.PrivateKey, string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s is not PEM", file)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(text)
}

func readKeys(t testing.TB) (k keys) {
	t.Helper()
	k.server, _ = readKey(t, "testdata/keys/server.pem")
	k.merchant, k.private = readKey(t, "testdata/keys/merchant.pem")
	return k
}

// Key is the server's: there is one version of it, and 0 means the newest.
func (k keys) Key(version int64) (crypto.Signer, error) {
	if version > 1 {
		return nil, errors.New("there is no such key")
	}
	return k.server, nil
}

const (
	testKid    = "8e2f0f6a-5d0b-4f0e-9a53-3a1f7f4f9c11"
	testSecret = "correct horse"
)

func publicPEM(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return armor("PUBLIC KEY", der)
}

// bench is what the conversations run on.
func bench(t testing.TB) dialecttest.Bench {
	t.Helper()
	k := readKeys(t)
	return dialecttest.Bench{
		Dialect: New(), Signer: k, Server: k.server.Public(),
		Credentials: dialect.Credentials{
			Principal: "acme",
			Secrets:   map[string]string{secretName: testSecret},
			Public:    map[string]string{testKid: publicPEM(t, k.merchant.Public())},
			Private:   map[string]string{testKid: k.private},
		},
		Prove: k.prove,
	}
}

// Places of a recorded request that are filled in before it goes.
var (
	toSign    = regexp.MustCompile(`\{signed([^}]*)\}`)                   // as client libraries do; or: headers=A,B method=GET path=/x kid=… version=1 attached
	token1    = regexp.MustCompile(`\{token([^}]*)\}`)                    // of the merchant; or: scope=… expired, client=…
	resource  = regexp.MustCompile(`\{resource ([^}]*)\}`)                // the payment's own token
	accountOf = regexp.MustCompile(`\{account ([A-Z]{3})\}`)              // the merchant account of a currency
	linkOf    = regexp.MustCompile(`\{(link|return) ([^ }]*) ?([^}]*)\}`) // the payer's link to a payment, with where it ends
)

func options(text string) map[string]string {
	all := map[string]string{}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		all[name] = value
	}
	return all
}

// prove fills in what a client would: ids, links, the token, the signature.
func (k keys) prove(t testing.TB, r *dialect.Request) {
	t.Helper()
	if r.Key == nil {
		r.Key = dialecttest.RequestKey
	}
	if r.At.IsZero() {
		r.At = time.Date(2026, time.March, 12, 15, 0, 0, 0, time.UTC)
	}
	r.Origin = "https://api.example"
	fill := func(text string) string {
		text = accountOf.ReplaceAllStringFunc(text, func(s string) string {
			c := &call{r: *r}
			c.who.Merchant = "acme"
			return c.accountID(money.Currency(accountOf.FindStringSubmatch(s)[1]))
		})
		return linkOf.ReplaceAllStringFunc(text, func(s string) string {
			p := linkOf.FindStringSubmatch(s)
			if p[1] == "return" {
				return dialect.Mark(r.Key, markReturn, "acme", p[2])
			}
			return dialect.Mark(r.Key, markBank, "acme", p[2], strings.TrimSuffix(p[3], " external"), map[bool]string{true: toExternal, false: toMerchant}[strings.HasSuffix(p[3], " external")])
		})
	}
	r.Path, r.Query, r.Body = fill(r.Path), fill(r.Query), []byte(fill(string(r.Body)))
	if strings.ContainsAny(r.Path+r.Query, "{}") {
		t.Fatalf("%s?%s has a place that was not filled in", r.Path, r.Query)
	}
	for name, values := range r.Header {
		values[0] = token1.ReplaceAllStringFunc(values[0], func(s string) string { return testToken(*r, token1.FindStringSubmatch(s)[1]) })
		r.Header[name][0] = resource.ReplaceAllStringFunc(values[0], func(s string) string {
			return token{client: "acme", resource: resource.FindStringSubmatch(s)[1], expires: r.At.Add(time.Minute)}.write(r.Key)
		})
	}
	if place := toSign.FindStringSubmatch(r.Header.Get(headerSignature)); place != nil {
		r.Header.Set(headerSignature, strings.Replace(r.Header.Get(headerSignature), place[0], k.signed(t, *r, options(place[1])), 1))
	}
}

func testToken(r dialect.Request, how string) string {
	o := options(how)
	x := token{client: "acme", scopes: []string{scopePayments}, expires: r.At.Add(time.Minute)}
	if s, ok := o["scope"]; ok {
		x.scopes = []string{s}
	}
	if _, ok := o["expired"]; ok {
		x.expires = r.At
	}
	return x.write(r.Key)
}

// signed is the signature of a request, as the public libraries make it.
func (k keys) signed(t testing.TB, r dialect.Request, o map[string]string) string {
	t.Helper()
	j := jose{Alg: algorithm, Kid: testKid, Version: signatureVersion, Headers: headerKey}
	if h, ok := o["headers"]; ok {
		j.Headers = h
	}
	set := func(name string, into *string) {
		if v, ok := o[name]; ok {
			*into = v
		}
	}
	method, path := r.Method, r.Path
	set("kid", &j.Kid)
	set("alg", &j.Alg)
	set("version", &j.Version)
	set("method", &method)
	set("path", &path)
	body := r.Body
	if _, ok := o["otherbody"]; ok {
		body = []byte("{}")
	}
	text, err := signJWS(k.merchant, j, method, path, r.Header, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := o["attached"]; ok {
		head, sum, _ := strings.Cut(text, "..")
		whole, err := payload(method, path, j.names(), r.Header, body)
		if err != nil {
			t.Fatal(err)
		}
		return head + "." + b64.EncodeToString(whole) + "." + sum
	}
	return text
}

// sample is a correct request.
func sample() dialect.Request {
	return dialect.Request{
		Method: "POST", Path: "/v3/payments/dfb531ca-8e25-4753-bc23-0c7eeb8d4f29/refunds", Body: []byte(`{"amount_in_minor":10000,"reference":"Refund-12345"}`),
		Header: map[string][]string{"Authorization": {"Bearer {token}"}, headerKey: {"a-key"}, headerSignature: {"{signed}"}},
	}
}

func TestGolden(t *testing.T) { dialecttest.Golden(t, bench(t)) }
func TestKept(t *testing.T)   { dialecttest.Kept(t, bench(t)) }
func TestTotal(t *testing.T)  { dialecttest.Total(t, bench(t), sample()) }

// FuzzConversation puts each body into a request that is proved.
func FuzzConversation(f *testing.F) {
	b := bench(f)
	prove := b.Prove
	b.Prove = func(t testing.TB, r *dialect.Request) {
		if r.Header == nil {
			r.Header = sample().Header
		}
		prove(t, r)
	}
	dialecttest.Fuzz(f, b, "/v3/payments/dfb531ca-8e25-4753-bc23-0c7eeb8d4f29/refunds")
}
