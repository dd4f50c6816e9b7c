// Package trustly speaks Trustly's European API: JSON-RPC 1.1 over one URL,
// signed both ways. What it must do is written down in
// docs/spec/trustly-eu.md; where it had to choose, the choice has a number in
// docs/reference/dialects/trustly-divergences.md.
package trustly

import (
	"maps"
	"net/http"
	"slices"

	"remit"
	"remit/dialect"
)

// Name is the dialect's name.
const Name = "trustly"

// bodyBytesMax is the largest request that is read, in bytes.
const bodyBytesMax = 64 << 10

// Dialect is Trustly's European API. Its zero value is ready to use.
type Dialect struct{}

var _ dialect.Dialect = Dialect{}

// Name is the dialect's name.
func (Dialect) Name() string { return Name }

// Routes are the path of the test system and the path of the live one, and the
// page of orders. The first two take every method, since the answer to a wrong
// one is the dialect's too.
// docs/spec/trustly-eu.md#11-request-side.
func (Dialect) Routes() []dialect.Route {
	return []dialect.Route{
		{Path: "/api/1"}, {Path: "/api/1/{$}"}, {Path: "/1"}, {Path: "/1/{$}"},
		{Method: http.MethodGet, Path: checkoutPath}, {Method: http.MethodPost, Path: checkoutPath},
	}
}

// BodyBytesMax is the largest request, in bytes.
func (Dialect) BodyBytesMax() int64 { return bodyBytesMax }

// Settings are the names of a merchant's settings: its functions are the
// methods.
func (Dialect) Settings() dialect.Names {
	return dialect.Names{
		Functions: slices.Collect(maps.Keys(methods)), Switches: []string{remit.SwitchPayoutConfirmation, remit.SwitchPayoutFailed},
		Config: []string{configSettlement, configWithdrawals, configDepositAccount},
	}
}
