package p521

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"
)

// ready is a verifier that has the tables of a key.
func ready(t testing.TB, key *ecdsa.PublicKey) *Verifier {
	t.Helper()
	v := New()
	for range usesBefore {
		v.table(string(encoded(t, key)))
	}
	v.making.Wait()
	if v.generator.Load() == nil || v.tables.Len() != 1 {
		t.Fatal("no table was made")
	}
	return v
}

func encoded(t testing.TB, key *ecdsa.PublicKey) []byte {
	t.Helper()
	raw, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signature(r, s *big.Int) []byte {
	out := make([]byte, SignatureBytes)
	r.FillBytes(out[:scalarBytes])
	s.FillBytes(out[scalarBytes:])
	return out
}

func sign(t testing.TB, key *ecdsa.PrivateKey, digest []byte) []byte {
	t.Helper()
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		t.Fatal(err)
	}
	return signature(r, s)
}

// TestTablesAgreeWithTheStandardLibrary signs digests of every length up to
// one longer than the order, and sees both ways of verifying accept each, and
// refuse it with any one bit of it, of the digest or of the key changed.
func TestTablesAgreeWithTheStandardLibrary(t *testing.T) {
	key, other := newKey(t), newKey(t)
	v, o := ready(t, &key.PublicKey), ready(t, &other.PublicKey)
	check := func(what string, k *ecdsa.PublicKey, with *Verifier, digest, sig []byte, want bool) {
		t.Helper()
		if got, std := with.Verify(k, digest, sig), (*Verifier)(nil).Verify(k, digest, sig); got != want || std != want {
			t.Errorf("%s: tables say %t, the standard library %t, want %t", what, got, std, want)
		}
	}
	for n := 1; n <= scalarBytes+14; n++ {
		digest := make([]byte, n)
		rand.Read(digest)
		sig := sign(t, key, digest)
		check(fmt.Sprintf("a digest of %d bytes", n), &key.PublicKey, v, digest, sig, true)
		check("another key", &other.PublicKey, o, digest, sig, false)
		spoiled := bytes.Clone(sig)
		spoiled[n%SignatureBytes] ^= 1 << (n % 7)
		check(fmt.Sprintf("a signature with byte %d changed", n), &key.PublicKey, v, digest, spoiled, false)
		digest[0] ^= 0x80
		check("another digest", &key.PublicKey, v, digest, sig, false)
	}
	zero := make([]byte, 64)
	check("a digest of zeros", &key.PublicKey, v, zero, sign(t, key, zero), true)
}

// TestWhatIsNoSignatureVerifiesNothing tries the edges of r and s, wrong
// lengths, and keys that are none.
func TestWhatIsNoSignatureVerifiesNothing(t *testing.T) {
	key := newKey(t)
	v := ready(t, &key.PublicKey)
	digest := sha512.Sum512([]byte("a message"))
	good := sign(t, key, digest[:])
	r, s := new(big.Int).SetBytes(good[:scalarBytes]), new(big.Int).SetBytes(good[scalarBytes:])
	zero, one, below := new(big.Int), big.NewInt(1), new(big.Int).Sub(order, big.NewInt(1))
	all := new(big.Int).Sub(new(big.Int).Lsh(one, 8*scalarBytes), one)
	edges := []*big.Int{zero, one, big.NewInt(2), below, order, new(big.Int).Add(order, one), all}
	for _, x := range edges {
		for name, sig := range map[string][]byte{"r": signature(x, s), "s": signature(r, x), "both": signature(x, x)} {
			if v.Verify(&key.PublicKey, digest[:], sig) || (*Verifier)(nil).Verify(&key.PublicKey, digest[:], sig) {
				t.Errorf("%s = %x verifies", name, x)
			}
		}
	}
	if over := new(big.Int).Add(s, order); over.BitLen() <= 8*scalarBytes && v.Verify(&key.PublicKey, digest[:], signature(r, over)) {
		t.Error("s + n verifies where s does")
	}
	mirrored := signature(r, new(big.Int).Sub(order, s))
	if !v.Verify(&key.PublicKey, digest[:], mirrored) || !(*Verifier)(nil).Verify(&key.PublicKey, digest[:], mirrored) {
		t.Error("n - s does not verify: ECDSA takes both")
	}
	for _, sig := range [][]byte{nil, good[:SignatureBytes-1], append(bytes.Clone(good), 0)} {
		if v.Verify(&key.PublicKey, digest[:], sig) {
			t.Errorf("%d bytes are taken for a signature", len(sig))
		}
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 only in this way is a key made that is no point
	off := &ecdsa.PublicKey{Curve: elliptic.P521(), X: new(big.Int).Add(key.X, one), Y: key.Y}
	for name, k := range map[string]*ecdsa.PublicKey{"nil": nil, "another curve": &p256.PublicKey, "no point": off} {
		if v.Verify(k, digest[:], good) {
			t.Errorf("a key that is %s verifies", name)
		}
	}
}

// TestTheSumMayBeInfinity makes r and s such that u·G + v·Q is no point, for
// the key 1·G: e = -r. Nothing may verify, and nothing may fail.
func TestTheSumMayBeInfinity(t *testing.T) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P521(), append(make([]byte, scalarBytes-1), 1))
	if err != nil {
		t.Fatal(err)
	}
	v := ready(t, &key.PublicKey)
	r := big.NewInt(5)
	e := new(big.Int).Sub(order, r)
	digest := make([]byte, scalarBytes) // its leftmost 521 bits are e
	e.Lsh(e, 8*scalarBytes-scalarBits).FillBytes(digest)
	if v.Verify(&key.PublicKey, digest, signature(r, big.NewInt(7))) {
		t.Error("a sum at infinity verifies")
	}
}

// multiple is k times the generator, by the standard library.
func multiple(t testing.TB, k *big.Int) *ecdsa.PublicKey {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P521(), k.FillBytes(make([]byte, scalarBytes)))
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

// pointOf is a public key's point.
func pointOf(t testing.TB, key *ecdsa.PublicKey) affine {
	t.Helper()
	raw := encoded(t, key)
	return at(new(big.Int).SetBytes(raw[1:1+scalarBytes]), new(big.Int).SetBytes(raw[1+scalarBytes:]))
}

// TestATableHoldsMultiples compares products by table with the standard
// library's scalar multiplication, of scalars whose digits are edges.
func TestATableHoldsMultiples(t *testing.T) {
	base := new(big.Int).SetBytes(bytes.Repeat([]byte{0x5a}, scalarBytes-1))
	for _, width := range []int{keyWidth, generatorWidth} {
		table := newTable(pointOf(t, multiple(t, base)), width)
		half := int64(1) << (width - 1)
		scalars := []*big.Int{big.NewInt(1), big.NewInt(half - 1), big.NewInt(half), big.NewInt(half + 1), big.NewInt(2*half - 1), big.NewInt(2 * half), new(big.Int).Sub(order, big.NewInt(1))}
		for _, pattern := range []byte{0x55, 0x7f, 0x80, 0xa5, 0xff} {
			scalars = append(scalars, new(big.Int).SetBytes(bytes.Repeat([]byte{pattern}, scalarBytes-1)))
		}
		for _, k := range scalars {
			var sum point
			table.add(&sum, k)
			product := new(big.Int).Mul(base, k)
			want := pointOf(t, multiple(t, product.Mod(product, order)))
			if got := flat([]point{sum})[0]; got.x.number().Cmp(want.x.number()) != 0 || got.y.number().Cmp(want.y.number()) != 0 {
				t.Errorf("width %d: %x times a point is wrong", width, k)
			}
		}
	}
}

// TestTheFieldAgreesWithBigNumbers multiplies, squares and subtracts elements with
// limbs as large as they may be, and random ones.
func TestTheFieldAgreesWithBigNumbers(t *testing.T) {
	rnd := mathrand.New(mathrand.NewPCG(1, 2))
	fill := func(how int, most uint64) (e element) {
		for i := range e {
			switch how {
			case 0:
				e[i] = most
			case 1:
				e[i] = 0
			case 2:
				e[i] = limbMask
			default:
				e[i] = rnd.Uint64N(most + 1)
			}
		}
		return e
	}
	isNarrow := func(e element) bool {
		for _, limb := range e[:limbs-1] {
			if limb > 1<<limbBits+1<<13 {
				return false
			}
		}
		return e[limbs-1] <= topMask
	}
	for i := range 20_000 {
		a, b := fill(i%5, 1<<61), fill(i/5%5, 1<<61)
		var product element
		product.mul(&a, &b)
		want := new(big.Int).Mul(a.number(), b.number())
		if !isNarrow(product) || product.number().Cmp(want.Mod(want, prime)) != 0 {
			t.Fatalf("%x · %x is %x", a, b, product)
		}
		product.square(&a)
		want.Mul(a.number(), a.number())
		if !isNarrow(product) || product.number().Cmp(want.Mod(want, prime)) != 0 {
			t.Fatalf("%x² is %x", a, product)
		}
		want.Sub(a.number(), b.number())
		a.narrow()
		b.narrow()
		a.narrow()
		b.narrow()
		var difference, copied element
		difference.sub(&a, &b)
		if !isNarrow(a) || !isNarrow(b) || difference.number().Cmp(want.Mod(want, prime)) != 0 {
			t.Fatalf("%x - %x is %x", a, b, difference)
		}
		if difference.zero() != (want.Sign() == 0) {
			t.Fatalf("%x is zero: %t", difference, difference.zero())
		}
		copied.set(a.number())
		if copied.number().Cmp(a.number()) != 0 {
			t.Fatalf("%x is set as %x", a, copied)
		}
	}
}

// TestALostSumIsLeftToTheStandardLibrary makes signatures of the key 1·G for
// which u and v are the same small number, so that the sum would have to
// double: they hold. And for which they are opposite, at every digit.
func TestALostSumIsLeftToTheStandardLibrary(t *testing.T) {
	key := multiple(t, big.NewInt(1))
	v := ready(t, key)
	for _, n := range []int64{1, 2, 5, 31, 32} {
		u := big.NewInt(n)
		raw := encoded(t, multiple(t, big.NewInt(2*n)))
		r := new(big.Int).SetBytes(raw[1 : 1+scalarBytes])
		r.Mod(r, order)
		s := new(big.Int).ModInverse(u, order)
		s.Mod(s.Mul(s, r), order)
		e := new(big.Int).Mul(u, s)
		digest := make([]byte, scalarBytes) // its leftmost 521 bits are e
		e.Mod(e, order).Lsh(e, 8*scalarBytes-scalarBits).FillBytes(digest)
		if !v.Verify(key, digest, signature(r, s)) || !(*Verifier)(nil).Verify(key, digest, signature(r, s)) {
			t.Errorf("u = v = %d does not verify", n)
		}
		if _, known := verify(v.generator.Load(), v.table(string(encoded(t, key))), digest, r, s); known {
			t.Errorf("u = v = %d: a sum is known that cannot be", n)
		}
		digest[scalarBytes/2] ^= 1
		if v.Verify(key, digest, signature(r, s)) {
			t.Errorf("u = v = %d verifies another digest", n)
		}
	}
}

// TestXMayBeAboveTheOrder makes a key whose x is above the order, and a
// signature with u = 0 and v = 1: the sum is the key itself, and r is its x
// less the order.
func TestXMayBeAboveTheOrder(t *testing.T) {
	r := big.NewInt(0)
	x, y := new(big.Int), (*big.Int)(nil)
	for y == nil {
		r.Add(r, big.NewInt(1))
		x.Add(order, r)
		square := new(big.Int).Exp(x, big.NewInt(3), prime)
		square.Sub(square, new(big.Int).Mul(x, big.NewInt(3))).Add(square, curve.B)
		y = square.ModSqrt(square.Mod(square, prime), prime)
	}
	raw := append([]byte{4}, signature(x, y)...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P521(), raw)
	if err != nil {
		t.Fatal(err)
	}
	digest := make([]byte, scalarBytes)
	v := ready(t, key)
	if !v.Verify(key, digest, signature(r, r)) || !(*Verifier)(nil).Verify(key, digest, signature(r, r)) {
		t.Error("it does not verify")
	}
	if other := new(big.Int).Add(r, big.NewInt(1)); v.Verify(key, digest, signature(other, other)) {
		t.Error("another r verifies")
	}
}

// TestTablesAreBounded uses more keys than there are tables for. None may get
// one before it was used often, and no more than the bound are kept.
func TestTablesAreBounded(t *testing.T) {
	v := New()
	for i := range tablesMax + 3 {
		key := string(encoded(t, multiple(t, big.NewInt(int64(i)+2))))
		for n := 1; n < usesBefore; n++ {
			if v.table(key) != nil {
				t.Fatalf("key %d has a table after %d uses", i, n)
			}
		}
		v.making.Wait()
		if v.tables.Contains(key) {
			t.Fatalf("key %d has a table too early", i)
		}
		v.table(key)
		v.making.Wait()
		if !v.tables.Contains(key) {
			t.Fatalf("key %d has no table", i)
		}
	}
	if n := v.tables.Len(); n != tablesMax {
		t.Errorf("%d tables are kept, want %d", n, tablesMax)
	}
}

// FuzzVerify holds the tables against the standard library, on whatever
// digest and signature.
func FuzzVerify(f *testing.F) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P521(), append(make([]byte, scalarBytes-8), "a secret"...))
	if err != nil {
		f.Fatal(err)
	}
	v := ready(f, &key.PublicKey)
	digest := sha512.Sum512([]byte("a message"))
	f.Add(digest[:], sign(f, key, digest[:]), false)
	f.Add(digest[:], signature(big.NewInt(1), big.NewInt(1)), false)
	f.Add([]byte{}, make([]byte, SignatureBytes), true)
	f.Add(bytes.Repeat([]byte{0xff}, 80), bytes.Repeat([]byte{0xff}, SignatureBytes), true)
	f.Fuzz(func(t *testing.T, digest, sig []byte, resign bool) {
		if resign && len(digest) > 0 {
			sig = sign(t, key, digest)
		}
		got, want := v.Verify(&key.PublicKey, digest, sig), (*Verifier)(nil).Verify(&key.PublicKey, digest, sig)
		if got != want || (resign && len(digest) > 0 && !got) {
			t.Fatalf("tables say %t, the standard library %t, of %x over %x", got, want, sig, digest)
		}
	})
}

// BenchmarkVerify compares the two ways in one run.
func BenchmarkVerify(b *testing.B) {
	key := newKey(b)
	digest := sha512.Sum512([]byte("a message"))
	sig := sign(b, key, digest[:])
	for name, v := range map[string]*Verifier{"tables": ready(b, &key.PublicKey), "standard": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !v.Verify(&key.PublicKey, digest[:], sig) {
					b.Fatal("it does not verify")
				}
			}
		})
	}
}

// BenchmarkTimesFaster takes turns between the two ways, so that whatever else
// the machine does meets both, and reports the median of the ratios.
func BenchmarkTimesFaster(b *testing.B) {
	key := newKey(b)
	digest := sha512.Sum512([]byte("a message"))
	sig := sign(b, key, digest[:])
	v := ready(b, &key.PublicKey)
	took := func(v *Verifier) time.Duration {
		start := time.Now()
		for range 20 {
			v.Verify(&key.PublicKey, digest[:], sig)
		}
		return time.Since(start)
	}
	var ratios []float64
	for b.Loop() {
		ratios = append(ratios, float64(took(nil))/float64(took(v)))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "times")
}

// BenchmarkTable tells what a table of a key costs.
func BenchmarkTable(b *testing.B) {
	for b.Loop() {
		if n := len(newTable(at(curve.Gx, curve.Gy), keyWidth).entries) * int(unsafe.Sizeof(affine{})); n > 410_000 {
			b.Fatalf("a table has %d bytes", n)
		}
	}
}
