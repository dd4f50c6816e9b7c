// Package page draws the small pages on which a payer acts: choosing a bank,
// agreeing, naming an account. They need no script, no other origin, and no
// more room than a phone has.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"remit/dialect"
)

// Page is one page: a form, or a word of what has happened.
type Page struct {
	Title   string
	Lead    string   // a sentence under the title
	Amount  string   // with its currency; "" shows none
	Facts   []Fact   // what the payer should know
	Problem string   // why the form came back
	Action  string   // where the form goes; "" shows no form
	Choose  string   // what the choices are among
	Choices []Choice // one of them is taken: the field "choice"
	Fields  []Field
	Buttons []Button // the field "do"
	Link    string   // where to go on, where there is no form
	Says    string   // on the link
}

// Parts of a page.
type (
	Fact   struct{ Name, Text string }
	Choice struct{ Value, Label, Hint string }
	Field  struct{ Name, Label, Hint, Value, Complete string }
	Button struct {
		Value, Label string
		Quiet        bool // not what most payers want
	}
)

//go:embed page.css
var style string

//go:embed page.html
var text string

var view = template.Must(template.New("page").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(style) },
}).Parse(text))

// security is the policy of every page: its own style, its own form, nothing
// else. The style is known by its hash.
var security = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
}()

// Answer is the page as an answer. Forms may be sent on to the origins of on,
// since a browser holds the redirect behind a form to the same policy.
func (p Page) Answer(status int, on ...string) dialect.Response {
	var b bytes.Buffer
	if err := view.Execute(&b, p); err != nil {
		panic("page: " + err.Error()) // a buffer does not fail, and the template is tested
	}
	h := http.Header{}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", strings.Join(append([]string{security + "; form-action 'self'"}, on...), " "))
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	return dialect.Response{Status: status, Header: h, Body: b.Bytes()}
}

// Redirect sends a payer on.
func Redirect(to string) dialect.Response {
	return dialect.Response{Status: http.StatusSeeOther, Header: http.Header{"Location": {to}, "Referrer-Policy": {"no-referrer"}}}
}
