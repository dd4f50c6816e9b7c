package requestlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"remit/dialect"
)

// Limits of what is kept of one request, in bytes.
const (
	bodyBytesMax   = 8 << 10 // of a masked body
	headerBytesMax = 512     // of a header's value
	pathBytesMax   = 512     // of the path with its query
	nameBytesMax   = 64      // of a name that can be private
)

// hidden stands where something was.
const hidden = "•••"

// What stays of a value that is hidden.
const (
	lastDigits       = 4  // of an account number …
	accountShortest  = 8  // … if it has as many characters as this
	signatureStays   = 12 // characters of a signature …
	signatureShorter = 40 // … unless it is shorter than this
)

// kind is how private a value is. Of two that a value has, the higher counts.
type kind uint8

const (
	open kind = iota
	signature
	personal
	account
	secret
)

// everyHeader are the headers that are kept in every dialect.
var everyHeader = []string{"Content-Type", "User-Agent", "Idempotency-Key"}

// everySecret are names under which secrets are sent by those who take one API
// for another.
var everySecret = []string{"password", "secret", "token", "authorization", "assertion", "client_secret", "client_assertion", "access_key", "api_key", "private_key"}

// Masker hides what is private in the requests of one dialect. It is safe for
// concurrent use.
type Masker struct {
	kinds   map[string]kind // by the plain name
	headers []string
}

// NewMasker makes a masker.
func NewMasker(p dialect.Private) *Masker {
	m := &Masker{kinds: map[string]kind{}}
	for _, n := range everySecret {
		m.kinds[plainName(n)] = secret
	}
	for k, names := range map[kind][]string{signature: p.Signatures, personal: p.Personal, account: p.Accounts, secret: p.Secrets} {
		for _, n := range names {
			n = plainName(n)
			m.kinds[n] = max(m.kinds[n], k)
		}
	}
	for _, name := range append(everyHeader[:len(everyHeader):len(everyHeader)], p.Headers...) {
		m.headers = append(m.headers, textproto.CanonicalMIMEHeaderKey(name))
	}
	return m
}

// kindOf is how private a value of a name is. Of a name in parts, such as
// customer[email], each part counts. Who takes client_secret for clientSecret,
// or for Client-Secret, has written a secret all the same.
func (m *Masker) kindOf(name string) (k kind) {
	var small [nameBytesMax]byte
	n := 0
	for i := 0; i <= len(name); i++ {
		if i == len(name) || strings.IndexByte("[].", name[i]) >= 0 {
			k, n = max(k, m.kinds[string(small[:n])]), 0
			continue
		}
		c := name[i]
		if n == len(small) || c >= utf8.RuneSelf {
			return max(k, m.kindOfOdd(name))
		}
		if separates(c) {
			continue
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		small[n] = c
		n++
	}
	return k
}

// kindOfOdd is for names that are longer than any that is private, or not in
// ASCII: a part of them may be private.
func (m *Masker) kindOfOdd(name string) (k kind) {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '[' || r == ']' || r == '.' }) {
		k = max(k, m.kinds[plainName(part)])
	}
	return k
}

// plainName is a name in small letters, without what separates its words. What
// encoding/json takes for a letter of ASCII is that one.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'ſ':
			return 's'
		case r < utf8.RuneSelf && separates(byte(r)):
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

func separates(c byte) bool { return c == '_' || c == '-' || c == ' ' }

// Accounts is a text that people wrote, with each account number in it masked
// however they wrote it.
func Accounts(text string) string { return string(hide(nil, text, open)) }

// Request writes a request down as HTTP has it, masked: what the log keeps.
func (m *Masker) Request(r dialect.Request) string {
	var b strings.Builder
	b.Grow(len(r.Body) + pathBytesMax)
	b.WriteString(r.Method + " " + cut(m.place(r), pathBytesMax) + "\n")
	for _, name := range m.headers {
		for _, v := range r.Header[name] {
			b.WriteString(name + ": " + oneLine(m.header(name, v)) + "\n")
		}
	}
	b.WriteByte('\n')
	b.WriteString(m.Body(r.Header, r.Body, r.TooLarge))
	return b.String()
}

func (m *Masker) header(name, value string) string {
	return cut(string(hide(nil, value, m.kindOf(name))), headerBytesMax)
}

// place is the path with its query. A query that is none is not shown.
func (m *Masker) place(r dialect.Request) string {
	path := r.Path
	if plain, err := url.PathUnescape(path); err == nil && !shown(plain) {
		path = plain // so that what is to be hidden is not written in escapes
	}
	path = oneLine(string(hide(nil, path, open)))
	if r.Query == "" {
		return path
	}
	query, ok := m.form(nil, r.Query)
	if !ok {
		return path + "?" + hidden
	}
	return path + "?" + oneLine(string(query))
}

// oneLine is a text without what would end its line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError {
			return '·'
		}
		return r
	}, text)
}

// cut shortens a text, and says so.
func cut(text string, bytesMax int) string {
	if len(text) <= bytesMax {
		return text
	}
	whole := len(text)
	for text = text[:bytesMax]; !utf8.ValidString(text); {
		text = text[:len(text)-1]
	}
	return fmt.Sprintf("%s… (cut here: %d bytes in all)", text, whole)
}

// Body masks a body: JSON whatever its type says, and a form that is said to be
// one. Of any other nothing is shown but its length: where a secret ends in it
// nobody can tell.
func (m *Masker) Body(h http.Header, body []byte, tooLarge bool) string {
	switch {
	case tooLarge:
		return fmt.Sprintf("(not shown: larger than the %d bytes that are read)", len(body))
	case len(body) == 0:
		return ""
	case !utf8.Valid(body):
		return fmt.Sprintf("(not shown: %d bytes that are no text)", len(body))
	}
	if json.Valid(bytes.TrimPrefix(body, byteOrderMark)) {
		return cut(string(m.json(string(body))), bodyBytesMax)
	}
	if strings.HasPrefix(h.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if form, ok := m.form(nil, string(body)); ok {
			return cut(string(form), bodyBytesMax)
		}
		return fmt.Sprintf("(not shown: %d bytes that are neither a form nor JSON)", len(body))
	}
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(body, new(json.RawMessage)), &syntax) {
		return fmt.Sprintf("(not shown: %d bytes that are no JSON, from byte %d on)", len(body), syntax.Offset)
	}
	return fmt.Sprintf("(not shown: %d bytes that are no JSON)", len(body))
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// level is an object or an array of JSON that has begun.
type level struct {
	object, named bool // named says that the next text is a value
	kind          kind // of all that stands in it
	value         kind // of the value of the last name
}

// json masks valid JSON in one pass. Spaces, order and names stay.
func (m *Masker) json(in string) []byte {
	out := make([]byte, 0, len(in)+len(hidden))
	stack := make([]level, 1, 8)
	for i := 0; i < len(in); {
		top := &stack[len(stack)-1]
		now := top.kind
		if top.object {
			now = max(now, top.value)
		}
		switch c := in[i]; {
		case c == '{' || c == '[':
			stack = append(stack, level{object: c == '{', kind: now})
		case c == '}' || c == ']':
			stack = stack[:len(stack)-1]
		case c == ',':
			top.named = false
		case c == '"':
			end := textEnd(in, i)
			if top.object && !top.named {
				top.named, top.value = true, m.kindOf(unquoted(in[i:end]))
				now = open
			}
			out = append(out, '"')
			out = hideQuoted(out, in[i:end], now)
			out = append(out, '"')
			i = end
			continue
		case now != open && (c == '-' || ('0' <= c && c <= '9')):
			for i < len(in) && strings.IndexByte("+-.eE0123456789", in[i]) >= 0 {
				i++
			}
			out = append(out, `"`+hidden+`"`...)
			continue
		}
		out = append(out, in[i])
		i++
	}
	return out
}

// textEnd is where a text of JSON ends that begins at i.
func textEnd(in string, i int) int {
	for i++; in[i] != '"'; i++ {
		if in[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// unquoted reads a text of JSON.
func unquoted(quoted string) string {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal([]byte(quoted), &s) // the whole is valid
	return s
}

// hideQuoted hides what stands between the quotes of a text of JSON. What is
// written with escapes is shown whole or not at all.
func hideQuoted(out []byte, quoted string, k kind) []byte {
	inner := quoted[1 : len(quoted)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return hide(out, inner, k)
	}
	if plain := unquoted(quoted); k == open && shown(plain) {
		return append(out, inner...)
	}
	return append(out, hidden...)
}

// shown tells whether an open value is shown as it is.
func shown(v string) bool { return string(hide(nil, v, open)) == v }

// nested tells whether a text looks as if it held others with names of their
// own, such as JSON within JSON.
func nested(v string) bool {
	v = strings.TrimLeft(v, " \t\r\n\ufeff")
	return v != "" && strings.IndexByte(`{["`, v[0]) >= 0
}

// hide hides a value.
func hide(out []byte, v string, k kind) []byte {
	if v == "" {
		return out
	}
	switch k {
	case open:
		if nested(v) {
			break
		}
		return hideAccounts(out, v)
	case signature:
		if len(v) >= signatureShorter && ascii(v[:signatureStays]) {
			out = append(out, v[:signatureStays]...)
		}
		return append(out, hidden...)
	case personal:
		if first, n := utf8.DecodeRuneInString(v); n < len(v) && first != utf8.RuneError {
			out = append(out, v[:n]...)
		}
		return append(out, hidden...)
	case account:
		out = append(out, hidden...)
		if len(v) >= accountShortest && ascii(v) {
			out = append(out, v[len(v)-lastDigits:]...)
		}
		return out
	}
	return append(out, hidden...)
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// The parts of an IBAN: two letters, two digits, and 10 to 30 letters and digits.
const (
	ibanShortest = 14
	ibanLongest  = 34
	ibanCountry  = 2
	ibanHead     = 4 // the country with the check digits
	ibanPartsMax = 3 // separators between two characters, where people part them
)

// How long the IBANs of each country are, after the registry of ISO 13616:
// those that have no letter but the country's, and the others.
const (
	ibansOfDigits = "AE23AT20BA20BE16BI27CR22CZ24DE22DJ27DK18EE20EG29ES24FI18FO18GL18HR21HU28IL23IS26LT20LY25ME22MN20MR27NO15" +
		"PL28PT25RS22SD18SE24SI19SK24SO23ST25TL23TN24VA22XK20"
	ibansOfBoth = "AD24AL28AZ28BG22BH22BR29BY28CH21CY28DO28FK18FR27GB22GE22GI23GR27GT28HN28IE22IQ23IT27JO30KW30KZ20LB28LC32LI21LU20" +
		"LV21MC27MD24MK19MT31MU30NI28NL18OM23PK24PS29QA29RO24RU33SA24SC31SM27SV28TR26UA29VG24YE30"
)

// hideAccounts hides what looks like an IBAN, wherever it stands in a text: a
// word in capitals that has the shape of one, whatever its check digits are; and
// one in any letters, parted or not, that has its country's length and right
// check digits.
func hideAccounts(out []byte, v string) []byte {
	shown := 0 // what stands before it is in out
	for i := 0; i+ibanShortest <= len(v); {
		end := i
		for end < len(v) && alphanumeric(v[end]) {
			end++
		}
		last, parted := partedIBAN(v, i)
		switch {
		case parted > 0:
			end = parted
		case iban(v[i:end]):
			last = v[end-lastDigits : end]
		default:
			i = end + 1
			continue
		}
		out = append(append(append(out, v[shown:i]...), hidden...), last...)
		i, shown = end, end
	}
	return append(out, v[shown:]...)
}

// partedIBAN reads an IBAN that begins at i: its last characters, and where it
// ends. That is 0 if there is none.
func partedIBAN(v string, i int) (last string, end int) {
	number, length := make([]byte, 0, ibanLongest), ibanHead
	for len(number) < length {
		if len(number) > 0 {
			i = behindParts(v, i)
		}
		head := len(number) < ibanHead
		if i == len(v) || !alphanumeric(v[i]) || (head && digit(v[i]) != (len(number) >= ibanCountry)) {
			return "", 0
		}
		number = append(number, v[i])
		i++
		if len(number) == ibanHead {
			length = ibanLength(number)
		}
	}
	if length == 0 || (i < len(v) && alphanumeric(v[i])) || !checked(number) {
		return "", 0
	}
	return string(number[length-lastDigits:]), i
}

// behindParts is where a text goes on behind what people part numbers with.
func behindParts(v string, i int) int {
	for range ibanPartsMax {
		r, size := utf8.DecodeRuneInString(v[i:])
		if !unicode.In(r, unicode.White_Space, unicode.Cf, unicode.Pd) && !strings.ContainsRune("./_", r) {
			break
		}
		i += size
	}
	return i
}

// ibanLength is how long an IBAN is that begins so; 0 if none does.
func ibanLength(head []byte) int {
	country := strings.ToUpper(string(head[:ibanCountry]))
	for all := ibansOfDigits + ibansOfBoth; all != ""; all = all[ibanHead:] {
		if all[:ibanCountry] == country {
			return int(all[2]-'0')*10 + int(all[3]-'0')
		}
	}
	return 0
}

// checked tells whether the check digits of an IBAN are right (ISO 7064, modulo
// 97-10, over its letters as two digits each), and it has as many digits as
// one has: all, or half of them, so that words are none.
func checked(number []byte) bool {
	rest, digits := 0, 0
	for i := range number {
		c := number[(i+ibanHead)%len(number)]
		if digit(c) {
			rest = (rest*10 + int(c-'0')) % 97
			digits++
		} else {
			rest = (rest*100 + int(c|0x20-'a') + 10) % 97
		}
	}
	behind := len(number) - ibanHead
	if strings.Contains(ibansOfDigits, strings.ToUpper(string(number[:ibanCountry]))) {
		return rest == 1 && digits == 2+behind
	}
	return rest == 1 && digits-2 >= (behind+1)/2
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func alphanumeric(c byte) bool {
	return digit(c) || ('A' <= c && c <= 'Z') || ('a' <= c && c <= 'z')
}

func iban(word string) bool {
	if len(word) < ibanShortest || len(word) > ibanLongest {
		return false
	}
	for i := range len(word) {
		if c := word[i]; !digit(c) && (c < 'A' || 'Z' < c) {
			return false
		}
	}
	return !digit(word[0]) && !digit(word[1]) && digit(word[2]) && digit(word[3])
}

// form masks a form, or a query. It is none where a part has no name of the
// plain kind, or cannot be read, or where something else than & seems to part
// it: what would be hidden then cannot be told.
func (m *Masker) form(out []byte, text string) (_ []byte, ok bool) {
	if strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r == ';' }) >= 0 {
		return nil, false
	}
	for i, part := range strings.Split(text, "&") {
		name, value, pair := strings.Cut(part, "=")
		plainName, err := url.QueryUnescape(name)
		plain, errValue := url.QueryUnescape(value)
		if !pair || err != nil || errValue != nil || !formName(plainName) {
			return nil, false
		}
		if i > 0 {
			out = append(out, '&')
		}
		if shown(plainName) {
			out = append(out, name...)
		} else {
			out = hide(out, plainName, open)
		}
		out = append(out, '=')
		k := m.kindOf(plainName)
		if k == open && shown(plain) {
			out = append(out, value...)
			continue
		}
		out = hide(out, plain, k)
	}
	return out, true
}

// formName tells whether a name is one that a program would give a field.
func formName(name string) bool {
	for i := range len(name) {
		if !alphanumeric(name[i]) && strings.IndexByte("_-.[]", name[i]) < 0 {
			return false
		}
	}
	return name != "" && len(name) <= nameBytesMax
}
