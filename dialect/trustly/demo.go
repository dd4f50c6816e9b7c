package trustly

import (
	"remit"
	"remit/dialect"
	"remit/internal/page"
)

// demoBank is a bank at which a payer pays in a sandbox.
type demoBank struct {
	leads remit.PaymentState
}

var demoBanks = map[string]demoBank{
	"demo": {remit.PaymentFunded}, "slow": {remit.PaymentAuthorized}, "poor": {remit.PaymentFailed},
}

var bankChoices = []page.Choice{
	{Value: "demo", Label: "Demo Bank", Hint: "the money comes at once"},
	{Value: "slow", Label: "Slow Bank", Hint: "agrees now; the money comes later"},
	{Value: "poor", Label: "Poor Bank", Hint: "refuses"},
}

// demoStrangers are payers of whom a bank cannot say what a merchant wants to
// know, by what it says instead. docs/spec/trustly-eu.md#53-types.
var demoStrangers = map[string]string{"young": "underage", "stranger": "unverified"}

var strangerChoices = []page.Choice{
	{Value: "young", Label: "Demo Bank, a payer who is under age"},
	{Value: "stranger", Label: "Demo Bank, a payer whom it cannot identify"},
}

// demoPerson is who pays in a sandbox: nobody.
var demoPerson = value{kind: object, members: []member{
	{"personid", str("FIN010190-900A")}, {"firstname", str("Demo")}, {"lastname", str("Payer")}, {"dob", str("1990-01-01")},
	{"street", str("Mannerheimintie 1")}, {"zipcode", str("00100")}, {"city", str("Helsinki")}, {"country", str("FI")},
}}

// demoAccounts are those that a person has in a sandbox: the examples of the
// ISO 13616 register, and of the documents.
var demoAccounts = map[string]bankAccount{
	"finland": {house: "FINLAND", number: "FI2112345600000785"},
	"germany": {house: "GERMANY", number: "DE89370400440532013000"},
	"spain":   {house: "SPAIN", number: "ES9121000418450200051332"},
	"sweden":  {house: "SWEDEN", bank: "6112", number: "69706212"},
}

// demoPayer is the account from which deposits come.
const demoPayer = "finland"

var accountChoices = []page.Choice{
	{Value: "finland", Label: "Demo Payer, Finland", Hint: demoAccounts["finland"].details().Descriptor},
	{Value: "germany", Label: "Demo Payer, Germany", Hint: demoAccounts["germany"].details().Descriptor},
	{Value: "spain", Label: "Demo Payer, Spain", Hint: demoAccounts["spain"].details().Descriptor},
	{Value: "sweden", Label: "Demo Payer, Sweden", Hint: demoAccounts["sweden"].details().Descriptor},
}

func (a bankAccount) party() dialect.Party {
	return dialect.Party{Account: a.local() + a.number, Name: "Demo Payer"}
}
