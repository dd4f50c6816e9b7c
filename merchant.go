package remit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credential says whose a principal is: the name by which a caller is known in
// a dialect.
type Credential struct {
	Dialect   string
	Principal string
	Merchant  MerchantID
	Sealed    Sealed    // digests of its secrets, and its public keys; "" once it has ended
	Created   time.Time // when it was issued
	Ended     time.Time // zero while it is good; its name stays the merchant's for ever
}

// Live tells whether the credential is good.
func (c Credential) Live() bool { return c.Ended.IsZero() }

// end is the credential when it is nobody's any more.
func (c Credential) end(at time.Time) Credential {
	c.Ended, c.Sealed = at, ""
	return c
}

// live are the credentials of a dialect that are good.
func (f Facts) live(dialect string) (list []Credential) {
	for _, c := range f.Credentials {
		if c.Dialect == dialect && c.Live() {
			list = append(list, c)
		}
	}
	return list
}

// principals names credentials.
func principals(list []Credential) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Principal
	}
	return strings.Join(names, ", ")
}

// evidenceEnd parts what the command's head says from what the decision adds
// to it, and the additions from each other.
const evidenceEnd = "; "

// EvidenceParts takes an event's evidence apart: where it came from, and what
// the decision wrote down.
func EvidenceParts(evidence string) (from string, facts []string) {
	parts := strings.Split(evidence, evidenceEnd)
	return parts[0], parts[1:]
}

// evidenceBytesMax is how long an evidence may become by what a decision adds.
const evidenceBytesMax = 4 << 10

// showing is the head with more evidence.
func (h Head) showing(facts ...string) Head {
	for _, text := range facts {
		if len(h.Evidence)+len(evidenceEnd)+len(text) > evidenceBytesMax {
			h.Evidence += evidenceEnd + "and more"
			break
		}
		h.Evidence += evidenceEnd + strings.ReplaceAll(text, evidenceEnd, ", ")
	}
	return h
}

// AddMerchant is a command that makes a merchant. It has no credentials yet.
type AddMerchant struct {
	Head
	Settings Settings
}

// Header is the command's head.
func (a AddMerchant) Header() Head { return a.Head }

// Needs is what the decision looks at.
func (a AddMerchant) Needs() Needs { return Needs{New: true, NoBooks: true} }

// Decide makes the merchant, unless there is one of that id.
func (a AddMerchant) Decide(f Facts) (Change, error) {
	switch {
	case !a.Merchant.Valid():
		return Change{}, Errorf(Invalid, "", "a merchant's id is 1 to %d of a-z and 0-9", merchantIDBytesMax)
	case !f.Merchant.Created.IsZero():
		return Change{}, Errorf(Conflict, "", "there is a merchant %q already", string(a.Merchant))
	}
	x := begin(f, a.showing(Settings{}.changes(a.Settings)...))
	x.c.Merchant.Settings, x.c.Merchant.Created = a.Settings.clone(), f.Now
	x.event("", KindCreated)
	return x.c, nil
}

// ChangeSettings is a command that changes a merchant's switches.
type ChangeSettings struct {
	Head
	Change func(*Settings) // pure
}

// Header is the command's head.
func (c ChangeSettings) Header() Head { return c.Head }

// Needs is what the decision looks at.
func (c ChangeSettings) Needs() Needs { return Needs{NoBooks: true} }

// Decide writes the settings anew, and what became of which in the event's
// evidence. Settings that stay as they are write nothing.
func (c ChangeSettings) Decide(f Facts) (Change, error) {
	next := f.Merchant.Settings.clone()
	c.Change(&next)
	changes := f.Merchant.Settings.changes(next)
	x := begin(f, c.showing(changes...))
	if len(changes) == 0 {
		return x.c, nil
	}
	x.c.Merchant.Settings = next
	x.event("", KindSettings)
	return x.c, nil
}

// IssueCredentials is a command that keeps a merchant's new credentials for a
// dialect. What it had there before ends.
type IssueCredentials struct {
	Head
	Dialect     string
	Credentials []Credential // one for each of its names, the first first
}

// Header is the command's head.
func (i IssueCredentials) Header() Head { return i.Head }

// Needs is what the decision looks at.
func (i IssueCredentials) Needs() Needs { return Needs{Credentials: true, NoBooks: true} }

// Decide keeps the new ones, and ends the others.
func (i IssueCredentials) Decide(f Facts) (Change, error) {
	if len(i.Credentials) == 0 {
		return Change{}, Errorf(Invalid, "", "there are no credentials")
	}
	facts := []string{i.Dialect + ": known as " + principals(i.Credentials)}
	var c []Credential
	for _, old := range f.live(i.Dialect) {
		if !slices.ContainsFunc(i.Credentials, func(n Credential) bool { return n.Principal == old.Principal }) {
			c = append(c, old.end(f.Now))
		}
	}
	if len(f.live(i.Dialect)) > 0 {
		facts = append(facts, "those before ended")
	}
	for _, n := range i.Credentials {
		n.Dialect, n.Merchant, n.Created, n.Ended = i.Dialect, i.Merchant, f.Now, time.Time{}
		c = append(c, n)
	}
	x := begin(f, i.showing(facts...))
	x.event("", KindIssued)
	x.c.Credentials = c
	return x.c, nil
}

// RevokeCredentials is a command that ends what a merchant has in a dialect.
type RevokeCredentials struct {
	Head
	Dialect string
}

// Header is the command's head.
func (r RevokeCredentials) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r RevokeCredentials) Needs() Needs { return Needs{Credentials: true, NoBooks: true} }

// Decide ends them.
func (r RevokeCredentials) Decide(f Facts) (Change, error) {
	live := f.live(r.Dialect)
	if len(live) == 0 {
		return Change{}, Errorf(NotFound, "", "the merchant has no credentials for %s", r.Dialect)
	}
	x := begin(f, r.showing(r.Dialect+": known as "+principals(live)))
	x.event("", KindRevoked)
	for _, c := range live {
		x.c.Credentials = append(x.c.Credentials, c.end(f.Now))
	}
	return x.c, nil
}

// ReplaceKey is a command that replaces one of a merchant's own public keys.
// The rest of its credentials stays.
type ReplaceKey struct {
	Head
	Dialect     string
	Name        string       // of the key
	Fingerprint string       // of the new one: SHA-256 of its DER, in hex
	Had, Have   []Credential // those that are good, as they were read and as they are to be
}

// Header is the command's head.
func (r ReplaceKey) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r ReplaceKey) Needs() Needs { return Needs{Credentials: true, NoBooks: true} }

// Decide writes the credentials anew, if nobody else has meanwhile.
func (r ReplaceKey) Decide(f Facts) (Change, error) {
	if !slices.Equal(f.live(r.Dialect), r.Had) {
		return Change{}, Errorf(Conflict, "", "the merchant's credentials for %s have changed meanwhile", r.Dialect)
	}
	x := begin(f, r.showing(r.Dialect+": public key "+r.Name, "fingerprint "+r.Fingerprint))
	x.event("", KindKeyReplaced)
	x.c.Credentials = r.Have
	return x.c, nil
}

// RecordCheck is a command that writes down that an operator had the books
// checked, and what came of it.
type RecordCheck struct {
	Head
	Faults, Events int
}

// Header is the command's head.
func (r RecordCheck) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r RecordCheck) Needs() Needs { return Needs{NoBooks: true} }

// Decide writes the event.
func (r RecordCheck) Decide(f Facts) (Change, error) {
	result := "the books hold"
	if r.Faults > 0 {
		result = strconv.Itoa(r.Faults) + " faults"
	}
	x := begin(f, r.showing(result, strconv.Itoa(r.Events)+" events"))
	x.event("", KindChecked)
	return x.c, nil
}

// Words of settings, as events and people write them.
const (
	wordNone   = "–"
	wordAny    = "any"
	wordNobody = "none"
	wordOff    = "off"
)

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// words are the settings by name, in words. End users are left out: they are
// persons.
func (s Settings) words() map[string]string {
	addresses := strings.Join(s.IPAllow, ", ")
	if s.IPAllow == nil {
		addresses = wordAny
	}
	w := map[string]string{
		"name": cmp.Or(s.Name, wordNone), "disabled": either(s.Disabled, "yes", "no"), "send window": s.SendWindow().String(),
		"addresses": cmp.Or(addresses, wordNobody), "shield": cmp.Or(string(s.Shield), wordOff), "shield window": s.ShieldWindow().String(),
	}
	for name, on := range s.Functions {
		w["function "+name] = either(on, "allowed", "forbidden")
	}
	for name, on := range s.Switches {
		w["switch "+name] = either(on, "on", "off")
	}
	for name, is := range s.KeysWithdrawn {
		w["public keys of "+name] = either(is, "withdrawn", "in use")
	}
	for name, value := range s.Config {
		w["setting "+name] = cmp.Or(value, wordNone)
	}
	return w
}

// unsaid is what the word of a setting is that nobody has set.
func unsaid(name string) string {
	for prefix, word := range map[string]string{"function ": "allowed", "switch ": "off", "public keys ": "in use", "setting ": wordNone} {
		if strings.HasPrefix(name, prefix) {
			return word
		}
	}
	return wordNone
}

// changes says what is different in other settings: "disabled: no → yes".
func (s Settings) changes(to Settings) (all []string) {
	was, is := s.words(), to.words()
	names := slices.Concat(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		before, after := cmp.Or(was[name], unsaid(name)), cmp.Or(is[name], unsaid(name))
		if before != after {
			all = append(all, name+": "+brief(before)+" → "+brief(after))
		}
	}
	if !slices.Equal(s.EndUsersBlocked, to.EndUsersBlocked) {
		all = append(all, fmt.Sprintf("blocked end users: %d → %d", len(s.EndUsersBlocked), len(to.EndUsersBlocked)))
	}
	return all
}

// valueMax is how much of a value is written down, in bytes.
const valueMax = 120

// brief cuts a value that would fill the page.
func brief(value string) string {
	if len(value) <= valueMax {
		return value
	}
	return strings.ToValidUTF8(value[:valueMax], "") + "…"
}
