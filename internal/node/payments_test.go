package node_test

import (
	"testing"

	"remit/internal/node"
)

// TestAPayerIsAnIBANAndItsHolder tries examples of the ISO 13616 register, as
// people write them, and spoils them.
func TestAPayerIsAnIBANAndItsHolder(t *testing.T) {
	for text, want := range map[string]string{
		"FI21 1234 5600 0007 85": "FI2112345600000785", "gb33bukb20201555555555": "GB33BUKB20201555555555", "NO93 8601 1117 947": "NO9386011117947",
		"MT84MALT011000012345MTLCAST001S": "MT84MALT011000012345MTLCAST001S",
		"FI21 1234 5600 0007 86":          "", "FI12 1234 5600 0007 85": "", "1234": "", "FI21-1234": "", "ÄÖ2112345600000785": "",
	} {
		p, err := node.Payer(text, "Ann")
		if (err == nil) != (want != "") || (err == nil && p.Account != want) {
			t.Errorf("%q is %q, %v", text, p.Account, err)
		}
	}
	for _, who := range [][2]string{{"", "Ann"}, {"FI2112345600000785", ""}, {"FI2112345600000785", "Ann\nBo"}} {
		if _, err := node.Payer(who[0], who[1]); err == nil {
			t.Errorf("%q pays", who)
		}
	}
	if p, err := node.Payer("", ""); err != nil || p.Account != "" || p.Name != "" {
		t.Errorf("nobody is %+v, %v", p, err)
	}
}
