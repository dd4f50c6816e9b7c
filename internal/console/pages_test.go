package console_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"remit"
	"remit/internal/evidence"
	"remit/internal/node"
	"remit/money"
	"remit/store"
)

// pages are all that acme has, whatever is there.
var pages = []string{
	"m/%/", "m/%/payments", "m/%/refunds", "m/%/payouts", "m/%/requests", "m/%/requests?refused=yes&dialect=trustly&about=1", "m/%/deliveries", "m/%/deliveries?state=dead", "m/%/ledger", "m/%/settings",
	"m/%/inbox", "m/%/inbox?problems=yes&dialect=truelayer", "m/%/sandbox", "m/%/refunds?state=failed", "m/%/payments?from=2026-01-01&to=2026-01-02",
	"m/%/refunds?only=unknown", "m/%/payouts?only=held", "m/%/refunds?state=failed&ended=2026-01-01", "m/%/refunds?only=stalled",
	"merchants", "search", "search?q=nothing", "search?q=1204.50", "search?q=90", "search?q=80",
}

// TestEveryPageIsFitToBeSeen opens every page with nothing to show and with
// something of every kind, on a desk and on a phone, light and dark. axe finds
// nothing wrong, nothing is written to the browser's log, nobody else is
// called, and no page is wider than its window.
func TestEveryPageIsFitToBeSeen(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	check := func(path string) {
		b.visit("/console/" + path)
		b.accessible(path)
		b.blameless(path)
	}
	for _, p := range pages {
		check(strings.Replace(p, "%", "globex", 1))
	}
	f := w.furnish()
	all := append(pages[:len(pages):len(pages)], "m/%/payments/"+f.payment, "m/%/ledger/account?path=EUR", "m/%/ledger?at=2030-01-01T00:00",
		"m/%/ledger?from=2000-01-01&to=2099-12-31", "m/%/ledger/account?path=EUR&from=2000-01-01&to=2001-01-01",
		"m/%/requests?refused=yes", "m/%/requests/"+f.refused, "m/%/requests/"+f.stranger, "m/%/deliveries/"+f.dead, "m/%/out/"+string(f.settled), "m/%/out/"+string(f.returned), "m/%/out/"+string(f.waiting), "m/%/out/"+string(f.stuck), "m/%/out/"+string(f.accepted))
	for _, theme := range []string{"light", "dark"} {
		b.theme(theme)
		for _, p := range all {
			check(strings.Replace(p, "%", "acme", 1))
		}
	}
	b.size(1280, 800) // a small laptop
	for _, p := range all {
		p = strings.Replace(p, "%", "acme", 1)
		b.visit("/console/" + p)
		b.narrow(p)
	}
	b.size(390, 844) // a phone
	for _, p := range all {
		p = strings.Replace(p, "%", "acme", 1)
		check(p)
		b.narrow(p)
	}
}

// TestAChartIsDrawn waits for the overview's chart, asks it for its sums, and
// reads the currency from its axis.
func TestAChartIsDrawn(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	w.pay("trustly", 120_450, "funded")
	b.visit("/console/m/acme/")
	b.await(`document.querySelector(".chart canvas")`)
	b.await(`document.querySelector(".u-legend")?.innerText.includes("1,204.50 EUR")`)
	ask[bool](b, `(() => { window.written = []; const pen = CanvasRenderingContext2D.prototype, fill = pen.fillText;
		pen.fillText = function (text, ...at) { written.push(text); return fill.call(this, text, ...at) };
		document.querySelector("[data-theme-switch]").click(); return true })()`)
	b.await(`written.includes("EUR")`) // what the numbers beside the chart are in
	b.blameless("the chart")
}

// TestTheSameCallIsTheForms fills forms in, and reads from the call beside each
// what the form holds.
func TestTheSameCallIsTheForms(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	order, _ := w.pay("trustly", 10_000, "funded")
	id := w.refund(order, "30.00")
	for _, x := range []struct{ page, form, change, want string }{
		{"sandbox", "payment", `{}`, `/_sandbox/payments -d '{"merchant":"acme","dialect":"paytrail","amount_minor":10000,"currency":"EUR","state":"funded"}'`},
		{"sandbox", "payment", `{ dialect: "trustly", amount: "1,204.50", currency: "SEK", state: "authorized" }`,
			`/_sandbox/payments -d '{"merchant":"acme","dialect":"trustly","amount_minor":120450,"currency":"SEK","state":"authorized"}'`},
		{"sandbox", "clock", `{}`, `/_sandbox/clock/advance -d '{"by":"10s"}'`},
		{"sandbox", "clock", `{ by: "144h" }`, `/_sandbox/clock/advance -d '{"by":"144h"}'`},
		{"sandbox", "behaviour", `{ status: "404", times: "7" }`, `/_sandbox/inbox/behaviour -d '{"status":404,"times":7}'`},
		{"sandbox", "balance", `{ amount: "5.10", currency: "USD" }`, `/_sandbox/merchants/acme -d '{"balance_minor":{"USD":510}}'`},
		{"sandbox", "state", `{}`, `/_sandbox/merchants/acme -d '{"ip_allow":[]}'`},
		{"sandbox", "state", `{ set: "addresses", value: " 192.0.2.1 ,10.0.0.0/8," }`, `/_sandbox/merchants/acme -d '{"ip_allow":["192.0.2.1","10.0.0.0/8"]}'`},
		{"sandbox", "state", `{ value: "left over", set: "any_address" }`, `/_sandbox/merchants/acme -d '{"ip_allow":null}'`},
		{"sandbox", "state", `{ set: "forbid", value: "Refund" }`, `/_sandbox/merchants/acme -d '{"functions":{"Refund":false}}'`},
		{"sandbox", "state", `{ set: "end_users", value: "o'neill, \"x\"" }`, `/_sandbox/merchants/acme -d '{"end_users_blocked":["o'\''neill","\"x\""]}'`},
		{"sandbox", "state", `{ set: "restore" }`, `/_sandbox/merchants/acme -d '{"public_key":"restore"}'`},
		{"sandbox", "state", `{ set: "config", value: "a.b=c=d" }`, `/_sandbox/merchants/acme -d '{"config":{"a.b":"c=d"}}'`},
		{"sandbox", "merchant", `{}`, `/_sandbox/merchants/acme -d '{"disabled":true}'`},
		{"out/" + string(id), "outcome", `{}`, `/outcome -d '{"outcome":"settle"}'`},
		{"out/" + string(id), "outcome", `{ outcome: "return", after: "144h" }`, `/outcome -d '{"outcome":"return","after":"144h"}'`},
		{"out/" + string(id), "outcome", `{ outcome: "refuse", reason: "account_closed" }`, `/outcome -d '{"outcome":"refuse","reason":"account_closed"}'`},
		{"out/" + string(id), "outcome", `{ reason: "account_closed", after: "1h", outcome: "abort" }`, `/outcome -d '{"outcome":"abort"}'`},
	} {
		b.visit("/console/m/acme/" + x.page)
		got := ask[string](b, `(() => { const form = document.querySelector('form[action$="/sandbox/`+x.form+`"]');
			for (const [name, value] of Object.entries(`+x.change+`)) { form.elements[name].value = value; form.elements[name].dispatchEvent(new Event("input", { bubbles: true })); }
			form.parentElement.querySelector(".curl").open = true; return form.parentElement.querySelector(".curl code").innerText })()`)
		if !strings.HasSuffix(got, x.want) {
			t.Errorf("%s with %s: the call is %s, want %s", x.form, x.change, got, x.want)
		}
	}
	b.blameless("the forms")
}

// TestAPageStaysAlive sees a refund come up in a list that nobody loads anew.
func TestAPageStaysAlive(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	order, _ := w.pay("trustly", 10_000, "funded")
	b.visit("/console/m/acme/refunds")
	b.await(`document.querySelector(".empty")`)
	w.refund(order, "30.00")
	b.await(`document.querySelector("tr[data-key]")?.innerText.includes("30.00")`)
	b.blameless("the list")
}

// TestAPageThatIsReadStays where its reader scrolled to: a list of attempts is
// not fetched anew then, and is again once the reader is back at its top.
func TestAPageThatIsReadStays(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	f := w.furnish()
	b.visit("/console/m/acme/deliveries/" + f.dead)
	scroll := func(to int) {
		ask[bool](b, fmt.Sprintf(`(() => { const list = document.querySelector(".tall"); list.style.maxHeight = "40px"; list.scrollTop = %d; list.dataset.old = "yes"; return true })()`, to))
	}
	scroll(20)
	time.Sleep(5 * time.Second) // longer than a page waits before it is fetched anew
	if !ask[bool](b, `document.querySelector(".tall").dataset.old === "yes" && document.querySelector(".tall").scrollTop === 20`) {
		t.Error("the list was taken from who reads it")
	}
	scroll(0)
	b.await(`!document.querySelector(".tall").dataset.old`)
	b.blameless("the attempts")
}

// TestAFormThatIsHalfFilledStays fills the form of an outcome in, and leaves it: by
// each of its fields it stays as it is while the page would be fetched twice, also
// if the answer to a fetch comes when the form is being filled in. Emptied again, the page goes on.
func TestAFormThatIsHalfFilledStays(t *testing.T) {
	w := begin(t)
	order, _ := w.pay("trustly", 5_000_00, "funded")
	id := w.refund(order, "100.00")
	b := open(t, w.base)
	b.visit("/console/m/acme/out/" + string(id))
	const form = `form[action$="sandbox/outcome"]`
	b.await("document.querySelector('" + form + "')")
	set := func(field, value string) {
		ask[bool](b, fmt.Sprintf(`(() => { const f = document.querySelector(%q).elements[%q]; f.focus(); f.value = %q;
			f.dispatchEvent(new Event("input", { bubbles: true })); f.blur(); document.body.focus(); return true })()`, form, field, value))
	}
	const mark = "document.querySelector('#live').dataset.seen"
	ask[string](b, mark+" = 'yes'")
	asked := "window.asked ??= 0, document.addEventListener('htmx:beforeRequest', () => window.asked++), window.asked"
	ask[int](b, asked)
	for _, x := range [][3]string{{"outcome", "refuse", "settle"}, {"after", "144h", ""}, {"reason", "account_closed", ""}} {
		ask[int](b, "window.asked = 0")
		if x[0] == "reason" {
			set("outcome", "refuse")
		}
		set(x[0], x[1])
		b.await("window.asked >= 2")
		if got := ask[string](b, fmt.Sprintf("%s + ' ' + document.querySelector(%q).elements[%q].value", mark, form, x[0])); got != "yes "+x[1] {
			t.Errorf("%s, filled in with %s, is %q after two rounds", x[0], x[1], got)
		}
		set(x[0], x[2])
		set("outcome", "settle")
	}
	ask[bool](b, `(document.addEventListener("htmx:beforeSwap", () => { document.querySelector('`+form+`').elements.after.value = "1h" }, { capture: true, once: true }), true)`)
	b.await("document.querySelector('" + form + "').elements.after.value === '1h'")
	ask[int](b, "window.asked = 0")
	b.await("window.asked >= 1")
	if got := ask[string](b, "document.querySelector('"+form+"').elements.after.value"); got != "1h" {
		t.Errorf("an answer that came late left %q", got)
	}
	set("after", "")
	b.await("!" + mark)
	b.blameless("a form that is half filled")
}

// TestKeysMove searches by "/", walks rows by "j" and "k", opens one, and asks
// for the keys by "?".
func TestKeysMove(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	for range 3 {
		w.pay("trustly", 10_000, "funded")
	}
	b.visit("/console/m/acme/payments")
	key := func(k string) {
		ask[bool](b, `(document.activeElement || document.body).dispatchEvent(new KeyboardEvent("keydown", { key: "`+k+`", bubbles: true, cancelable: true }))`)
	}
	key("j")
	key("j")
	key("k")
	if got := ask[int](b, `[...document.querySelectorAll("tr[data-key]")].findIndex((r) => r.classList.contains("at"))`); got != 0 {
		t.Errorf("two down and one up is row %d, want 0", got)
	}
	if !ask[bool](b, `document.activeElement.matches("tr.at a")`) {
		t.Error("the row's link has no focus")
	}
	key("?")
	b.await(`document.querySelector("dialog.keys").open`)
	ask[bool](b, `(document.querySelector("dialog.keys").close(), true)`)
	key("/")
	b.await(`document.activeElement.matches("input[type=search]")`)
	b.blameless("the keys")
}

// TestEachActActsOnce presses every button twice in one breath, and counts in
// the store what became of it.
func TestEachActActsOnce(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	f := w.furnish()
	count := func(subject, kind string) (n int) {
		events, err := w.node.Store.Events(t.Context(), "acme", subject)
		must(t, err)
		for _, e := range events {
			if e.Kind == kind {
				if e.Actor != "operator:ann" {
					t.Errorf("%s of %s was by %q", kind, subject, e.Actor)
				}
				n++
			}
		}
		return n
	}
	out := func(id remit.DisbursementID) string { return "/console/m/acme/out/" + string(id) }

	b.visit(out(f.accepted))
	b.press(`form[action$="/cancel"]`)
	if got := count(string(f.accepted), "canceled"); got != 1 || w.state(f.accepted).State != remit.Canceled {
		t.Errorf("it was canceled %d times and is %s", got, w.state(f.accepted).State)
	}

	b.visit(out(f.stuck))
	b.press(`form[action$="/ask"]`)
	if w.state(f.stuck).Stuck {
		t.Error("the rail was not asked again")
	}
	w.control("clock/advance", `{"by":"960h"}`)
	b.visit(out(f.stuck))
	b.fill(`form[action$="/settle"] input[name=evidence]`, "line 4711 to FI2112345600000785")
	b.press(`form[action$="/settle"]`)
	if got := count(string(f.stuck), "settled"); got != 1 {
		t.Errorf("it was settled %d times", got)
	}
	events, err := w.node.Store.Events(t.Context(), "acme", string(f.stuck))
	must(t, err)
	if got, want := events[len(events)-1].Evidence, "console:settle line 4711 to •••0785"; got != want {
		t.Errorf("the evidence is %q, want %q", got, want)
	}

	tries := func() int64 {
		all, err := w.node.Store.Deliveries(t.Context(), store.DeliveryFilter{Merchant: "acme", State: remit.DeliveryDelivered, Newest: true, Max: 100})
		must(t, err)
		for _, d := range all {
			if d.ID.String() == f.dead {
				return d.Tries
			}
		}
		return 0
	}
	b.visit("/console/m/acme/deliveries/" + f.dead)
	before := ask[int](b, `document.querySelectorAll("tr[data-key]").length`)
	b.press(`form[action$="/deliveries/` + f.dead + `"]`)
	if got := tries(); got != int64(before)+1 {
		t.Errorf("after %d attempts the replay made it %d", before, got)
	}

	balance := func() int64 {
		have, err := w.node.Store.Read(t.Context(), store.Wants{Accounts: []store.AccountsRef{{Merchant: "acme", Currency: "GBP"}}})
		must(t, err)
		a := have.Books["acme"][remit.BalanceAccount("acme", "GBP")]
		return a.Balance()
	}
	was := balance()
	b.visit("/console/m/acme/settings")
	b.fill(`form[action$="/topup"] input[name=amount]`, "1204.50")
	b.fill(`form[action$="/topup"] input[name=currency]`, "gbp")
	b.fill(`form[action$="/topup"] input[name=evidence]`, "bank line 1")
	b.press(`form[action$="/topup"]`)
	if got := balance() - was; got != 120_450 {
		t.Errorf("the top-up made %d", got)
	}

	b.visit("/console/m/acme/payments")
	record := `form[action$="/m/acme/payments"]`
	for name, text := range map[string]string{
		"amount": "75.50", "currency": "eur", "dialect": "trustly", "name": "9000000001", "state": "authorized", "order": "web-7", "evidence": "bank line 2",
	} {
		b.fill(record+" [name="+name+"]", text)
	}
	b.press(record)
	recorded := func() remit.Payment {
		p, ok, err := node.Named(t.Context(), w.node.Store, "acme", "9000000001")
		must(t, err)
		if !ok {
			t.Fatal("nothing was recorded")
		}
		return p
	}
	if p := recorded(); p.State != remit.PaymentAuthorized || p.OrderReference != "web-7" || p.Amount.Minor != 7_550 {
		t.Errorf("recorded was %+v", p)
	}
	b.await(`document.body.innerText.includes("The payment is recorded as 9000000001.")`)
	move := func(to remit.PaymentState) string {
		return fmt.Sprintf(`form:has(input[name=to][value=%s])`, to)
	}
	b.fill(move(remit.PaymentFunded)+" [name=iban]", "fi21 1234 5600 0007 85")
	b.fill(move(remit.PaymentFunded)+" [name=holder]", "Ann Payer")
	b.fill(move(remit.PaymentFunded)+" [name=evidence]", "bank line 3")
	b.press(move(remit.PaymentFunded))
	if p := recorded(); p.State != remit.PaymentFunded || p.PayerAccount == "" {
		t.Errorf("it is %s", p.State)
	}
	b.fill(move(remit.PaymentReversed)+" [name=evidence]", "a letter")
	b.press(move(remit.PaymentReversed))
	if p := recorded(); p.State != remit.PaymentReversed {
		t.Errorf("it is %s", p.State)
	}
	b.blameless("the acts")
}

// TestAHeldRefundIsDecidedByAPerson has an equal refund held, sees the overview
// call for a person, and lets it go on.
func TestAHeldRefundIsDecidedByAPerson(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	b.visit("/console/m/acme/settings")
	b.fill("select[name=shield]", "hold")
	b.press(`form[action$="/switches"]`)
	order, _ := w.pay("trustly", 10_000, "funded")
	equal := func() remit.DisbursementID { // as a dialect without keys asks for it
		res, err := w.node.Engine.Do(t.Context(), remit.Refund{
			Head: w.node.Engine.Head("acme", "merchant", "request:1"), Keyed: remit.Keyed{Dialect: "trustly"}, Rail: "simulator",
			Payment: remit.Name{Text: order}, Amount: money.Amount{Minor: 1_000, Currency: "EUR"}, Shielded: true,
		})
		must(t, err)
		return res.Disbursement.ID
	}
	equal()
	held := equal()
	if got := w.state(held).WaitingFor; got != remit.WaitReview {
		t.Fatalf("it waits for %q", got)
	}
	b.visit("/console/m/acme/")
	b.await(`document.querySelector(".needs").innerText.includes("Held for a person")`)
	b.visit("/console/m/acme/out/" + string(held))
	b.press(`form[action$="/proceed"]`)
	if got := w.state(held).State; got != remit.Accepted {
		t.Errorf("it is %s", got)
	}
	b.blameless("the decision")
}

// TestControlsDoWhatTheirCallsDo uses each of the sandbox's controls.
func TestControlsDoWhatTheirCallsDo(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	here := "/console/m/acme/sandbox"
	b.visit(here)
	if got := b.press(`form[action$="/sandbox/payment"]`); got != "The payment is there." {
		t.Errorf("a payment: %s", got)
	}
	ps, err := w.node.Store.Payments(t.Context(), store.PaymentFilter{Merchant: "acme", Max: 9})
	must(t, err)
	if len(ps) != 1 {
		t.Fatalf("%d payments were made", len(ps))
	}
	was := w.node.Clock.Now()
	b.visit(here)
	b.fill("select[name=by]", "144h")
	b.press(`form[action$="/sandbox/clock"]`)
	if got := w.node.Clock.Now().Sub(was).Hours(); got != 144 {
		t.Errorf("the clock moved by %v hours", got)
	}
	b.visit(here)
	b.press(`form[action$="/sandbox/behaviour"]`)
	b.visit(here)
	b.press(`form[action$="/sandbox/balance"]`)
	b.visit(here)
	b.press(`form[action$="/sandbox/merchant"]`)
	have, err := w.node.Store.Read(t.Context(), store.Wants{Merchants: []remit.MerchantID{"acme"}})
	must(t, err)
	if !have.Merchants["acme"].Settings.Disabled {
		t.Error("the merchant is not switched off")
	}
	b.press(`form[action$="/sandbox/merchant"]`)

	order, _ := w.pay("trustly", 5_000, "funded")
	w.control("merchants/acme", `{"balance_minor":{"EUR":10000}}`)
	id := w.refund(order, "20.00")
	b.visit("/console/m/acme/out/" + string(id))
	b.fill("select[name=outcome]", "refuse")
	b.press(`form[action$="/sandbox/outcome"]`)
	if got := w.state(id).State; got != remit.Failed {
		t.Errorf("the refund is %s", got)
	}
	b.blameless("the controls")
}

// TestAMerchantIsMadeAndShownItsSecretsOnce makes a merchant, issues its
// credentials, and looks for them again in vain.
func TestAMerchantIsMadeAndShownItsSecretsOnce(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	b.visit("/console/merchants")
	b.fill("input[name=id]", "initech")
	b.fill("input[name=name]", "Initech")
	b.press(`form[action="/console/merchants"]`)
	if got := b.press(`form[action$="/credentials/trustly"]`); !strings.Contains(got, "shown this once") && !strings.Contains(got, "issued") {
		t.Errorf("it says %q", got)
	}
	ours, err := w.node.Directory.PublicKeyPEM("trustly")
	must(t, err)
	key := func() string { return ask[string](b, `document.querySelector("pre.key").textContent`) }
	if key() != ours {
		t.Errorf("our public key is shown as %s", key())
	}
	b.accessible("fresh credentials")
	known, err := w.node.Store.Credentials(t.Context(), "initech")
	must(t, err)
	if len(known) != 1 {
		t.Fatalf("it has %d credentials", len(known))
	}
	b.visit("/console/m/initech/settings")
	if text := ask[string](b, "document.body.textContent"); strings.Contains(text, "PRIVATE KEY") || !strings.Contains(text, ours) {
		t.Error("the private key is shown again, or our public one is not")
	}
	b.blameless("the merchant")
}

// TestTheBooksAreChecked runs the check from the page.
func TestTheBooksAreChecked(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	b.visit("/console/m/acme/ledger")
	b.press(`form[action$="/ledger/check"]`)
	b.await(`document.body.innerText.includes("the books hold")`)
	b.blameless("the check")
}

// TestEvidenceIsTakenAlong fetches the bundle of a refund, and believes it.
func TestEvidenceIsTakenAlong(t *testing.T) {
	w := begin(t)
	f := w.furnish()
	file := w.fetch("/console/m/acme/out/" + string(f.returned) + "/evidence")
	got, by, err := evidence.Verify([]byte(file.body))
	if err != nil || !by.Equal(evidence.Key(w.node.Vault).Public()) {
		t.Fatalf("it is not believed: %v", err)
	}
	if got.Disbursement.State != "returned" || got.By != "operator:ann" || len(got.Notifications) == 0 {
		t.Errorf("got %+v", got)
	}
	if len(got.Requests) != 1 || !strings.Contains(got.Requests[0].Asked, `"Password":"•••"`) || strings.Contains(file.body, w.word) {
		t.Errorf("it shows of the requests: %+v", got.Requests)
	}
}

// TestManyMerchantsDoNotFillEachPage makes more than the switch lists: it says
// how many there are besides, and one of those is found by its name.
func TestManyMerchantsDoNotFillEachPage(t *testing.T) {
	w := begin(t)
	for i := range 25 {
		m := remit.MerchantID(fmt.Sprintf("shop%02d", i))
		must(t, w.node.AddMerchant(t.Context(), w.node.Engine.Head(m, "operator:ann", "test"), remit.Settings{Name: fmt.Sprintf("Shop No. %d", i)}))
	}
	page := w.fetch("/console/m/acme/").body
	if listed := strings.Count(page, `<li><a href="/console/m/`); !strings.Contains(page, "7 more merchants") || listed < 20 || listed > 30 {
		t.Errorf("the page links to %d places of merchants", listed)
	}
	if to := w.fetch("/console/search?in=acme&q=shop+no.+24").header.Get("Location"); to != "/console/m/shop24/" {
		t.Errorf("the search leads to %q", to)
	}
}
