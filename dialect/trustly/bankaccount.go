package trustly

import (
	"regexp"
	"strings"
)

// house is a clearing house: the form that its account numbers have, and,
// where they are no IBANs, that of its bank numbers.
type house struct {
	number *regexp.Regexp
	bank   *regexp.Regexp
}

func iban(form string) house { return house{number: regexp.MustCompile("^" + form + "$")} }

// houses are the clearing houses, as the documents list them.
// docs/spec/trustly-eu.md#43-registeraccount--full.
var houses = map[string]house{
	"AUSTRIA":        iban(`AT[0-9]{18}`),
	"BELGIUM":        iban(`BE[0-9]{14}`),
	"BULGARIA":       iban(`BG[0-9]{2}[A-Z]{4}[0-9]{4}[0-9]{2}[A-Z0-9]{8}`),
	"CROATIA":        iban(`HR[0-9]{2}[0-9]{7}[0-9]{10}`),
	"CYPRUS":         iban(`CY[0-9]{10}[0-9A-Z]{16}`),
	"CZECH_REPUBLIC": iban(`CZ[0-9]{22}`),
	"DENMARK":        iban(`DK[0-9]{16}`),
	"ESTONIA":        iban(`EE[0-9]{18}`),
	"FINLAND":        iban(`FI[0-9]{16}`),
	"FRANCE":         iban(`FR[0-9]{12}[0-9A-Z]{11}[0-9]{2}`),
	"GERMANY":        iban(`DE[0-9]{20}`),
	"GREECE":         iban(`GR[0-9]{25}`),
	"HUNGARY":        iban(`HU[0-9]{26}`),
	"IBAN":           iban(`SE[0-9]{22}`), // of Sweden
	"IRELAND":        iban(`IE[0-9]{2}[A-Z]{4}[0-9]{14}`),
	"ITALY":          iban(`IT[0-9]{2}[A-Z][0-9]{10}[0-9A-Z]{12}`),
	"LATVIA":         iban(`LV[0-9]{2}[A-Z]{4}[0-9A-Z]{13}`),
	"LITHUANIA":      iban(`LT[0-9]{18}`),
	"LUXEMBOURG":     iban(`LU[0-9]{5}[0-9A-Z]{13}`), // the list has digits only; the country has letters (D21)
	"MALTA":          iban(`MT[0-9]{2}[A-Z]{4}[0-9]{5}[0-9A-Z]{18}`),
	"NETHERLANDS":    iban(`NL[0-9]{2}[A-Z]{4}[0-9]{10}`),
	"NORWAY":         iban(`NO[0-9]{13}`),
	"POLAND":         iban(`PL[0-9]{26}`),
	"PORTUGAL":       iban(`PT[0-9]{23}`),
	"ROMANIA":        iban(`RO[0-9]{2}[A-Z]{4}[0-9A-Z]{16}`),
	"SLOVAKIA":       iban(`SK[0-9]{22}`),
	"SLOVENIA":       iban(`SI56[0-9]{15}`),
	"SPAIN":          iban(`ES[0-9]{22}`),
	"SWEDEN":         {regexp.MustCompile(`^[0-9]{1,15}$`), regexp.MustCompile(`^[0-9]{4,5}$`)},
	"UNITED_KINGDOM": {regexp.MustCompile(`^[0-9]{8}$`), regexp.MustCompile(`^[0-9]{6}$`)},
}

// bankAccount is an account as a merchant or a payer writes it.
type bankAccount struct{ house, bank, number string }

// valid tells whether the number has the clearing house's form, and, of an
// IBAN, whether its check digits are right.
func (a bankAccount) valid() bool {
	h, ok := houses[a.house]
	if !ok || !h.number.MatchString(a.number) {
		return false
	}
	if h.bank == nil {
		return checked(a.number)
	}
	return h.bank.MatchString(a.bank)
}

// local is the bank number where it belongs to the account: an IBAN has it
// within.
func (a bankAccount) local() string {
	if houses[a.house].bank == nil {
		return ""
	}
	return a.bank
}

// checked tells whether the check digits of an IBAN are right: ISO 7064,
// modulo 97-10, over its letters as two digits each.
func checked(s string) bool {
	rest := 0
	for _, c := range []byte(s[4:] + s[:4]) {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}

// fromIBAN finds the clearing house of an IBAN.
func fromIBAN(s string) (bankAccount, bool) {
	for name := range houses {
		if a := (bankAccount{house: name, number: s}); houses[name].bank == nil && a.valid() {
			return a, true
		}
	}
	return bankAccount{}, false
}

// shownDigits is how much of an account number is shown, at its end.
const shownDigits = 6

// details are what may be shown of the account.
// docs/spec/trustly-eu.md#43-registeraccount--full.
func (a bankAccount) details() details {
	hidden := max(len(a.number)-shownDigits, 0)
	return details{House: a.house, Bank: a.bankName(), Descriptor: strings.Repeat("*", hidden) + a.number[hidden:]}
}

// swedishBanks are the larger banks of Sweden by the first of their clearing
// numbers; each goes on up to the next. "" is one that we do not name.
var swedishBanks = []struct{ from, name string }{
	{"0000", ""}, {"1100", "Nordea"}, {"1200", "Danske Bank"}, {"1400", "Nordea"}, {"2100", ""}, {"3000", "Nordea"},
	{"3400", "Länsförsäkringar Bank"}, {"3410", "Nordea"}, {"5000", "SEB"}, {"6000", "Handelsbanken"}, {"7000", "Swedbank"},
	{"9000", ""}, {"9020", "Länsförsäkringar Bank"}, {"9030", ""}, {"9150", "Skandiabanken"}, {"9170", ""}, {"9270", "ICA Banken"}, {"9280", ""},
}

// bankName is the account's bank, where the clearing number tells. (D21)
func (a bankAccount) bankName() string {
	name := ""
	if a.house == "SWEDEN" && len(a.bank) >= 4 {
		for _, b := range swedishBanks {
			if b.from <= a.bank[:4] {
				name = b.name
			}
		}
	}
	return name
}
