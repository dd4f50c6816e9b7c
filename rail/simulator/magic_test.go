package simulator_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"remit/money"
	"remit/rail"
	"remit/rail/simulator"
)

var update = flag.Bool("update", false, "rewrite docs/reference/magic-values.md")

const page = "../../docs/reference/magic-values.md"

// TestThePageListsTheMagicValues makes the page anew from the list, and
// compares: go test ./rail/simulator -update rewrites it.
func TestThePageListsTheMagicValues(t *testing.T) {
	var want bytes.Buffer
	want.WriteString(`# Magic values

The simulated bank settles an instruction ten seconds of its clock after the hand-over. An instruction that carries one of
these values is treated otherwise, without a call of the control API. An order by the control API goes first, then the text,
then the amount.

An amount is in minor units, of any currency. A text is a word of its own in the remittance information: what the
beneficiary reads. After ` + "`refuse=`" + ` stands an ISO 20022 code or one of account_closed, account_unknown, account_blocked and
refused_by_bank; after ` + "`return=`, `settle=` and `unknown=`" + ` a time, such as 90s or 144h, counted from the hand-over. Any other
text is only a text.

| amount | text | what the bank does |
|---|---|---|
`)
	for _, m := range simulator.MagicValues() {
		fmt.Fprintf(&want, "| %d | `%s` | %s |\n", m.Minor, m.Text, m.Tells)
	}
	if *update {
		must(t, os.WriteFile(page, want.Bytes(), 0o644))
	}
	got, err := os.ReadFile(page)
	must(t, err)
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is stale: run go test ./rail/simulator -update", page)
	}
}

// TestEachMagicValueDoesWhatItTells hands over each value in both forms, lets
// a week pass, and compares with what an order of the same kind leads to.
func TestEachMagicValueDoesWhatItTells(t *testing.T) {
	want := map[string]string{
		"remit:refuse=AC04": "refused AC04", "remit:refuse=AC01": "refused AC01", "remit:refuse=AC06": "refused AC06",
		"remit:refuse=MS03": "refused MS03", "remit:return=144h": "settled returned MS03", "remit:stall": "",
		"remit:unknown": "", "remit:settle=0s": "settled",
	}
	for _, m := range simulator.MagicValues() {
		byAmount, byText := pay("a"), pay("t")
		byAmount.Amount.Minor = m.Minor
		byText.Remittance = "order 7 " + m.Text + " thanks"
		for _, i := range []rail.Instruction{byAmount, byText} {
			b, clock := open(t, t.TempDir())
			out, err := b.Submit(t.Context(), i)
			now := map[string]rail.Status{"unknown": rail.Unknown, "settle": rail.Settled} // the others later
			if want, ok := now[m.Order.Outcome]; ok && out.Status != want || !ok && out.Status != rail.Pending {
				t.Errorf("%s: Submit: %+v, %v", m.Text, out, err)
			}
			clock.advance(7 * 24 * time.Hour)
			if got := told(t, b); got != want[m.Text] {
				t.Errorf("%s, amount %d: the statement says %q, want %q", m.Text, i.Amount.Minor, got, want[m.Text])
			}
		}
	}
}

// TestAMagicTextMayCarryItsOwnValue: another reason, another time; and a text
// that means nothing is paid as any other.
func TestAMagicTextMayCarryItsOwnValue(t *testing.T) {
	for text, want := range map[string]string{
		"remit:refuse=account_closed": "refused AC04",
		"remit:refuse":                "refused MS03",
		"remit:refuse=RR04":           "refused RR04",
		"remit:return=1h":             "settled returned MS03",
		"remit:return=1000h":          "settled",
		"remit:settle=1000h":          "",
		"remit:refuse=nonsense":       "settled",
		"remit:settle=soon":           "settled",
		"remit:settle=-1s":            "settled",
		"remit:stall=1h":              "settled",
		"remit:":                      "settled",
		"premit:stall":                "settled",
	} {
		b, clock := open(t, t.TempDir())
		i := pay("a")
		i.Remittance = text
		_, err := b.Submit(t.Context(), i)
		must(t, err)
		clock.advance(7 * 24 * time.Hour)
		if got := told(t, b); got != want {
			t.Errorf("%q: the statement says %q, want %q", text, got, want)
		}
	}
}

// told puts the whole statement into words.
func told(t *testing.T, b rail.Reporter) string {
	t.Helper()
	var words []byte
	for s, err := range b.Statements(t.Context(), "") {
		must(t, err)
		words = fmt.Appendf(words, "%s %s ", s.Kind, s.Reason)
	}
	return string(bytes.Join(bytes.Fields(words), []byte(" ")))
}

func pay(id string) rail.Instruction {
	return rail.Instruction{
		EndToEndID: id, Amount: money.Amount{Minor: 1234, Currency: "EUR"},
		Account: "FI2112345600000785", Beneficiary: "Maija", Remittance: "order 7",
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
