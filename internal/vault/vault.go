// Package vault keeps what must not be read: it seals texts under the
// installation's master key, and makes from that key the other keys that the
// database never sees.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"remit"
)

// MasterKeyBytes is the length of a master key, in bytes.
const MasterKeyBytes = 32

// Vault seals and opens, and makes keyed digests. It is safe for concurrent
// use.
type Vault struct {
	aead    cipher.AEAD
	rand    io.Reader
	master  []byte
	digests []byte
	secrets []byte
}

// New makes a vault under a master key of MasterKeyBytes.
func New(master []byte, rand io.Reader) (*Vault, error) {
	if len(master) != MasterKeyBytes {
		return nil, fmt.Errorf("the master key has %d bytes, not %d", len(master), MasterKeyBytes)
	}
	v := &Vault{rand: rand, master: master}
	block, err := aes.NewCipher(v.Derive("seal"))
	if err != nil {
		return nil, err
	}
	v.digests, v.secrets = v.Derive("digest"), v.Derive("secret")
	v.aead, err = cipher.NewGCM(block)
	return v, err
}

// ChainKey is the purpose of the key of the hash chain.
const ChainKey = "chain"

// Derive makes a key of 32 bytes for one purpose.
func (v *Vault) Derive(purpose string) []byte {
	k, err := hkdf.Key(sha256.New, v.master, nil, "remit/"+purpose, sha256.Size)
	if err != nil {
		panic("vault: " + err.Error()) // only for a length that HKDF cannot make
	}
	return k
}

// sealVersion comes before every sealed text, so that another way of sealing
// can come one day.
const sealVersion = "s1."

// Seal makes a text safe to store. bind is what it belongs to: it opens only
// for the same.
func (v *Vault) Seal(text, bind string) (remit.Sealed, error) {
	if text == "" {
		return "", nil
	}
	nonce := make([]byte, v.aead.NonceSize())
	if _, err := io.ReadFull(v.rand, nonce); err != nil {
		return "", err
	}
	out := v.aead.Seal(nonce, nonce, []byte(text), []byte(bind))
	return remit.Sealed(sealVersion + base64.RawURLEncoding.EncodeToString(out)), nil
}

// ErrSealed means that a text was sealed under another key, for something
// else, or was altered.
var ErrSealed = errors.New("vault: it does not open: another master key, or it was altered")

// Open reads what Seal wrote.
func (v *Vault) Open(s remit.Sealed, bind string) (string, error) {
	if s == "" {
		return "", nil
	}
	body, ok := strings.CutPrefix(string(s), sealVersion)
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if !ok || err != nil || len(raw) < v.aead.NonceSize() {
		return "", ErrSealed
	}
	n := v.aead.NonceSize()
	text, err := v.aead.Open(nil, raw[:n], raw[n:], []byte(bind))
	if err != nil {
		return "", ErrSealed
	}
	return string(text), nil
}

func keyed(key []byte, parts []string) string {
	mac := hmac.New(sha256.New, key)
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		mac.Write(n[:])
		io.WriteString(mac, p)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:digestBytes])
}

// digestBytes is how much of an HMAC-SHA-256 a digest keeps, in bytes.
const digestBytes = 16

// Digest is a keyed hash of a request, to compare requests by.
func (v *Vault) Digest(parts ...string) string { return keyed(v.digests, parts) }

// SecretDigest is what is kept of a secret.
func (v *Vault) SecretDigest(parts ...string) string { return keyed(v.secrets, parts) }

// SameSecret compares in constant time.
func SameSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Numbers makes an order number of ten digits from a counter: a permutation
// under a key, so that numbers neither repeat nor can be guessed.
type Numbers struct{ key []byte }

// NumbersFor is the permutation of one merchant.
func (v *Vault) NumbersFor(m remit.MerchantID) Numbers {
	return Numbers{v.Derive("numbers/" + string(m))}
}

// The numbers have ten digits and no leading zero: 9·10⁹ of them. The network
// below permutes 2³⁴ values, and walks on until it stands on one of these.
const (
	numberFirst = 1_000_000_000
	numberCount = 9_000_000_000
	halfBits    = 17
	halfMask    = 1<<halfBits - 1
	rounds      = 6
)

// At is the n-th number, for n from 1 to 9·10⁹; after that they repeat.
func (k Numbers) At(n int64) string {
	x := uint64(n-1) % numberCount
	for {
		x = k.permute(x)
		if x < numberCount {
			return fmt.Sprintf("%d", numberFirst+x)
		}
	}
}

// permute runs a balanced Feistel network over twice halfBits.
func (k Numbers) permute(x uint64) uint64 {
	mac := hmac.New(sha256.New, k.key)
	l, r := x>>halfBits, x&halfMask
	for i := range rounds {
		l, r = r, l^round(mac, i, r)
	}
	return l<<halfBits | r
}

// round is what one round of the network mixes in.
func round(mac hash.Hash, i int, half uint64) uint64 {
	var in [9]byte
	in[0] = byte(i)
	binary.BigEndian.PutUint64(in[1:], half)
	mac.Reset()
	mac.Write(in[:])
	return binary.BigEndian.Uint64(mac.Sum(nil)) & halfMask
}
