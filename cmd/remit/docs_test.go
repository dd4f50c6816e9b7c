package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "rewrite docs/reference/cli.md and docs/reference/config.md")

// stale compares a page with what the code says it should be.
func stale(t *testing.T, page string, want []byte) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(page, want, 0o644))
	}
	got, err := os.ReadFile(page)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run go test ./cmd/remit -run Page -update", page)
	}
}

// TestThePageShowsEveryCommand makes the page anew from the help of every
// command.
func TestThePageShowsEveryCommand(t *testing.T) {
	help := func(args ...string) string {
		var out bytes.Buffer
		if code := run(append(args, "--help"), &app{stdout: &out, stderr: &out}); code != exitDone {
			t.Fatalf("remit %s --help exits with %d", strings.Join(args, " "), code)
		}
		return strings.TrimSpace(out.String())
	}
	var c cli
	parser, err := newParser(&c, &app{}, func(int) {})
	must(t, err)
	var page bytes.Buffer
	page.WriteString(`# The command line

Results go to stdout, everything else to stderr. The exit code is 0 when it is done, 1 when it was refused, 2 when the command line
makes no sense, and 3 when it may have happened or not: then look before you do it again. What moves money or breaks
trust asks for ` + "`--yes`" + `. Every command reads the [configuration](config.md).

` + "```\n" + help() + "\n```\n")
	for _, leaf := range parser.Model.Leaves(true) {
		path := path(leaf)
		fmt.Fprintf(&page, "\n## remit %s\n\n```\n%s\n```\n", strings.Join(path, " "), help(path...))
	}
	stale(t, "../../docs/reference/cli.md", page.Bytes())
}

// path is the words that lead to a command.
func path(n *kong.Node) (words []string) {
	for ; n.Parent != nil; n = n.Parent {
		words = append([]string{n.Name}, words...)
	}
	return words
}

// TestThePageListsEverySetting makes the page anew from the settings and what
// they are when they are left out.
func TestThePageListsEverySetting(t *testing.T) {
	var page bytes.Buffer
	page.WriteString(`# Configuration

` + "`remit --config FILE`" + ` reads a file in YAML; each point in a key is a level of it. The environment goes over the file: a key in capitals,
with ` + "`REMIT_`" + ` in front and ` + "`_`" + ` for a point. A list is written with commas there. A key that is no setting is an error, and so is a variable
one slip away from a setting.

| key | variable | left out | what it does |
|---|---|---|---|
`)
	for _, s := range settings(unset().withDefaults()) {
		value := ""
		if !s.value.IsZero() {
			value = fmt.Sprintf("`%v`", s.value)
		}
		fmt.Fprintf(&page, "| `%s` | `%s` | %s | %s |\n", s.key, s.env(), value, s.help)
	}
	page.WriteString(`
The master key is 32 bytes in base64, from ` + "`REMIT_MASTER_KEY`" + ` or from ` + "`master_key_file`" + `, never from both, and never in the file of the
configuration. ` + "`remit key master`" + ` makes one. Everything secret in the store is sealed under it: keep a copy where the backups are not.

A store and a rail must be set; all else can be left out:

` + "```yaml" + `
store: sqlite:/var/lib/remit/remit.db
master_key_file: /etc/remit/master.key
rails:
  simulator:
    journal: /var/lib/remit/bank.journal
` + "```" + `
`)
	stale(t, "../../docs/reference/config.md", page.Bytes())
}

// TestEverySettingIsExplained wants a help text and a key of every setting,
// however deep it lies.
func TestEverySettingIsExplained(t *testing.T) {
	for _, s := range settings(config{}) {
		if s.help == "" || strings.HasSuffix(s.key, ".") || s.value.Kind() == reflect.Map {
			t.Errorf("setting %q is not explained", s.key)
		}
	}
}
