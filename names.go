package remit

import "regexp"

// Name is what something is called towards a merchant. The scope "" holds the
// one name that is unique within the merchant; other scopes hold further names
// of payments, which may be shared: an order number, a payer.
type Name struct {
	Scope string `json:"s,omitempty"`
	Text  string `json:"t"`
}

// Naming is the form of a name that we give ourselves.
type Naming string

// The forms.
const (
	Unnamed    Naming = ""            // it gets no name of its own
	Number     Naming = "number"      // ten digits, from the merchant's counter
	LongNumber Naming = "long_number" // twelve digits: "10" and a Number
	UUID       Naming = "uuid"        // a UUID of version 4, made from the command's id
	Token      Naming = "token"       // 36 of [0-9A-Za-z], made from the command's id
	Same       Naming = "same"        // of a further name: the ExternalID once more, in a scope that others share
)

// forms are what a name may look like that somebody else gave: other systems
// number with fewer or more digits than we do.
var forms = map[Naming]*regexp.Regexp{
	Number:     regexp.MustCompile(`^[1-9][0-9]{0,18}$`),
	LongNumber: regexp.MustCompile(`^[1-9][0-9]{0,18}$`),
	UUID:       regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`),
	Token:      regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`),
}

// Fits tells whether a name has this form.
func (n Naming) Fits(name string) bool { return forms[n] != nil && forms[n].MatchString(name) }

// NewName asks for a name to be given.
type NewName struct {
	Scope  string
	Naming Naming
}

// name gives the next name of a form.
func (d *draft) name(n Naming) string {
	switch n {
	case Unnamed:
		return ""
	case Number:
		return d.number()
	case LongNumber:
		return "10" + d.number()
	}
	d.names++
	return d.f.Mint(n, d.names)
}

// Portion is a share of a payment that has a cap of its own: a VAT rate, an
// item. Amounts are in minor units.
type Portion struct {
	Name          string `json:"n"`
	Minor         int64  `json:"m"`
	RefundedMinor int64  `json:"r,omitempty"` // of a payment's portion
}

// takePortions sets a refund's portions against the payment's, or says which
// has less left. Portions of one name are added up; together they are what the
// refund is of, where it names any.
func takePortions(have, take []Portion, minor int64) ([]Portion, *Error) {
	if len(take) == 0 {
		return have, nil
	}
	for _, t := range take {
		if minor -= t.Minor; t.Minor <= 0 || minor < 0 {
			return nil, Errorf(Invalid, ReasonPortion, "the portions are not above zero, or not what the refund is of")
		}
	}
	if minor != 0 {
		return nil, Errorf(Invalid, ReasonPortion, "the portions are less than the refund")
	}
	left := append([]Portion(nil), have...)
	for _, t := range take {
		found := false
		for i := range left {
			if left[i].Name == t.Name {
				left[i].RefundedMinor += t.Minor
				found = true
			}
		}
		if !found {
			return nil, Errorf(Exceeds, ReasonPortion, "the payment has no such portion")
		}
	}
	for _, p := range left {
		if p.RefundedMinor > max(p.Minor, 0) { // nothing of one below zero, which is a discount
			return nil, Errorf(Exceeds, ReasonPortion, "a portion of the payment has less than this left to refund")
		}
	}
	return left, nil
}

// givePortions is the inverse of takePortions.
func givePortions(have, give []Portion) []Portion {
	back := append([]Portion(nil), have...)
	for _, g := range give {
		for i := range back {
			if back[i].Name == g.Name {
				back[i].RefundedMinor -= g.Minor
			}
		}
	}
	return back
}
