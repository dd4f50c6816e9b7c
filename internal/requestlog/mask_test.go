package requestlog_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
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
		{jsonHeader, `{"FI2112345600000785":"fi2112345600000785 a\/b"}`, `{"•••0785":"fi2112345600000785 a\/b"}`},
		{jsonHeader, "\xef\xbb\xbf[\"x\"]\n", "\xef\xbb\xbf[\"x\"]\n"},
		{formHeader, `{"Password":"x"}`, `{"Password":"•••"}`}, // what it is counts, not what it is said to be
		{formHeader, `a=1%26&Password=x&customer%5Bemail%5D=ann%40x.fi&b=`, `a=1%26&Password=•••&customer%5Bemail%5D=a•••&b=`},
		{formHeader, `a.iban=FI21+1234&note=to+FI2112345600000785`, `a.iban=•••1234&note=to •••0785`},
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
