// Package money holds amounts of money: whole minor units of one currency.
package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/moov-io/iso4217"
)

// Currency is an ISO 4217 code in capitals, such as EUR.
type Currency string

// noMoney lists the codes of ISO 4217 that have no minor unit, since nobody
// pays in them: metals, units of account, tests, none at all.
var noMoney = map[Currency]bool{
	"XAG": true, "XAU": true, "XBA": true, "XBB": true, "XBC": true, "XBD": true, "XDR": true,
	"XPD": true, "XPT": true, "XSU": true, "XTS": true, "XUA": true, "XXX": true,
}

// Digits is how many decimal digits the currency's minor unit has by ISO
// 4217, and whether there is such a currency to pay in.
func (c Currency) Digits() (int, bool) {
	code, ok := iso4217.Lookup(string(c))
	if !ok || code.Code != string(c) || noMoney[c] {
		return 0, false
	}
	return int(code.DecimalPlaces), true
}

// Amount is a sum of money in minor units (cents, öre, pence). Its zero value
// is no money in no currency.
type Amount struct {
	Minor    int64
	Currency Currency
}

// ErrAmount means that a text is not an amount of the currency: not digits,
// too many of them, or more decimals than the currency has.
var ErrAmount = errors.New("money: not an amount")

// digitsMax is the most digits that an amount may have: with eighteen every
// sum of nine amounts still fits 64 bits.
const digitsMax = 18

// ParseMajor reads a decimal in major units, such as "49.90". It never
// rounds: a digit that the currency cannot hold is an error, not a cent lost.
func ParseMajor(s string, c Currency) (Amount, error) {
	exp, ok := c.Digits()
	if !ok {
		return Amount{}, fmt.Errorf("%w: unknown currency", ErrAmount)
	}
	whole, frac, point := strings.Cut(s, ".")
	if whole == "" || (point && frac == "") || len(frac) > exp || len(whole)+exp > digitsMax {
		return Amount{}, fmt.Errorf("%w of %s", ErrAmount, c)
	}
	digits := whole + frac + strings.Repeat("0", exp-len(frac))
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return Amount{}, fmt.Errorf("%w of %s", ErrAmount, c)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return Amount{}, fmt.Errorf("%w: %w", ErrAmount, err)
	}
	return Amount{n, c}, nil
}

// Major writes the amount as a decimal in major units with all the decimals
// that the currency has: "49.90".
func (a Amount) Major() string {
	exp, _ := a.Currency.Digits()
	sign, n := "", uint64(a.Minor)
	if a.Minor < 0 {
		sign, n = "-", -n
	}
	s := strconv.FormatUint(n, 10)
	if exp == 0 {
		return sign + s
	}
	if len(s) <= exp {
		s = strings.Repeat("0", exp+1-len(s)) + s
	}
	return sign + s[:len(s)-exp] + "." + s[len(s)-exp:]
}

// String writes the amount with its currency, for people: "49.90 EUR".
func (a Amount) String() string { return a.Major() + " " + string(a.Currency) }

// ErrOverflow means that a sum does not fit 64 bits.
var ErrOverflow = errors.New("money: overflow")

// Add is a + b, both in minor units, or ErrOverflow.
func Add(a, b int64) (int64, error) {
	if (b > 0 && a > math.MaxInt64-b) || (b < 0 && a < math.MinInt64-b) {
		return 0, ErrOverflow
	}
	return a + b, nil
}
