package sandbox_test

import "testing"

// The account of a beneficiary has one number for good: for each merchant its
// own, and the same one however its IBAN is written.
func TestAnAccountHasOneNumber(t *testing.T) {
	c := start(t)
	number := func(body string) any { return at(c.do("POST", "/accounts", body), "account_id") }
	first := number(`{"dialect":"trustly","iban":"FI2112345600000785","holder":"Steve Smith"}`)
	if again := number(`{"dialect":"trustly","iban":"fi21 1234 5600 0007 85","holder":"Steve Smith"}`); again != first || first == "" {
		t.Errorf("the number is %v, and then %v", first, again)
	}
	if other := number(`{"dialect":"trustly","iban":"FI2112345600000785","holder":"Sue Smith"}`); other == first {
		t.Error("another holder's account has the same number")
	}
	if other := number(`{"dialect":"trustly","iban":"FI2112345600000785","holder":"Steve Smith","merchant":"globex"}`); other == first {
		t.Error("another merchant's account has the same number")
	}
}
