package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"remit"
	"remit/ledger"
	"remit/money"
)

//go:embed templates
var templates embed.FS

// views are the pages, by name; each is its own template within the layout.
type views map[string]*template.Template

func parseViews() views {
	base := template.Must(template.New("").Funcs(funcs).ParseFS(templates, "templates/layout/*.html"))
	all := views{}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		panic("console: " + err.Error()) // for a malformed pattern only
	}
	for _, f := range files {
		view := template.Must(base.Clone())
		all[strings.TrimSuffix(path.Base(f), ".html")] = template.Must(view.ParseFS(templates, f))
	}
	return all
}

// page is what every template is given; Data is the page's own.
type page struct {
	Title, Nav string
	Visit      *visit
	Merchant   remit.Merchant
	Now        time.Time
	Did        *came  // what the last form came to
	Query      string // of the search box
	Theme      string
	Self       string // the page's own address, without what came of a form
	Operator   string
	LoggedIn   bool
	Sandbox    bool
	Data       any
}

// Token is the one-time token of a form.
func (p page) Token() string { return p.Visit.c.once.token(p.Visit.session) }

// merchantsNearby is how many merchants the switch beside a page lists.
const merchantsNearby = 20

// Nearby are the merchants that the switch lists, and Further how many it does
// not.
func (p page) Nearby() []remit.Merchant { return p.Visit.some }
func (p page) Further() int             { return p.Visit.count - len(p.Visit.some) }

// Path is a place of the page's merchant.
func (p page) Path(parts ...string) string { return p.Visit.path(parts...) }

// Stamp is when something was, to the second, with the year where it is
// another.
func (p page) Stamp(t time.Time) template.HTML {
	if t.UTC().Year() != p.Now.UTC().Year() {
		return timeHTML(t, t.UTC().Format("2 Jan 2006 15:04:05"))
	}
	return clockHTML(t)
}

// At is how long before the page's time something was, or will be after it.
func (p page) At(t time.Time) template.HTML { return when(p.Now, t) }

const themeCookie = "remit_theme"

// render answers with a page.
func (v *visit) render(status int, name, nav, title string, data any) {
	self := *v.URL
	q := self.Query()
	p := page{
		Title: title, Nav: nav, Visit: v, Merchant: v.merchant, Now: v.now, Operator: strings.TrimPrefix(v.operator, "operator:"),
		LoggedIn: v.session != "", Sandbox: v.c.o.Sandbox != nil, Query: q.Get("q"), Data: data,
	}
	if did := q.Get("did"); v.c.once.ours(did, v.session) {
		var err error
		if p.Did, err = v.c.once.came(v.Context(), did); err != nil {
			v.c.o.Log.Error("what came of an act could not be read", "error", err)
		}
	}
	q.Del("did")
	self.RawQuery = q.Encode()
	p.Self = self.RequestURI()
	if c, err := v.Cookie(themeCookie); err == nil && (c.Value == "dark" || c.Value == "light") {
		p.Theme = c.Value
	}
	var out bytes.Buffer
	if err := v.c.views[name].ExecuteTemplate(&out, "layout", p); err != nil {
		v.c.o.Log.Error("a page could not be drawn", "page", name, "error", err)
		http.Error(v.w, "internal error", http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = out.WriteTo(v.w) // who has gone loads it again
}

var funcs = template.FuncMap{
	"asset": assetURL, "money": moneyHTML, "minor": func(n int64, c money.Currency) template.HTML { return moneyHTML(money.Amount{Minor: n, Currency: c}) },
	"signed": signedHTML, "state": stateHTML, "icon": icon, "clock": clockHTML, "words": words, "why": why, "reason": reasonWords,
	"accountName": accountName, "step": stepWords, "actor": actorWords, "percent": percent, "query": withQuery, "short": short,
	"currency": func(c string) money.Currency { return money.Currency(c) }, "took": took, "sub": func(a, b int64) int64 { return a - b },
	"dialect": dialectName, "dict": dict, "plural": plural, "host": host,
	"maskText": mask, "prettyText": pretty, "accountLink": accountLink, "capital": capital, "answer": answerText, "subjectLink": subjectLink, "lastTry": lastTry, "csv": csvOf,
	"gone": goneForGood, "plural64": func(n int, thing string) string { return plural(int64(n), thing) }, "parseStamp": parseStamp,
	"only": func(name string) string { return onlyWords[name] },
}

// accountLink is where an account's transfers are shown, and subjectLink a
// payment or a disbursement.
func accountLink(p page, id ledger.AccountID) string {
	return p.Path("ledger", "account") + "?" + url.Values{"path": {remit.AccountPath(id)}}.Encode()
}

func subjectLink(p page, subject string) string {
	switch {
	case strings.HasPrefix(subject, "p"):
		return p.Path("payments", subject)
	case strings.HasPrefix(subject, "d"):
		return p.Path("out", subject)
	}
	return p.Path("settings")
}

// goneForGood tells whether a payment's money will never be there: nothing of
// it is left to refund then.
func goneForGood(s remit.PaymentState) bool {
	return s == remit.PaymentFailed || s == remit.PaymentCanceled || s == remit.PaymentReversed
}

// lastTry is the newest of a delivery's; nil if there was none.
func lastTry(log []remit.Try) *remit.Try {
	if len(log) == 0 {
		return nil
	}
	return &log[len(log)-1]
}

// csvOf is the file of a list's address, with the same filters.
func csvOf(address string) string {
	path, query, narrowed := strings.Cut(address, "?")
	if narrowed {
		query = "?" + query
	}
	return path + ".csv" + query
}

// parseStamp reads a time of the control API.
func parseStamp(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// dict makes a map of pairs, to hand several things to a template.
func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

// grouped writes an amount in major units with a thin gap at each thousand.
func grouped(a money.Amount) string {
	digits, sign := a.Major(), ""
	if rest, ok := strings.CutPrefix(digits, "-"); ok {
		digits, sign = rest, "−"
	}
	whole, frac, point := strings.Cut(digits, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + frac
	}
	return sign + whole
}

func moneyHTML(a money.Amount) template.HTML {
	return template.HTML(`<span class="money">` + grouped(a) + ` <span class="cur">` + template.HTMLEscapeString(string(a.Currency)) + `</span></span>`)
}

// signedHTML is an amount that goes in or out.
func signedHTML(n int64, c money.Currency) template.HTML {
	text := string(moneyHTML(money.Amount{Minor: n, Currency: c}))
	if n > 0 {
		text = strings.Replace(text, `">`, `">+`, 1)
	}
	return template.HTML(text)
}

// tones are what the colour of a word means: it says no more than the word.
var tones = map[string]string{
	"waiting": "wait", "accepted": "move", "sent": "move", "settled": "good", "failed": "bad", "canceled": "quiet", "returned": "bad",
	"opened": "quiet", "authorized": "wait", "late": "wait", "funded": "good", "reversed": "bad",
	"due": "move", "delivered": "good", "dead": "bad", "stuck": "bad", "unknown": "wait",
	"top_up": "good", "settings": "quiet", "created": "quiet", "issued": "good", "revoked": "bad", "key_replaced": "wait", "checked": "quiet", "redelivered": "move", "hurried": "move", "registered": "quiet", "disabled": "bad", "active": "good",
}

func stateHTML(s any) template.HTML {
	word := fmt.Sprint(s)
	tone, ok := tones[word]
	if !ok {
		tone = "quiet"
	}
	return template.HTML(`<span class="state ` + tone + `">` + template.HTMLEscapeString(words(word)) + `</span>`)
}

// kinds are the words for events that are not states, where their name alone
// says too little.
var kinds = map[string]string{
	remit.KindSettings: "settings changed", remit.KindIssued: "credentials issued", remit.KindRevoked: "credentials revoked",
	remit.KindKeyReplaced: "public key replaced", remit.KindChecked: "books checked", remit.KindRedelivered: "sent once more", remit.KindTopUp: "topped up", remit.KindHurried: "sent at once",
}

// words makes a name of ours readable.
func words(s any) string {
	name := fmt.Sprint(s)
	if w, ok := kinds[name]; ok {
		return w
	}
	return strings.ReplaceAll(name, "_", " ")
}

func icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" aria-hidden="true"><use href="` + assetURL("icons.svg") + `#` + template.HTMLEscapeString(name) + `"></use></svg>`)
}

const stampLayout = "2006-01-02 15:04:05.000 MST"

// clockHTML is a time as it was, with its zone on hover.
func clockHTML(t time.Time) template.HTML { return timeHTML(t, t.UTC().Format("2 Jan 15:04:05")) }

func timeHTML(t time.Time, text string) template.HTML {
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339Nano) + `" title="` + t.UTC().Format(stampLayout) + `">` + text + `</time>`)
}

// nearMax is how far away a time is told as a distance.
const nearMax = 24 * time.Hour

// when is a time as people say it: how long ago, or the day.
func when(now, t time.Time) template.HTML {
	d := now.Sub(t)
	switch {
	case d.Abs() < time.Second:
		return timeHTML(t, "now")
	case d > 0 && d < nearMax:
		return timeHTML(t, took(d)+" ago")
	case d < 0 && -d < 30*nearMax:
		return timeHTML(t, "in "+took(-d))
	case t.Year() != now.Year():
		return timeHTML(t, t.UTC().Format("2 Jan 2006"))
	}
	return timeHTML(t, t.UTC().Format("2 Jan 15:04"))
}

// took is a length of time in its largest unit, or the two that matter.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < nearMax:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return plural(int64(d/nearMax), "day")
}

// plural counts things.
func plural(n int64, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "y") && thing != "day":
		thing = strings.TrimSuffix(thing, "y") + "ies"
	default:
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// percent is a share, in whole percent.
func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return min(100, max(0, part*100/whole))
}

// shownWhole is how long an id may be that tables show whole, in bytes.
const shownWhole = 14

// short is an id as tables show it. Ours begin with the time, and their end is
// what differs; of others both ends are shown.
func short(id any) string {
	s := fmt.Sprint(id)
	switch {
	case len(s) <= shownWhole:
		return s
	case len(s) == idLength && (s[0] == 'p' || s[0] == 'd'):
		return s[:1] + "…" + s[len(s)-8:]
	}
	return s[:8] + "…" + s[len(s)-4:]
}

// idLength is how long the ids of payments and disbursements are, in bytes.
const idLength = 20

// capital begins a text with a capital letter.
func capital(text string) string {
	return strings.ToUpper(text[:min(len(text), 1)]) + text[min(len(text), 1):]
}

// answerText is what an attempt was answered with.
func answerText(address string, t remit.Try) string {
	switch {
	case strings.HasPrefix(address, mailPrefix) && t.Problem == "":
		return "taken by the mail server"
	case t.Status == 0 || strings.HasPrefix(address, mailPrefix):
		return "no answer"
	}
	return fmt.Sprintf("HTTP %d in %s", t.Status, took(t.Took))
}

// accountName is an account of a merchant's books in words.
func accountName(id ledger.AccountID) string {
	parts := strings.Split(remit.AccountPath(id), "/")
	switch parts[0] {
	case "world":
		return "outside world"
	case "owed":
		return "owed by the merchant"
	case "clearing":
		return "clearing " + parts[1]
	}
	return "balance"
}

// stepWords are a transfer's steps as people say them.
func stepWords(s ledger.Step) string {
	return map[ledger.Step]string{ledger.Post: "moved", ledger.Hold: "held", ledger.PostHold: "hold moved", ledger.Void: "hold let go"}[s]
}

// actorWords say who acted.
func actorWords(actor string) string {
	kind, name, named := strings.Cut(actor, ":")
	switch {
	case actor == remit.ActorMerchant:
		return "the merchant's request"
	case kind == "rail" && named:
		return "rail " + name
	case kind == "operator" && named:
		return name + " (operator)"
	}
	return actor
}

// reasons are ours in words; what is not here is shown as it is.
var reasons = map[remit.Reason]string{
	remit.ReasonShort: "the balance was too low", remit.ReasonAborted: "called back before it was sent", remit.ReasonAccountClosed: "the account is closed",
	remit.ReasonAccountUnknown: "the account does not exist", remit.ReasonAccountBlocked: "the account is blocked",
	remit.ReasonNoBeneficiary: "nobody knows the payer's account", remit.ReasonRefusedByBank: "the bank refused it", remit.ReasonPaymentGone: "the payment's money never came",
	remit.ReasonExpired: "nobody finished it in time",
}

func reasonWords(r remit.Reason) string {
	if w, ok := reasons[r]; ok {
		return w
	}
	return words(r)
}

// why is why a disbursement did not end well, where that says more than its
// state does.
func why(d remit.Disbursement) string {
	if d.Reason == "" || (d.State == remit.Returned && d.Reason == remit.ReasonRefusedByBank) {
		return ""
	}
	return reasonWords(d.Reason)
}

// dialectName is a dialect as its provider is written.
func dialectName(name string) string {
	known := map[string]string{"trustly": "Trustly", "trustlyus": "Trustly US", "truelayer": "TrueLayer", "paytrail": "Paytrail"}
	if n, ok := known[name]; ok {
		return n
	}
	return name
}

// withQuery is an address with some parameters set, and those set to "" left
// out.
func withQuery(address string, pairs ...any) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(fmt.Sprint(pairs[i]), fmt.Sprint(pairs[i+1]))
	}
	for name := range q {
		if q.Get(name) == "" {
			q.Del(name)
		}
	}
	u.RawQuery = q.Encode()
	return u.RequestURI()
}

// mailPrefix begins the address of what is told by mail.
const mailPrefix = "mailto:"

// host is where a URL leads, in short. A mail address is a person's: all but
// its beginning and its host is hidden.
func host(address string) string {
	if mail, ok := strings.CutPrefix(address, mailPrefix); ok {
		name, at, _ := strings.Cut(mail, "@")
		return "mail to " + name[:min(len(name), 1)] + "····@" + at
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return u.Host + u.Path
}
