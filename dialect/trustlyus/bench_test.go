package trustlyus

import (
	"bytes"
	"crypto"
	"errors"
	"net/http"
	"strings"
	"testing"

	"remit/dialect"
	"remit/dialect/dialecttest"
)

// The credentials of the specification's vectors.
// docs/spec/trustly-us.md#2-authentication-of-api-calls.
const (
	testID  = "Zq4WmT8bLr2Xk6VnHs9C"
	testKey = "k7Pz3vQ9sYw2XbN4tRm8"
)

// toSign is where a recorded body asks for the merchant's signature.
const toSign = "{signed}"

// noKeys is a signer without keys: nothing is signed with one here.
type noKeys struct{}

func (noKeys) Key(int64) (crypto.Signer, error) { return nil, errors.New("there is no key") }

// bench is what the conversations run on.
func bench(testing.TB) dialecttest.Bench {
	return dialecttest.Bench{
		Dialect: Dialect{}, Signer: noKeys{},
		Credentials: dialect.Credentials{
			Principal: testID,
			Secrets:   map[string]string{accessKey: testKey},
			Shared:    map[string]string{accessKey: testKey, accessID: testID},
		},
		Prove: prove,
	}
}

// prove puts the access key into a request that names no other, a type to a
// body of which the text tells it, and the signature where the body asks for
// it. "Authorization: none" sends none.
func prove(_ testing.TB, r *dialect.Request) {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	switch r.Header.Get("Authorization") {
	case "none":
		r.Header.Del("Authorization")
	case "":
		r.Header.Set("Authorization", basic(testID, testKey))
	}
	if _, set := r.Header["Content-Type"]; !set && len(r.Body) > 0 {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if strings.HasPrefix(string(r.Body), "{") {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	if f, err := jsonFields(r.Body); err == nil && f.text("requestSignature") == toSign {
		r.Body = bytes.Replace(r.Body, []byte(toSign), []byte(sign(testKey, requestText(f, signable[0]), hmacSHA1)), 1)
	}
}

// sample is a correct request.
func sample() dialect.Request {
	return dialect.Request{Method: "POST", Path: "/api/v1/transactions/1003299950/refund", Body: []byte(`{"amount":"7.50"}`)}
}

func TestGolden(t *testing.T) { dialecttest.Golden(t, bench(t)) }
func TestKept(t *testing.T)   { dialecttest.Kept(t, bench(t)) }
func TestTotal(t *testing.T)  { dialecttest.Total(t, bench(t), sample()) }
func FuzzConversation(f *testing.F) {
	dialecttest.Fuzz(f, bench(f), "/api/v1/transactions/1003299950/refund")
}
