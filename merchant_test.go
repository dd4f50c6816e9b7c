package remit

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestAMerchantIsMadeOnce: the first event says who made it and what it may
// do, a second of its id is refused, and so is an id that is none.
func TestAMerchantIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	c := w.must(AddMerchant{Head: w.head(), Settings: Settings{Name: "Acme", SendWindowMicros: 30_000_000}})
	if m := c.Merchant; m.Settings.Name != "Acme" || !m.Created.Equal(w.now) || m.Seq != 1 {
		t.Errorf("it is %+v", m)
	}
	if e := c.Events[0]; e.Kind != KindCreated || e.Subject != "" || e.Evidence != "test; name: – → Acme; send window: 0s → 30s" {
		t.Errorf("the event is %+v", e)
	}
	w.refused(AddMerchant{Head: w.head()}, Conflict, "")
	w = newWorld(t)
	w.merchant.ID = "No One"
	w.refused(AddMerchant{Head: w.head()}, Invalid, "")
}

// TestSettingsSayWhatChanged: each switch by its name, from what to what;
// nobody's end users by name; nothing at all where nothing changed.
func TestSettingsSayWhatChanged(t *testing.T) {
	w := newWorld(t)
	c := w.must(ChangeSettings{Head: w.head(), Change: func(s *Settings) {
		s.Disabled, s.Shield, s.IPAllow = true, ShieldHold, []string{"192.0.2.1"}
		s.Functions, s.Switches = map[string]bool{"Refund": false, "Charge": true}, map[string]bool{SwitchPayoutFailed: true, SwitchSandbox: false}
		s.EndUsersBlocked, s.Config = []string{"jane"}, map[string]string{"trustlyus.x": "1; " + strings.Repeat("é", 200)}
	}})
	from, facts := EvidenceParts(c.Events[0].Evidence)
	want := []string{"addresses: any → 192.0.2.1", "disabled: no → yes", "function Refund: allowed → forbidden",
		"setting trustlyus.x: – → 1, " + strings.Repeat("é", 58) + "…", "shield: off → hold", "switch payout_failed: off → on", "blocked end users: 0 → 1"}
	if from != "test" || !reflect.DeepEqual(facts, want) {
		t.Errorf("got %q %q, want %q", from, facts, want)
	}
	if c := w.must(ChangeSettings{Head: w.head(), Change: func(s *Settings) { s.Disabled = true }}); !c.Empty() {
		t.Errorf("nothing changed, and it wrote %+v", c)
	}
}

// TestNoSettingChangesUnseen sets each field alone: each is told of.
func TestNoSettingChangesUnseen(t *testing.T) {
	kind := reflect.TypeFor[Settings]()
	for i := range kind.NumField() {
		var s Settings
		switch f := reflect.ValueOf(&s).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int64:
			f.SetInt(7_000_000)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x"}))
		case reflect.Map:
			m := reflect.MakeMap(f.Type())
			v := reflect.New(f.Type().Elem()).Elem()
			if v.Kind() == reflect.String {
				v.SetString("x")
			} else {
				v.SetBool(kind.Field(i).Name != "Functions")
			}
			m.SetMapIndex(reflect.ValueOf("x"), v)
			f.Set(m)
		default:
			t.Fatalf("this test does not know how to set %s", kind.Field(i).Name)
		}
		if got := (Settings{}).changes(s); len(got) != 1 {
			t.Errorf("%s changes as %q", kind.Field(i).Name, got)
		}
	}
}

// TestCredentialsComeAndGo: new ones end those before, whatever their names; a
// key is replaced only where nobody else has changed them; what was revoked is
// empty and stays the merchant's. Each is an event, and none holds a secret.
func TestCredentialsComeAndGo(t *testing.T) {
	w := newWorld(t)
	issue := func(names ...string) Change {
		cmd := IssueCredentials{Head: w.head(), Dialect: "some"}
		for _, n := range names {
			cmd.Credentials = append(cmd.Credentials, Credential{Principal: n, Sealed: Sealed("secret of " + n)})
		}
		return w.must(cmd)
	}
	issue("a", "shared")
	w.must(IssueCredentials{Head: w.head(), Dialect: "other", Credentials: []Credential{{Principal: "a", Sealed: "secret"}}})
	w.now = w.now.Add(time.Hour)
	c := issue("b", "shared")
	if got := c.Events[0]; got.Kind != KindIssued || got.Evidence != "test; some: known as b, shared; those before ended" {
		t.Errorf("the event is %+v", got)
	}
	old := w.credentials["some/a"]
	if old.Live() || old.Sealed != "" || old.Merchant != "acme" || !w.credentials["other/a"].Live() || !w.credentials["some/shared"].Created.Equal(w.now) {
		t.Errorf("the credentials are %+v", w.credentials)
	}

	had := []Credential{w.credentials["some/b"], w.credentials["some/shared"]}
	have := []Credential{had[0], had[1]}
	have[0].Sealed, have[1].Sealed = "new", "new"
	replace := ReplaceKey{Head: w.head(), Dialect: "some", Name: "k", Fingerprint: "f", Had: had, Have: have}
	if c := w.must(replace); c.Events[0].Evidence != "test; some: public key k; fingerprint f" || w.credentials["some/b"].Sealed != "new" {
		t.Errorf("the key was replaced by %+v", c)
	}
	w.refused(replace, Conflict, "")

	c = w.must(RevokeCredentials{Head: w.head(), Dialect: "some"})
	if got := c.Events[0]; got.Kind != KindRevoked || got.Evidence != "test; some: known as b, shared" {
		t.Errorf("the event is %+v", got)
	}
	for name, x := range w.credentials {
		if x.Live() != (x.Dialect == "other") || (!x.Live() && x.Sealed != "") {
			t.Errorf("%s is %+v", name, x)
		}
	}
	w.refused(RevokeCredentials{Head: w.head(), Dialect: "some"}, NotFound, "")
	w.refused(IssueCredentials{Head: w.head(), Dialect: "some"}, Invalid, "")
	for _, e := range w.events {
		if strings.Contains(e.Evidence, "secret") {
			t.Errorf("an event holds a secret: %+v", e)
		}
	}
}

// TestACheckIsWrittenDown says what came of it.
func TestACheckIsWrittenDown(t *testing.T) {
	w := newWorld(t)
	for faults, want := range map[int]string{0: "test; the books hold; 9 events", 2: "test; 2 faults; 9 events"} {
		if e := w.must(RecordCheck{Head: w.head(), Faults: faults, Events: 9}).Events[0]; e.Kind != KindChecked || e.Subject != "" || e.Evidence != want {
			t.Errorf("got %+v", e)
		}
	}
}

// TestEvidenceStaysShort: what a decision adds is cut, and says so.
func TestEvidenceStaysShort(t *testing.T) {
	var many []string
	for range 1000 {
		many = append(many, "switch some: off → on")
	}
	got := Head{Evidence: "x"}.showing(many...).Evidence
	if len(got) > evidenceBytesMax+20 || !strings.HasSuffix(got, "; and more") {
		t.Errorf("it is %d bytes long and ends in %q", len(got), got[len(got)-20:])
	}
}
