package trustly

import (
	"strings"

	"remit"
	"remit/money"
)

// decimals are the currencies of the API, and how many decimals an amount has
// on the wire. HUF has none there, and two by ISO 4217, in which we keep it.
// docs/spec/trustly-eu.md#63-formats, D12.
var decimals = map[money.Currency]int{
	"BGN": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "HRK": 2, "HUF": 0, "NOK": 2, "PLN": 2, "RON": 2, "SEK": 2,
}

// currencyOf reads a currency of the API.
func currencyOf(v value) (money.Currency, *remit.Error) {
	if v.kind != text {
		return "", remit.Errorf(remit.Invalid, "", "Currency is required")
	}
	c := money.Currency(v.text)
	if _, ok := decimals[c]; !ok {
		return "", remit.Errorf(remit.Invalid, remit.ReasonCurrency, "there is no such currency")
	}
	return c, nil
}

// amountOf reads an amount above zero with exactly the decimals that its
// currency has on the wire. Whether an amount of no known currency is one
// nobody can say, and nobody will ask.
func amountOf(v value, c money.Currency) (money.Amount, *remit.Error) {
	if c == "" {
		return money.Amount{}, nil
	}
	s, ok := v.scalar()
	_, fraction, point := strings.Cut(s, ".")
	a, err := money.ParseMajor(s, c)
	if !ok || err != nil || len(fraction) != decimals[c] || point != (decimals[c] > 0) || a.Minor <= 0 {
		return money.Amount{Currency: c}, remit.Errorf(remit.Invalid, remit.ReasonAmount,
			"the amount is a number above zero with %d decimals", decimals[c])
	}
	return a, nil
}

// amountText writes an amount as the API does. It never rounds: a fraction of
// a forint, which no request can have asked for, would be shown as it is.
func amountText(a money.Amount) string {
	s := a.Major()
	if decimals[a.Currency] == 0 {
		return strings.TrimSuffix(s, ".00")
	}
	return s
}
