package remit_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	cited   = regexp.MustCompile(`\bdocs/[\w./-]+\.md(#[\w-]+)?`) // in code
	linked  = regexp.MustCompile(`\]\(([\w./-]*(?:#[\w-]+)?)\)`)  // in a page
	heading = regexp.MustCompile("(?m)^#+ (.*)$")
)

// TestEveryReferenceLeadsSomewhere follows the pages and the headings that
// code cites, and the links of each page to another.
func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	follow := func(from, to string) {
		path, anchor, _ := strings.Cut(to, "#")
		text, err := os.ReadFile(path)
		if err != nil {
			if _, err := os.Stat(path); err != nil || anchor != "" {
				t.Errorf("%s leads to %s, which is not there", from, to)
			}
			return
		}
		if anchor != "" && !anchors(string(text))[anchor] {
			t.Errorf("%s leads to %s: there is no such heading", from, to)
		}
	}
	kept(t, func(path string, e fs.DirEntry) {
		ext := filepath.Ext(path)
		if !e.Type().IsRegular() || (ext != ".go" && ext != ".md") {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		if ext == ".go" {
			for _, to := range cited.FindAllString(string(text), -1) {
				follow(path, to)
			}
			return
		}
		for _, to := range linked.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(to[1], "#") {
				follow(path, path+to[1])
			} else if to[1] != "" {
				follow(path, filepath.Join(filepath.Dir(path), to[1]))
			}
		}
	})
}

// anchors are the names that a page's headings have in links: small letters,
// digits, and a dash for each space.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(page, -1) {
		all[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, h[1])] = true
	}
	return all
}
