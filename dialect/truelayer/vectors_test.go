package truelayer

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"remit/internal/p521"
)

// vector is a published request with its signature: the texts that go into it,
// and what they come to. The published signatures are under a key that is not
// ours, so that what is checked here is everything up to the curve; the same
// requests are then signed with our own test key.
// docs/spec/truelayer.md#4-signing-test-vectors-public-in-truelayer-signingtest-resources.
type vector struct {
	name, path   string
	head         string // of the JWS, in clear
	header       http.Header
	body         string
	payloadBytes int
	digest       string // SHA-512 of the signing input
}

var vectors = []vector{
	{
		name: "a request", path: "/merchant_accounts/a61acaef-ee05-4077-92f3-25543a11bd8d/sweeping",
		head:   `{"alg":"ES512","kid":"45fc75cf-5649-4134-84b3-192c2c78e990","tl_version":"2","tl_headers":"Idempotency-Key"}`,
		header: http.Header{"Idempotency-Key": {"idemp-2076717c-9005-4811-a321-9e0787fa0382"}},
		body:   `{"currency":"GBP","max_amount_in_minor":5000000,"name":"Foo???"}`, payloadBytes: 194,
		digest: "55f03c071c59261b67c46146f7f7801ca2d65a847866e0b75c4918af98c0c410870aa652da378ac388fba2b6be71f1cdddad0025f1a7f415807e1fe6e2a45046",
	},
	{
		name: "a webhook", path: "/tl-webhook",
		head: `{"alg":"ES512","kid":"45fc75cf-5649-4134-84b3-192c2c78e990","tl_version":"2","tl_headers":"X-Tl-Webhook-Timestamp,Content-Type",` +
			`"jku":"https://webhooks.truelayer.com/.well-known/jwks"}`,
		header: http.Header{"X-Tl-Webhook-Timestamp": {"2021-11-29T11:42:55Z"}, "Content-Type": {"application/json"}},
		body:   `{"event_type":"example","event_id":"18b2842b-a57b-4887-a0a6-d3c7c36f1020"}`, payloadBytes: 167,
		digest: "4fd1fc7fe307807386fcc01ea24532560f54281ed1539275434b8f2f07c593b99dfcc1004664f68b4aa8c04149871d0190c618ce845a4cb4ded994f5b225760a",
	},
}

// TestThePublishedVectorsComeOutTheSame puts both published requests together
// up to the digest that is signed.
func TestThePublishedVectorsComeOutTheSame(t *testing.T) {
	for _, v := range vectors {
		encoded := b64.EncodeToString([]byte(v.head))
		j, err := parseJWS(encoded + ".." + b64.EncodeToString(make([]byte, p521.SignatureBytes)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := payload("POST", v.path, j.names(), v.header, []byte(v.body))
		if err != nil {
			t.Fatal(err)
		}
		if len(text) != v.payloadBytes {
			t.Errorf("%s: the payload has %d bytes, want %d", v.name, len(text), v.payloadBytes)
		}
		if got := hex.EncodeToString(digest(encoded, text)); got != v.digest {
			t.Errorf("%s: the digest is %s, want %s", v.name, got, v.digest)
		}
	}
}

// TestASignatureHoldsForItsRequestAlone signs the published requests and tries
// them as the published usage tests do: with the slash at the path's end, with
// headers in another order and case; and with another method, path, header,
// body and key.
// docs/spec/truelayer.md#4-signing-test-vectors-public-in-truelayer-signingtest-resources, 4.3.
func TestASignatureHoldsForItsRequestAlone(t *testing.T) {
	k := readKeys(t)
	for _, v := range vectors {
		j, err := parseJWS(b64.EncodeToString([]byte(v.head)) + ".." + b64.EncodeToString(make([]byte, p521.SignatureBytes)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := signJWS(k.merchant, j.jose, "POST", v.path, v.header, []byte(v.body))
		if err != nil {
			t.Fatal(err)
		}
		if j, err = parseJWS(text); err != nil {
			t.Fatal(err)
		}
		key := &k.merchant.PublicKey
		holds := func(key *ecdsa.PublicKey, method, path string, h http.Header, body string) bool {
			return j.holds(key, nil, method, path, h, []byte(body)) == nil
		}
		more := v.header.Clone()
		more.Set("A-Header", "that nobody signed")
		changed, missing := v.header.Clone(), v.header.Clone()
		for name := range v.header {
			changed.Set(name, "another")
			missing.Del(name)
			break
		}
		for what, got := range map[string]struct{ got, want bool }{
			"as it is":       {holds(key, "POST", v.path, v.header, v.body), true},
			"in small":       {holds(key, "post", v.path, v.header, v.body), true},
			"a slash":        {holds(key, "POST", v.path+"/", v.header, v.body), true},
			"more headers":   {holds(key, "POST", v.path, more, v.body), true},
			"two slashes":    {holds(key, "POST", v.path+"//", v.header, v.body), false},
			"method":         {holds(key, "PUT", v.path, v.header, v.body), false},
			"path":           {holds(key, "POST", v.path+"x", v.header, v.body), false},
			"header":         {holds(key, "POST", v.path, changed, v.body), false},
			"missing header": {holds(key, "POST", v.path, missing, v.body), false},
			"body":           {holds(key, "POST", v.path, v.header, v.body+" "), false},
			"key":            {holds(&k.server.PublicKey, "POST", v.path, v.header, v.body), false},
		} {
			if got.got != got.want {
				t.Errorf("%s, %s: it holds: %t, want %t", v.name, what, got.got, got.want)
			}
		}
		if again, err := signJWS(k.merchant, j.jose, "POST", v.path, v.header, []byte(v.body)); err != nil || again != text {
			t.Errorf("%s is signed in two ways: %v", v.name, err)
		}
	}
}

// TestWhatIsNoSignatureIsRefused reads texts that are none, among them one
// with a payload of its own that would hold.
func TestWhatIsNoSignatureIsRefused(t *testing.T) {
	k := readKeys(t)
	good, err := signJWS(k.merchant, jose{Alg: algorithm, Kid: testKid, Version: "2"}, "POST", "/bar", http.Header{}, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseJWS(good); err != nil {
		t.Fatal(err)
	}
	head, sum, _ := strings.Cut(good, "..")
	encode := func(text string) string { return b64.EncodeToString([]byte(text)) }
	for _, text := range []string{
		"", ".", "..", "...", "an-invalid..signature", head + "." + encode("POST /bar\n{}") + "." + sum, good + "....", head + ".." + sum + "=",
		head + "=.." + sum, head + ".." + sum[:len(sum)-4], head + ".." + sum + "AAAA", head + "." + sum, encode("[]") + ".." + sum, encode("{") + ".." + sum,
		encode(`{"alg":"none","kid":"a","tl_version":"2","tl_headers":""}`) + ".." + sum,
		encode(`{"alg":"ES256","kid":"a","tl_version":"2","tl_headers":""}`) + ".." + sum,
		encode(`{"alg":"ES512","kid":"a","tl_headers":""}`) + ".." + sum, // v1
		encode(`{"alg":"ES512","kid":"a","tl_version":"1","tl_headers":""}`) + ".." + sum,
		encode(`{"alg":"ES512","kid":"a","tl_version":2,"tl_headers":""}`) + ".." + sum,
		encode(`{"alg":"ES512","kid":["a"],"tl_version":"2","tl_headers":""}`) + ".." + sum,
		encode(`{"ALG":"ES512","kid":"a","tl_version":"2","tl_headers":""}`) + ".." + sum,
	} {
		if _, err := parseJWS(text); err == nil {
			t.Errorf("%q is taken for a signature", text)
		}
	}
}

// TestAShortRIsPadded signs until r and s have come out with a zero byte
// before them, as one library once forgot to write it.
// docs/spec/truelayer.md#4-signing-test-vectors-public-in-truelayer-signingtest-resources, 4.4.
func TestAShortRIsPadded(t *testing.T) {
	k := readKeys(t)
	short := map[bool]bool{}
	for n := 0; len(short) < 2; n++ {
		body := bytes.Repeat([]byte("x"), n)
		text, err := signJWS(k.merchant, jose{Alg: algorithm, Kid: testKid, Version: "2"}, "POST", "/", http.Header{}, body)
		if err != nil {
			t.Fatal(err)
		}
		j, err := parseJWS(text)
		if err != nil {
			t.Fatal(err)
		}
		half := p521.SignatureBytes / 2
		for second, part := range map[bool][]byte{false: j.raw[:half], true: j.raw[half:]} {
			if part[0] == 0 && part[1] < 0x80 { // a library that writes the shortest form leaves a byte out
				short[second] = true
			}
		}
		if err := j.holds(&k.merchant.PublicKey, nil, "POST", "/", http.Header{}, body); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
	}
}

// TestOneHeaderIsNotSignedWithoutEnd names one long header thousands of times:
// what would be signed is a hundred times as long as the request, and is never
// made.
func TestOneHeaderIsNotSignedWithoutEnd(t *testing.T) {
	h := http.Header{"X-Long": {strings.Repeat("x", 32<<10)}}
	j := jose{Headers: "X-Long" + strings.Repeat(",X-Long", 3000)}
	text, err := payload("POST", "/", j.names(), h, nil)
	if err == nil || len(text) > 0 {
		t.Errorf("%d bytes are signed: %v", len(text), err)
	}
	j.Headers = "X-Long"
	if text, err = payload("POST", "/", j.names(), h, nil); err != nil || len(text) < 32<<10 {
		t.Errorf("once: %d bytes are signed: %v", len(text), err)
	}
}
