package trustly

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// Limits on what is read before anybody is known. (D8)
const (
	depthMax   = 32  // levels of nesting; the deepest documented message has four
	membersMax = 256 // of one object; the longest documented one has some thirty
)

// kind is what a JSON value is.
type kind uint8

const (
	null kind = iota
	text
	number
	boolean
	array
	object
)

// value is a JSON value that remembers how it was written, since signatures
// are made over that: numbers keep their source text, members their order.
// The zero value is null, and so is whatever is absent.
type value struct {
	kind    kind
	text    string   // of text the characters; of number and boolean the source
	members []member // of object, as received; of array, without names
}

type member struct {
	name  string
	value value
}

// str makes a text.
func str(s string) value { return value{kind: text, text: s} }

var byteOrderMark = []byte("\xef\xbb\xbf")

// parse reads one JSON value and nothing behind it. It refuses what a reader
// and a signer could understand differently: names that occur twice in an
// object, and bytes that are not UTF-8. A byte order mark is let through. (D8)
func parse(body []byte) (value, error) {
	body = bytes.TrimPrefix(body, byteOrderMark)
	if !utf8.Valid(body) || !json.Valid(body) {
		return value{}, errors.New("the body is not JSON in UTF-8")
	}
	r := reader{body}
	return r.value(r.next(), depthMax)
}

// reader goes through text that is known to be JSON: what stands between two
// tokens is looked at no more.
type reader struct{ rest []byte }

// next is the next token as it is written: a bracket, a text with its quotes,
// or a word.
func (r *reader) next() []byte {
	r.rest = bytes.TrimLeft(r.rest, between)
	n := 1
	switch r.rest[0] {
	case '{', '}', '[', ']':
	case '"':
		for ; r.rest[n] != '"'; n++ {
			if r.rest[n] == '\\' {
				n++
			}
		}
		n++
	default:
		if n = bytes.IndexAny(r.rest, between+"]}"); n < 0 {
			n = len(r.rest)
		}
	}
	token := r.rest[:n]
	r.rest = r.rest[n:]
	return token
}

// between is what stands between tokens, and says nothing that they do not.
const between = " \t\r\n,:"

func (r *reader) value(token []byte, depth int) (value, error) {
	switch token[0] {
	case '"':
		return str(unquote(token)), nil
	case 'n':
		return value{}, nil
	case 't', 'f':
		return value{kind: boolean, text: string(token)}, nil
	case '[', '{':
	default:
		return value{kind: number, text: string(token)}, nil
	}
	if depth == 0 {
		return value{}, errors.New("the body is nested too deeply")
	}
	if token[0] == '[' {
		return r.array(depth)
	}
	return r.object(depth)
}

// unquote is what a token says that is a text.
func unquote(token []byte) (s string) {
	if bytes.IndexByte(token, '\\') < 0 {
		return string(token[1 : len(token)-1])
	}
	_ = json.Unmarshal(token, &s) // it is a text
	return s
}

func (r *reader) array(depth int) (value, error) {
	v := value{kind: array}
	for token := r.next(); token[0] != ']'; token = r.next() {
		element, err := r.value(token, depth-1)
		if err != nil {
			return value{}, err
		}
		v.members = append(v.members, member{value: element})
	}
	return v, nil
}

func (r *reader) object(depth int) (value, error) {
	v := value{kind: object}
	for token := r.next(); token[0] != '}'; token = r.next() {
		name := unquote(token)
		if _, twice := v.member(name); twice {
			return value{}, errors.New("a name occurs twice in one object")
		}
		if len(v.members) == membersMax {
			return value{}, errors.New("an object has too many members")
		}
		m, err := r.value(r.next(), depth-1)
		if err != nil {
			return value{}, err
		}
		v.members = append(v.members, member{name, m})
	}
	return v, nil
}

func (v value) member(name string) (value, bool) {
	for _, m := range v.members {
		if m.name == name {
			return m.value, true
		}
	}
	return value{}, false
}

// get is a member by its name; null if there is none. Where the exact name is
// missing another spelling of it will do: official clients differ.
// docs/spec/trustly-eu.md#8-traps K1.
func (v value) get(name string) value {
	if v.kind != object {
		return value{}
	}
	if m, ok := v.member(name); ok {
		return m
	}
	for _, m := range v.members {
		if strings.EqualFold(m.name, name) {
			return m.value
		}
	}
	return value{}
}

// has tells whether the object has a member of this name, however spelled.
func (v value) has(name string) bool {
	for _, m := range v.members {
		if strings.EqualFold(m.name, name) {
			return true
		}
	}
	return false
}

// scalar is the text of a string or a number: ids and amounts come as either.
func (v value) scalar() (string, bool) { return v.text, v.kind == text || v.kind == number }

// appendJSON writes a value as compact JSON.
func appendJSON(dst []byte, v value) []byte {
	switch v.kind {
	case null:
		return append(dst, "null"...)
	case text:
		return appendQuoted(dst, v.text)
	case array, object:
		open, shut := byte('['), byte(']')
		if v.kind == object {
			open, shut = '{', '}'
		}
		dst = append(dst, open)
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			if v.kind == object {
				dst = append(appendQuoted(dst, m.name), ':')
			}
			dst = appendJSON(dst, m.value)
		}
		return append(dst, shut)
	}
	return append(dst, v.text...)
}

// appendQuoted writes a JSON string, and escapes no more than it must.
func appendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
