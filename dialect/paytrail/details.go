package paytrail

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"remit"
	"remit/money"
)

// The scopes of a payment's further names. Its own name is the transactionId
// of the Payment API.
const (
	scopePayment = "merchant_api" // the twelve digits of the Merchant API
	scopeOrder   = "order_number" // the merchant's own, which several may share
)

// Portions of a payment that have a cap of their own.
const (
	portionVAT  = "vat/"  // and the rate, in hundredths of a percent
	portionItem = "item/" // and the item's stamp
)

// The interfaces through which a payment can have been made.
// docs/spec/paytrail.md#a5-interface-rules.
const (
	interfaceE1         = "E1"
	interfaceE2         = "E2"
	interfaceS1         = "S1"
	interfaceSimple1    = "simple-v1"
	interfaceSimple3    = "simple-v3"
	interfaceThirdParty = "third-party"
)

var interfaces = []string{interfaceE1, interfaceE2, interfaceS1, interfaceSimple1, interfaceSimple3, interfaceThirdParty}

// provider is a way to have paid.
type provider struct {
	id, name string
	group    string // bank, creditcard, mobile or credit
	card     bool
	number   int  // paymentMethodId of the Merchant API (D9)
	mailOnly bool // it has no refund API: the customer names an account
	single   bool // it refunds a payment once, and while it is young
	final    bool // it refunds nothing (D8)
}

// providers are those of the provider's list; a payment that names no other
// was made through the first. docs/spec/paytrail.md#b43-provider-limits-p-prov.
var providers = []provider{
	{id: "osuuspankki", name: "OP", group: "bank", number: 2},
	{id: "nordea", name: "Nordea", group: "bank", number: 1, single: true},
	{id: "danske", name: "Danske Bank", group: "bank", number: 3},
	{id: "pop", name: "POP Pankki", group: "bank", number: 51},
	{id: "saastopankki", name: "Säästöpankki", group: "bank", number: 52},
	{id: "omasp", name: "Oma Säästöpankki", group: "bank", number: 61},
	{id: "aktia", name: "Aktia", group: "bank", number: 50},
	{id: "spankki", name: "S-Pankki", group: "bank", number: 10, mailOnly: true},
	{id: "alandsbanken", name: "Ålandsbanken", group: "bank", number: 5, mailOnly: true},
	{id: "nordea-business", name: "Nordea Business", group: "bank", single: true},
	{id: "danske-business", name: "Danske Bank Business", group: "bank"},
	{id: "creditcard", name: "Card", group: "creditcard", card: true, number: 30},
	{id: "amex", name: "American Express", group: "creditcard", card: true, number: 33},
	{id: "apple-pay", name: "Apple Pay", group: "mobile", card: true},
	{id: "google-pay", name: "Google Pay", group: "mobile", card: true},
	{id: "mobilepay", name: "MobilePay", group: "mobile"},
	{id: "siirto", name: "Siirto", group: "mobile"},
	{id: "walleyb2c", name: "Walley", group: "credit", number: 60},
	{id: "walleyb2b", name: "Walley B2B", group: "credit"},
	{id: "op-tililuotto", name: "OP Tililuotto", group: "credit"},
	{id: "oplaskuV1", name: "OP Lasku", group: "credit", final: true},
	{id: "paypal", name: "PayPal", group: "mobile", number: 9},
}

// providerOf finds a provider by its id; the zero provider if there is none.
func providerOf(id string) provider {
	i := slices.IndexFunc(providers, func(p provider) bool { return p.id == id })
	if i < 0 {
		return provider{}
	}
	return providers[i]
}

// urls are where a merchant hears of an end.
type urls struct {
	Success string `json:"success"`
	Cancel  string `json:"cancel"`
}

// payment is what we keep of a payment beside what everybody does.
type payment struct {
	Interface string `json:"interface"`
	Provider  string `json:"provider,omitempty"` // "" until the payer has chosen one
	Stamp     string `json:"stamp,omitempty"`
	Reference string `json:"reference,omitempty"`
	Email     string `json:"email,omitempty"`

	// Of one that was made through the Payment API.
	Account   string `json:"account,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	Redirects urls   `json:"redirects,omitzero"`
	Callbacks urls   `json:"callbacks,omitzero"`
}

// disbursement is what we keep of a refund.
type disbursement struct {
	Email  string `json:"email,omitempty"`
	Origin string `json:"origin"` // under which we were called: of links in mails

	// Of the Merchant API.
	NotifyURL string     `json:"notify_url,omitempty"`
	Rows      []shownRow `json:"rows,omitempty"`

	// Of the Payment API.
	Account   string `json:"account,omitempty"` // "" is a refund of the Merchant API
	Algorithm string `json:"algorithm,omitempty"`
	Stamp     string `json:"stamp,omitempty"`
	Reference string `json:"reference,omitempty"`
	Callbacks urls   `json:"callbacks,omitzero"`
}

// shownRow is a row of a refund as the customer is shown it, in cents.
type shownRow struct {
	Minor       int64  `json:"minor"`
	Description string `json:"description"`
}

// euros writes cents for people.
func euros(minor int64) string { return money.Amount{Minor: minor, Currency: currency}.String() }

// keep writes what we keep.
func keep(v any) string {
	text, _ := json.Marshal(v) // texts cannot fail
	return string(text)
}

// kept reads it back. What is not ours is the zero value.
func kept[T any](details string) (v T) {
	_ = json.Unmarshal([]byte(details), &v)
	return v
}

// named is a payment's name of a scope.
func named(p remit.Payment, scope string) string {
	for _, n := range p.Names {
		if n.Scope == scope {
			return n.Text
		}
	}
	return ""
}

// byRate tells whether the payment was ordered in rows with VAT rates.
// docs/spec/paytrail.md#a5-interface-rules.
func byRate(p remit.Payment) bool {
	return slices.ContainsFunc(p.Portions, func(x remit.Portion) bool { return strings.HasPrefix(x.Name, portionVAT) })
}

// rate is the portion of a VAT rate, in hundredths of a percent.
func rate(percent int64) string { return portionVAT + strconv.FormatInt(percent, 10) }

// share adds an amount to the portion of a name.
func share(all []remit.Portion, name string, minor int64) []remit.Portion {
	for i := range all {
		if all[i].Name == name {
			all[i].Minor += minor
			return all
		}
	}
	return append(all, remit.Portion{Name: name, Minor: minor})
}
