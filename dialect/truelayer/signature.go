package truelayer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"iter"
	"math/big"
	"net/http"
	"strings"

	"remit"
	"remit/internal/p521"
)

// Signatures are JWS with ES512 and a detached payload.
// docs/spec/truelayer.md#3-request-signing-tl-signature.
const (
	algorithm        = "ES512"
	signatureVersion = "2"
)

// b64 takes no padding, no other alphabet, and one spelling of each value.
var b64 = base64.RawURLEncoding.Strict()

// jose is the header of a JWS. Its members are in the order in which every
// public library writes them.
type jose struct {
	Alg     string `json:"alg"`
	Kid     string `json:"kid"`
	Version string `json:"tl_version"`
	Headers string `json:"tl_headers"`
	JKU     string `json:"jku,omitempty"`
}

// names are the headers that are signed, as they are spelled there.
func (j jose) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range strings.SplitSeq(j.Headers, ",") {
			if name = strings.TrimSpace(name); name != "" && !yield(name) {
				return
			}
		}
	}
}

func (j jose) covers(header string) bool {
	for name := range j.names() {
		if strings.EqualFold(name, header) {
			return true
		}
	}
	return false
}

// jws is a signature, taken apart.
type jws struct {
	jose
	head string // the header as it came: what is signed over
	raw  []byte // r and s
}

// parseJWS reads a signature. One that carries a payload of its own is
// refused, valid or not: what counts is the request.
// docs/spec/truelayer.md#3-request-signing-tl-signature, 3.6.
func parseJWS(text string) (j jws, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || parts[1] != "" {
		return j, errors.New("signature is not a JWS with a detached payload")
	}
	head, err := b64.DecodeString(parts[0])
	if err != nil {
		return j, errors.New("signature header is not base64url")
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(head, &members) != nil {
		return j, errors.New("signature header is not a JSON object")
	}
	for _, m := range []struct {
		name string
		into *string
	}{{"alg", &j.Alg}, {"kid", &j.Kid}, {"tl_version", &j.Version}, {"tl_headers", &j.Headers}} {
		if raw, ok := members[m.name]; ok && unquote(raw, m.into) != nil {
			return j, errors.New("signature header member " + m.name + " is not a string")
		}
	}
	j.head = parts[0]
	switch j.raw, err = b64.DecodeString(parts[2]); {
	case j.Alg != algorithm:
		return j, errors.New("signature alg must be " + algorithm)
	case j.Version == "" || j.Version == "1":
		return j, errors.New("v1 signature not allowed")
	case j.Version != signatureVersion:
		return j, errors.New("signature tl_version is not supported")
	case err != nil || len(j.raw) != p521.SignatureBytes:
		return j, errors.New("signature is not that of a P-521 key")
	}
	return j, nil
}

// payload is the text that is signed.
// docs/spec/truelayer.md#3-request-signing-tl-signature, 3.4.
func payload(method, path string, names iter.Seq[string], h http.Header, body []byte) ([]byte, error) {
	b := make([]byte, 0, len(method)+len(path)+len(body)+headersUsual)
	b = append(append(append(append(b, strings.ToUpper(method)...), ' '), path...), '\n')
	for name := range names {
		values := h.Values(name)
		if len(values) == 0 {
			return nil, errors.New("signature is missing the signed header " + name)
		}
		b = append(append(append(append(b, name...), ": "...), values[0]...), '\n')
		if len(b) > signedHeadersMax {
			return nil, errors.New("signature is over too many headers")
		}
	}
	return append(b, body...), nil
}

// headersUsual is the room for the signed headers that are nearly always
// enough, in bytes.
const headersUsual = 128

// signedHeadersMax is how much of a payload comes before the body, in bytes: no
// less than all headers of a request. One name can stand there any number of
// times, so that what is made of a short list can be long.
const signedHeadersMax = 64 << 10

// digest is what the curve signs.
func digest(head string, payload []byte) []byte {
	b := make([]byte, 0, len(head)+1+b64.EncodedLen(len(payload)))
	sum := sha512.Sum512(b64.AppendEncode(append(append(b, head...), '.'), payload))
	return sum[:]
}

// holds tells whether the signature is the key's over a request. Clients and
// servers disagree about one slash at the path's end: where the path as it
// came does not do, the other one may.
// docs/spec/truelayer.md#3-request-signing-tl-signature, 3.6.
func (j jws) holds(key *ecdsa.PublicKey, v *p521.Verifier, method, path string, h http.Header, body []byte) error {
	other := path + "/"
	if cut, ok := strings.CutSuffix(path, "/"); ok {
		other = cut
	}
	for _, p := range []string{path, other} {
		text, err := payload(method, p, j.names(), h, body)
		if err != nil {
			return err
		}
		if v.Verify(key, digest(j.head, text), j.raw) {
			return nil
		}
	}
	return errors.New("signature validation failed")
}

// errSignature is what is answered to a signature that does not do.
// docs/spec/truelayer.md#3-request-signing-tl-signature, 3.7.
func errSignature(why string) error {
	return remit.Errorf(remit.Unauthenticated, remit.ReasonSignature, "Tl-Signature verification failed: %s", why)
}

// verifySignature checks the request's signature with one of the client's own
// keys. All that can be refused without the curve is refused before it.
func (c *call) verifySignature(keys map[string]crypto.PublicKey, v *p521.Verifier) error {
	text := c.r.Header.Get(headerSignature)
	if text == "" {
		return errSignature("signature is missing")
	}
	j, err := parseJWS(text)
	if err != nil {
		return errSignature(err.Error())
	}
	if len(keys) == 0 {
		return remit.Errorf(remit.Unauthenticated, remit.ReasonNoPublicKey, "Tl-Signature verification failed: no public key is known")
	}
	key, ok := keys[j.Kid].(*ecdsa.PublicKey)
	if !ok {
		return errSignature("kid is not known")
	}
	// Who sends no key at all is told so later, by another error.
	if c.e.keyed && c.r.Header.Get(headerKey) != "" && !j.covers(headerKey) {
		return errSignature("signature is missing required header " + headerKey)
	}
	if err := j.holds(key, v, c.r.Method, c.r.Path, c.r.Header, c.r.Body); err != nil {
		return errSignature(err.Error())
	}
	return nil
}

// signJWS signs a request that we make. It is the same each time: without
// randomness the standard library signs as RFC 6979 says.
func signJWS(key crypto.Signer, j jose, method, path string, h http.Header, body []byte) (string, error) {
	head, err := json.Marshal(j)
	if err != nil {
		return "", err
	}
	text, err := payload(method, path, j.names(), h, body)
	if err != nil {
		return "", err
	}
	encoded := b64.EncodeToString(head)
	der, err := key.Sign(nil, digest(encoded, text), crypto.SHA512)
	if err != nil {
		return "", err
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return "", err
	}
	raw := make([]byte, p521.SignatureBytes)
	pair.R.FillBytes(raw[:len(raw)/2])
	pair.S.FillBytes(raw[len(raw)/2:])
	return encoded + ".." + b64.EncodeToString(raw), nil
}
