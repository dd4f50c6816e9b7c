package p521

import "math/big"

// affine is a point by its coordinates, which are narrow.
type affine struct{ x, y element }

// point is a sum: x = X/ZZ and y = Y/ZZZ, where ZZ³ = ZZZ². What it holds is
// narrow. Its formulas are those that the Explicit-Formulas Database names
// madd-2008-s and dbl-2008-s-1, of short Weierstrass curves in XYZZ
// coordinates.
type point struct {
	begun         bool // something was added: the zero value is infinity
	x, y, zz, zzz element
}

// add adds another point than p and -p. If it is one of them ZZ is 0 ever
// after, whatever else is added: see lost.
func (p *point) add(q *affine) {
	if !p.begun {
		*p = point{begun: true, x: q.x, y: q.y, zz: element{1}, zzz: element{1}}
		return
	}
	var h, r, hh, hhh, s, less element
	h.mul(&q.x, &p.zz)
	h.sub(&h, &p.x)
	r.mul(&q.y, &p.zzz)
	r.sub(&r, &p.y)
	hh.square(&h)
	hhh.mul(&h, &hh)
	s.mul(&p.x, &hh)
	for i := range less {
		less[i] = hhh[i] + 2*s[i]
	}
	p.turn(&r, &s, &hhh, &less)
	p.zz.mul(&p.zz, &hh)
	p.zzz.mul(&p.zzz, &hhh)
}

// double adds p to itself, which is not infinity. The curve's a is -3.
func (p *point) double() {
	var u, v, w, s, m, t element
	for i := range u {
		u[i] = 2 * p.y[i]
		t[i] = p.x[i] + p.zz[i]
	}
	v.square(&u)
	w.mul(&u, &v)
	s.mul(&p.x, &v)
	m.sub(&p.x, &p.zz)
	m.mul(&m, &t)
	for i := range m {
		m[i] *= 3
		t[i] = 2 * s[i]
	}
	p.turn(&m, &s, &w, &t)
	p.zz.mul(&p.zz, &v)
	p.zzz.mul(&p.zzz, &w)
}

// turn sets X to r² - less and Y to r(s - X) - wY.
func (p *point) turn(r, s, w, less *element) {
	var t element
	p.x.square(r)
	p.x.sub(&p.x, less)
	p.x.narrow()
	t.sub(s, &p.x)
	t.mul(&t, r)
	p.y.mul(&p.y, w)
	p.y.sub(&t, &p.y)
	p.y.narrow()
}

// lost tells whether nobody knows the sum any more.
func (p *point) lost() bool { return p.begun && p.zz.zero() }

// has tells whether p, which is not infinity, has the coordinate x.
func (p *point) has(x *big.Int) bool {
	var e element
	e.set(x)
	e.mul(&e, &p.zz)
	e.sub(&e, &p.x)
	return e.zero()
}

// flat are the coordinates of points that are not infinity, with one inversion
// for all of them (Cohen, A Course in Computational Algebraic Number Theory,
// algorithm 10.3.4).
func flat(points []point) []affine {
	before := make([]element, len(points)) // of each, the product of those before it
	product := element{1}
	for i := range points {
		before[i] = product
		product.mul(&product, &points[i].zzz)
	}
	var inverse element
	inverse.set(new(big.Int).ModInverse(product.number(), prime))
	all := make([]affine, len(points))
	for i := len(points) - 1; i >= 0; i-- {
		p, own := &points[i], &before[i]
		own.mul(own, &inverse) // 1/ZZZ
		inverse.mul(&inverse, &p.zzz)
		all[i].y.mul(&p.y, own)
		own.mul(own, &p.zz) // whose square is 1/ZZ
		own.square(own)
		all[i].x.mul(&p.x, own)
	}
	return all
}

// table has the multiples d·2^(width·i) of a point, of every i and of d from 1
// to half of 2^width. Those of one i are a row.
type table struct {
	width   int
	entries []affine
}

func newTable(base affine, width int) *table {
	half := 1 << (width - 1)
	t := &table{width, make([]affine, 0, (scalarBits+width-1)/width*half)}
	row := make([]point, half+1) // and twice the last, with which the next row begins
	for at := 0; at < scalarBits; at += width {
		row[0] = point{}
		row[0].add(&base)
		row[1] = row[0]
		row[1].double()
		for d := 2; d < half; d++ {
			row[d] = row[d-1]
			row[d].add(&base)
		}
		row[half] = row[half-1]
		row[half].double()
		all := flat(row)
		t.entries, base = append(t.entries, all[:half]...), all[half]
	}
	return t
}

// add adds k times the table's point to a sum. k is below the order. A digit
// above half stands for a negative one, with 1 added to the next. The highest
// has fewer bits than the others, and never is.
//
// A table is larger than a cache. Its entries are taken out some at a time, so
// that the processor waits for all of them at once.
func (t *table) add(sum *point, k *big.Int) {
	var digits [scalarBytes + 1]byte // one more, so that two bytes can be read at the end
	k.FillBytes(digits[1:])
	var taken [takenMax]affine
	n, half, carry := 0, 1<<(t.width-1), 0
	for at, row := 0, t.entries; at < scalarBits; at, row = at+t.width, row[half:] {
		last := len(digits) - 1 - at/8
		two := int(digits[last]) | int(digits[last-1])<<8
		d := two>>(at%8)&(2*half-1) + carry
		if carry = 0; d > half {
			d, carry = d-2*half, 1
		}
		switch {
		case d == 0:
			continue
		case d > 0:
			taken[n] = row[d-1]
		default:
			taken[n] = row[-d-1]
			taken[n].y.sub(&element{}, &taken[n].y)
		}
		if n++; n == takenMax {
			sum.all(taken[:])
			n = 0
		}
	}
	sum.all(taken[:n])
}

// takenMax is how many entries are taken out of a table at a time.
const takenMax = 16

func (p *point) all(entries []affine) {
	for i := range entries {
		p.add(&entries[i])
	}
}
