package remit

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is made from the code into the pages")

// TestTheLifecyclePageIsTheCodes: the two tables of docs/concepts/lifecycle.md
// are those by which the code moves. `make docs` writes them anew.
func TestTheLifecyclePageIsTheCodes(t *testing.T) {
	const page = "docs/concepts/lifecycle.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	want := between(got, "disbursement", markdown(States(), func(a, b State) bool { return Disbursement{State: a}.May(b) }))
	want = between(want, "payment", markdown(paymentStates, func(a, b PaymentState) bool { return Payment{State: a}.May(b) }))
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("%s is stale: run `make docs`", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// between puts table between the two comments that name it.
func between(text, name, table string) string {
	begin, end := "<!-- "+name+": made by `make docs` -->\n", "<!-- end of "+name+" -->\n"
	before, rest, _ := strings.Cut(text, begin)
	_, after, found := strings.Cut(rest, end)
	if !found {
		return "there is no place for the table of " + name
	}
	return before + begin + table + end + after
}

// markdown is the table of who may become what.
func markdown[S ~string](states []S, may func(from, to S) bool) string {
	var b strings.Builder
	b.WriteString("| from ↓ to → |")
	for _, s := range states {
		b.WriteString(" " + string(s) + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat(":-:|", len(states)) + "\n")
	for _, from := range states {
		b.WriteString("| **" + string(from) + "** |")
		for _, to := range states {
			if may(from, to) {
				b.WriteString(" yes |")
			} else {
				b.WriteString(" · |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
