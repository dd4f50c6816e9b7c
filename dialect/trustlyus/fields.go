package trustlyus

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/url"

	"remit"
)

// What can be wrong with a body. All of it is told in the same words.
var (
	errTwice    = errors.New("a name is there twice")
	errNoObject = errors.New("it is no JSON object")
	errBehind   = errors.New("there is something behind the JSON object")
	errDeep     = errors.New("its objects are nested too deep")
)

// field is one value of a body: a text, or what JSON has beside it.
type field struct {
	text  string
	null  bool
	falsy bool // JavaScript would take it for false
	odd   bool // an array, or an object within one: nothing that we read
}

// fields are a body's values by their names, those within objects with dots:
// customer.address.zip. docs/spec/trustly-us.md#1-transport.
type fields map[string]field

// has tells whether a field is there and holds something. In a form an empty
// value is how some clients send one that is not there.
func (f fields) has(name string) bool {
	v, ok := f[name]
	return ok && !v.null && v.text != ""
}

func (f fields) text(name string) string { return f[name].text }

// readFields reads a body. None is one without fields. A type that we cannot
// read is refused rather than ignored: without its amount a refund would give
// back everything. docs/spec/trustly-us.md#11-traps-what-clients-send-read-or-choke-on T3.
func readFields(contentType string, body []byte) (fields, *remit.Error) {
	if len(body) == 0 {
		return fields{}, nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	var f fields
	switch {
	case err == nil && kind == "application/json":
		f, err = jsonFields(body)
	case err == nil && kind == "application/x-www-form-urlencoded":
		f, err = formFields(body)
	default:
		return nil, remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "Unsupported content type")
	}
	if err != nil {
		return nil, remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "Invalid request body")
	}
	return f, nil
}

// formFields reads a form. A name that comes twice is refused: nobody can say
// which of the two is meant.
func formFields(body []byte) (fields, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	f := fields{}
	for name, all := range values {
		if len(all) > 1 {
			return nil, errTwice
		}
		f[name] = field{text: all[0], falsy: all[0] == ""}
	}
	return f, nil
}

// jsonFields reads a JSON object.
func jsonFields(body []byte) (fields, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNoObject
	}
	f := fields{}
	if err := f.members(d, "", 0); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errBehind
	}
	return f, nil
}

// members reads an object of which the brace has been read.
func (f fields) members(d *json.Decoder, prefix string, depth int) error {
	if depth > depthMax {
		return errDeep
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string) // the decoder lets nothing else through
		name := prefix + key
		if _, twice := f[name]; twice {
			return errTwice
		}
		value, err := d.Token()
		if err != nil {
			return err
		}
		if value == json.Delim('{') {
			err = f.members(d, name+".", depth+1)
		} else {
			f[name], err = fieldOf(d, value)
		}
		if err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func fieldOf(d *json.Decoder, t json.Token) (field, error) {
	switch v := t.(type) {
	case nil:
		return field{null: true, falsy: true}, nil
	case bool:
		if v {
			return field{text: "true"}, nil
		}
		return field{text: "false", falsy: true}, nil
	case json.Number:
		n, err := v.Float64()
		return field{text: v.String(), falsy: n == 0}, err
	case string:
		return field{text: v, falsy: v == ""}, nil
	}
	return field{odd: true}, skipArray(d)
}

// skipArray reads an array, of which the bracket has been read, to its end.
func skipArray(d *json.Decoder) error {
	for open := 1; open > 0; {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			open++
		case json.Delim(']'), json.Delim('}'):
			open--
		}
	}
	return nil
}
