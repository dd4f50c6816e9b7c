// Package truelayer speaks TrueLayer's Payments API v3: JSON over REST,
// requests and webhooks signed with ECDSA over P-521. What it must do is
// written down in docs/spec/truelayer.md; where it had to choose, the choice
// has a number in docs/reference/dialects/truelayer-divergences.md.
package truelayer

import (
	"net/http"
	"strings"
	"time"

	"remit/dialect"
	"remit/internal/p521"
)

// Name is the dialect's name.
const Name = "truelayer"

// Limits. (D2)
const (
	bodyBytesMax      = 64 << 10
	keyBytesMax       = 255 // of an Idempotency-Key
	nameMax           = 255 // of a user's id, in characters
	metadataPairsMax  = 10
	metadataKeyMax    = 40  // in characters
	metadataValueMax  = 500 // in characters
	tokenLife         = time.Hour
	resourceTokenLife = 15 * time.Minute
	// authorizeWithin is how long a payer has: as long as the payment's own
	// token is good. The provider publishes no time. (D25)
	authorizeWithin = resourceTokenLife
	// stalledAfter is when money that the payer has sent is said to be late: a
	// SEPA credit transfer may take one working day, and a weekend has two that
	// are none. The provider publishes no time. (D26)
	stalledAfter = 3 * 24 * time.Hour
	// keyRemembered is how long an Idempotency-Key is bound to its answer.
	// docs/spec/truelayer.md#10-idempotency, 10.4.
	keyRemembered = 30 * 24 * time.Hour
)

// Settings of a merchant, in remit.Settings.Config and Switches, beside
// remit.SwitchSandbox.
const (
	configWebhookURI   = "truelayer.webhook_uri"      // where notifications go of payments that name no other place
	configJKU          = "truelayer.jku"              // where webhooks say that our keys are; "" says nothing
	configReferenceMax = "truelayer.reference_max"    // of a refund's or payout's reference, in characters
	configIBAN         = "truelayer.iban."            // and a currency: the account at which payers reach the merchant's balance
	configBusiness     = "truelayer.business_iban."   // and a currency: the merchant's own account
	configBusinessName = "truelayer.business_name"    // who holds that
	switchZeroIsWhole  = "truelayer.zero_means_whole" // a refund of 0 is one of the whole (D5)
	switchSettledOnly  = "truelayer.settled_only"     // only settled payments can be refunded (D6)
	switchStandardECC  = "truelayer.standard_ecdsa"   // signatures are verified by crypto/ecdsa alone
)

// Dialect is TrueLayer's API.
type Dialect struct{ keys *p521.Verifier }

var (
	_ dialect.Dialect = Dialect{}
	_ dialect.Stager  = Dialect{}
	_ dialect.Teller  = Dialect{}
)

// New makes the dialect, with a place for the tables of merchants' keys.
func New() Dialect { return Dialect{keys: p521.New()} }

// Name is the dialect's name.
func (Dialect) Name() string { return Name }

// BodyBytesMax is the largest request, in bytes.
func (Dialect) BodyBytesMax() int64 { return bodyBytesMax }

// Mine tells by the bearer token, since another provider has /payments too.
func (Dialect) Mine(h http.Header) bool {
	_, ok := bearer(h)
	return ok
}

// bearer is the token of a request. docs/spec/truelayer.md#2-authentication-post-connecttoken, 2.5.
func bearer(h http.Header) (string, bool) {
	scheme, token, ok := strings.Cut(h.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// Routes are the paths with the version and without it, each with and without
// a slash at its end, and whatever else is below the version. They take every
// method: the answer to what is not there is the dialect's too. docs/spec/truelayer.md#1-environments-hosts-paths.
func (Dialect) Routes() []dialect.Route {
	all := []dialect.Route{{Path: version + "/"}}
	seen := map[string]bool{}
	for _, e := range endpoints {
		for _, prefix := range e.prefixes() {
			if path := prefix + e.path; !seen[path] {
				seen[path] = true
				all = append(all, dialect.Route{Path: path}, dialect.Route{Path: path + "/{$}"})
			}
		}
	}
	return all
}

// Settings are the names of a merchant's settings.
func (Dialect) Settings() dialect.Names {
	return dialect.Names{
		Switches: []string{switchZeroIsWhole, switchSettledOnly, switchStandardECC, switchAuthorized},
		Config:   []string{configWebhookURI, configJKU, configReferenceMax, configIBAN, configBusiness, configBusinessName},
	}
}
