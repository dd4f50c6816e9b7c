package console_test

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"remit"
	"remit/internal/console"
	"remit/internal/node"
	"remit/money"
	"remit/store"
)

// answer is what a page was answered with.
type answer struct {
	status int
	header http.Header
	body   string
}

// fetch gets a page as no browser does: without a cookie, following nothing.
func (w *world) fetch(path string) answer {
	w.Helper()
	return w.do(&http.Client{}, http.MethodGet, path, nil, nil)
}

func (w *world) do(c *http.Client, method, path string, form url.Values, header http.Header) answer {
	w.Helper()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequestWithContext(w.Context(), method, w.base+path, strings.NewReader(form.Encode()))
	must(w, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, values := range header {
		r.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	res, err := c.Do(r)
	must(w, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(w, err)
	return answer{res.StatusCode, res.Header, string(text)}
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)

// token is the first one-time token of a page.
func (a answer) token() string {
	m := tokenField.FindStringSubmatch(a.body)
	if m == nil {
		return ""
	}
	return m[1]
}

// TestTheFilesAreAsTheirAuthorsPublishedThem compares what browsers and tests
// are given with the checksums beside it.
func TestTheFilesAreAsTheirAuthorsPublishedThem(t *testing.T) {
	for _, dir := range []string{"assets", "testdata/axe"} {
		sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		must(t, err)
		for line := range strings.Lines(string(sums)) {
			want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			text, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			if got := sha256.Sum256(text); hex.EncodeToString(got[:]) != want {
				t.Errorf("%s/%s was altered", dir, name)
			}
		}
	}
}

// TestNothingRunsThatIsNotOurs reads the policy of every answer, and looks for
// scripts and styles within the pages.
func TestNothingRunsThatIsNotOurs(t *testing.T) {
	w := begin(t)
	for _, path := range []string{"/console/m/acme/", "/console/m/acme/settings", "/console/nowhere", "/console/assets/console.js"} {
		a := w.fetch(path)
		policy := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s has the policy %q", path, policy)
		}
		if regexp.MustCompile(`<script>|<style|style="| on[a-z]+="`).MatchString(a.body) && !strings.HasSuffix(path, ".js") {
			t.Errorf("%s has a script or a style within", path)
		}
	}
}

// TestStrangersAreTurnedAway calls by a name that is not this machine's, from
// another origin, without a token, with one that was made up, and with one
// that was used.
func TestStrangersAreTurnedAway(t *testing.T) {
	w := begin(t)
	act, c := "/console/m/acme/settings/topup", &http.Client{}
	if got := w.do(c, http.MethodGet, "/console/m/acme/", nil, http.Header{"Host": {"evil.example"}}).status; got != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %d", got)
	}
	form := url.Values{"amount": {"1.00"}, "currency": {"EUR"}, "evidence": {"x"}}
	for name, token := range map[string]string{"none": "", "made up": strings.Repeat("A", 75)} {
		form.Set("token", token)
		if got := w.do(c, http.MethodPost, act, form, nil).status; got != http.StatusForbidden {
			t.Errorf("token %s: %d", name, got)
		}
	}
	form.Set("token", w.fetch("/console/m/acme/settings").token())
	if got := w.do(c, http.MethodPost, act, form, http.Header{"Origin": {"https://evil.example"}}).status; got != http.StatusForbidden {
		t.Errorf("from another origin: %d", got)
	}
	first := w.do(c, http.MethodPost, act, form, nil)
	second := w.do(c, http.MethodPost, act, form, nil)
	if first.status != http.StatusSeeOther || !strings.Contains(first.header.Get("Location"), "did=") || first.header.Get("Location") != second.header.Get("Location") {
		t.Errorf("once %d to %s, again %d to %s", first.status, first.header.Get("Location"), second.status, second.header.Get("Location"))
	}
	if page := w.fetch(first.header.Get("Location")); !strings.Contains(page.body, "1.00 EUR were put into the balance.") {
		t.Error("what came of it is not said")
	}
}

// TestAPasswordIsAsked logs in and out, and is turned away in between: without
// a session, with a wrong password, and after too many of them.
func TestAPasswordIsAsked(t *testing.T) {
	w := begin(t)
	line, err := console.HashPassword(strings.NewReader(strings.Repeat("salt", 9)), "ann", "correct horse battery")
	must(t, err)
	users, err := console.ReadUsers(strings.NewReader("# who may\n\n" + line + "\n"))
	must(t, err)
	now := time.Now()
	h := httptest.NewServer(console.New(console.Options{Node: w.node, Real: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Users: users}))
	t.Cleanup(h.Close)
	w.base = h.URL
	jar, err := cookiejar.New(nil)
	must(t, err)
	c := &http.Client{Jar: jar}
	get := func(path string) answer { return w.do(c, http.MethodGet, path, nil, nil) }
	login := func(name, password string) answer {
		return w.do(c, http.MethodPost, "/console/login", url.Values{"token": {get("/console/login").token()}, "name": {name}, "password": {password}, "next": {"/console/m/acme/refunds"}}, nil)
	}
	if a := get("/console/m/acme/refunds"); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/console/login?next=") {
		t.Errorf("without a session: %d %s", a.status, a.header.Get("Location"))
	}
	if a := w.do(c, http.MethodPost, "/console/m/acme/ledger/check", nil, nil); a.status != http.StatusSeeOther {
		t.Errorf("an act without a session: %d", a.status)
	}
	if a := login("ann", "wrong"); a.status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", a.status)
	}
	a := login("ann", "correct horse battery")
	if cookie := a.header.Get("Set-Cookie"); a.header.Get("Location") != "/console/m/acme/refunds" || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") {
		t.Fatalf("logged in: %d %s %s", a.status, a.header.Get("Location"), cookie)
	}
	page := get("/console/m/acme/refunds")
	if page.status != http.StatusOK {
		t.Fatalf("with a session: %d", page.status)
	}
	now = now.Add(31 * time.Minute)
	if a := get("/console/m/acme/refunds"); a.status != http.StatusSeeOther {
		t.Errorf("after half an hour of silence: %d", a.status)
	}
	for i := range 6 {
		want := http.StatusUnauthorized
		if i >= 4 {
			want = http.StatusTooManyRequests
		}
		if a := login("bob", "wrong"); a.status != want {
			t.Errorf("wrong password %d: %d, want %d", i+1, a.status, want)
		}
	}
	known := c.Jar
	c.Jar, err = cookiejar.New(nil)
	must(t, err)
	if a := login("ann", "correct horse battery"); a.status != http.StatusTooManyRequests {
		t.Errorf("from where too many were wrong: %d", a.status)
	}
	c.Jar = known
	now = now.Add(time.Hour)
	login("ann", "correct horse battery")
	if a := w.do(c, http.MethodPost, "/console/logout", url.Values{"token": {get("/console/merchants").token()}}, nil); a.status != http.StatusSeeOther || get("/console/merchants").status != http.StatusSeeOther {
		t.Errorf("logged out: %d", a.status)
	}
}

// TestNobodyKeepsAnOperatorOut guesses in an operator's name, from many addresses and
// from her own, for a day: a stranger's browser has to wait, wherever it is, and hers does
// not, also at another process. A cookie of another name, of before she got another
// password, or a made up one is worth nothing, and hers is not worth more than a few guesses.
func TestNobodyKeepsAnOperatorOut(t *testing.T) {
	w := begin(t)
	users := func(salt string) console.Users {
		var lines string
		for _, name := range []string{"ann", "bob"} {
			line, err := console.HashPassword(strings.NewReader(strings.Repeat(salt, 9)), name, "correct horse battery")
			must(t, err)
			lines += line + "\n"
		}
		all, err := console.ReadUsers(strings.NewReader(lines))
		must(t, err)
		return all
	}
	now := time.Now()
	var bases []string
	for _, u := range []console.Users{users("salt"), users("salt"), users("sand")} {
		h := httptest.NewServer(console.New(console.Options{
			Node: w.node, Real: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Users: u,
			From: func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("Test-From")) },
		}))
		t.Cleanup(h.Close)
		bases = append(bases, h.URL)
	}
	login := func(at int, from, name, password, cookie string) answer {
		w.base = bases[at]
		header := http.Header{"Test-From": {from}, "Cookie": {"remit_known=" + cookie}}
		token := w.do(&http.Client{}, http.MethodGet, "/console/login", nil, header).token()
		return w.do(&http.Client{}, http.MethodPost, "/console/login", url.Values{"token": {token}, "name": {name}, "password": {password}}, header)
	}
	cookie := func(name string) string {
		a := login(0, "192.0.2.1", name, "correct horse battery", "")
		for _, line := range a.header.Values("Set-Cookie") {
			if value, ok := strings.CutPrefix(line, "remit_known="); ok && strings.Contains(line, "HttpOnly") && strings.Contains(line, "SameSite=Strict") {
				return strings.Split(value, ";")[0]
			}
		}
		t.Fatalf("%s logged in: %d, %v", name, a.status, a.header)
		return ""
	}
	anns, bobs := cookie("ann"), cookie("bob")
	for hour := range 24 {
		now = now.Add(time.Hour)
		for i := range 6 {
			login(0, "192.0.2.1", "ann", "wrong", "")
			login(0, fmt.Sprintf("2001:db8:%x:%x::1", hour, i), "ann", "wrong", "")
		}
	}
	for what, x := range map[string]struct {
		at           int
		from, cookie string
		want         int
	}{
		"a stranger":                   {0, "198.51.100.1", "", http.StatusTooManyRequests},
		"with bob's cookie":            {0, "198.51.100.1", bobs, http.StatusTooManyRequests},
		"with a made up cookie":        {0, "198.51.100.1", anns[:len(anns)-1] + "~", http.StatusTooManyRequests},
		"with half a cookie":           {0, "198.51.100.1", strings.Split(anns, ".")[0], http.StatusTooManyRequests},
		"herself, from where they are": {0, "192.0.2.1", anns, http.StatusSeeOther},
		"herself, elsewhere":           {0, "198.51.100.1", anns, http.StatusSeeOther},
		"herself, at another process":  {1, "192.0.2.1", anns, http.StatusSeeOther},
	} {
		if got := login(x.at, x.from, "ann", "correct horse battery", x.cookie).status; got != x.want {
			t.Errorf("%s: %d, want %d", what, got, x.want)
		}
	}
	guess := func(at int, from, name, cookie string) (status int) {
		for range 6 {
			status = login(at, from, name, "wrong", cookie).status
		}
		return status
	}
	if got := guess(1, "203.0.113.1", "ann", anns); got != http.StatusTooManyRequests {
		t.Errorf("who has her cookie guesses on: %d", got)
	}
	if got := login(1, "203.0.113.1", "ann", "correct horse battery", "").status; got != http.StatusSeeOther {
		t.Errorf("her cookie keeps her out: %d", got)
	}
	guess(2, "203.0.113.1", "bob", "")
	if got := login(2, "203.0.113.1", "ann", "correct horse battery", anns).status; got != http.StatusTooManyRequests {
		t.Errorf("a cookie of another password: %d", got)
	}
	guess(1, "2001:db8::1", "bob", "")
	if got := login(1, "2001:db8::2:2", "ann", "correct horse battery", "").status; got != http.StatusTooManyRequests {
		t.Errorf("from the next address of a network: %d", got)
	}
	if got := login(1, "2001:db8:0:1::1", "ann", "correct horse battery", "").status; got != http.StatusSeeOther {
		t.Errorf("from another network: %d", got)
	}
}

// TestAnyProcessKnowsWhoLoggedIn has two processes over one store answer one
// browser in turn: who logged in at one is known at the other, a form of one is
// taken by the other and acts once at both, what came of it is told by either,
// and who logs out at one is nobody at both. Who gets another password is
// nobody either.
func TestAnyProcessKnowsWhoLoggedIn(t *testing.T) {
	w := begin(t)
	line := func(salt string) console.Users {
		text, err := console.HashPassword(strings.NewReader(strings.Repeat(salt, 9)), "ann", "correct horse battery")
		must(t, err)
		users, err := console.ReadUsers(strings.NewReader(text))
		must(t, err)
		return users
	}
	var bases []string
	for _, users := range []console.Users{line("salt"), line("salt"), line("sand")} {
		h := httptest.NewServer(console.New(console.Options{Node: w.node, Real: time.Now, Log: slog.New(slog.DiscardHandler), Users: users}))
		t.Cleanup(h.Close)
		bases = append(bases, h.URL)
	}
	jar, err := cookiejar.New(nil) // cookies know no ports: all three are one host
	must(t, err)
	c := &http.Client{Jar: jar}
	at := func(i int, method, path string, form url.Values) answer {
		w.base = bases[i]
		return w.do(c, method, path, form, nil)
	}
	a := at(1, http.MethodPost, "/console/login", url.Values{"token": {at(0, http.MethodGet, "/console/login", nil).token()}, "name": {"ann"}, "password": {"correct horse battery"}})
	if a.status != http.StatusSeeOther {
		t.Fatalf("logged in: %d", a.status)
	}
	page := at(0, http.MethodGet, "/console/m/acme/settings", nil)
	if page.status != http.StatusOK {
		t.Fatalf("the other process answers %d", page.status)
	}
	if got := at(2, http.MethodGet, "/console/m/acme/settings", nil).status; got != http.StatusSeeOther {
		t.Errorf("a process with another password of hers answers %d", got)
	}
	form := url.Values{"token": {page.token()}, "amount": {"700"}, "currency": {"JPY"}, "evidence": {"line 7"}}
	results := make(chan answer)
	for i := range 2 {
		go func() {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, bases[i]+"/console/m/acme/settings/topup", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			res, err := (&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
			if err != nil {
				results <- answer{}
				return
			}
			res.Body.Close()
			results <- answer{status: res.StatusCode, header: res.Header}
		}()
	}
	first, second := <-results, <-results
	if first.status != http.StatusSeeOther || !strings.Contains(first.header.Get("Location"), "did=") || first.header.Get("Location") != second.header.Get("Location") {
		t.Fatalf("one was led to %d %v, the other to %d %v", first.status, first.header, second.status, second.header)
	}
	have, err := w.node.Store.Read(t.Context(), store.Wants{Accounts: []store.AccountsRef{{Merchant: "acme", Currency: "JPY"}}})
	must(t, err)
	if b := have.Books["acme"][remit.BalanceAccount("acme", "JPY")]; b.Balance() != 700 {
		t.Errorf("two clicks made %d", b.Balance())
	}
	for i := range 2 {
		if page := at(i, http.MethodGet, first.header.Get("Location"), nil); !strings.Contains(page.body, "700 JPY were put into the balance.") {
			t.Errorf("process %d says of it: %s", i, regexp.MustCompile(`class="flash[^<]*`).FindString(page.body))
		}
	}
	if a := at(1, http.MethodPost, "/console/logout", url.Values{"token": {at(0, http.MethodGet, "/console/merchants", nil).token()}}); a.status != http.StatusSeeOther {
		t.Errorf("logged out: %d", a.status)
	}
	for i := range 2 {
		if got := at(i, http.MethodGet, "/console/merchants", nil).status; got != http.StatusSeeOther {
			t.Errorf("after logging out process %d answers %d", i, got)
		}
	}
}

// leaving is a store whose browser hangs up as soon as its form was taken.
type leaving struct {
	store.Store
	leave context.CancelFunc
}

func (l leaving) AddSlip(ctx context.Context, now time.Time, x store.Slip) (bool, error) {
	first, err := l.Store.AddSlip(ctx, now, x)
	l.leave()
	return first, err
}

// TestWhoHangsUpHasActed sends a form and hangs up: the act is done to its end,
// and that is what the form says when it is sent again.
func TestWhoHangsUpHasActed(t *testing.T) {
	w := begin(t)
	page := w.do(http.DefaultClient, http.MethodGet, "/console/m/acme/settings", nil, nil)
	form := url.Values{"token": {page.token()}, "amount": {"700"}, "currency": {"JPY"}, "evidence": {"line 7"}}
	post := func(ctx context.Context, s store.Store) string {
		n := &node.Node{Registrar: w.node.Registrar, Store: s, Vault: w.node.Vault, Clock: w.node.Clock, Dialects: w.node.Dialects, Rails: w.node.Rails}
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/console/m/acme/settings/topup", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res := httptest.NewRecorder()
		console.New(console.Options{Node: n, Real: time.Now, Log: slog.New(slog.DiscardHandler), Operator: "operator:ann"}).ServeHTTP(res, r)
		return res.Header().Get("Location")
	}
	ctx, leave := context.WithCancel(t.Context())
	post(ctx, leaving{w.node.Store, leave})
	to := post(t.Context(), w.node.Store)
	if page := w.do(http.DefaultClient, http.MethodGet, to, nil, nil); !strings.Contains(page.body, "700 JPY were put into the balance.") {
		t.Errorf("it is said: %s", regexp.MustCompile(`class="flash[^<]*`).FindString(page.body))
	}
	have, err := w.node.Store.Read(t.Context(), store.Wants{Accounts: []store.AccountsRef{{Merchant: "acme", Currency: "JPY"}}})
	must(t, err)
	if b := have.Books["acme"][remit.BalanceAccount("acme", "JPY")]; b.Balance() != 700 {
		t.Errorf("it made %d", b.Balance())
	}
}

// TestAFailureSaysNoMoreThanIsKnown reads what an operator is told of errors.
func TestAFailureSaysNoMoreThanIsKnown(t *testing.T) {
	for _, c := range []struct {
		code   remit.Code
		reason remit.Reason
		want   string
	}{
		{remit.Conflict, "", "Nothing was done"},
		{remit.Unavailable, remit.ReasonQueueFull, "Nothing was done"},
		{remit.Unavailable, remit.ReasonShuttingDown, "Nothing was done"},
		{remit.Unavailable, "", "It is not known whether it was done"},
		{remit.Internal, "", "Look before you try again"},
	} {
		if got := console.Refusal(remit.Errorf(c.code, c.reason, "so it is")); !strings.Contains(got, c.want) {
			t.Errorf("%s/%s: %s", c.code, c.reason, got)
		}
	}
}

// TestAUsersFileIsReadStrictly refuses weak passwords, and files that would
// let nobody, or anybody, in.
func TestAUsersFileIsReadStrictly(t *testing.T) {
	if _, err := console.HashPassword(strings.NewReader(""), "ann", "short"); err == nil {
		t.Error("a short password was taken")
	}
	line, err := console.HashPassword(strings.NewReader(strings.Repeat("x", 16)), "ann", "long enough a password")
	must(t, err)
	for _, text := range []string{"", "# nobody\n", "ann:secret\n", line + "\n" + line + "\n", strings.Replace(line, "t=2", "t=1", 1), strings.Replace(line, "argon2id", "argon2i", 1), strings.Replace(line, "ann", "", 1)} {
		if _, err := console.ReadUsers(strings.NewReader(text)); err == nil {
			t.Errorf("this was read: %q", text)
		}
	}
}

// TestOneBoxFindsAnyName looks one refund and its payment up by each of their
// names.
func TestOneBoxFindsAnyName(t *testing.T) {
	w := begin(t)
	order, id := w.pay("trustly", 120_450, "funded")
	refund := w.refund(order, "401.50")
	d := w.state(refund)
	out, payment := "/console/m/acme/out/"+string(refund), "/console/m/acme/payments/"+id
	for text, want := range map[string]string{
		order: payment, id: payment, "1204.50": payment, "1,204.50 EUR": payment, string(refund): out, d.EndToEndID(): out, "401.50": out,
		"1.204,50 EUR": payment, "1204,50": payment, "1 204,50": payment, "401,50": out, "401,5": "", "40,150": "",
		"401.50 SEK": "", "nobody": "", "globex": "/console/m/globex/", "acME": "/console/m/acme/",
	} {
		for _, in := range []string{"acme", "globex"} {
			a := w.fetch("/console/search?" + url.Values{"q": {text}, "in": {in}}.Encode())
			if got := a.header.Get("Location"); got != want {
				t.Errorf("%q in %s leads to %q, want %q", text, in, got, want)
			}
		}
	}
}

// TestAWholeNumberIsAnAmountToo lists what is named so first, and then what is
// of that amount in its own currency, with its state, its reason and its
// dialect.
func TestAWholeNumberIsAnAmountToo(t *testing.T) {
	w := begin(t)
	paid := func(minor int, currency, order string) string {
		return w.control("payments", fmt.Sprintf(`{"dialect":"trustly","amount_minor":%d,"currency":%q,"order_reference":%q}`, minor, currency, order))["payment_id"].(string)
	}
	named, euros, krona, cents := paid(100, "EUR", "30"), paid(3_000, "EUR", "a"), paid(30, "ISK", "b"), paid(30, "EUR", "c")
	page := w.fetch("/console/search?in=acme&q=30").body
	at := -1
	for _, text := range []string{"Named so", named, "Of this amount", euros, krona} {
		next := strings.Index(page, text)
		if next <= at {
			t.Errorf("%s does not stand behind what comes first: %s", text, page)
		}
		at = next
	}
	if strings.Contains(page, cents) {
		t.Error("0.30 EUR is taken for 30 EUR")
	}
	for text, want := range map[string]string{"30.00": euros, "30 EUR": euros, "30 isk": krona, "0.30": cents, "0,30": cents, "030": ""} {
		to := w.fetch("/console/search?in=globex&q=" + url.QueryEscape(text)).header.Get("Location")
		if want != "" {
			want = "/console/m/acme/payments/" + want
		}
		if to != want {
			t.Errorf("%s leads to %q, want %q", text, to, want)
		}
	}
	order, _ := w.pay("trustly", 5_500, "funded")
	w.outcome(w.refund(order, "55.00"), `{"outcome":"refuse","reason":"account_closed"}`)
	page = w.fetch("/console/search?in=acme&q=55").body
	for _, text := range []string{">failed<", "the account is closed", ">funded<", ">Trustly<"} {
		if !strings.Contains(page, text) {
			t.Errorf("the list does not say %s: %s", text, page)
		}
	}
}

// TestWhatNeedsAPersonIsWhatItsLinksOpen counts refunds and payouts apart, and
// opens each of the overview's links: the list has those, and no other.
func TestWhatNeedsAPersonIsWhatItsLinksOpen(t *testing.T) {
	w := begin(t)
	order, _ := w.pay("trustly", 64_000, "funded")
	stalled := w.refund(order, "30.00")
	w.outcome(stalled, `{"outcome":"stall"}`)
	w.control("clock/advance", `{"by":"23h"}`)
	if page := w.fetch("/console/m/acme/").body; strings.Contains(page, "Stalled") {
		t.Error("after 23 hours a refund is said to be stalled")
	}
	w.control("clock/advance", `{"by":"2h"}`)
	unknown, plain, failed := w.refund(order, "12.00"), w.refund(order, "13.00"), w.refund(order, "14.00")
	w.outcome(unknown, `{"outcome":"unknown"}`)
	w.outcome(plain, `{"outcome":"stall"}`)
	w.outcome(failed, `{"outcome":"refuse","reason":"account_closed"}`)
	payout := w.payout(1_500)
	w.outcome(payout, `{"outcome":"unknown"}`)

	page := w.fetch("/console/m/acme/").body
	today := "ended=" + w.node.Clock.Now().UTC().Format(time.DateOnly) + "&amp;state=failed"
	for _, c := range []struct {
		to, text string
		want     remit.DisbursementID
	}{
		{"refunds?only=unknown", ">1 refund<", unknown}, {"payouts?only=unknown", ">1 payout<", payout},
		{"refunds?only=stalled", "Stalled", stalled}, {"refunds?" + today, "Failed today", failed},
	} {
		if !strings.Contains(page, `href="/console/m/acme/`+c.to+`"`) || !strings.Contains(page, c.text) {
			t.Errorf("the overview has no link to %s, or does not say %s: %s", c.to, c.text, page)
		}
		list := w.fetch("/console/m/acme/" + strings.ReplaceAll(c.to, "&amp;", "&")).body
		if !strings.Contains(list, `data-key="`+string(c.want)+`"`) || strings.Count(list, "data-key=") != 1 {
			t.Errorf("%s does not list %s alone: %s", c.to, c.want, list)
		}
	}
	if got := w.state(plain).State; got != remit.Sent {
		t.Errorf("what is in no list is %s, and not sent", got)
	}
	if file := w.fetch("/console/m/acme/refunds.csv?only=unknown").body; strings.Count(file, "\n") != 2 {
		t.Errorf("the file is %s", file)
	}
	if got := w.fetch("/console/m/acme/refunds?only=nonsense").status; got < 400 || got > 499 {
		t.Errorf("a list that is narrowed to nonsense is answered with %d", got)
	}
}

// TestAListGoesOnAndIsTakenAlong pages through more payments than a page
// holds, and takes them as a file in which no program finds a formula.
func TestAListGoesOnAndIsTakenAlong(t *testing.T) {
	w := begin(t)
	for i := range 53 {
		w.control("payments", fmt.Sprintf(`{"dialect":"trustly","amount_minor":%d,"currency":"EUR","order_reference":"=HYPERLINK(%d)"}`, 1000+i, i))
	}
	seen := 0
	for path := "/console/m/acme/payments?state=funded"; path != ""; {
		page := w.fetch(path)
		seen += strings.Count(page.body, "<tr data-href")
		path = ""
		if m := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
			if !strings.Contains(path, "state=funded") {
				t.Errorf("the next page forgets the filter: %s", path)
			}
		}
	}
	if seen != 53 {
		t.Errorf("%d payments were listed", seen)
	}
	file := w.fetch("/console/m/acme/payments.csv?state=funded")
	if lines := strings.Count(file.body, "\n"); lines != 54 || strings.Contains(file.body, ",=HYPERLINK") {
		t.Errorf("the file has %d lines: %.200s", lines, file.body)
	}
}

// TestManyMerchantsAreListedAPageAtATime: each once, the last one is found as
// the first, and no page lists them all beside what it shows.
func TestManyMerchantsAreListedAPageAtATime(t *testing.T) {
	w := begin(t)
	const more = 230
	for i := range more {
		m := remit.MerchantID(fmt.Sprintf("shop%03d", i))
		must(t, w.node.AddMerchant(t.Context(), w.node.Engine.Head(m, "operator:ann", "test"), remit.Settings{Name: fmt.Sprint("Shop number ", i)}))
	}
	seen := map[string]int{}
	for path := "/console/merchants"; path != ""; {
		page := w.fetch(path)
		for _, m := range regexp.MustCompile(`<tr data-href="/console/m/([a-z0-9]+)/settings"`).FindAllStringSubmatch(page.body, -1) {
			seen[m[1]]++
		}
		path = ""
		if m := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page.body); m != nil {
			path = m[1]
		}
	}
	all, err := w.node.Store.Merchants(t.Context())
	must(t, err)
	for _, m := range all {
		if seen[string(m.ID)] != 1 {
			t.Errorf("%s is listed %d times", m.ID, seen[string(m.ID)])
		}
	}
	if len(seen) != len(all) || len(all) < more {
		t.Errorf("%d of %d merchants are listed", len(seen), len(all))
	}
	last := w.fetch("/console/m/shop229/settings")
	if n := strings.Count(last.body, ">shop"); last.status != http.StatusOK || n > 25 || !strings.Contains(last.body, fmt.Sprintf("%d more merchants", len(all)-20)) {
		t.Errorf("the last one's page answers %d and names %d others:\n%.400s", last.status, n, last.body)
	}
	if got := w.fetch("/console/search?q=shop+NUMBER+229&in=acme").header.Get("Location"); got != "/console/m/shop229/" {
		t.Errorf("its name leads to %q", got)
	}
}

// TestAPaymentThatExpiredSaysWhy, on its page and in the file.
func TestAPaymentThatExpiredSaysWhy(t *testing.T) {
	w := begin(t)
	res, err := w.node.Engine.Do(t.Context(), remit.OpenPayment{
		Head: w.node.Engine.Head("acme", "operator:test", "test"), Keyed: remit.Keyed{Dialect: "trustly"}, State: remit.PaymentOpened,
		Amount: money.Amount{Minor: 100, Currency: "EUR"}, Expires: time.Hour,
	})
	must(t, err)
	path := "/console/m/acme/payments/" + string(res.Payment.ID)
	const why = "nobody finished it in time"
	if page := w.fetch(path); strings.Contains(page.body, why) || !strings.Contains(page.body, "opened") {
		t.Errorf("before its time is up the page is %s", page.body)
	}
	w.control("clock/advance", `{"by":"1h"}`)
	if page := w.fetch(path); !strings.Contains(page.body, why) {
		t.Errorf("the page does not say %q: %s", why, page.body)
	}
	if page := w.fetch(path); !strings.Contains(page.body, `0.00 <span class="cur">EUR</span></span> <small>of`) {
		t.Errorf("something is said to be left to refund: %s", page.body)
	}
	if file := w.fetch("/console/m/acme/payments.csv?state=failed"); !strings.Contains(file.body, ",failed,expired,1.00,EUR,0.00,0.00,") {
		t.Errorf("the file is %s", file.body)
	}
}

// TestARefundSaysWhoseOrderItIs, on its page and in the file, where each line
// names the payment as the merchant knows it.
func TestARefundSaysWhoseOrderItIs(t *testing.T) {
	w := begin(t)
	paid := w.control("payments", `{"dialect":"trustly","amount_minor":5000,"currency":"EUR","order_reference":"shop-4711"}`)
	order := paid["external_id"].(string)
	id := w.refund(order, "12.00")
	if page := w.fetch("/console/m/acme/out/" + string(id)).body; !strings.Contains(page, ">shop-4711<") {
		t.Error("the page does not say the merchant's order")
	}
	want := string(id) + ",," + paid["payment_id"].(string) + "," + order + ",shop-4711,trustly,"
	if file := w.fetch("/console/m/acme/refunds.csv").body; !strings.Contains(file, want) {
		t.Errorf("the file has no %s: %s", want, file)
	}
}

// TestSomeDaysAreWhatCameAndWentOnThem makes a payment and a refund on one day,
// and another payment on another: each day has its own, and together they have
// all. An account's transfers of a day come to the same.
func TestSomeDaysAreWhatCameAndWentOnThem(t *testing.T) {
	w := begin(t)
	day := func() string { return w.node.Clock.Now().UTC().Format(time.DateOnly) }
	w.control("clock/advance", `{"by":"48h"}`)
	first := day()
	order, _ := w.pay("trustly", 50_000, "funded")
	w.outcome(w.refund(order, "120.00"), `{"outcome":"settle"}`)
	w.control("clock/advance", `{"by":"48h"}`)
	second := day()
	w.pay("trustly", 7_000, "funded")
	for _, x := range []struct{ from, to, want string }{
		{first, first, "balance,EUR,1000000.00,500.00,120.00,1000380.00"},
		{second, second, "balance,EUR,1000380.00,70.00,0.00,1000450.00"},
		{first, second, "balance,EUR,1000000.00,570.00,120.00,1000450.00"},
		{first, "", "balance,EUR,1000000.00,570.00,120.00,1000450.00"},
		{"", first, "balance,EUR,0.00,1000500.00,120.00,1000380.00"},
		{"", "2001-01-01", ""},
	} {
		days := "?from=" + x.from + "&to=" + x.to
		file := w.fetch("/console/m/acme/ledger.csv" + days).body
		if !strings.HasPrefix(file, "account,currency,opening,in,out,closing\n"+x.want) || strings.Count(file, "balance,EUR") != strings.Count(x.want, "EUR") {
			t.Errorf("%s: the file is %s, want %s", days, file, x.want)
		}
		page := strings.ReplaceAll(w.fetch("/console/m/acme/ledger"+days).body, ",", "")
		for _, major := range strings.Split(x.want, ",") {
			if !strings.Contains(page, major) {
				t.Errorf("%s: the page does not say %s", days, major)
			}
		}
	}
	rows, err := csv.NewReader(strings.NewReader(w.fetch("/console/m/acme/ledger/account.csv?path=EUR&from=" + first + "&to=" + first).body)).ReadAll()
	must(t, err)
	var got []string
	for _, row := range rows[1:] {
		got = append(got, strings.Join([]string{row[2], row[7], row[8], row[9], row[10]}, " "))
	}
	want := []string{"settled post_hold -120.00 -120.00 1000380.00", "accepted hold 0.00 120.00 1000500.00", "funded post 500.00 0.00 1000500.00"}
	if !slices.Equal(got, want) {
		t.Errorf("the day's transfers are %q, want %q", got, want)
	}
	if page := w.fetch("/console/m/acme/ledger/account?path=EUR&from=" + second).body; strings.Count(page, "<tr data-key=") != 1 || !strings.Contains(page, "+70.00") {
		t.Errorf("the second day is not alone: %s", page)
	}
	for _, path := range []string{"ledger?from=yesterday", "ledger.csv?to=x", "ledger?from=2026-03-02&to=2026-03-01", "ledger.csv?from=2026-03-02&to=2026-03-01", "ledger/account?path=EUR&to=x", "ledger/account.csv?path=EUR&from=x"} {
		if got := w.fetch("/console/m/acme/" + path).status; got != 400 {
			t.Errorf("%s: got %d, want 400", path, got)
		}
	}
}

// TestAFileHasAmountsAndNoFormulas: an amount below zero stays one.
func TestAFileHasAmountsAndNoFormulas(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "12.00": "12.00", "-12.00": "-12.00", "-7": "-7", "-1+1": "'-1+1", "=1": "'=1", "+1": "'+1", "@x": "'@x", "-": "'-", "-1\n": "'-1\n",
	} {
		if got := console.Harmless(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
}

// TestBooksOfAMomentAreThoseOfThen asks for the books before and after a
// refund, and walks an account back to nothing.
func TestBooksOfAMomentAreThoseOfThen(t *testing.T) {
	w := begin(t)
	w.control("clock/advance", `{"by":"1h"}`)
	before := w.node.Clock.Now()
	w.control("clock/advance", `{"by":"1h"}`)
	w.pay("trustly", 50_000, "funded")
	at := func(when time.Time) string {
		return w.fetch("/console/m/acme/ledger?at=" + when.UTC().Format("2006-01-02T15:04:05")).body
	}
	if page := at(before); !strings.Contains(page, "1,000,000.00 ") || strings.Contains(page, "1,000,500.00 ") {
		t.Error("the books before the payment know of it")
	}
	if page := at(w.node.Clock.Now().Add(time.Second)); !strings.Contains(page, "1,000,500.00 ") {
		t.Error("the books after the payment do not know of it")
	}
	account := w.fetch("/console/m/acme/ledger/account?path=EUR").body
	if !strings.Contains(account, "+500.00") || !strings.Contains(account, "<b><span class=\"money\">1,000,000.00 ") {
		t.Error("the account does not show what it had before")
	}
}

// TestWhatWasHeldIsLetGo reads an account's holds: they come to nothing once a
// refund is paid, and once another is called back.
func TestWhatWasHeldIsLetGo(t *testing.T) {
	w := begin(t)
	order, _ := w.pay("trustly", 50_000, "funded")
	w.outcome(w.refund(order, "30.00"), `{"outcome":"settle"}`)
	w.outcome(w.refund(order, "20.00"), `{"outcome":"abort"}`)
	account := w.fetch("/console/m/acme/ledger/account?path=EUR").body
	const moved, held = `<td class="num"><span class="money">`, `<td class="num wide"><span class="money">`
	for text, want := range map[string]int{held + "+30.00 ": 1, held + "−30.00 ": 1, moved + "−30.00 ": 1, held + "+20.00 ": 1, held + "−20.00 ": 1, moved + "−20.00 ": 0} {
		if got := strings.Count(account, text); got != want {
			t.Errorf("%q stands there %d times, want %d: %s", text, got, want, account)
		}
	}
}

// TestADeadLetterEndsATimeline of a refund whose merchant never acknowledged.
func TestADeadLetterEndsATimeline(t *testing.T) {
	w := begin(t)
	order, _ := w.pay("trustly", 50_000, "funded")
	w.control("inbox/behaviour", `{"status":500,"times":1000000}`)
	id := w.refund(order, "30.00")
	w.outcome(id, `{"outcome":"refuse","reason":"account_closed"}`)
	given := func() bool {
		return strings.Contains(w.fetch("/console/m/acme/out/"+string(id)).body, "Given up: credit is a dead letter")
	}
	if given() {
		t.Error("it is said to be given up while it is still tried")
	}
	w.control("clock/advance", `{"by":"960h"}`)
	if !given() {
		t.Error("nothing says that it was given up")
	}
}

// TestAccountNumbersAreMasked looks for the payer's account on every page that
// might show it.
func TestAccountNumbersAreMasked(t *testing.T) {
	w := begin(t)
	f := w.furnish()
	for _, path := range []string{"payments/" + f.payment, "out/" + string(f.settled), "out/" + string(f.returned), "inbox", "deliveries/" + f.dead, "settings"} {
		if page := w.fetch("/console/m/acme/" + path).body; strings.Contains(page, "FI2112345600000785") {
			t.Errorf("%s shows the account", path)
		}
	}
}
