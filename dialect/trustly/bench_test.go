package trustly

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"remit/dialect"
	"remit/dialect/dialecttest"
)

// keys are our own key, as the server, and a merchant's.
type keys struct {
	server   crypto.Signer
	merchant crypto.Signer
	private  string // the merchant's, as PEM
}

func readKeys(t testing.TB) keys {
	t.Helper()
	read := func(file string) (string, []byte) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			t.Fatalf("%s is not PEM", file)
		}
		return string(text), block.Bytes
	}
	_, der := read("testdata/keys/server.pem")
	server, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := read("testdata/keys/merchant.pem")
	merchant, err := privateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return keys{server.(crypto.Signer), merchant, text}
}

// Key is the server's: there is one version of it, and 0 means the newest.
func (k keys) Key(version int64) (crypto.Signer, error) {
	if version > 1 {
		return nil, errors.New("there is no such key")
	}
	return k.server, nil
}

const testPassword = "correct horse"

// bench is what the conversations run on.
func bench(t testing.TB) dialecttest.Bench {
	t.Helper()
	k := readKeys(t)
	public, err := x509.MarshalPKIXPublicKey(k.merchant.Public())
	if err != nil {
		t.Fatal(err)
	}
	return dialecttest.Bench{
		Dialect: Dialect{}, Signer: k, Server: k.server.Public(),
		Credentials: dialect.Credentials{
			Principal: "acme",
			Secrets:   map[string]string{secretName: testPassword},
			Public:    map[string]string{keyName: armor("PUBLIC KEY", public)},
			Private:   map[string]string{keyName: k.private},
		},
		Prove: k.prove,
	}
}

// toSign is where a recorded body asks for the merchant's signature. Behind
// the word stands how an official client would make it: RS256, RS384 or RS512;
// "caseless", in the other order of names; "unsent", over null for what is not
// sent; "unmessaged", before the message was added.
var toSign = regexp.MustCompile(`\{signed([ A-Za-z0-9]*)\}`)

// prove puts the merchant's signature where the body asks for it.
func (k keys) prove(t testing.TB, r *dialect.Request) {
	t.Helper()
	place := toSign.FindSubmatch(r.Body)
	if place == nil {
		return
	}
	v, err := parse(r.Body)
	if err != nil {
		return // it goes as it is: it cannot be read anyway
	}
	how := strings.Fields(string(place[1]))
	name, body := v.get("method").text, v.get("params")
	data := body.get("Data")
	if result := v.get("result"); result.kind == object {
		name, body, data = result.get("method").text, result, result.get("data")
	}
	if slices.Contains(how, "unsent") {
		data = (&call{method: methods[name], data: data}).withNulls()
	}
	if slices.Contains(how, "unmessaged") {
		data = data.without("message")
	}
	o := order(bytewise)
	if slices.Contains(how, "caseless") {
		o = caseless
	}
	a := algorithmOf(func(a algorithm) bool { return slices.Contains(how, a.name) })
	signature, err := a.sign(k.merchant, message(name, body.get("uuid").text, data, o))
	if err != nil {
		t.Fatal(err)
	}
	r.Body = bytes.Replace(r.Body, place[0], []byte(signature), 1)
}

// sample is a correct request.
func sample() dialect.Request {
	return dialect.Request{Method: "POST", Path: "/api/1", Body: []byte(`{"method":"Refund","params":{"Signature":"{signed}",` +
		`"UUID":"8bedfbd4-8181-38e1-f0be-f360171aefc6","Data":{"Username":"acme","Password":"` + testPassword + `",` +
		`"OrderID":"1187741486","Amount":"30.00","Currency":"EUR","Attributes":null}},"version":"1.1"}`)}
}

func TestGolden(t *testing.T)       { dialecttest.Golden(t, bench(t)) }
func TestKept(t *testing.T)         { dialecttest.Kept(t, bench(t)) }
func TestTotal(t *testing.T)        { dialecttest.Total(t, bench(t), sample()) }
func FuzzConversation(f *testing.F) { dialecttest.Fuzz(f, bench(f), "/api/1") }
