package dialecttest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"remit/dialect"
	"remit/internal/requestlog"
)

// Kept masks every request of every conversation as the request log does. No
// secret of the merchant's stays in it, no account number, and no name of a
// person; all else of a body stays as it came, to the byte. The order of the
// dialect's checks is that of the stages.
func Kept(t *testing.T, b Bench) {
	m := requestlog.NewMasker(b.Dialect.Private())
	masked := 0
	for _, file := range conversations(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range txtar.Parse(text).Files {
			if section.Name != "request" {
				continue
			}
			r := parseRequest(t, section.Data)
			b.Prove(t, &r)
			if payersPage(b.Dialect, r) {
				continue // none of it is kept
			}
			name := filepath.Base(file)
			kept := m.Request(r)
			for what, secret := range b.private(r) {
				if strings.Contains(kept, secret) {
					t.Errorf("%s: %s is kept:\n%s", name, what, kept)
				}
			}
			if !json.Valid(r.Body) {
				continue
			}
			masked++
			if got, want := bones(m.Body(r.Header, r.Body, false)), bones(string(r.Body)); got != want {
				t.Errorf("%s: the body has another shape:\n%s\nwas\n%s", name, got, want)
			}
		}
	}
	t.Logf("%s: %d bodies of JSON", b.Dialect.Name(), masked)
	checksInOrder(t, b.Dialect.Checks())
}

// payersPage tells whether anybody may make a call.
func payersPage(d dialect.Dialect, r dialect.Request) bool {
	r.Key, r.At = RequestKey, start
	p, err := d.Read(r).Claim()
	return p == "" && err == nil
}

// shortest is how long a text must be, in bytes, to be looked for: a shorter
// one may stand there for another reason.
const shortest = 5

// person is what a member is called that tells who somebody is, or where the
// money goes, in whatever dialect; ours do not share a list with it.
var person = regexp.MustCompile(`(?i)account_?number|bank_?number|routing|sort_?code|iban|bban|password|secret|birth|first_?name|last_?name|` +
	`holder|name_?on|^(customer\.)?name$|mail|phone|^ip$`)

// accountNumber is what an IBAN looks like.
var accountNumber = regexp.MustCompile(`\b[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}\b`)

// private is what of a request must not be kept, by what it is.
func (b Bench) private(r dialect.Request) map[string]string {
	all := map[string]string{}
	for what, secrets := range map[string]map[string]string{"the secret ": b.Credentials.Secrets, "the shared secret ": b.Credentials.Shared, "the private key ": b.Credentials.Private} {
		for name, s := range secrets {
			if s != string(b.Credentials.Principal) { // which is no secret, whatever else it is for
				all[what+name] = s
			}
		}
	}
	for _, h := range r.Header["Authorization"] {
		if _, proof, _ := strings.Cut(h, " "); proof != "" {
			all["the proof in Authorization"] = proof
		}
	}
	if proof := r.Header.Get("Signature"); len(proof) >= shortest {
		all["the proof in Signature"] = proof
	}
	for _, n := range accountNumber.FindAllString(string(r.Body), -1) {
		all["an account number"+n[:4]] = n
	}
	open := map[string]bool{} // what stands under another name too
	add := func(name, value string) {
		switch {
		case !person.MatchString(name):
			open[value] = true
		case len(value) >= shortest:
			all["the value of "+name] = value
		}
	}
	if form, err := url.ParseQuery(string(r.Body)); err == nil && !json.Valid(r.Body) {
		for name, values := range form {
			add(name, values[0])
			add(name, url.QueryEscape(values[0]))
		}
	}
	var v any
	if json.Unmarshal(bytes.TrimPrefix(r.Body, []byte("\xef\xbb\xbf")), &v) == nil {
		leaves("", v, add)
	}
	maps.DeleteFunc(all, func(what, value string) bool { return open[value] && strings.HasPrefix(what, "the value") })
	return all
}

// leaves visits the texts in a value, by their names.
func leaves(name string, v any, visit func(name, value string)) {
	switch v := v.(type) {
	case map[string]any:
		for n, x := range v {
			leaves(n, x, visit)
		}
	case []any:
		for _, x := range v {
			leaves(name, x, visit)
		}
	case string:
		visit(name, v)
	}
}

// lettered is a text of JSON with what stands behind it, which tells a name from
// a value.
var lettered = regexp.MustCompile(`("(?:[^"\\]|\\.)*")(\s*:)?`)

var numbered = regexp.MustCompile(`-?[0-9][0-9.eE+-]*`)

// bones is JSON without its values: names, order and white space.
func bones(text string) string {
	var names []string
	text = lettered.ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasSuffix(s, ":") {
			names = append(names, s)
			return "\x00"
		}
		return "#"
	})
	text = numbered.ReplaceAllString(text, "#")
	for _, n := range names {
		text = strings.Replace(text, "\x00", n, 1)
	}
	return text
}

// checksInOrder sees that the stages of checks come in their order, and that
// what has the rest of a stage's reasons comes last in it.
func checksInOrder(t *testing.T, all []dialect.Check) {
	order := map[dialect.Stage]int{dialect.StageClaim: 1, dialect.StageVerify: 2, dialect.StageDecode: 3}
	for i, c := range all {
		if order[c.Stage] == 0 || c.Name == "" {
			t.Errorf("check %d is %+v", i, c)
		}
		if i == 0 {
			continue
		}
		if before := all[i-1]; order[before.Stage] > order[c.Stage] || (before.Stage == c.Stage && len(before.Reasons) == 0) {
			t.Errorf("%q comes after %q", c.Name, before.Name)
		}
	}
}
