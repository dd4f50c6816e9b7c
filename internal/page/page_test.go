package page_test

import (
	"strings"
	"testing"

	"remit/internal/page"
)

// A page shows what it is given, escapes it, and allows itself nothing but its
// own style and form.
func TestAPageShowsWhatItIsGivenAndAllowsNothingElse(t *testing.T) {
	p := page.Page{
		Title: "Pay <Acme>", Amount: "49.90 EUR", Lead: "lead", Facts: []page.Fact{{Name: "Order", Text: "7"}}, Problem: "no such account",
		Action: "/p/1", Choose: "Banks of this sandbox", Choices: []page.Choice{{Value: "bank", Label: "Demo Bank", Hint: "always pays"}},
		Fields: []page.Field{{Name: "iban", Label: "IBAN", Value: `"><script>`}}, Buttons: []page.Button{{Value: "pay", Label: "Pay"}, {Value: "fail", Label: "Fail", Quiet: true}},
	}
	r := p.Answer(200, "https://shop.example")
	body := string(r.Body)
	for _, want := range []string{"Pay &lt;Acme&gt;", "49.90 EUR", "no such account", `action="/p/1"`, "<legend>Banks of this sandbox</legend>", "Demo Bank", `value="pay"`, `class="quiet"`, `role="alert"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "<script>") {
		t.Error("a value came through as markup")
	}
	csp := r.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || !strings.HasSuffix(csp, "form-action 'self' https://shop.example") {
		t.Errorf("policy %q", csp)
	}
	if done := (page.Page{Title: "Done", Link: "javascript:alert(1)"}).Answer(200); strings.Contains(string(done.Body), `href="javascript:`) {
		t.Error("a link leads to a script")
	}
}
