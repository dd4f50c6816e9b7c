package p521

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// The curve's field is that of the integers modulo p = 2^521 - 1. An element
// has nine limbs of 58 bits, the least first, and each limb has room for more,
// so that a sum needs no carries. Since 2^522 = 2, the upper half of a product
// is added to the lower half twice (Handbook of Applied Cryptography, section
// 14.3.4).
const (
	limbs    = 9
	limbBits = 58
	topBits  = scalarBits - (limbs-1)*limbBits // of the last limb
	limbMask = 1<<limbBits - 1
	topMask  = 1<<topBits - 1
)

// element is a value of the field. It is narrow where its last limb is below
// 2^57 and no other is above 2^58 + 2^13, as is every product. The factors of
// a product may be wide: no limb above 2^61.
type element [limbs]uint64

var prime = curve.P

// set takes a number from 0 to below 2^522.
func (z *element) set(x *big.Int) {
	var b [8 * (limbs + 1)]byte
	x.FillBytes(b[:])
	word := func(k int) uint64 { return binary.BigEndian.Uint64(b[len(b)-8*(k+1):]) }
	for i := range z {
		k, shift := i*limbBits/64, i*limbBits%64
		z[i] = (word(k)>>shift | word(k+1)<<(64-shift)) & limbMask
	}
}

// number is the value, reduced.
func (z *element) number() *big.Int {
	x, limb := new(big.Int), new(big.Int)
	for i := limbs - 1; i >= 0; i-- {
		x.Lsh(x, limbBits).Add(x, limb.SetUint64(z[i]))
	}
	return x.Mod(x, prime)
}

// mac adds a product to a number of two words.
func mac(hi, lo, a, b uint64) (uint64, uint64) {
	h, l := bits.Mul64(a, b)
	lo, c := bits.Add64(lo, l, 0)
	hi, _ = bits.Add64(hi, h, c)
	return hi, lo
}

// mul sets z to a·b: narrow, of wide factors. One column of the product, of 9
// terms below 2^123 and twice that, fits two words with what the last one
// carries.
func (z *element) mul(a, b *element) {
	var d [2*limbs - 1]uint64 // b, and before it what stands beyond 2^522, doubled
	for i := 1; i < limbs; i++ {
		d[i-1] = 2 * b[i]
	}
	copy(d[limbs-1:], b[:])
	var r element
	var carryHi, carryLo uint64
	for k := range limbs {
		e := (*[limbs]uint64)(d[k:])
		hi, lo := bits.Mul64(a[0], e[8])
		hi, lo = mac(hi, lo, a[1], e[7])
		hi, lo = mac(hi, lo, a[2], e[6])
		hi, lo = mac(hi, lo, a[3], e[5])
		hi, lo = mac(hi, lo, a[4], e[4])
		hi, lo = mac(hi, lo, a[5], e[3])
		hi, lo = mac(hi, lo, a[6], e[2])
		hi, lo = mac(hi, lo, a[7], e[1])
		hi, lo = mac(hi, lo, a[8], e[0])
		r[k], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	}
	z.wrap(&r, carryHi, carryLo)
}

// square sets z to a², as mul does; products that occur twice are made once.
func (z *element) square(a *element) {
	var r, t element
	for i := range a {
		t[i] = 2 * a[i]
	}
	var carryHi, carryLo uint64
	hi, lo := bits.Mul64(a[0], a[0])
	hi, lo = mac(hi, lo, t[1], t[8])
	hi, lo = mac(hi, lo, t[2], t[7])
	hi, lo = mac(hi, lo, t[3], t[6])
	hi, lo = mac(hi, lo, t[4], t[5])
	r[0], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	hi, lo = bits.Mul64(t[0], a[1])
	hi, lo = mac(hi, lo, t[2], t[8])
	hi, lo = mac(hi, lo, t[3], t[7])
	hi, lo = mac(hi, lo, t[4], t[6])
	hi, lo = mac(hi, lo, t[5], a[5])
	r[1], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	hi, lo = bits.Mul64(t[0], a[2])
	hi, lo = mac(hi, lo, a[1], a[1])
	hi, lo = mac(hi, lo, t[3], t[8])
	hi, lo = mac(hi, lo, t[4], t[7])
	hi, lo = mac(hi, lo, t[5], t[6])
	r[2], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	hi, lo = bits.Mul64(t[0], a[3])
	hi, lo = mac(hi, lo, t[1], a[2])
	hi, lo = mac(hi, lo, t[4], t[8])
	hi, lo = mac(hi, lo, t[5], t[7])
	hi, lo = mac(hi, lo, t[6], a[6])
	r[3], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	hi, lo = bits.Mul64(t[0], a[4])
	hi, lo = mac(hi, lo, t[1], a[3])
	hi, lo = mac(hi, lo, a[2], a[2])
	hi, lo = mac(hi, lo, t[5], t[8])
	hi, lo = mac(hi, lo, t[6], t[7])
	r[4], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	hi, lo = bits.Mul64(t[0], a[5])
	hi, lo = mac(hi, lo, t[1], a[4])
	hi, lo = mac(hi, lo, t[2], a[3])
	hi, lo = mac(hi, lo, t[6], t[8])
	hi, lo = mac(hi, lo, t[7], a[7])
	r[5], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	hi, lo = bits.Mul64(t[0], a[6])
	hi, lo = mac(hi, lo, t[1], a[5])
	hi, lo = mac(hi, lo, t[2], a[4])
	hi, lo = mac(hi, lo, a[3], a[3])
	hi, lo = mac(hi, lo, t[7], t[8])
	r[6], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	hi, lo = bits.Mul64(t[0], a[7])
	hi, lo = mac(hi, lo, t[1], a[6])
	hi, lo = mac(hi, lo, t[2], a[5])
	hi, lo = mac(hi, lo, t[3], a[4])
	hi, lo = mac(hi, lo, t[8], a[8])
	r[7], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	hi, lo = bits.Mul64(t[0], a[8])
	hi, lo = mac(hi, lo, t[1], a[7])
	hi, lo = mac(hi, lo, t[2], a[6])
	hi, lo = mac(hi, lo, t[3], a[5])
	hi, lo = mac(hi, lo, a[4], a[4])
	r[8], carryHi, carryLo = limb(hi, lo, carryHi, carryLo)
	z.wrap(&r, carryHi, carryLo)
}

// limb is what stays of a column, with what the one before it carried, and
// what it carries.
func limb(hi, lo, carryHi, carryLo uint64) (l, nextHi, nextLo uint64) {
	lo, c := bits.Add64(lo, carryLo, 0)
	hi, _ = bits.Add64(hi, carryHi, c)
	return lo & limbMask, hi >> limbBits, hi<<(64-limbBits) | lo>>limbBits
}

// wrap sets z to r with what its columns carried beyond 2^522: narrow.
func (z *element) wrap(r *element, carryHi, carryLo uint64) {
	// What stands beyond 2^521, too: 2^521 = 1.
	carryHi, carryLo = carryHi<<1|carryLo>>63, carryLo<<1|r[limbs-1]>>topBits
	r[limbs-1] &= topMask
	lo, c := bits.Add64(r[0], carryLo, 0)
	hi := carryHi + c
	r[0] = lo & limbMask
	r[1] += hi<<(64-limbBits) | lo>>limbBits
	*z = *r
}

// sub sets z to a - b: wide, of a narrow a, and a b that is at most the sum of
// three that are narrow. It adds 4p, so that no limb falls below 0.
func (z *element) sub(a, b *element) {
	for i := range limbs - 1 {
		z[i] = a[i] + 4*limbMask - b[i]
	}
	z[limbs-1] = a[limbs-1] + 4*topMask - b[limbs-1]
}

// narrow carries what limbs have too much.
func (z *element) narrow() {
	var carry uint64
	for i := range limbs - 1 {
		z[i] += carry
		carry = z[i] >> limbBits
		z[i] &= limbMask
	}
	z[limbs-1] += carry
	z[0] += z[limbs-1] >> topBits
	z[limbs-1] &= topMask
}

// zero tells whether the value is 0.
func (z element) zero() bool {
	z.narrow()
	z.narrow() // now each limb has its bits alone, and only 0 and p are 0
	return z == element{} || z == element{limbMask, limbMask, limbMask, limbMask, limbMask, limbMask, limbMask, limbMask, topMask}
}
