package catalog_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"remit"
	"remit/dialect"
	"remit/internal/catalog"
	"remit/internal/server"
)

// TestTheDialectsShareOneServer mounts all of them: two that listen at one
// path would panic.
func TestTheDialectsShareOneServer(t *testing.T) {
	names := map[string]bool{}
	for _, d := range catalog.Dialects() {
		if names[d.Name()] {
			t.Errorf("two dialects are named %s", d.Name())
		}
		names[d.Name()] = true
	}
	var _ http.Handler = server.New(server.Options{Dialects: catalog.Dialects()})
}

// setting is a row of a dialect's page about a merchant's settings, and
// settingName a name in its first cell.
var (
	setting     = regexp.MustCompile("(?m)^\\| `(config|switches|functions)` ([^|]*)\\|")
	settingName = regexp.MustCompile("`([a-z]+\\.[A-Za-z_.]+)`|\"([A-Za-z_]+)\":")
)

// TestTheSettingsOfADialectAreThoseOfItsPage: what a page tells an operator to
// set is taken, and what is taken stands on the page.
func TestTheSettingsOfADialectAreThoseOfItsPage(t *testing.T) {
	for _, d := range catalog.Dialects() {
		page, err := os.ReadFile("../../docs/reference/dialects/" + d.Name() + ".md")
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]bool{}
		for _, row := range setting.FindAllStringSubmatch(string(page), -1) {
			for _, m := range settingName.FindAllStringSubmatch(row[2], -1) {
				name := m[1] + m[2]
				if told[name] = true; name == remit.SwitchSandbox {
					continue // the engine's, of every dialect
				}
				s := map[string]remit.Settings{
					"config": {Config: map[string]string{name: "x"}}, "switches": {Switches: map[string]bool{name: true}}, "functions": {Functions: map[string]bool{name: false}},
				}[row[1]]
				if err := dialect.Misnamed(slices.Values([]dialect.Dialect{d}), s); err != nil {
					t.Errorf("%s tells of %s: %v", d.Name(), name, err)
				}
			}
		}
		names := d.Settings()
		for _, name := range slices.Concat(names.Config, names.Switches) {
			if strings.HasSuffix(name, ".") {
				name += "EUR"
			}
			if !told[name] {
				t.Errorf("%s has %s, and its page does not tell of it", d.Name(), name)
			}
		}
	}
}

// TestANameThatIsNoneIsRefused in every kind of setting, and told with those
// that there are.
func TestANameThatIsNoneIsRefused(t *testing.T) {
	for says, s := range map[string]remit.Settings{
		`function "refnd"; there are AccountLedger, `: {Functions: map[string]bool{"Refund": false, "refnd": false}},
		`switch "truelayer.jku"`:                      {Switches: map[string]bool{"truelayer.jku": true}},
		`setting "truelayer.iban."`:                   {Config: map[string]string{"truelayer.iban.": "x"}},
		`setting "truelayer.iban.eur"`:                {Config: map[string]string{"truelayer.iban.eur": "x"}},
		`setting "jku"`:                               {Config: map[string]string{"jku": "x"}},
	} {
		err := dialect.Misnamed(slices.Values(catalog.Dialects()), s)
		if !errors.Is(err, remit.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: got %v, want %s", s, err, says)
		}
	}
	fine := remit.Settings{
		Functions: map[string]bool{"Refund": false, "refund": false, "refunds": false}, Switches: map[string]bool{remit.SwitchPayoutFailed: true},
		Config: map[string]string{"truelayer.iban.EUR": "x", "trustlyus.hmac": "HmacSHA512"},
	}
	if err := dialect.Misnamed(slices.Values(catalog.Dialects()), fine); err != nil {
		t.Error(err)
	}
}

// TestAStoreIsNamedByItsDSN opens what a text names, and refuses what names
// nothing.
func TestAStoreIsNamedByItsDSN(t *testing.T) {
	file := filepath.Join(t.TempDir(), "remit.db")
	for _, x := range []struct {
		dsn string
		ok  bool
	}{
		{"sqlite:" + file, true}, {"postgres://remit@127.0.0.1:1/remit", true}, {"postgresql://remit@127.0.0.1:1/remit", true},
		{"postgres:host=127.0.0.1 dbname=remit", true}, // connected when it is used
		{"", false}, {file, false}, {"sqlite:", false}, {"postgres:", false}, {"postgres", false}, {"mysql://remit@127.0.0.1/remit", false},
	} {
		s, err := catalog.OpenStore(t.Context(), x.dsn, nil)
		if x.ok != (err == nil) || (!x.ok && !errors.Is(err, catalog.ErrStore)) {
			t.Errorf("%q: %v", x.dsn, err)
		}
		if err == nil {
			if err := s.Close(); err != nil {
				t.Errorf("%q: %v", x.dsn, err)
			}
		}
	}
}

// TestARailIsNamedInOneWay opens the simulated bank here and elsewhere, and
// refuses both at once, and neither.
func TestARailIsNamedInOneWay(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "bank.journal")
	for _, x := range []struct {
		c  catalog.Simulated
		ok bool
	}{
		{catalog.Simulated{Journal: journal}, true},
		{catalog.Simulated{URL: "http://127.0.0.1:1", Token: "t"}, true},
		{catalog.Simulated{URL: "http://127.0.0.1:1"}, false},
		{catalog.Simulated{Journal: journal, URL: "http://127.0.0.1:1", Token: "t"}, false},
		{catalog.Simulated{}, false},
	} {
		rails, done, err := catalog.OpenRails(x.c)
		if x.ok != (err == nil) || (!x.ok && !errors.Is(err, catalog.ErrRails)) {
			t.Errorf("%+v: %v", x.c, err)
		}
		if err != nil {
			continue
		}
		if len(rails) != 1 || rails[0].Name() != catalog.SimulatorName {
			t.Errorf("%+v: %v", x.c, rails)
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	}
}
