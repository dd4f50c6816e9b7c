package trustly

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1"   // the digests of algorithms
	_ "crypto/sha256" //
	_ "crypto/sha512" //
	"encoding/base64"
	"slices"
	"strings"

	"remit/dialect"
)

// keyBitsMin is the smallest RSA key that is believed, in bits: every key that
// the provider publishes has as many. (D16)
const keyBitsMin = 2048

// algorithm is a way to sign: RSA with PKCS#1 v1.5 padding, over a digest.
// docs/spec/trustly-eu.md#31-algorithm, D2.
type algorithm struct {
	name   string // kept as the form of an answer
	prefix string // before the base64 of a signature
	hash   crypto.Hash
}

// plain is how the official clients sign; they know no other.
var plain = algorithm{"SHA1", "", crypto.SHA1}

var algorithms = []algorithm{
	plain,
	{"RS256", "alg=RS256;", crypto.SHA256},
	{"RS384", "alg=RS384;", crypto.SHA384},
	{"RS512", "alg=RS512;", crypto.SHA512},
}

// algorithmOf finds an algorithm by its name, or by the prefix of a
// signature. Whatever has no known prefix is taken for plain.
func algorithmOf(is func(algorithm) bool) algorithm {
	if i := slices.IndexFunc(algorithms, is); i >= 0 {
		return algorithms[i]
	}
	return plain
}

func named(name string) algorithm {
	return algorithmOf(func(a algorithm) bool { return a.name == name })
}

func prefixed(signature string) algorithm {
	return algorithmOf(func(a algorithm) bool { return a.prefix != "" && strings.HasPrefix(signature, a.prefix) })
}

func (a algorithm) sum(message []byte) []byte {
	h := a.hash.New()
	h.Write(message)
	return h.Sum(nil)
}

// sign makes the signature of a message as it stands on the wire. It is the
// same each time: this padding uses no randomness.
func (a algorithm) sign(key crypto.Signer, message []byte) (string, error) {
	raw, err := key.Sign(nil, a.sum(message), a.hash)
	if err != nil {
		return "", err
	}
	return a.prefix + base64.StdEncoding.EncodeToString(raw), nil
}

// seal signs a method, a UUID and data with one of our own keys.
func (a algorithm) seal(s dialect.Signer, version int64, method, uuid string, data value) (string, error) {
	key, err := s.Key(version)
	if err != nil {
		return "", err
	}
	return a.sign(key, message(method, uuid, data, bytewise))
}

// message is the text that is signed. docs/spec/trustly-eu.md#32-plaintext.
func message(method, uuid string, data value, o order) []byte {
	return serialize(append([]byte(method), uuid...), data, o)
}

// usable finds the RSA key of a merchant that is large enough to be believed.
func usable(keys map[string]crypto.PublicKey) *rsa.PublicKey {
	if key, ok := keys[keyName].(*rsa.PublicKey); ok && key.N.BitLen() >= keyBitsMin {
		return key
	}
	return nil
}

// verify tells whether the signature is the key's, over the method, the UUID
// and one of the given readings of the data, in one of the two orders in which
// clients write it down. Every reading binds the same content, so that
// accepting any of them is safe. docs/spec/trustly-eu.md#34-key-order-two-families, D17.
func verify(key *rsa.PublicKey, signature, method, uuid string, readings ...value) bool {
	a := prefixed(signature)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signature, a.prefix))
	if err != nil {
		return false
	}
	var tried [][]byte
	for _, data := range readings {
		for _, o := range []order{bytewise, caseless} {
			m := message(method, uuid, data, o)
			if slices.ContainsFunc(tried, func(t []byte) bool { return bytes.Equal(t, m) }) {
				continue
			}
			if rsa.VerifyPKCS1v15(key, a.hash, a.sum(m), raw) == nil {
				return true
			}
			tried = append(tried, m)
		}
	}
	return false
}
