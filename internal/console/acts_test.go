package console_test

import (
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"remit"
	"remit/internal/console"
	"remit/store"
)

// TestMain fails a whole run in which some act was performed by no browser: a
// form that nobody has pressed may do anything.
func TestMain(m *testing.M) {
	code := m.Run()
	if whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""; code == 0 && whole {
		for _, act := range unperformed() {
			fmt.Println("no browser performs the act", act)
			code = 1
		}
	}
	os.Exit(code)
}

// known are the acts that a console has, all of them; set by whoever makes one
// in a sandbox.
var known []string

// unperformed are the acts to which no browser has sent a form. Where no
// browser ran nothing is said.
func unperformed() (missing []string) {
	mux, seen := http.NewServeMux(), map[string]bool{}
	for _, act := range known {
		mux.Handle("POST "+console.Path+"/"+act, http.NotFoundHandler())
	}
	some := false
	posted.Range(func(address, _ any) bool {
		r, err := http.NewRequest(http.MethodPost, address.(string), nil)
		if err == nil {
			_, pattern := mux.Handler(r)
			seen[pattern] = true
		}
		some = true
		return true
	})
	for _, act := range known {
		if some && !seen["POST "+console.Path+"/"+act] {
			missing = append(missing, act)
		}
	}
	return missing
}

// says is what a page's main part says.
func (b *browser) says() string {
	b.Helper()
	return ask[string](b, "document.querySelector('main').innerText")
}

// stuck makes a refund that no rail can tell about.
func (w *world) stuck(amounts ...string) (ids []remit.DisbursementID) {
	w.Helper()
	order, _ := w.pay("trustly", 50_000, "funded")
	for _, amount := range amounts {
		id := w.refund(order, amount)
		w.outcome(id, `{"outcome":"stall"}`)
		ids = append(ids, id)
	}
	w.control("clock/advance", `{"by":"960h"}`)
	return ids
}

// TestAPersonSaysWhatBecameOfIt decides two stuck refunds by the bank's word:
// one was paid, one was not. Page, store and balance say so, with what shows
// it and who said it.
func TestAPersonSaysWhatBecameOfIt(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	ids := w.stuck("80.00", "70.00")
	held := func() int64 {
		have, err := w.node.Store.Read(t.Context(), store.Wants{Accounts: []store.AccountsRef{{Merchant: "acme", Currency: "EUR"}}})
		must(t, err)
		return have.Books["acme"][remit.BalanceAccount("acme", "EUR")].Held
	}
	was := held()
	for i, c := range []struct {
		act, shows, says string
		state            remit.State
	}{{"settle", "statement line 4711", "Paid", remit.Settled}, {"fail", "the bank's letter", "Failed", remit.Failed}} {
		b.visit("/console/m/acme/out/" + string(ids[i]))
		if !strings.Contains(b.says(), "stuck") {
			t.Errorf("%s: the page does not say that it is stuck", c.act)
		}
		form := `form[action$="/` + c.act + `"]`
		b.fill(form+` input[name=evidence]`, c.shows)
		b.press(form)
		if page := b.says(); !strings.Contains(page, c.says) || !strings.Contains(page, c.shows) || !strings.Contains(page, "ann (operator)") {
			t.Errorf("%s: the page says %.900s", c.act, page)
		}
		if got := w.state(ids[i]); got.State != c.state || got.Stuck {
			t.Errorf("%s: it is %s, stuck: %t", c.act, got.State, got.Stuck)
		}
	}
	if got := was - held(); got != 15_000 {
		t.Errorf("%d less is held, want 15000", got)
	}
	b.blameless("the words")
}

// TestAWaitingRefundIsCanceled before its payment's money has come.
func TestAWaitingRefundIsCanceled(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	order, _ := w.pay("trustly", 9_000, "authorized")
	id := w.refund(order, "90.00")
	b.visit("/console/m/acme/out/" + string(id))
	b.press(`form[action$="/cancel"]`)
	if got := w.state(id); got.State != remit.Canceled || !strings.Contains(b.says(), "Canceled") {
		t.Errorf("it is %s; the page says %.300s", got.State, b.says())
	}
	b.blameless("the cancellation")
}

// TestALetterIsSentOnceMore replays a dead letter from its page and resends it
// from the list: each time one attempt more, an event with a name, and the
// page says delivered.
func TestALetterIsSentOnceMore(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	f := w.furnish()
	letter := func() store.Delivered {
		all, err := w.node.Store.Deliveries(t.Context(), store.DeliveryFilter{Merchant: "acme", Newest: true, Max: 100})
		must(t, err)
		return all[slices.IndexFunc(all, func(d store.Delivered) bool { return d.ID.String() == f.dead })]
	}
	dead := letter()
	b.visit("/console/m/acme/deliveries/" + f.dead)
	if !strings.Contains(b.says(), "Replay") {
		t.Errorf("a dead letter's page says %.300s", b.says())
	}
	b.press(`form[action$="/deliveries/` + f.dead + `"]`)
	if got := letter(); got.Tries != dead.Tries+1 || got.State != remit.DeliveryDelivered || !strings.Contains(b.says(), "delivered") {
		t.Errorf("after %d attempts the replay made it %d, %s", dead.Tries, got.Tries, got.State)
	}
	b.visit("/console/m/acme/deliveries?state=delivered")
	b.press(`form[action$="/deliveries/` + f.dead + `"]`)
	if got := letter(); got.Tries != dead.Tries+2 {
		t.Errorf("the resending made it %d attempts", got.Tries)
	}
	events, err := w.node.Store.Events(t.Context(), "acme", dead.Subject)
	must(t, err)
	events = slices.DeleteFunc(events, func(e remit.Event) bool { return e.Kind != remit.KindRedelivered })
	if len(events) != 2 || events[0].Actor != "operator:ann" || events[0].Evidence != "console:redeliver; notification "+f.dead {
		t.Errorf("it is written down as %+v", events)
	}
	b.blameless("the letters")
}

// TestEachSwitchSwitches sets every field of a merchant's settings, alone: the
// store has it, the page shows it after a fresh load, and the history tells
// from what to what.
func TestEachSwitchSwitches(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	settings := func() remit.Settings {
		have, err := w.node.Store.Read(t.Context(), store.Wants{Merchants: []remit.MerchantID{"acme"}})
		must(t, err)
		return have.Merchants["acme"].Settings
	}
	form := `form[action$="/settings/switches"]`
	fields := ask[[]string](b.at("/console/m/acme/settings"), `[...document.querySelectorAll('`+form+` [name]')].map((e) => e.name).filter((n) => n != "token" && n != "back")`)
	tried := map[string]bool{}
	for _, c := range []struct {
		field, value, history string // no value is a box to tick
		is                    func(remit.Settings) bool
	}{
		{"name", "Acme & Sons", "name: Acme → Acme & Sons", func(s remit.Settings) bool { return s.Name == "Acme & Sons" }},
		{"window", "1m30s", "→ 1m30s", func(s remit.Settings) bool { return s.SendWindow() == 90*time.Second }},
		{"addresses", "127.0.0.1, 192.0.2.0/24", "addresses: any → 127.0.0.1, 192.0.2.0/24", func(s remit.Settings) bool { return slices.Equal(s.IPAllow, []string{"127.0.0.1", "192.0.2.0/24"}) }},
		{"functions", "Charge, Refund", "function Charge: allowed → forbidden", func(s remit.Settings) bool { return !s.MayCall("Charge") && !s.MayCall("Refund") }},
		{"blocked", "user-1\nuser 2, of Turku", "blocked end users: 0 → 2", func(s remit.Settings) bool { return s.Blocked("user-1") && s.Blocked("user 2, of Turku") }},
		{"shield", "reject", "shield: off → reject", func(s remit.Settings) bool { return s.Shield == remit.ShieldReject }},
		{"switch_payout_confirmation", "", "switch payout_confirmation: off → on", func(s remit.Settings) bool { return s.On(remit.SwitchPayoutConfirmation) }},
		{"switch_payout_failed", "", "switch payout_failed: off → on", func(s remit.Settings) bool { return s.On(remit.SwitchPayoutFailed) }},
		{"disabled", "", "disabled: no → yes", func(s remit.Settings) bool { return s.Disabled }},
	} {
		tried[c.field] = true
		b.visit("/console/m/acme/settings")
		field := form + " [name=" + c.field + "]"
		if c.value == "" {
			ask[bool](b, fmt.Sprintf(`(() => { document.querySelector(%q).click(); return true })()`, field))
		} else {
			b.fill(field, c.value)
		}
		if c.is(settings()) {
			t.Errorf("%s is so already", c.field)
		}
		b.press(form)
		if !c.is(settings()) {
			t.Errorf("%s made %+v", c.field, settings())
		}
		b.visit("/console/m/acme/settings")
		shown := ask[bool](b, fmt.Sprintf(`(() => { const e = document.querySelector(%q); return e.type == "checkbox" ? e.checked : e.value == %q })()`, field, c.value))
		if !shown {
			t.Errorf("the page does not show %s", c.field)
		}
		first := ask[string](b, `document.querySelector("#history li").innerText`)
		if !strings.Contains(first, c.history) || !strings.Contains(first, "ann") {
			t.Errorf("%s: the history says %q", c.field, first)
		}
	}
	for _, name := range fields {
		if !tried[name] {
			t.Errorf("this test does not try %s", name)
		}
	}
	b.blameless("the switches")
}

// TestCredentialsAreRevoked in the page: whoever uses them is refused at once,
// and the page says when they ended and who did it.
func TestCredentialsAreRevoked(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	order, _ := w.pay("trustly", 10_000, "funded")
	w.refund(order, "10.00")
	b.visit("/console/m/acme/settings")
	b.press(`form[action$="/credentials/trustly/revoke"]`)
	w.uuid++
	if got := string(w.ask(order, "11.00", w.word)); !strings.Contains(got, `"error"`) {
		t.Errorf("after that Trustly's API answers %s", got)
	}
	page := b.says()
	for _, want := range []string{"revoked", "ended", "credentials revoked", "trustly: known as", "ann (operator)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	known, err := w.node.Store.Credentials(t.Context(), "acme")
	must(t, err)
	for _, c := range known {
		if c.Live() == (c.Dialect == "trustly") || (!c.Live() && c.Sealed != "") {
			t.Errorf("the credential is %+v", c)
		}
	}
	b.blameless("the credentials")
}

// TestAnOperatorComesAndGoes logs in by the form, sees the name on the page,
// logs out, and is asked again.
func TestAnOperatorComesAndGoes(t *testing.T) {
	w := begin(t)
	line, err := console.HashPassword(strings.NewReader(strings.Repeat("salt", 9)), "ann", "correct horse battery")
	must(t, err)
	users, err := console.ReadUsers(strings.NewReader(line))
	must(t, err)
	h := httptest.NewServer(console.New(console.Options{Node: w.node, Real: time.Now, Log: slog.New(slog.DiscardHandler), Users: users}))
	t.Cleanup(h.Close)
	b := open(t, h.URL)
	b.visit("/console/m/acme/refunds")
	b.await(`document.querySelector("form.login")`)
	b.accessible("the login")
	b.fill("input[name=name]", "ann")
	b.fill("input[name=password]", "correct horse battery")
	ask[bool](b, `(document.querySelector("form.login button").click(), true)`)
	b.await(`location.pathname == "/console/m/acme/refunds" && document.querySelector(".who")?.innerText.includes("ann")`)
	if got := b.press(`form[action="/console/logout"]`); got != "You are logged out." {
		t.Errorf("it says %q", got)
	}
	b.visit("/console/m/acme/refunds")
	b.await(`document.querySelector("form.login")`)
	b.blameless("coming and going")
}
