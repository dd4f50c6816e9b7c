package truelayer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"slices"

	"remit"
	"remit/dialect"
)

// secretName is the name under which a client's secret is kept. Its public
// keys are kept under their kids.
const secretName = "client_secret"

// Issue makes a client id, a secret and a key pair. The client id is the
// merchant's id, which is unique in the installation.
func (Dialect) Issue(rand io.Reader, m remit.MerchantID) (dialect.Credentials, error) {
	var secret, kid [16]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return dialect.Credentials{}, err
	}
	if _, err := io.ReadFull(rand, kid[:]); err != nil {
		return dialect.Credentials{}, err
	}
	key, err := newKey(rand)
	if err != nil {
		return dialect.Credentials{}, err
	}
	private, err := x509.MarshalECPrivateKey(key) // the form that every official library reads
	if err != nil {
		return dialect.Credentials{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	return dialect.Credentials{
		Principal: dialect.Principal(m),
		Secrets:   map[string]string{secretName: uuid(secret)},
		Public:    map[string]string{uuid(kid): armor("PUBLIC KEY", public)},
		Private:   map[string]string{uuid(kid): armor("EC PRIVATE KEY", private)},
	}, err
}

// NewServerKey makes a key to sign webhooks with, as PKCS #8.
func (Dialect) NewServerKey(rand io.Reader) (string, error) {
	key, err := newKey(rand)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return armor("PRIVATE KEY", der), err
}

// newKey draws a key until it is one: about every second time. The standard
// library's own way does not ask the reader that it is given.
func newKey(rand io.Reader) (*ecdsa.PrivateKey, error) {
	curve := elliptic.P521()
	raw := make([]byte, (curve.Params().BitSize+7)/8)
	for {
		if _, err := io.ReadFull(rand, raw); err != nil {
			return nil, err
		}
		raw[0] &= 1 // 521 bits
		if key, err := ecdsa.ParseRawPrivateKey(curve, raw); err == nil {
			return key, nil
		}
	}
}

func armor(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// uuid writes bytes as a UUID of version 4.
func uuid(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// uuidOf is the UUID that belongs to a text.
func uuidOf(text []byte) string {
	sum := sha256.Sum256(text)
	return uuid([16]byte(sum[:16]))
}

// kidOf is the name of one of our own keys.
func kidOf(key crypto.PublicKey) (string, []byte, error) {
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return "", nil, errors.New("truelayer: the server's key is not one of P-521")
	}
	point, err := ec.Bytes()
	return uuidOf(point), point, err
}

// jwk is one of our keys as JWKS lists it.
type jwk struct {
	Kty string `json:"kty"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

const (
	keysListedMax = 32     // versions of our key, the newest; one older than these signs nothing that is still tried
	keysCacheFor  = "1800" // seconds, as the PHP library keeps them
)

// answerKeys lists our keys up to the newest: a webhook may have been signed
// with an older one. A list that lacks one would be kept by merchants, and is
// not given. docs/spec/truelayer.md#11-webhooks, 11.3.
func answerKeys(c *call, s dialect.Signer, _ remit.Result) dialect.Response {
	newest, err := jwkOf(s, 0)
	keys := []jwk{}
	for n := int64(1); err == nil && !slices.Contains(keys, newest); n++ {
		var k jwk
		k, err = jwkOf(s, n)
		keys = append(keys, k)
	}
	if err != nil {
		return c.refuse(remit.AsError(err))
	}
	keys = keys[max(0, len(keys)-keysListedMax):]
	res := c.json(http.StatusOK, map[string]any{"keys": keys})
	res.Header.Set("Cache-Control", "public, max-age="+keysCacheFor)
	return res
}

// jwkOf is a version of our key, as it is listed.
func jwkOf(s dialect.Signer, version int64) (jwk, error) {
	key, err := s.Key(version)
	if err != nil {
		return jwk{}, err
	}
	kid, point, err := kidOf(key.Public())
	if err != nil {
		return jwk{}, err
	}
	x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
	return jwk{Kty: "EC", Use: "sig", Alg: algorithm, Kid: kid, Crv: "P-521", X: b64.EncodeToString(x), Y: b64.EncodeToString(y)}, nil
}
