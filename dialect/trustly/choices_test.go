package trustly

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// citation is how code names one of our own choices; the specification's
// traps, which have such names too, are cited behind their page.
var citation = regexp.MustCompile(`(?:\(|, |// )(D\d+)\b`)

// TestEveryChoiceThatCodeCitesIsExplained looks each number up on the page of
// choices.
func TestEveryChoiceThatCodeCitesIsExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/dialects/trustly-divergences.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range citation.FindAllStringSubmatch(string(text), -1) {
			found++
			if !strings.Contains(string(page), "| **"+c[1]+"** |") {
				t.Errorf("%s cites %s, which is not explained", file, c[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d citations were found", found)
	}
}
