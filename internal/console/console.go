// Package console shows an installation to people, and lets them act on it.
// It reads the store, and acts through the engine alone, in an operator's
// name. Pages are drawn here, from templates; what runs in the browser only
// fetches them again, draws charts, and knows some keys.
package console

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/internal/evidence"
	"remit/internal/node"
	"remit/store"
)

// Path is where the console is mounted.
const Path = "/console"

// formBytesMax is the largest form, in bytes.
const formBytesMax = 1 << 20

// Options are what a console is made of.
type Options struct {
	Node *node.Node
	Real func() time.Time
	Log  *slog.Logger
	// Users are who may log in. Where it is nil nobody is asked, and whoever
	// comes acts as Operator.
	Users    Users
	Operator string // such as "operator:sandbox"
	// From is the address of who asks, where another than the connection's may
	// be believed; nil where none is.
	From func(*http.Request) netip.Addr
	// Local answers only those who call this machine by a name that can mean no
	// other, so that no page of a stranger reaches us under a name of its own.
	Local bool
	// Sandbox is the whole sandbox, whose control API the console's own controls
	// call; nil where there is none.
	Sandbox http.Handler
}

// Console is the handler of everything below Path.
type Console struct {
	o       Options
	store   store.Store
	door    *door
	once    *once
	views   views
	days    days
	handler http.Handler
}

// New makes a console.
func New(o Options) *Console {
	c := &Console{o: o, store: o.Node.Store, once: newOnce(o.Node.Store, o.Node.Vault, o.Real), views: parseViews()}
	if o.Users != nil {
		c.door = newDoor(o.Users, o.Node.Store, o.Node.Vault, o.Real)
	}
	c.handler = http.NewCrossOriginProtection().Handler(c.routes())
	return c
}

func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path+"/assets/{file}", asset)
	mux.HandleFunc("GET "+Path+"/login", c.showLogin)
	mux.HandleFunc("POST "+Path+"/login", c.login)
	shows := map[string]func(*visit) error{
		"{$}":                             c.home,
		"search":                          c.search,
		"merchants":                       c.merchants,
		"m/{merchant}/{$}":                c.overview,
		"m/{merchant}/chart.json":         c.chart,
		"m/{merchant}/payments":           c.payments,
		"m/{merchant}/payments.csv":       c.paymentsCSV,
		"m/{merchant}/payments/{id}":      c.payment,
		"m/{merchant}/refunds":            c.refunds,
		"m/{merchant}/refunds.csv":        c.refundsCSV,
		"m/{merchant}/payouts":            c.payouts,
		"m/{merchant}/payouts.csv":        c.payoutsCSV,
		"m/{merchant}/out/{id}":           c.disbursement,
		"m/{merchant}/out/{id}/evidence":  c.evidence,
		"m/{merchant}/ledger":             c.ledger,
		"m/{merchant}/ledger.csv":         c.ledgerCSV,
		"m/{merchant}/ledger/account":     c.account,
		"m/{merchant}/ledger/account.csv": c.accountCSV,
		"m/{merchant}/deliveries":         c.deliveries,
		"m/{merchant}/deliveries/{id}":    c.delivery,
		"m/{merchant}/settings":           c.settings,
		"m/{merchant}/requests":           c.requests,
		"m/{merchant}/requests.csv":       c.requestsCSV,
		"m/{merchant}/requests/{id}":      c.showRequest,
	}
	if c.o.Sandbox != nil {
		shows["m/{merchant}/inbox"] = c.inbox
		shows["m/{merchant}/sandbox"] = c.controls
	}
	for pattern, f := range shows {
		mux.Handle("GET "+Path+"/"+pattern, c.show(f))
	}
	for pattern, f := range c.acts() {
		mux.Handle("POST "+Path+"/"+pattern, c.act(f))
	}
	mux.Handle("GET "+Path, http.RedirectHandler(Path+"/", http.StatusSeeOther))
	mux.Handle("GET "+Path+"/", c.show(func(*visit) error { return errNoPage }))
	return mux
}

// acts are all that can be done from here, by where a form of it is sent.
func (c *Console) acts() map[string]func(*visit) (outcome, error) {
	all := map[string]func(*visit) (outcome, error){
		"logout":                                  c.logout,
		"merchants":                               c.addMerchant,
		"m/{merchant}/ledger/check":               c.runCheck,
		"m/{merchant}/deliveries/{id}":            c.redeliver,
		"m/{merchant}/payments":                   c.recordPayment,
		"m/{merchant}/payments/{id}":              c.movePayment,
		"m/{merchant}/settings/topup":             c.topUp,
		"m/{merchant}/settings/switches":          c.change,
		"m/{merchant}/credentials/{where}":        c.issue,
		"m/{merchant}/credentials/{where}/revoke": c.revoke,
	}
	for _, act := range []string{actProceed, actCancel, actAsk, actSettle, actFail} {
		all["m/{merchant}/out/{id}/"+act] = func(v *visit) (outcome, error) { return c.actOnDisbursement(v, act) }
	}
	if c.o.Sandbox != nil {
		for call, f := range c.calls() {
			all["m/{merchant}/sandbox/"+call] = f
		}
	}
	return all
}

var errNoPage = remit.Errorf(remit.NotFound, "", "There is no such page.")

// security lets a page use what we serve, and nothing else: no script or style
// within the page, nothing from elsewhere, nobody's frame.
const security = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", security)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if c.o.Local && !local(r.Host) {
		http.Error(w, "the console answers on this machine only: call it localhost", http.StatusMisdirectedRequest)
		return
	}
	c.handler.ServeHTTP(w, r)
}

// local tells whether a host can mean this machine only.
func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return name == "localhost" || (ip != nil && ip.IsLoopback())
}

// visit is one request of somebody who may see it.
type visit struct {
	*http.Request
	w        http.ResponseWriter
	c        *Console
	operator string // as events name who acts
	session  string
	some     []remit.Merchant // the first
	count    int              // of all merchants
	merchant remit.Merchant   // of the path; the zero value outside of one
	now      time.Time        // of the business clock
}

// visit finds out who comes, and about which merchant. Nil means that the
// request has been answered.
func (c *Console) visit(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v := &visit{Request: r, w: w, c: c, operator: c.o.Operator, now: c.o.Node.Clock.Now()}
	if c.door != nil {
		name, id, err := c.door.who(r)
		if err != nil {
			return v, err
		}
		if name == "" {
			to := Path + "/login"
			if r.Method == http.MethodGet && r.URL.Path != Path+"/" {
				to += "?" + url.Values{"next": {r.URL.RequestURI()}}.Encode()
			}
			w.Header().Set("HX-Redirect", to)
			http.Redirect(w, r, to, http.StatusSeeOther)
			return nil, nil
		}
		v.operator, v.session = "operator:"+name, id
	}
	var err error
	if v.some, v.count, err = c.store.SomeMerchants(r.Context(), "", merchantsNearby); err != nil {
		return v, err
	}
	id := remit.MerchantID(r.PathValue("merchant"))
	if id == "" {
		return v, nil
	}
	known, err := v.see(id)
	if err == nil && !known {
		err = remit.Errorf(remit.NotFound, "", "There is no merchant %q.", string(id))
	}
	return v, err
}

// see makes a merchant the visit's, if there is one of that id.
func (v *visit) see(id remit.MerchantID) (known bool, err error) {
	have, err := v.c.store.Read(v.Context(), store.Wants{Merchants: []remit.MerchantID{id}})
	if err != nil {
		return false, err
	}
	m, known := have.Merchants[id]
	if known {
		v.merchant = m
	}
	return known, nil
}

// seeFirst makes the first merchant the visit's, if it has none and there is
// one.
func (v *visit) seeFirst() {
	if v.merchant.ID == "" && len(v.some) > 0 {
		v.merchant = v.some[0]
	}
}

// path is a place of the visit's merchant.
func (v *visit) path(parts ...string) string { return merchantPath(v.merchant.ID, parts...) }

func merchantPath(m remit.MerchantID, parts ...string) string {
	path := Path + "/m/" + string(m) + "/"
	for i, p := range parts {
		if i > 0 {
			path += "/"
		}
		path += url.PathEscape(p)
	}
	return path
}

func (v *visit) head(evidence string) remit.Head {
	return v.c.o.Node.Engine.Head(v.merchant.ID, v.operator, "console:"+evidence)
}

// show answers with a page.
func (c *Console) show(f func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := c.visit(w, r)
		if v == nil {
			return
		}
		if err == nil {
			err = f(v)
		}
		if err != nil {
			v.fail(err)
		}
	})
}

// outcome is what came of an act that was not refused.
type outcome struct {
	to      string // where to look now
	message string
	page    func() error // shown at once, and never again, instead
}

// act carries out a form once. Whoever sends it again is led to what came of
// it.
func (c *Console) act(f func(*visit) (outcome, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
		v, err := c.visit(w, r)
		if v == nil {
			return
		}
		token := r.PostFormValue("token")
		if err == nil && !c.once.ours(token, v.session) {
			err = remit.Errorf(remit.Forbidden, "", "This form is too old, or was sent from elsewhere. Load the page again.")
		}
		if err != nil {
			v.fail(err)
			return
		}
		first, err := c.once.begin(r.Context(), token)
		if err != nil {
			v.fail(err)
			return
		}
		if !first {
			if came, err := c.once.wait(r.Context(), token); err != nil {
				v.fail(err)
			} else {
				http.Redirect(w, r, came.To, http.StatusSeeOther)
			}
			return
		}
		v.Request = r.WithContext(context.WithoutCancel(r.Context())) // who hangs up does not leave an act half known
		out, err := f(v)
		came := v.came(token, out, err)
		if kept := c.once.end(r.Context(), token, came); kept != nil {
			c.o.Log.Error("what came of an act could not be kept", "path", r.URL.Path, "operator", v.operator, "error", kept)
		}
		if err == nil && out.page != nil {
			if err = out.page(); err != nil {
				v.fail(err)
			}
			return
		}
		http.Redirect(w, r, came.To, http.StatusSeeOther)
	})
}

// came is what came of a form.
func (v *visit) came(token string, out outcome, err error) came {
	c := came{To: cmp.Or(out.to, v.back()), Message: out.message}
	if err != nil {
		e := remit.AsError(err)
		c.Message, c.Failed = refusal(e), true
		if e.Code == remit.Internal || e.Code == remit.Unavailable {
			v.c.o.Log.Error("an operator's act failed", "path", v.URL.Path, "operator", v.operator, "error", err)
		}
	}
	c.To = withQuery(c.To, "did", token)
	return c
}

// refusal says what came of an act that failed. Of one that was taken up, and
// whose end nobody was told, it does not say that nothing was done.
func refusal(e *remit.Error) string {
	switch {
	case e.Code == remit.Internal:
		return "Something is broken here, and was written to the log. Look before you try again."
	case e.Code == remit.Unavailable && e.Reason != remit.ReasonQueueFull && e.Reason != remit.ReasonShuttingDown:
		return "It is not known whether it was done: " + e.Detail + ". Look before you try again."
	}
	return "Nothing was done: " + e.Detail + "."
}

// back is the page of ours that a form was sent from.
func (v *visit) back() string {
	u, err := url.Parse(v.PostFormValue("back"))
	if err != nil || u.Host != "" || u.Scheme != "" || (u.Path != Path+"/" && !strings.HasPrefix(u.Path, Path+"/")) {
		return Path + "/"
	}
	q := u.Query()
	q.Del("did")
	u.RawQuery = q.Encode()
	return u.String()
}

// statuses are the HTTP statuses of what a page can be refused for.
var statuses = map[remit.Code]int{
	remit.Invalid: http.StatusBadRequest, remit.NotFound: http.StatusNotFound, remit.Forbidden: http.StatusForbidden,
	remit.Conflict: http.StatusConflict, remit.Unavailable: http.StatusServiceUnavailable,
}

// fail shows what went wrong. The cause of a fault of ours is for the log.
func (v *visit) fail(err error) {
	e := remit.AsError(err)
	status, known := statuses[e.Code]
	message := e.Detail
	if !known {
		status, message = http.StatusInternalServerError, "Something is broken here, and was written to the log."
		v.c.o.Log.Error("a page failed", "path", v.URL.Path, "error", err)
	}
	v.seeFirst()
	v.render(status, "problem", "", capital(strings.ToLower(http.StatusText(status))), map[string]any{"Message": message})
}

// home leads to the first merchant, or to how one is made.
func (c *Console) home(v *visit) error {
	to := Path + "/merchants"
	if len(v.some) > 0 {
		to = merchantPath(v.some[0].ID)
	}
	http.Redirect(v.w, v.Request, to, http.StatusSeeOther)
	return nil
}

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request) {
	c.loginPage(w, r, http.StatusOK, "")
}

func (c *Console) loginPage(w http.ResponseWriter, r *http.Request, status int, problem string) {
	v := &visit{Request: r, w: w, c: c, now: c.o.Node.Clock.Now()}
	next := r.FormValue("next")
	v.render(status, "login", "", "Log in", map[string]any{"Problem": problem, "Next": next, "Gone": r.FormValue("gone") != ""})
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	if c.door == nil || !c.once.ours(r.PostFormValue("token"), "") {
		c.loginPage(w, r, http.StatusForbidden, "This form is too old. Try again.")
		return
	}
	name, from := r.PostFormValue("name"), c.from(r)
	id, wait, err := c.door.enter(r, from, name, r.PostFormValue("password"))
	switch {
	case err != nil:
		c.o.Log.Error("nobody can log in", "error", err)
		c.loginPage(w, r, http.StatusServiceUnavailable, "Something is broken here, and was written to the log.")
	case wait > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		c.loginPage(w, r, http.StatusTooManyRequests, "Too many wrong passwords. Wait "+wait.Round(time.Second).String()+", then try again.")
	case id == "":
		c.loginPage(w, r, http.StatusUnauthorized, "The name or the password is wrong.")
	default:
		secure := !local(r.Host)
		http.SetCookie(w, &http.Cookie{
			Name: sessionCookie, Value: id, Path: Path, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure,
		})
		c.door.remember(w, name, secure)
		c.o.Log.Info("an operator logged in", "operator", name, "from", from)
		v := &visit{Request: r}
		r.PostForm.Set("back", r.PostFormValue("next"))
		http.Redirect(w, r, v.back(), http.StatusSeeOther)
	}
}

// from is the address of who asks.
func (c *Console) from(r *http.Request) netip.Addr {
	if c.o.From != nil {
		return c.o.From(r)
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // of a connection, which has one
	return peer.Addr().Unmap()
}

func (c *Console) logout(v *visit) (outcome, error) {
	out := outcome{to: Path + "/login?gone=yes"}
	if c.door == nil {
		return out, nil
	}
	http.SetCookie(v.w, &http.Cookie{Name: sessionCookie, Path: Path, MaxAge: -1})
	c.o.Log.Info("an operator logged out", "operator", v.operator)
	return out, c.door.leave(v.Context(), v.session)
}

// settle has a sandbox carry out at once what an act caused; elsewhere that
// happens by itself.
func (v *visit) settle() error {
	if v.c.o.Sandbox == nil {
		return nil
	}
	_, err := v.c.call(v.Context(), http.MethodPost, "drain", nil)
	return err
}

// evidence is the signed bundle of a disbursement.
func (c *Console) evidence(v *visit) error {
	d, err := c.dossier(v)
	if err != nil {
		return err
	}
	file, err := evidence.Sign(d.Bundle(v.now, v.operator), evidence.Key(c.o.Node.Vault))
	if err != nil {
		return err
	}
	v.download("application/json", "evidence-"+string(d.Disbursement.ID)+".json")
	_, err = bytes.NewReader(file).WriteTo(v.w)
	return ignoreGone(v.Context(), err)
}

func (v *visit) download(kind, name string) {
	v.w.Header().Set("Content-Type", kind)
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// ignoreGone forgets an error of who has hung up.
func ignoreGone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
