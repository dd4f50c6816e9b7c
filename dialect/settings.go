package dialect

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"remit"
	"remit/money"
)

// Names are those that a merchant's settings can have because of a dialect.
type Names struct {
	Functions []string // that a merchant can be kept from calling
	Switches  []string
	Config    []string // "dialect.name"; one that ends in a point goes on with a currency
}

// Misnamed is what is wrong with the names in some settings: a function, a
// switch or a setting that no dialect has would do nothing, in silence.
func Misnamed(all iter.Seq[Dialect], s remit.Settings) error {
	var there Names
	for d := range all {
		n := d.Settings()
		there.Functions = append(there.Functions, n.Functions...)
		there.Switches = append(there.Switches, n.Switches...)
		there.Config = append(there.Config, n.Config...)
	}
	for _, x := range []struct {
		what         string
		given, there []string
	}{
		{"function", slices.Sorted(maps.Keys(s.Functions)), there.Functions},
		{"switch", slices.Sorted(maps.Keys(s.Switches)), there.Switches},
		{"setting", slices.Sorted(maps.Keys(s.Config)), there.Config},
	} {
		for _, name := range x.given {
			if !slices.ContainsFunc(x.there, func(known string) bool { return fits(name, known) }) {
				slices.Sort(x.there)
				return remit.Errorf(remit.Invalid, "", "no API has a %s %.80q; there are %s", x.what, name, strings.Join(slices.Compact(x.there), ", "))
			}
		}
	}
	return nil
}

// fits tells whether a name is a known one.
func fits(name, known string) bool {
	currency, ok := strings.CutPrefix(name, known)
	if !ok || !strings.HasSuffix(known, ".") {
		return name == known
	}
	_, there := money.Currency(currency).Digits()
	return there
}
