// Package p521 verifies ECDSA signatures over the curve P-521 several times
// faster than crypto/ecdsa does, for keys that come again and again.
//
// A verification computes u·G + v·Q, of the generator G and the key Q: see
// SEC 1 version 2.0, section 4.1.4. Both points are known beforehand, so their
// multiples can be too. With a scalar written in digits of w bits,
// u = Σ dᵢ·2^(w·i), a table of d·2^(w·i)·G for every i and every digit d makes
// the product a sum of one table entry per digit, without a doubling: the
// fixed-base windowing of Brickell, Gordon, McCurley and Wilson (Handbook of
// Applied Cryptography, algorithm 14.109). Digits may be negative, since -P is
// as good as known with P: that halves the table. It leaves 66 + 87 additions
// of points.
//
// The field is made for this one prime (field.go), and the points are added by
// formulas that do not hold for a point and itself, or its opposite
// (table.go). Nobody meets that by chance; a sum in which it happened shows it,
// and crypto/ecdsa has the word.
//
// It takes a time that depends on what it is given. That is of no harm: a
// signature, a message and a public key are known to who sent them. Nothing
// secret is ever computed here.
package p521

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"math/big"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	scalarBits  = 521
	scalarBytes = (scalarBits + 7) / 8

	// SignatureBytes is the length of a signature: r and s, each with zeros
	// before it.
	SignatureBytes = 2 * scalarBytes
)

// What tables may cost. One of a key has 87 × 32 points of 144 bytes: 0.4 MB,
// and takes as long to make as three verifications by crypto/ecdsa. So it is
// made for a key that was used often among the last few hundred: where there
// are more keys than tables and each is evicted before it has paid for itself,
// making them costs less than a quarter of the time.
const (
	generatorWidth = 8 // bits of a digit
	keyWidth       = 6
	tablesMax      = 64
	countsMax      = 512
	usesBefore     = 16
)

// Verifier is safe for concurrent use. A nil Verifier leaves everything to
// crypto/ecdsa.
type Verifier struct {
	tables    *lru.Cache[string, *table] // by the key's encoding
	counts    *lru.Cache[string, *atomic.Int64]
	generator atomic.Pointer[table]
	busy      atomic.Bool    // a table is being made; only one at a time
	making    sync.WaitGroup // of which
}

// New makes a verifier without tables. They come with use, in the background;
// until then crypto/ecdsa answers.
func New() *Verifier {
	tables, _ := lru.New[string, *table](tablesMax) // fails for sizes below one only
	counts, _ := lru.New[string, *atomic.Int64](countsMax)
	return &Verifier{tables: tables, counts: counts}
}

var curve = elliptic.P521().Params()

var order = curve.N

// Verify tells whether a signature of SignatureBytes is the key's, over a
// digest. A key of another curve, or that is no point of it, verifies nothing.
func (v *Verifier) Verify(key *ecdsa.PublicKey, digest, signature []byte) bool {
	if len(signature) != SignatureBytes || key == nil || key.Curve != elliptic.P521() {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:scalarBytes]), new(big.Int).SetBytes(signature[scalarBytes:])
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(order) >= 0 || s.Cmp(order) >= 0 {
		return false
	}
	if v == nil {
		return standard(key, digest, r, s)
	}
	encoded, err := key.Bytes()
	if err != nil {
		return false
	}
	g, q := v.generator.Load(), v.table(string(encoded))
	if g == nil || q == nil {
		return standard(key, digest, r, s)
	}
	if holds, known := verify(g, q, digest, r, s); known {
		return holds
	}
	return standard(key, digest, r, s)
}

// standard has the standard library verify.
func standard(key *ecdsa.PublicKey, digest []byte, r, s *big.Int) bool {
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	return err == nil && ecdsa.VerifyASN1(key, digest, der)
}

// verify is the equation of SEC 1: x(u·G + v·Q) ≡ r (mod n), where u = e/s and
// v = r/s. A sum that is lost says nothing.
func verify(g, q *table, digest []byte, r, s *big.Int) (holds, known bool) {
	w := new(big.Int).ModInverse(s, order)
	u, v := new(big.Int).Mul(number(digest), w), new(big.Int).Mul(r, w)
	var sum point
	g.add(&sum, u.Mod(u, order))
	q.add(&sum, v.Mod(v, order))
	if sum.lost() {
		return false, false
	}
	if sum.has(r) {
		return true, true
	}
	over := u.Add(r, order) // the same, modulo n
	return over.Cmp(prime) < 0 && sum.has(over), true
}

// number is the integer of a digest: its leftmost bits, as many as the order
// has.
func number(digest []byte) *big.Int {
	e := new(big.Int).SetBytes(digest[:min(len(digest), scalarBytes)])
	if len(digest) >= scalarBytes {
		e.Rsh(e, 8*scalarBytes-scalarBits)
	}
	return e
}

// table is that of a key, if it has one. The use is counted, and may have it
// made.
func (v *Verifier) table(key string) *table {
	if t, ok := v.tables.Get(key); ok {
		return t
	}
	count, ok := v.counts.Get(key)
	if !ok {
		count = new(atomic.Int64)
		v.counts.Add(key, count)
	}
	if count.Add(1) < usesBefore || !v.busy.CompareAndSwap(false, true) {
		return nil
	}
	v.making.Go(func() {
		defer v.busy.Store(false)
		v.prepare(key)
	})
	return nil
}

// prepare makes the table of a key, and that of the generator where there is
// none yet.
func (v *Verifier) prepare(key string) {
	if v.generator.Load() == nil {
		v.generator.Store(newTable(at(curve.Gx, curve.Gy), generatorWidth))
	}
	x, y := new(big.Int).SetBytes([]byte(key[1:1+scalarBytes])), new(big.Int).SetBytes([]byte(key[1+scalarBytes:]))
	v.tables.Add(key, newTable(at(x, y), keyWidth))
	v.counts.Remove(key)
}

func at(x, y *big.Int) (p affine) {
	p.x.set(x)
	p.y.set(y)
	return p
}
