package truelayer

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"remit"
)

// object is a JSON object as it came, with the path at which it stands. A
// member that is null is one that is not there: a client in use sends null for
// what it does not set. docs/spec/truelayer.md#12-formats.
//
// Names are compared exactly. What is read wrongly is collected in faults.
type object struct {
	path    string
	members map[string]json.RawMessage
	faults  *[]*remit.Error
}

// readBody reads the request's body, which must be an object.
func (c *call) readBody() object {
	o := object{faults: &[]*remit.Error{}}
	if !utf8.Valid(c.r.Body) || !o.read(c.r.Body) {
		o.fault(remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "The request body is not a JSON object."))
	}
	c.body = o
	return o
}

// read takes an object apart, and says whether it is one. A name that stands
// twice is a fault: nobody can say which of the two was meant. (D2)
func (o *object) read(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, _ := t.(string) // the decoder lets nothing else through
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return false
		}
		if _, twice := members[name]; twice {
			o.fault(field(o.at(name), "Value is given twice."))
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return false
	}
	if _, err := d.Token(); err != io.EOF {
		return false // something stands behind it
	}
	o.members = members
	return true
}

func (o object) fault(e *remit.Error) { *o.faults = append(*o.faults, e) }

// first is the first thing that was wrong.
func (o object) first() error {
	if len(*o.faults) > 0 {
		return (*o.faults)[0]
	}
	return nil
}

// attach gives what was wrong to a command.
func (o object) attach(s remit.Stage) (all []remit.Fault) {
	for _, e := range *o.faults {
		all = append(all, remit.Fault{Stage: s, Err: e})
	}
	return all
}

func (o object) at(name string) string { return strings.TrimPrefix(o.path+"."+name, ".") }

func (o object) has(name string) bool {
	raw, ok := o.members[name]
	return ok && string(raw) != "null"
}

// required says that a member must be there.
func (o object) required(name string) { o.fault(field(o.at(name), "Value is required.")) }

// within is a member that is an object; an empty one if it is not there.
func (o object) within(name string) object {
	in := object{path: o.at(name), faults: o.faults}
	if o.has(name) && !in.read(o.members[name]) {
		o.fault(field(in.path, "Value must be an object."))
	}
	return in
}

// text is a member that is a text, not longer than textMax characters, and
// without control characters.
func (o object) text(name string) string {
	const textMax = 2_000
	var s string
	switch {
	case !o.has(name):
		return ""
	case unquote(o.members[name], &s) != nil:
		o.fault(field(o.at(name), "Value must be a string."))
	case utf8.RuneCountInString(s) > textMax || strings.IndexFunc(s, unicode.IsControl) >= 0:
		o.fault(field(o.at(name), "Value must have at most %d characters, and no control characters.", textMax))
	}
	return s
}

// name is a text by which something is found again. (D2)
func (o object) name(name string) string {
	s := o.text(name)
	if utf8.RuneCountInString(s) > nameMax {
		o.fault(field(o.at(name), "Value must have at most %d characters.", nameMax))
	}
	return s
}

// unquote reads a JSON string. Of one that is all visible ASCII without an
// escape, as nearly all are, it is what stands between the quotes.
func unquote(raw json.RawMessage, into *string) error {
	if len(raw) >= 2 && raw[0] == '"' && !bytes.ContainsFunc(raw[1:len(raw)-1], func(r rune) bool { return r < ' ' || r > '~' || r == '\\' }) {
		*into = string(raw[1 : len(raw)-1])
		return nil
	}
	return json.Unmarshal(raw, into)
}

// needed is a text that must be there, and not be empty.
func (o object) needed(name string) string {
	s := o.text(name)
	if s == "" {
		o.required(name)
	}
	return s
}

// minor is an amount: a whole number, in minor units. A number in any other
// spelling is none. given says whether it is there at all.
func (o object) minor(name string) (n int64, given bool) {
	if !o.has(name) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(o.members[name]), 10, 64)
	if err != nil {
		o.fault(field(o.at(name), "Value must be a whole number of minor units."))
	}
	return n, true
}

// pairs are a member that maps texts to texts.
// docs/spec/truelayer.md#62-post-v3paymentspayment_idrefunds.
func (o object) pairs(name string) map[string]string {
	if !o.has(name) || string(o.members[name]) == "[]" { // as PHP writes an empty map
		return nil
	}
	in := object{path: o.at(name), faults: o.faults}
	whole, m := in.read(o.members[name]), map[string]string{}
	for k, raw := range in.members {
		var v string
		whole = whole && in.has(k) && unquote(raw, &v) == nil
		m[k] = v
	}
	if !whole {
		o.fault(field(o.at(name), "Value must map strings to strings."))
		return nil
	}
	if len(m) > metadataPairsMax {
		o.fault(field(o.at(name), "Value must have at most %d members.", metadataPairsMax))
	}
	for k, v := range m {
		if utf8.RuneCountInString(k) > metadataKeyMax || utf8.RuneCountInString(v) > metadataValueMax {
			o.fault(field(o.at(name), "A key has at most %d characters, and a value %d.", metadataKeyMax, metadataValueMax))
			break
		}
	}
	return m
}

// raw is a member as it came; nil if it is not there.
func (o object) raw(name string) json.RawMessage {
	if !o.has(name) {
		return nil
	}
	return o.members[name]
}
