package truelayer

import (
	"crypto/hmac"
	"crypto/sha256"
	"regexp"
	"strings"

	"remit"
	"remit/money"
)

// identifier is an account in one of its forms.
// docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.1.3.
type identifier struct {
	Type     string `json:"type"`
	SortCode string `json:"sort_code,omitempty"`
	Number   string `json:"account_number,omitempty"`
	IBAN     string `json:"iban,omitempty"`
	BBAN     string `json:"bban,omitempty"`
	NRB      string `json:"nrb,omitempty"`
}

// Forms of an account. Towards the rest of the house an account is one text: a
// sort code and an account number are the 14 digits of both.
const (
	formSCAN = "sort_code_account_number"
	formIBAN = "iban"
	formBBAN = "bban"
	formNRB  = "nrb"
)

var (
	sortCode = regexp.MustCompile(`^[0-9]{6}$`)
	number   = regexp.MustCompile(`^[0-9]{8}$`)
	scan     = regexp.MustCompile(`^[0-9]{14}$`)
	nrb      = regexp.MustCompile(`^[0-9]{26}$`)
	iban     = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}$`)
	bban     = regexp.MustCompile(`^[A-Z0-9]{1,30}$`)
	gbIBAN   = regexp.MustCompile(`^GB[0-9]{2}[A-Z]{4}([0-9]{6})([0-9]{8})$`)
)

// account reads an account identifier.
func account(o object) string {
	text := func(name string, form *regexp.Regexp) string {
		s := strings.ToUpper(strings.ReplaceAll(o.needed(name), " ", ""))
		if s != "" && !form.MatchString(s) {
			o.fault(field(o.at(name), "Value is not valid."))
		}
		return s
	}
	switch o.needed("type") {
	case formSCAN:
		return text("sort_code", sortCode) + text("account_number", number)
	case formIBAN:
		return text("iban", iban)
	case formBBAN:
		return text("bban", bban)
	case formNRB:
		return text("nrb", nrb)
	}
	o.fault(field(o.at("type"), "Value is not supported."))
	return ""
}

// identifiers shows an account in every form that it is known to have, the
// local one first. docs/spec/truelayer.md#7-merchant-accounts.
func identifiers(account string) []identifier {
	switch gb := gbIBAN.FindStringSubmatch(account); {
	case account == "":
		return []identifier{}
	case gb != nil:
		return []identifier{{Type: formSCAN, SortCode: gb[1], Number: gb[2]}, {Type: formIBAN, IBAN: account}}
	case scan.MatchString(account):
		return []identifier{{Type: formSCAN, SortCode: account[:6], Number: account[6:]}}
	case nrb.MatchString(account):
		return []identifier{{Type: formNRB, NRB: account}}
	case iban.MatchString(account):
		return []identifier{{Type: formIBAN, IBAN: account}}
	}
	return []identifier{{Type: formBBAN, BBAN: account}}
}

// currencies are those that the official libraries know: they fail on any
// other. docs/spec/truelayer.md#14-traps-with-file-references.
var currencies = []money.Currency{"GBP", "EUR", "PLN", "NOK"}

// always are those of which every client has a merchant account, with or
// without money. docs/spec/truelayer.md#7-merchant-accounts.
var always = []money.Currency{"GBP", "EUR"}

// schemes are how money of a currency moves, in and out.
var schemes = map[money.Currency]string{
	"GBP": "faster_payments_service", "EUR": "sepa_credit_transfer", "PLN": "polish_domestic_standard", "NOK": "norwegian_domestic_credit_transfer",
}

// accountID is the id of the merchant's balance in a currency. It needs no
// row: it is made from what it names, the same each time.
func (c *call) accountID(currency money.Currency) string {
	return accountID(c.r.Key, c.who.Merchant, currency)
}

func accountID(key []byte, m remit.MerchantID, currency money.Currency) string {
	return derived(key, "merchant account", string(m), string(currency))
}

// AccountIDs are the ids of the merchant accounts that every client has.
func (Dialect) AccountIDs(key []byte, m remit.MerchantID) map[money.Currency]string {
	all := map[money.Currency]string{}
	for _, currency := range always {
		all[currency] = accountID(key, m, currency)
	}
	return all
}

// derived is a UUID that belongs to a few texts, and that nobody can guess.
func derived(key []byte, parts ...string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return uuid([16]byte(mac.Sum(nil)[:16]))
}

// currencyOf is the currency of a merchant account; "" if there is none of
// that id.
func (c *call) currencyOf(accountID string) money.Currency {
	for _, currency := range currencies {
		if c.accountID(currency) == accountID {
			return currency
		}
	}
	return ""
}

// sourceJSON is where a payment came from.
type sourceJSON struct {
	ID       string       `json:"id"`
	Accounts []identifier `json:"account_identifiers"`
	Holder   string       `json:"account_holder_name,omitempty"`
	User     string       `json:"user_id,omitempty"`
}

// Scopes of a payment's further names.
const (
	scopeUser   = "user"
	scopeSource = "source" // where the money came from
)

func nameIn(p remit.Payment, scope string) string {
	for _, n := range p.Names {
		if n.Scope == scope {
			return n.Text
		}
	}
	return ""
}

func sourceOf(p remit.Payment, r remit.Result) sourceJSON {
	return sourceJSON{
		ID: nameIn(p, scopeSource), Accounts: identifiers(r.Accounts[p.PayerAccount]), Holder: r.Accounts[p.PayerName],
	}
}
