package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"time"

	"remit"
)

// object is a JSON object of which each member must be asked for. It keeps
// the first thing that is wrong with it.
type object struct {
	members map[string]json.RawMessage
	err     error
}

func invalid(format string, args ...any) error {
	return remit.Errorf(remit.Invalid, "", format, args...)
}

// read takes an object apart. A name that comes twice is a fault, and so is
// anything behind the object.
func read(text []byte) *object {
	o := &object{members: map[string]json.RawMessage{}}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		o.fail("a JSON object is expected")
		return o
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			o.fail("the JSON cannot be read: %v", err)
			return o
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			o.fail("the JSON cannot be read: %v", err)
			return o
		}
		key, _ := name.(string) // the decoder lets nothing else through
		if _, twice := o.members[key]; twice {
			o.fail("%s is given twice", key)
		}
		o.members[key] = value
	}
	if _, err := d.Token(); err != nil {
		o.fail("the JSON cannot be read: %v", err)
	} else if _, err := d.Token(); err != io.EOF {
		o.fail("there is something behind the JSON object")
	}
	return o
}

func (o *object) fail(format string, args ...any) {
	if o.err == nil {
		o.err = invalid(format, args...)
	}
}

// raw takes a member out, whatever it is. False means that it is absent.
func (o *object) raw(name string) (json.RawMessage, bool) {
	v, ok := o.members[name]
	delete(o.members, name)
	return v, ok
}

func isNull(v json.RawMessage) bool { return string(v) == "null" }

// take takes a member out. False means that it is absent, or not what is
// expected; null never is.
func take[T any](o *object, name, what string, into *T) bool {
	v, ok := o.raw(name)
	if !ok {
		return false
	}
	var t T
	if isNull(v) || json.Unmarshal(v, &t) != nil {
		o.fail("%s must be %s", name, what)
		return false
	}
	*into = t
	return true
}

func (o *object) text(name string, into *string) bool { return take(o, name, "a text", into) }

// duration takes a time such as "72h" out, of at least zero.
func (o *object) duration(name string, into *time.Duration) bool {
	var text string
	if !o.text(name, &text) {
		return false
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		o.fail("%s must be a time such as \"72h\" or \"1.5s\", not below zero", name)
		return false
	}
	*into = d
	return true
}

// within takes an object out.
func (o *object) within(name string) (*object, bool) {
	v, ok := o.raw(name)
	if !ok {
		return nil, false
	}
	in := read(v)
	if in.err != nil {
		o.fail("%s: %s", name, remit.AsError(in.err).Detail)
	}
	return in, true
}

// done is what is wrong with the object: a member that nobody asked for too.
func (o *object) done() error {
	if o.err == nil && len(o.members) > 0 {
		o.fail("there is no member %q", slices.Sorted(maps.Keys(o.members))[0])
	}
	return o.err
}
