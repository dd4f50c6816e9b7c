// Package trustlyus speaks Trustly's API of the Americas: REST with Basic
// authentication, and events signed with the same key. It shares nothing with
// the European one but the name. What it must do is written down in
// docs/spec/trustly-us.md; where it had to choose, the choice has a number in
// docs/reference/dialects/trustlyus-divergences.md.
package trustlyus

import (
	"path"
	"strings"

	"remit/dialect"
)

// Name is the dialect's name.
const Name = "trustlyus"

// base is the path of the API. docs/spec/trustly-us.md#1-transport.
const base = "/api/v1"

// bodyBytesMax is the largest request that is read, in bytes.
const bodyBytesMax = 64 << 10

// Dialect is Trustly's API of the Americas. Its zero value is ready to use.
type Dialect struct{}

var _ dialect.Dialect = Dialect{}

// Name is the dialect's name.
func (Dialect) Name() string { return Name }

// Routes are all of the API's paths, those that it does not have too: the
// answer to them is the dialect's.
func (Dialect) Routes() []dialect.Route {
	return []dialect.Route{{Path: base + "/"}}
}

// BodyBytesMax is the largest request, in bytes.
func (Dialect) BodyBytesMax() int64 { return bodyBytesMax }

// Settings are the names of a merchant's settings: a function is the last word
// of its path.
func (Dialect) Settings() dialect.Names {
	n := dialect.Names{Config: []string{Name + "." + overBalance, Name + "." + failEvent, Name + "." + notificationURL, Name + "." + algorithm}}
	for where := range endpoints {
		if _, at, _ := strings.Cut(where, " "); path.Base(at) != "*" {
			n.Functions = append(n.Functions, path.Base(at))
		}
	}
	return n
}
