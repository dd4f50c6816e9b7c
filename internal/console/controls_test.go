package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"remit"
	"remit/dialect"
	"remit/internal/console"
	"remit/store"
)

// settings are acme's, as the store has them.
func (w *world) settings() remit.Settings {
	w.Helper()
	have, err := w.node.Store.Read(w.Context(), store.Wants{Merchants: []remit.MerchantID{"acme"}})
	must(w, err)
	return have.Merchants["acme"].Settings
}

// choose sets a field as a person does: the page hears of it.
func (b *browser) choose(selector, value string) {
	b.Helper()
	ask[bool](b, fmt.Sprintf(`(() => { const f = document.querySelector(%q); f.value = %q; f.dispatchEvent(new Event("input", { bubbles: true })); return f.value === %[2]q })()`, selector, value))
}

// options are the values of a select.
func (b *browser) options(selector string) []string {
	b.Helper()
	return ask[[]string](b, fmt.Sprintf(`[...document.querySelector(%q).options].map((o) => o.value)`, selector))
}

// TestAMerchantIsPutIntoEachState that the page offers, and the store has it
// then. What makes no sense changes nothing, and the page says why.
func TestAMerchantIsPutIntoEachState(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	const form = `form[action$="/sandbox/state"]`
	put := func(set, value string) string {
		b.visit("/console/m/acme/sandbox")
		b.choose(form+" [name=set]", set)
		b.choose(form+" [name=value]", value)
		return b.press(form)
	}
	tried := map[string]bool{}
	for _, c := range []struct {
		set, value string
		is         func(remit.Settings) bool
	}{
		{"addresses", "192.0.2.1, 10.0.0.0/8", func(s remit.Settings) bool { return slices.Equal(s.IPAllow, []string{"192.0.2.1", "10.0.0.0/8"}) }},
		{"any_address", "", func(s remit.Settings) bool { return s.IPAllow == nil }},
		{"forbid", "Refund", func(s remit.Settings) bool { return !s.MayCall("Refund") }},
		{"allow", "Refund", func(s remit.Settings) bool { return s.MayCall("Refund") }},
		{"end_users", "o'neill, user 2", func(s remit.Settings) bool { return slices.Equal(s.EndUsersBlocked, []string{"o'neill", "user 2"}) }},
		{"no_end_user", "", func(s remit.Settings) bool { return len(s.EndUsersBlocked) == 0 }},
		{"withdraw", "", func(s remit.Settings) bool { return s.KeysWithdrawn["trustly"] }},
		{"restore", "", func(s remit.Settings) bool { return !s.KeysWithdrawn["trustly"] }},
		{"confirmed_on", "", func(s remit.Settings) bool { return s.On(remit.SwitchPayoutConfirmation) }},
		{"confirmed_off", "", func(s remit.Settings) bool { return !s.On(remit.SwitchPayoutConfirmation) }},
		{"failed_on", "", func(s remit.Settings) bool { return s.On(remit.SwitchPayoutFailed) }},
		{"failed_off", "", func(s remit.Settings) bool { return !s.On(remit.SwitchPayoutFailed) }},
		{"shield_warn", "", func(s remit.Settings) bool { return s.Shield == remit.ShieldWarn }},
		{"shield_hold", "", func(s remit.Settings) bool { return s.Shield == remit.ShieldHold }},
		{"shield_reject", "", func(s remit.Settings) bool { return s.Shield == remit.ShieldReject }},
		{"shield_off", "", func(s remit.Settings) bool { return s.Shield == remit.ShieldOff }},
		{"config", "trustly.withdrawals=automatic", func(s remit.Settings) bool { return s.Config["trustly.withdrawals"] == "automatic" }},
	} {
		tried[c.set] = true
		if c.is(w.settings()) {
			t.Errorf("%s is so already", c.set)
		}
		if says := put(c.set, c.value); says != "The merchant is as you set it." || !c.is(w.settings()) {
			t.Errorf("%s: the page says %q, and the settings are %+v", c.set, says, w.settings())
		}
	}
	for _, name := range b.options(form + " [name=set]") {
		if !tried[name] {
			t.Errorf("this test does not try %s", name)
		}
	}
	was := fmt.Sprint(w.settings())
	for _, c := range []struct{ set, value, says string }{
		{"addresses", "nowhere", "neither an address nor a range"}, {"addresses", "", "needs a value"}, {"config", "trustly.withdrawals", "name=value"},
	} {
		if says := put(c.set, c.value); !strings.HasPrefix(says, "Nothing was done: ") || !strings.Contains(says, c.says) {
			t.Errorf("%s with %q: the page says %q", c.set, c.value, says)
		}
	}
	if is := fmt.Sprint(w.settings()); is != was {
		t.Errorf("the settings became %s", is)
	}
	b.visit("/console/m/acme/sandbox")
	b.choose(form+" [name=value]", "left over")
	b.choose(form+" [name=set]", "any_address")
	if ask[bool](b, `document.querySelector("[name=value]").checkVisibility() || !document.querySelector("[name=value]").disabled`) {
		t.Error("a value is asked for where there is none")
	}
	if says := b.press(form); says != "The merchant is as you set it." {
		t.Errorf("with a value left over from another state the page says %q", says)
	}
	b.blameless("the states")
}

// TestTheBankGivesEachReason that the page offers, where a refund is refused:
// that is why it failed.
func TestTheBankGivesEachReason(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	order, _ := w.pay("trustly", 90_000, "funded")
	page := func(id remit.DisbursementID) string { return "/console/m/acme/out/" + string(id) }
	reasons := b.at(page(w.refund(order, "10.00"))).options("select[name=reason]")
	if len(reasons) < 5 || reasons[0] != "" {
		t.Fatalf("the page offers %q", reasons)
	}
	for i, reason := range reasons {
		id := w.refund(order, fmt.Sprintf("%d.00", 20+i))
		b.visit(page(id))
		b.choose("select[name=outcome]", "refuse")
		b.choose("select[name=reason]", reason)
		b.press(`form[action$="/sandbox/outcome"]`)
		want := remit.Reason(reason)
		if reason == "" {
			want = remit.ReasonRefusedByBank
		}
		if got := w.state(id); got.State != remit.Failed || got.Reason != want {
			t.Errorf("%q: it is %s for %q", reason, got.State, got.Reason)
		}
	}
	b.blameless("the reasons")
}

// TestSettingsThatMakeNoSenseAreRefused, all of them and not in part.
func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	w := begin(t)
	many := func(text string, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint(text, i))
		}
		return list
	}
	for _, c := range []struct{ field, value, says string }{
		{"functions", "Refund, Refnd", "no API has a function"}, {"functions", "Refund; Charge", "is no function"}, {"functions", strings.Repeat("x", 65), "is no function"},
		{"functions", strings.Join(many("f", 101), ","), "more than 100 functions"},
		{"blocked", strings.Repeat("x", 256), "at most 255 bytes"}, {"blocked", strings.Join(many("u", 1_001), "\n"), "more than 1000 end users"},
	} {
		form := url.Values{"token": {w.fetch("/console/m/acme/settings").token()}, "name": {"Other"}, "window": {"5s"}, "addresses": {"any"}, c.field: {c.value}}
		to := w.do(&http.Client{}, http.MethodPost, "/console/m/acme/settings/switches", form, nil).header.Get("Location")
		if page := w.fetch(to).body; !strings.Contains(page, c.says) || w.settings().Name == "Other" {
			t.Errorf("%s %.40s: %s", c.field, c.value, regexp.MustCompile(`class="flash[^<]*`).FindString(page))
		}
	}
}

// TestATakenNameIsAConflict: who is handed credentials with another merchant's
// name reads what is wrong, and not that something is broken.
func TestATakenNameIsAConflict(t *testing.T) {
	w := begin(t)
	err := w.node.Keep(t.Context(), w.node.Engine.Head("globex", "operator:ann", "test"), "trustly", dialect.Credentials{Principal: dialect.Principal(w.name)})
	if got, want := console.Refusal(remit.AsError(err)), "Nothing was done: one of the names in these credentials is another merchant's."; got != want {
		t.Errorf("it reads %q", got)
	}
}

// came is a notification as the inbox keeps it.
type came struct {
	ID, Dialect, Path, Query, Body string
	Verified                       bool
	Status                         int `json:"response_status"`
}

// inbox is all that came.
func (w *world) inbox() []came {
	w.Helper()
	res, err := http.Get(w.base + "/_sandbox/inbox")
	must(w, err)
	defer res.Body.Close()
	var all struct{ Items []came }
	must(w, json.NewDecoder(res.Body).Decode(&all))
	return all.Items
}

// letters is how many letters the page lists, and fresh how many as new.
func (b *browser) letters() int {
	return ask[int](b, `document.querySelectorAll(".letters li").length`)
}
func (b *browser) fresh() int {
	return ask[int](b, `document.querySelectorAll(".letters .new").length`)
}

// TestTheInboxTellsWhatIsNew since it was last looked at. What comes while
// somebody looks is new too, until it is opened or marked as read, and a page
// that is fetched again forgets nothing.
func TestTheInboxTellsWhatIsNew(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	w.pay("truelayer", 9_900, "funded")
	first := len(w.inbox())
	if b.visit("/console/m/acme/inbox"); first == 0 || b.fresh() != first || b.letters() != first {
		t.Fatalf("%d of %d letters are new at first, and %d came", b.fresh(), b.letters(), first)
	}
	if b.visit("/console/m/acme/inbox"); b.fresh() != 0 || b.letters() != first {
		t.Fatalf("%d of %d letters are new again", b.fresh(), b.letters())
	}
	w.pay("truelayer", 8_800, "funded")
	w.pay("truelayer", 7_700, "funded")
	more := len(w.inbox()) - first
	b.await(fmt.Sprintf(`document.querySelectorAll(".letters .new").length === %d`, more)) // nobody loads the page
	ask[bool](b, `(document.body.dataset.old = "yes", document.querySelector(".letters .new a").click(), true)`)
	b.await(`!document.body.dataset.old && document.querySelector(".letters [aria-current]")`)
	if b.fresh() != more-1 || ask[bool](b, `document.querySelector(".letters li:has([aria-current])").matches(".new")`) {
		t.Errorf("%d are new once one was opened, want %d", b.fresh(), more-1)
	}
	ask[string](b, `document.querySelector("#live").dataset.seen = "yes"`)
	b.await(`!document.querySelector("#live").dataset.seen`) // it was fetched again
	if b.fresh() != more-1 {
		t.Errorf("%d are new in the page that was fetched again, want %d", b.fresh(), more-1)
	}
	ask[bool](b, `(document.body.dataset.old = "yes", document.querySelector(".fresh a").click(), true)`)
	b.await(`!document.body.dataset.old && document.querySelector(".letters")`)
	if b.fresh() != 0 || b.letters() != first+more {
		t.Errorf("%d of %d are new that were marked as read", b.fresh(), b.letters())
	}
	b.blameless("the inbox")
}

// TestEachTryOfALetterIsFoundInIt: a notification that came three times is one
// letter, which is a problem for its first two.
func TestEachTryOfALetterIsFoundInIt(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	w.pay("truelayer", 9_900, "funded")
	w.control("inbox/behaviour", `{"status":503,"times":2}`)
	order, _ := w.pay("trustly", 10_000, "funded")
	w.outcome(w.refund(order, "30.00"), `{"outcome":"refuse","reason":"account_closed"}`)
	w.control("clock/advance", `{"by":"24h"}`)
	tries, fine := map[string]int{}, map[string]bool{}
	for _, x := range w.inbox() {
		tries[x.Body]++
		if x.Dialect == "truelayer" {
			fine[x.Body] = true
		}
	}
	b.visit("/console/m/acme/inbox?dialect=truelayer")
	if got := b.letters(); got != len(fine) || got == len(tries) {
		t.Errorf("of TrueLayer there are %d letters, want %d", got, len(fine))
	}
	if b.visit("/console/m/acme/inbox"); b.letters() != len(tries) {
		t.Errorf("there are %d letters, want %d", b.letters(), len(tries))
	}
	b.visit("/console/m/acme/inbox?problems=yes")
	failed := 0
	for body, n := range tries {
		bad := slices.ContainsFunc(w.inbox(), func(x came) bool { return x.Body == body && x.Status == 503 })
		if bad {
			failed++
		}
		if says := fmt.Sprintf("came %d times", n); bad && !strings.Contains(b.says(), says) {
			t.Errorf("the page does not say %q", says)
		}
	}
	if got := b.letters(); failed == 0 || got != failed {
		t.Errorf("there are %d letters with problems, want %d", got, failed)
	}
	tabs := func() int { return ask[int](b, `document.querySelectorAll(".letter .tabs a").length`) }
	if !strings.Contains(b.says(), "Answered with HTTP 200") || tabs() < 2 {
		t.Errorf("the newest of %d tries says %.900s", tabs(), b.says())
	}
	ask[bool](b, `(document.body.dataset.old = "yes", [...document.querySelectorAll(".letter .tabs a")].at(-1).click(), true)`)
	b.await(`!document.body.dataset.old && document.querySelector(".letter")`)
	if !strings.Contains(b.says(), "Answered with HTTP 503") || b.letters() != failed {
		t.Errorf("the first try says %.900s", b.says())
	}
	b.blameless("the tries")
}

// TestTheInboxGoesOn over as many pages as there are letters for, each of them
// once.
func TestTheInboxGoesOn(t *testing.T) {
	w := begin(t)
	for i := range 60 {
		w.control("payments", fmt.Sprintf(`{"dialect":"truelayer","amount_minor":%d,"currency":"EUR"}`, 1000+i))
	}
	bodies := map[string]bool{}
	for _, x := range w.inbox() {
		bodies[x.Body] = true
	}
	seen, pages := map[string]int{}, 0
	letter := regexp.MustCompile(`<li[^>]*><a href="[^"]*open=(\d+)`)
	for path := "/console/m/acme/inbox?dialect=truelayer"; path != "" && pages < 9; pages++ {
		page := w.fetch(path)
		for _, m := range letter.FindAllStringSubmatch(page.body, -1) {
			seen[m[1]]++
		}
		path = ""
		if m := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("letter %s is on %d pages", id, n)
		}
	}
	if len(seen) != len(bodies) || len(seen) < 60 || pages < 2 {
		t.Errorf("%d letters on %d pages, want %d", len(seen), pages, len(bodies))
	}
	if got := w.fetch("/console/m/acme/inbox?before=x").status; got != http.StatusBadRequest {
		t.Errorf("a page that is none answers %d", got)
	}
}
