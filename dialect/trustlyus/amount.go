package trustlyus

import (
	"regexp"
	"strings"

	"remit"
	"remit/money"
)

// decimal is an amount's form. docs/spec/trustly-us.md#33-request-body.
var decimal = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]{1,2})?$`)

// usd is the currency of amounts that name none: all currencies of the API
// have cents.
const usd = money.Currency("USD")

// invalid is a fault of one field, in words that the merchant reads.
func invalid(name, detail string) *remit.Error {
	return &remit.Error{Code: remit.Invalid, Field: name, Detail: detail}
}

// minorOf reads an amount, in cents. One that is there and empty, or null, is
// no amount: taken for absent it could mean everything.
// docs/spec/trustly-us.md#11-traps-what-clients-send-read-or-choke-on T4, D3.
func minorOf(f fields, name string) (minor int64, given bool, fault *remit.Error) {
	v, given := f[name]
	if !given {
		return 0, false, nil
	}
	if v.null || v.odd || len(v.text) > amountCharactersMax || !decimal.MatchString(v.text) {
		return 0, true, invalid(name, "Invalid amount format")
	}
	a, err := money.ParseMajor(v.text, usd)
	if err != nil {
		return 0, true, invalid(name, "Invalid amount format")
	}
	return a.Minor, true, nil
}

// sumOf reads the amount of a transaction, which is at least 0.99.
func sumOf(f fields) (minor int64, given bool, fault *remit.Error) {
	minor, given, fault = minorOf(f, "amount")
	if fault == nil && given && minor < amountMinorMin {
		fault = invalid("amount", "Amount must be at least 0.99")
	}
	return minor, given, fault
}

// amountText writes cents as every answer does: with two decimals.
func amountText(minor int64) string {
	return money.Amount{Minor: minor, Currency: usd}.Major()
}

// boundOf reads an amount of a filter.
func boundOf(text string) (int64, bool) {
	a, err := money.ParseMajor(strings.TrimSpace(text), usd)
	return a.Minor, err == nil
}
