package main

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func written(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(text), mode))
	return path
}

// TestTheEnvironmentGoesOverTheFile reads settings from both, of every type.
func TestTheEnvironmentGoesOverTheFile(t *testing.T) {
	path := written(t, "remit.yaml", `
store: sqlite:a.db
lanes: 2
trusted_proxies: [192.0.2.1]
rails: {simulator: {journal: bank.journal, delay: 1m}}
log: {format: json}
request_log_days: 0
`, 0o600)
	got, err := loadConfig(path, environment{"REMIT_STORE=sqlite:b.db", "REMIT_RAILS_SIMULATOR_DELAY=90s", "REMIT_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.2",
		"PATH=/bin", "REMIT_REQUIRE_ALL=1"})
	must(t, err)
	want := config{
		Store: "sqlite:b.db", Proxies: []string{"10.0.0.0/8", "192.0.2.2"}, Lanes: 2,
		Rails: rails{simulated{Journal: "bank.journal", Delay: 90 * time.Second}}, Log: logging{Format: "json"},
	}.withDefaults()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestASettingThatIsNoneIsAnError misspells keys and variables: the error
// names what was written, the hint what was meant.
func TestASettingThatIsNoneIsAnError(t *testing.T) {
	for _, x := range []struct{ file, environ, names, hint string }{
		{"lane: 2\n", "", `"lane"`, "lanes"},
		{"rails: {simulator: {tokn: x}}\n", "", `"rails.simulator.tokn"`, "rails.simulator.token"},
		{"rails: {sepa: {url: x}}\n", "", `"rails.sepa.url"`, "rails.simulator.url"},
		{"", "REMIT_STOR=x", "REMIT_STOR,", "REMIT_STORE"},
		{"", "REMIT_MASTERKEY=x", "REMIT_MASTERKEY,", "REMIT_MASTER_KEY"},
		{"", "REMIT_CRASH_TEST=1", "REMIT_CRASH_TEST,", "REMIT_CRASH_TESTS"},
	} {
		_, err := loadConfig(written(t, "remit.yaml", x.file, 0o600), environment{x.environ})
		h, ok := errors.AsType[hinted](err)
		if !ok || !strings.Contains(err.Error(), x.names) || h.hint != "did you mean "+x.hint {
			t.Errorf("%q %q: %v, hint %q, want %q", x.file, x.environ, err, h.hint, x.hint)
		}
	}
	for _, text := range []string{"lanes: many\n", "rails: {simulator: {delay: soon}}\n", "store: [\n", "lanes: -1\n", "stop_notice: -1s\n"} {
		if _, err := loadConfig(written(t, "remit.yaml", text, 0o600), nil); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// TestAPublicURLIsAnOrigin tries URLs that are one, and some that are more.
func TestAPublicURLIsAnOrigin(t *testing.T) {
	for text, want := range map[string]string{"": "", "https://pay.example": "https://pay.example", "http://127.0.0.1:8080/": "http://127.0.0.1:8080"} {
		if got, err := origin(text); err != nil || got != want {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"pay.example", "ftp://pay.example", "https://", "https://pay.example/x", "https://u@pay.example", "https://pay.example?x", ":"} {
		if got, err := origin(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}

// TestTheMasterKeyComesFromOnePlace gives it in each way, and in none.
func TestTheMasterKeyComesFromOnePlace(t *testing.T) {
	raw := strings.Repeat("k", 32)
	text := base64.StdEncoding.EncodeToString([]byte(raw))
	private, open := written(t, "key", text+"\n", 0o600), written(t, "key", text, 0o640)
	for _, x := range []struct {
		name, file, environ string
		ok                  bool
	}{
		{"from the environment", "", "REMIT_MASTER_KEY=" + text, true},
		{"from a file", private, "", true},
		{"from both", private, "REMIT_MASTER_KEY=" + text, false},
		{"from nowhere", "", "", false},
		{"from a file that others read", open, "", false},
		{"from a file that is not there", private + "x", "", false},
		{"too short", "", "REMIT_MASTER_KEY=c2hvcnQ=", false},
		{"not in base64", "", "REMIT_MASTER_KEY=" + raw, false},
	} {
		key, err := masterKey(config{MasterKeyFile: x.file}, environment{x.environ})
		if x.ok != (err == nil) || (x.ok && string(key) != raw) {
			t.Errorf("%s: %q, %v", x.name, key, err)
		}
		if err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error tells the key", x.name)
		}
	}
}

// TestClocksAreApartByNoMoreThanTheQuestion compares clocks around a question
// that took a second: only what lies outside of it counts.
func TestClocksAreApartByNoMoreThanTheQuestion(t *testing.T) {
	from := time.Unix(1000, 0)
	to := from.Add(time.Second)
	for _, x := range []struct {
		theirs      time.Time
		want        time.Duration
		shouldAlarm bool
	}{
		{from, 0, false}, {to, 0, false}, {from.Add(500 * time.Millisecond), 0, false},
		{from.Add(-skewMax), skewMax, false}, {from.Add(-skewMax - 1), skewMax + 1, true},
		{to.Add(skewMax), -skewMax, false}, {to.Add(skewMax + 1), -skewMax - 1, true},
	} {
		got := apart(from, to, x.theirs)
		if alarm := tooSkew(got) != nil; got != x.want || alarm != x.shouldAlarm {
			t.Errorf("theirs %v: %v apart, alarm %v; want %v, %v", x.theirs.Sub(from), got, alarm, x.want, x.shouldAlarm)
		}
	}
}

// TestIDsAreOfTheirFormAndSort mints ids one after another.
func TestIDsAreOfTheirFormAndSort(t *testing.T) {
	seen := map[string]bool{}
	last := ""
	for range 10_000 {
		id := newID("acme")
		if len(id) != 19 || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "" || seen[id] {
			t.Fatalf("minted %q", id)
		}
		if id[:idTimeDigits] < last {
			t.Fatalf("%q sorts before %q", id, last)
		}
		seen[id], last = true, id[:idTimeDigits]
	}
	if trace := newTrace(); len(trace) != 16 || trace == newTrace() {
		t.Errorf("trace %q", trace)
	}
}
