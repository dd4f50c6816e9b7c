package money

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
)

// TestDigits pins the minor units of the currencies that the dialects use,
// and of those that trap: none, three, four digits; withdrawn; nobody's.
func TestDigits(t *testing.T) {
	for c, want := range map[Currency]int{
		"EUR": 2, "SEK": 2, "NOK": 2, "DKK": 2, "GBP": 2, "USD": 2, "PLN": 2, "CZK": 2, "HUF": 2, "RON": 2, "BGN": 2, "CHF": 2,
		"HRK": 2, // withdrawn in 2023; old payments may still be given back
		"CAD": 2, "AUD": 2, "ISK": 0, "JPY": 0, "KWD": 3, "BHD": 3, "CLF": 4,
	} {
		if got, ok := c.Digits(); !ok || got != want {
			t.Errorf("%s: got %d, %t; want %d", c, got, ok, want)
		}
	}
	for _, c := range []Currency{"", "eur", "Eur", "EURO", "EU", "978", "ZZZ", "XXX", "XTS", "XAU", " EUR"} {
		if got, ok := c.Digits(); ok {
			t.Errorf("%q is a currency of %d digits", c, got)
		}
	}
}

// TestParseMajor reads what is an amount, to the last minor unit, and nothing
// else.
func TestParseMajor(t *testing.T) {
	for _, x := range []struct {
		text string
		c    Currency
		want int64
	}{
		{"49.90", "EUR", 4990}, {"49.9", "EUR", 4990}, {"49", "EUR", 4900}, {"0.01", "EUR", 1}, {"0", "EUR", 0}, {"0.00", "EUR", 0},
		{"007.5", "SEK", 750}, {"100", "JPY", 100}, {"1.234", "KWD", 1234}, {"9999999999999999.99", "EUR", 999999999999999999},
		{"999999999999999999", "ISK", 999999999999999999},
	} {
		got, err := ParseMajor(x.text, x.c)
		if want := (Amount{x.want, x.c}); err != nil || got != want {
			t.Errorf("%s %s: got %v, %v; want %v", x.text, x.c, got, err, want)
		}
	}
	for _, x := range []struct {
		text string
		c    Currency
	}{
		{"", "EUR"}, {".", "EUR"}, {".5", "EUR"}, {"5.", "EUR"}, {"1.234", "EUR"}, {"1.000", "EUR"}, {"1.0", "JPY"}, {"1.", "JPY"},
		{"-1", "EUR"}, {"+1", "EUR"}, {"1,50", "EUR"}, {"1 000", "EUR"}, {"1_000", "EUR"}, {"1e2", "EUR"}, {"0x10", "EUR"}, {"1.-5", "EUR"},
		{"1.2.3", "EUR"}, {"١٢", "EUR"}, {" 1", "EUR"}, {"1\n", "EUR"}, {"NaN", "EUR"}, {"1", "eur"}, {"1", ""}, {"1", "XXX"},
		{"10000000000000000.00", "EUR"}, {"00000000000000001.00", "EUR"}, {strings.Repeat("9", 400), "EUR"},
	} {
		if got, err := ParseMajor(x.text, x.c); !errors.Is(err, ErrAmount) || got != (Amount{}) {
			t.Errorf("%q %s: got %v, %v", x.text, x.c, got, err)
		}
	}
}

// TestMajor writes every decimal that the currency has, for any amount.
func TestMajor(t *testing.T) {
	for want, a := range map[string]Amount{
		"49.90 EUR": {4990, "EUR"}, "0.01 EUR": {1, "EUR"}, "0.10 EUR": {10, "EUR"}, "0.00 EUR": {0, "EUR"}, "-0.05 EUR": {-5, "EUR"},
		"-12.34 SEK": {-1234, "SEK"}, "100 JPY": {100, "JPY"}, "0.001 KWD": {1, "KWD"}, "0 ": {}, "7 ZZZ": {7, "ZZZ"},
		"92233720368547758.07 EUR": {math.MaxInt64, "EUR"}, "-92233720368547758.08 EUR": {math.MinInt64, "EUR"},
	} {
		if got := a.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestAddNeverWraps tries the sums around both ends.
func TestAddNeverWraps(t *testing.T) {
	for _, x := range []struct {
		a, b, want int64
		ok         bool
	}{
		{1, 2, 3, true}, {1, -2, -1, true}, {math.MaxInt64, 0, math.MaxInt64, true}, {math.MaxInt64 - 1, 1, math.MaxInt64, true},
		{math.MaxInt64, 1, 0, false}, {1, math.MaxInt64, 0, false}, {math.MinInt64, -1, 0, false}, {-1, math.MinInt64, 0, false},
		{math.MinInt64 + 1, -1, math.MinInt64, true}, {math.MinInt64, math.MaxInt64, -1, true},
	} {
		got, err := Add(x.a, x.b)
		if got != x.want || (err == nil) != x.ok || (err != nil && !errors.Is(err, ErrOverflow)) {
			t.Errorf("%d + %d: got %d, %v", x.a, x.b, got, err)
		}
	}
}

// FuzzParseMajor: whatever is read says exactly what the text said. It is
// compared with the text's own digits, and written and read again.
func FuzzParseMajor(f *testing.F) {
	for _, s := range []string{"49.90", "0.01", "007.5", "1.234", "100", "5.", ".5", "-1", "9999999999999999.99", "1e2"} {
		for _, c := range []string{"EUR", "JPY", "KWD", "eur"} {
			f.Add(s, c)
		}
	}
	f.Fuzz(func(t *testing.T, s, code string) {
		c := Currency(code)
		a, err := ParseMajor(s, c)
		if err != nil {
			if !errors.Is(err, ErrAmount) {
				t.Fatalf("%q %s: %v", s, c, err)
			}
			return
		}
		exp, _ := c.Digits()
		whole, frac, _ := strings.Cut(s, ".")
		want := strings.TrimLeft(whole+frac+strings.Repeat("0", exp-len(frac)), "0")
		if got := strings.TrimLeft(strconv.FormatInt(a.Minor, 10), "0"); got != want {
			t.Fatalf("%q %s: read as %s minor units, its digits are %s", s, c, got, want)
		}
		if again, err := ParseMajor(a.Major(), c); err != nil || again != a {
			t.Fatalf("%q %s: written as %s, read as %v, %v", s, c, a.Major(), again, err)
		}
	})
}
