package requestlog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"remit/dialect"
	"remit/internal/requestlog"
)

var private = dialect.Private{
	Secrets: []string{"Password", "inputs"}, Accounts: []string{"iban"}, Personal: []string{"name", "email"}, Signatures: []string{"Signature"}, Headers: []string{"X-Sign"},
}

var (
	jsonHeader = http.Header{"Content-Type": {"application/json"}}
	formHeader = http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
)

// TestABodyIsMasked hides what is private in bodies of every shape, and
// changes nothing else.
func TestABodyIsMasked(t *testing.T) {
	long := strings.Repeat("abcd", 20)
	m := requestlog.NewMasker(private)
	for _, c := range []struct {
		header     http.Header
		body, want string
	}{
		{jsonHeader, `{"Password" : "pä\"ss", "b":[1, true,null] }`, `{"Password" : "•••", "b":[1, true,null] }`},
		{jsonHeader, `{"PASSWORD":"x","password":7,"Pass\u0077ord":-1.5e3,"p":""}`, `{"PASSWORD":"•••","password":"•••","Pass\u0077ord":"•••","p":""}`},
		{jsonHeader, `{"inputs":{"a":[{"b":"x"},2],"iban":"FI2112345600000785"},"c":"x"}`, `{"inputs":{"a":[{"b":"•••"},"•••"],"iban":"•••"},"c":"x"}`},
		{jsonHeader, `{"iban":"FI2112345600000785","iban":"short"}`, `{"iban":"•••0785","iban":"•••"}`},
		{jsonHeader, `{"iban":["FI2112345600000785",{"name":"Ann"}]}`, `{"iban":["•••0785",{"name":"•••"}]}`},
		{jsonHeader, `{"name":"Ann","email":"é@x.fi","name":"A","name":"\u0041nn"}`, `{"name":"A•••","email":"é•••","name":"•••","name":"•••"}`},
		{jsonHeader, `{"Signature":"` + long + `"}`, `{"Signature":"abcdabcdabcd•••"}`},
		{jsonHeader, `{"Signature":"short"}`, `{"Signature":"•••"}`},
		{jsonHeader, `{"note":"to FI2112345600000785, please"}`, `{"note":"to •••0785, please"}`},
		{jsonHeader, `{"note":"\u00462112345600000785 F\u00492112345600000785"}`, `{"note":"•••"}`},
		{jsonHeader, `{"FI2112345600000785":"fi2112345600000786 a\/b"}`, `{"•••0785":"fi2112345600000786 a\/b"}`},
		{jsonHeader, "\xef\xbb\xbf[\"x\"]\n", "\xef\xbb\xbf[\"x\"]\n"},
		{formHeader, `{"Password":"x"}`, `{"Password":"•••"}`}, // what it is counts, not what it is said to be
		{formHeader, `a=1%26&Password=x&customer%5Bemail%5D=ann%40x.fi&b=`, `a=1%26&Password=•••&customer%5Bemail%5D=a•••&b=`},
		{formHeader, `a.iban=FI21+1234&note=to+FI2112345600000785`, `a.iban=•••1234&note=to •••0785`},
		{jsonHeader, `{"note":"to FI21 1234 5600 0007 85, please","a":"fi2112345600000785"}`, `{"note":"to •••0785, please","a":"•••0785"}`},
		{jsonHeader, `{"note":"to FI21\u00a01234\n5600 0007 85"}`, `{"note":"•••"}`},
		{formHeader, `note=to+fi21+1234+5600+0007+85.&a=b`, `note=to •••0785.&a=b`},
		{formHeader, `FI2112345600000785=a&fi21-1234-5600-0007-85=b`, `•••0785=a&•••0785=b`},
		{formHeader, `Password: x`, `(not shown: 11 bytes that are neither a form nor JSON)`},
		{formHeader, `a=%zz`, `(not shown: 5 bytes that are neither a form nor JSON)`},
		{jsonHeader, `{"Password":"x",}`, `(not shown: 17 bytes that are no JSON, from byte 17 on)`},
		{jsonHeader, `a=1&Password=x`, `(not shown: 14 bytes that are no JSON, from byte 1 on)`},
		{jsonHeader, `{"pass_word":"x","Pass-Word":"x","pass word":"x","Pa\u017f\u017fword":"x","Paſſword":"x"}`, `{"pass_word":"•••","Pass-Word":"•••","pass word":"•••","Pa\u017f\u017fword":"•••","Paſſword":"•••"}`},
		{jsonHeader, `{"a":"{\"Password\":\"x\"}","b":" [\"x\"]","c":"\"{\\\"x","d":"{'Password':'x'}","e":"a \"b\""}`, `{"a":"•••","b":"•••","c":"•••","d":"•••","e":"a \"b\""}`},
		{formHeader, `a={"Password":"x"}&b=%7B%22Password%22%3A%22x%22%7D&c=d`, `a=•••&b=•••&c=d`},
		{formHeader, `client_assertion=x&apiKey=x&Token=x`, `client_assertion=•••&apiKey=•••&Token=•••`},
		{formHeader, `pass-word=x&Pass%5FWord=x`, `pass-word=•••&Pass%5FWord=•••`},
		{formHeader, `a=b;Password=x`, `(not shown: 14 bytes that are neither a form nor JSON)`},
		{formHeader, "a=b\nPassword=x", `(not shown: 14 bytes that are neither a form nor JSON)`},
		{http.Header{}, "\xff{}", `(not shown: 3 bytes that are no text)`},
		{http.Header{}, "", ""},
	} {
		if got := m.Body(c.header, []byte(c.body), false); got != c.want {
			t.Errorf("%s\nbecame %s\nwant   %s", c.body, got, c.want)
		}
	}
	if got := m.Body(jsonHeader, []byte(`{"Pass`), true); got != "(not shown: larger than the 6 bytes that are read)" {
		t.Errorf("half a body became %s", got)
	}
}

// TestAnIBANIsHiddenHoweverItIsWritten puts an IBAN of each kind into a text, as
// people write them: nothing but its end is shown, and the text around it stays.
func TestAnIBANIsHiddenHoweverItIsWritten(t *testing.T) {
	m := requestlog.NewMasker(private)
	for _, iban := range []string{
		"FI2112345600000785", "DE89370400440532013000", "NL91ABNA0417164300", "GB29NWBK60161331926819", "FR1420041010050500013M02606", "NO9386011117947",
		"MT84MALT011000012345MTLCAST001S", "CH9300762011623852957", "IT60X0542811101000000123456", "LC55HEMM000100010012001200023015", "SE4550000000058398257466",
	} {
		last := iban[len(iban)-4:]
		for _, written := range []string{
			iban, strings.ToLower(iban), grouped(iban, 4, " "), strings.ToLower(grouped(iban, 4, " ")), grouped(iban, 4, "-"), grouped(iban, 4, "\u00a0"), grouped(iban, 4, "\u202f"),
			grouped(iban, 2, " "), grouped(iban, 1, " "), grouped(iban, 5, " – "), grouped(iban, 4, "."), grouped(iban, 4, "\n"), grouped(iban, 4, "\u200b"),
			iban[:1] + strings.ToLower(iban[1:]),
		} {
			for _, around := range []string{"%s", "to %s, please", "IBAN:%s;", "(%s)", "für %s und 12", "12 AB34 %s", "\u00e9%s\u00e9"} {
				text := strings.Replace(around, "%s", written, 1)
				quoted, err := json.Marshal(map[string]string{"note": text})
				if err != nil {
					t.Fatal(err)
				}
				var shown map[string]string
				if err := json.Unmarshal([]byte(m.Body(jsonHeader, quoted, false)), &shown); err != nil {
					t.Fatal(err)
				}
				want := strings.Replace(around, "%s", "•••"+last, 1)
				if got := strings.Replace(shown["note"], strings.ToLower(last), last, 1); got != want && got != "•••" {
					t.Errorf("%q is shown as %q", text, got)
				}
				form := m.Body(formHeader, []byte("note="+url.QueryEscape(text)), false)
				if got := strings.Replace(form, strings.ToLower(last), last, 1); got != "note="+want {
					t.Errorf("%q in a form is shown as %q", text, got)
				}
			}
		}
	}
}

// grouped writes a text in groups of n characters.
func grouped(text string, n int, between string) string {
	var parts []string
	for ; len(text) > n; text = text[n:] {
		parts = append(parts, text[:n])
	}
	return strings.Join(append(parts, text), between)
}

// TestWhatIsNoIBANIsShown masks texts that look a little like an IBAN: words,
// order numbers, UUIDs, and account numbers whose check digits are wrong in small letters.
func TestWhatIsNoIBANIsShown(t *testing.T) {
	texts := []string{
		"at 12 o clock we pay back", "is 25 percent of the amount", "no 12 refund came in yes", "it's 2026-12-01T12:10:39.123456Z", "order no 1234567890",
		"fi21 1234 5600 0007 86", "fi2112345600000786", "fi21 1234 5600 0007 851", "xfi2112345600000785", "zz21 1234 5600 0007 85", "fi21    1234 5600 0007 85",
		"fi21", "fi21 ", "be12-3456", "de89 3704 0044 0532 0130 0", "8bedfbd4-8181-38e1-f0be-f360171aefc6", "d0000000000000000042", "or-2026-000123456789",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a, b := r.Uint64(), r.Uint64()
		texts = append(texts, fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", uint32(a), uint16(a>>32), uint16(a>>48), uint16(b), b>>16), strconv.FormatUint(a, 36), fmt.Sprint("order ", a))
	}
	m := requestlog.NewMasker(private)
	for _, text := range texts {
		quoted := `"` + text + `"`
		if got := m.Body(jsonHeader, []byte(quoted), false); got != quoted {
			t.Errorf("%s is shown as %s", quoted, got)
		}
	}
}

// FuzzNoIBANIsShown writes an IBAN among whatever comes, parted by whatever
// people part numbers with: its digits are not shown.
func FuzzNoIBANIsShown(f *testing.F) {
	f.Add("to ", ", please", uint64(0), uint64(0))
	f.Add("FI21 1234 5600 ", " 0007 85", uint64(1<<63), uint64(1))
	f.Add("no 12 ", "é", ^uint64(0), uint64(0x5555))
	m := requestlog.NewMasker(private)
	f.Fuzz(func(t *testing.T, before, behind string, parts, small uint64) {
		if !utf8.ValidString(before) || !utf8.ValidString(behind) {
			return
		}
		const iban = "GB29NWBK60161331926819"
		written := " "
		for i, c := range iban {
			if parts>>(2*i)&3 == 3 {
				written += []string{" ", "-", "\u00a0", "  "}[i%4]
			}
			if small>>i&1 == 1 {
				c = unicode.ToLower(c)
			}
			written += string(c)
		}
		quoted, err := json.Marshal(before + written + " " + behind)
		if err != nil {
			t.Fatal(err)
		}
		got := m.Body(jsonHeader, quoted, false)
		only := strings.Map(func(r rune) rune {
			if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
				return unicode.ToUpper(r)
			}
			return -1
		}, got)
		if strings.Contains(only, iban) && len(got) < 8<<10 && !strings.Contains(strings.ToUpper(before+behind), "NWBK") {
			t.Errorf("%q is shown as %q", quoted, got)
		}
	})
}

// TestARequestIsCutAndHidden writes a request down: no header that is not on
// the list, no line that the caller has made up, and no more than is kept.
func TestARequestIsCutAndHidden(t *testing.T) {
	m := requestlog.NewMasker(private)
	long := strings.Repeat("ä", 8<<10)
	got := m.Request(dialect.Request{
		Method: "POST", Path: "/to/FI2112345600000785", Query: "email=%0aann%40x.fi&a=b",
		Header: http.Header{"Authorization": {"Basic sesame"}, "X-Sign": {"a\r\nb"}, "Content-Type": {"application/json"}, "Cookie": {"c"}},
		Body:   []byte(`"` + long + `"`),
	})
	head, body, _ := strings.Cut(got, "\n\n")
	if want := "POST /to/•••0785?email=·•••&a=b\nContent-Type: application/json\nX-Sign: a··b"; head != want {
		t.Errorf("the head is\n%s\nwant\n%s", head, want)
	}
	if !strings.HasSuffix(body, "ä… (cut here: 16386 bytes in all)") || len(body) > 9<<10 {
		t.Errorf("the body has %d bytes, and ends in %q", len(body), body[len(body)-60:])
	}
	for path, want := range map[string]string{"/to/FI21%201234%205600%20000785/x": "/to/•••0785/x", "/%46I2112345600000785": "/•••0785", "/a%20b%2Fc": "/a%20b%2Fc"} {
		if got := m.Request(dialect.Request{Method: "GET", Path: path}); got != "GET "+want+"\n\n" {
			t.Errorf("%s became %q", path, got)
		}
	}
	if got := m.Request(dialect.Request{Method: "GET", Path: "/", Query: "secret"}); got != "GET /?•••\n\n" {
		t.Errorf("a query that is none became %q", got)
	}
}

// FuzzNothingPrivateIsShown masks whatever comes: it never panics, what is JSON
// stays JSON of the same shape, and no private value stays in it.
func FuzzNothingPrivateIsShown(f *testing.F) {
	for _, body := range []string{
		`{"Password":"sesame-and-more","a":[{"iban":"FI2112345600000785"},{"name":"Annabel Lee"}]}`, `{"inputs":{"a":["1234567"]},"Pass\u0077ord":"opensesame"}`,
		`Password=sesame-and-more&a[email]=ann%40x.fi`, `{"x":"\ud800"}`, "\xef\xbb\xbf{}", `[[[[{"name":{"name":"Annabel"}}]]]]`,
	} {
		f.Add([]byte(body))
	}
	m := requestlog.NewMasker(private)
	f.Fuzz(func(t *testing.T, body []byte) {
		m.Body(formHeader, body, false)
		got := m.Body(jsonHeader, body, false)
		if !utf8.Valid(body) || !json.Valid(body) || len(got) > 8<<10 {
			return
		}
		was, is := json.NewDecoder(bytes.NewReader(body)), json.NewDecoder(strings.NewReader(got))
		was.UseNumber()
		is.UseNumber()
		var path []string // of names; "" for an array
		name, wantName := "", false
		for {
			a, err := was.Token()
			b, errIs := is.Token()
			if (err == io.EOF) != (errIs == io.EOF) || (err == nil) != (errIs == nil) {
				t.Fatalf("%q became %q: %v, %v", body, got, err, errIs)
			}
			if err != nil {
				return
			}
			object := len(path) > 0 && path[len(path)-1] != "["
			switch v := a.(type) {
			case json.Delim:
				if b != v {
					t.Fatalf("%q became %q", body, got)
				}
				if v == '{' || v == '[' {
					if object {
						path[len(path)-1] = "{" + name
					}
					path = append(path, string(v.String()[0]))
					wantName = v == '{'
					continue
				}
				path = path[:len(path)-1]
			case string:
				if object && wantName {
					name, wantName = v, false
					path[len(path)-1] = "{" + name
					continue
				}
				if shown, _ := b.(string); len(v) > 5 && shown == v && under(path) {
					t.Fatalf("%q shows %q: %q", body, v, got)
				}
			case json.Number:
				if _, shown := b.(json.Number); shown && under(path) {
					t.Fatalf("%q shows %q: %q", body, v, got)
				}
			}
			wantName = len(path) > 0 && path[len(path)-1] != "["
		}
	})
}

// under tells whether a private name is on the way to a value.
func under(path []string) bool {
	for _, p := range path {
		switch strings.ToLower(strings.TrimPrefix(p, "{")) {
		case "password", "inputs", "iban", "name", "email", "signature":
			return true
		}
	}
	return false
}

// BenchmarkRequest masks a refund.
func BenchmarkRequest(b *testing.B) {
	m := requestlog.NewMasker(private)
	r := dialect.Request{Method: "POST", Path: "/api/1", Header: jsonHeader, Body: []byte(`{"method":"Refund","version":"1.1","params":{"Signature":"` + strings.Repeat("A", 344) +
		`","UUID":"8bedfbd4-8181-38e1-f0be-f360171aefc6","Data":{"Username":"acme","Password":"0123456789abcdef0123456789abcdef","OrderID":"1234567890","Amount":"20.00","Currency":"EUR"}}}`)}
	b.ReportAllocs()
	for b.Loop() {
		m.Request(r)
	}
}
