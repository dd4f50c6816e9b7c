package p521

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"math/big"
	"runtime"
	"slices"
	"testing"
	"time"

	"filippo.io/nistec"
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

// TestATableHoldsMultiples compares products by table with the library's own
// scalar multiplication.
func TestATableHoldsMultiples(t *testing.T) {
	g := nistec.NewP521Point().SetGenerator()
	for _, width := range []int{keyWidth, generatorWidth} {
		table := newTable(g, width)
		for _, k := range []*big.Int{big.NewInt(1), big.NewInt(255), big.NewInt(256), new(big.Int).Sub(order, big.NewInt(1)), new(big.Int).SetBytes(bytes.Repeat([]byte{0xa5}, scalarBytes))} {
			sum := nistec.NewP521Point()
			table.add(sum, new(big.Int).Set(k))
			want, err := nistec.NewP521Point().ScalarBaseMult(new(big.Int).Mod(k, order).FillBytes(make([]byte, scalarBytes)))
			if err != nil {
				t.Fatal(err)
			}
			if sum.Equal(want) != 1 {
				t.Errorf("width %d: %x·G is wrong", width, k)
			}
		}
	}
}

// TestTablesAreBounded uses more keys than there are tables for. None may get
// one before it was used often, and no more than the bound are kept.
func TestTablesAreBounded(t *testing.T) {
	v := New()
	point := nistec.NewP521Point().SetGenerator()
	for i := range tablesMax + 3 {
		point.Add(point, nistec.NewP521Point().SetGenerator())
		for n := 1; n < usesBefore; n++ {
			if v.table(string(point.Bytes())) != nil {
				t.Fatalf("key %d has a table after %d uses", i, n)
			}
		}
		v.making.Wait()
		if v.tables.Contains(string(point.Bytes())) {
			t.Fatalf("key %d has a table too early", i)
		}
		v.table(string(point.Bytes()))
		v.making.Wait()
		if !v.tables.Contains(string(point.Bytes())) {
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
	g := nistec.NewP521Point().SetGenerator()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		newTable(g, keyWidth)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N), "bytes/table")
}
