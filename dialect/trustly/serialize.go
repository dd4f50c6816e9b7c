package trustly

import (
	"slices"
	"strings"
)

// order compares two names of members.
type order func(a, b string) int

// bytewise is the documented order, in which we always sign.
func bytewise(a, b string) int { return strings.Compare(a, b) }

// caseless is the order of the JavaScript and .NET clients: letters before
// their case, and lower case first where nothing else differs.
func caseless(a, b string) int {
	if c := strings.Compare(strings.ToLower(a), strings.ToLower(b)); c != 0 {
		return c
	}
	return strings.Compare(b, a)
}

// serialize appends the text of a value that signatures are made over: names
// and values one after another, without anything between them. Null is
// nothing, but its name is written. docs/spec/trustly-eu.md#33-serializevalue.
func serialize(dst []byte, v value, o order) []byte {
	members := v.members
	if v.kind == object {
		byName := func(a, b member) int { return o(a.name, b.name) }
		if !slices.IsSortedFunc(members, byName) {
			members = slices.Clone(members)
			slices.SortFunc(members, byName)
		}
	}
	for _, m := range members {
		dst = serialize(append(dst, m.name...), m.value, o)
	}
	return append(dst, v.text...)
}
