package trustly

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"remit/money"
)

// FuzzParse reads any bytes. What is read must be to the standard library what
// it is to us, must come out the same when it is written and read again, and must
// serialize to the same text whatever the order of its members.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"MyKey":"MyValue","MyArray":["Element1",{"mykey2":null}],"n":-1.50e+3,"b":true}`))
	f.Add([]byte("\xef\xbb\xbf{\"a\":\"\\ud83d\\ude00 \\ud800\"}"))
	f.Add([]byte(`{"a":1,"A":2,"a ":3,"ä":{"b":[[],{}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := parse(body)
		if err != nil {
			return
		}
		written := appendJSON(nil, v)
		if !reflect.DeepEqual(standard(t, written), standard(t, bytes.TrimPrefix(body, byteOrderMark))) {
			t.Fatalf("%q was read as %q", body, written)
		}
		if !json.Valid(written) {
			t.Fatalf("%q was written as %q", body, written)
		}
		again, err := parse(written)
		if err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		if twice := appendJSON(nil, again); !bytes.Equal(written, twice) {
			t.Fatalf("%q was written as %q and then as %q", body, written, twice)
		}
		turn(again)
		for _, o := range []order{bytewise, caseless} {
			if a, b := serialize(nil, v, o), serialize(nil, again, o); !bytes.Equal(a, b) {
				t.Fatalf("the order of members counts: %q, %q", a, b)
			}
		}
	})
}

// standard is what the standard library reads, with numbers as they are written.
func standard(t *testing.T, body []byte) (x any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&x); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return x
}

// turn reverses the members of every object.
func turn(v value) {
	if v.kind == object {
		slices.Reverse(v.members)
	}
	for _, m := range v.members {
		turn(m.value)
	}
}

// FuzzAmount reads any text as an amount of every currency. What is read must
// be above zero, and must be written again as an amount of the same value.
func FuzzAmount(f *testing.F) {
	for _, s := range []string{"30.00", "100", "0.01", "00.10", "9999999999999999.99", "-1.00", "1e2", "٣.٠٠", "22", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for c := range decimals {
			a, err := amountOf(str(s), c)
			if err != nil {
				continue
			}
			if a.Minor <= 0 || a.Currency != c {
				t.Fatalf("%q is read as %v", s, a)
			}
			again, err := amountOf(str(amountText(a)), c)
			if err != nil || again != a {
				t.Fatalf("%q is %v, written as %q, read as %v, %v", s, a, amountText(a), again, err)
			}
		}
	})
}

// TestAFractionOfAForintIsShownAsItIs writes amounts in both kinds of
// currency, one of which no request can have asked for.
func TestAFractionOfAForintIsShownAsItIs(t *testing.T) {
	for a, want := range map[money.Amount]string{
		{Minor: 10000, Currency: "HUF"}: "100",
		{Minor: 10050, Currency: "HUF"}: "100.50",
		{Minor: 10000, Currency: "EUR"}: "100.00",
		{Minor: 7, Currency: "SEK"}:     "0.07",
	} {
		if got := amountText(a); got != want {
			t.Errorf("%v is written as %q, want %q", a, got, want)
		}
	}
}
