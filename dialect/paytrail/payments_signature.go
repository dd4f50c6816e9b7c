package paytrail

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The headers of the Payment API, and the parameters of its callbacks, as
// they are written on the wire. docs/spec/paytrail.md#b2-request-signing-p-doc.
const (
	signedPrefix      = "checkout-"
	headerAccount     = "checkout-account"
	headerAlgorithm   = "checkout-algorithm"
	headerMethod      = "checkout-method"
	headerNonce       = "checkout-nonce"
	headerTimestamp   = "checkout-timestamp"
	headerTransaction = "checkout-transaction-id"
	headerSignature   = "signature"
	headerRequest     = "request-id"
)

// defaultAlgorithm is that of all clients in use.
const defaultAlgorithm = "sha256"

var algorithms = map[string]func() hash.Hash{defaultAlgorithm: sha256.New, "sha512": sha512.New}

// fields are what is signed beside a body: by names in small letters.
type fields map[string]string

// signedHeaders are the headers of a request that are signed: all of a
// prefix, not a fixed list. Of several with one name the first counts.
func signedHeaders(h http.Header) fields {
	f := fields{}
	for name, values := range h {
		if name = strings.ToLower(name); strings.HasPrefix(name, signedPrefix) && len(values) > 0 {
			f[name] = values[0]
		}
	}
	return f
}

// signedQuery are the parameters of a callback that are signed.
func signedQuery(q url.Values) fields {
	f := fields{}
	for name := range q {
		if strings.HasPrefix(name, signedPrefix) {
			f[name] = q.Get(name)
		}
	}
	return f
}

// names are in the order in which they are signed.
func (f fields) names() []string {
	var all []string
	for name := range f {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// sign makes the signature over the fields and a body, with the algorithm
// that the fields name; "" where there is none of that name. Without a body
// the text ends in a line feed.
func (f fields) sign(secret string, body []byte) string {
	algorithm, ok := algorithms[f[headerAlgorithm]]
	if !ok {
		return ""
	}
	mac := hmac.New(algorithm, []byte(secret))
	for _, name := range f.names() {
		mac.Write([]byte(name + ":" + f[name] + "\n"))
	}
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// holds tells whether a signature is that of the fields and the body.
func (f fields) holds(signature, secret string, body []byte) bool {
	want := f.sign(secret, body)
	return want != "" && secret != "" && hmac.Equal([]byte(signature), []byte(want))
}

// signedURL adds the fields and their signature to the query of a URL that
// may have one already.
func (f fields) signedURL(target, secret string) string {
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	return target + separator + f.query(secret)
}

// query is the fields with their signature, as parameters.
func (f fields) query(secret string) string {
	var parts []string
	for _, name := range f.names() {
		parts = append(parts, name+"="+url.QueryEscape(f[name]))
	}
	return strings.Join(append(parts, headerSignature+"="+f.sign(secret, nil)), "&")
}
