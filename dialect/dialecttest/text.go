package dialecttest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"remit"
	"remit/dialect"
)

// parseRequest reads "POST /path?query", headers, a blank line and the body,
// less its last line feed. A Host says under which origin we were called.
func parseRequest(t testing.TB, text []byte) dialect.Request {
	t.Helper()
	first, header, body := parseMessage(t, text)
	method, target, ok := strings.Cut(first, " ")
	if !ok {
		t.Fatalf("%q is no request line", first)
	}
	path, query, _ := strings.Cut(target, "?")
	r := dialect.Request{Method: method, Path: path, Query: query, Header: header, Body: body}
	if host := header.Get("Host"); host != "" {
		r.Origin = "https://" + host
	}
	return r
}

// parseReply reads "200", headers, a blank line and the body.
func parseReply(t testing.TB, text []byte) (status int, _ http.Header, body []byte) {
	t.Helper()
	first, header, body := parseMessage(t, text)
	status, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return status, header, body
}

func parseMessage(t testing.TB, text []byte) (first string, _ http.Header, body []byte) {
	t.Helper()
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(text)))
	first, err := r.ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	header, err := r.ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	body, err = io.ReadAll(r.R)
	if err != nil {
		t.Fatal(err)
	}
	return first, http.Header(header), bytes.TrimSuffix(body, []byte("\n"))
}

func formatHeader(w *strings.Builder, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			fmt.Fprintf(w, "%s: %s\n", name, v)
		}
	}
}

func formatResponse(r dialect.Response) string {
	var w strings.Builder
	fmt.Fprintf(&w, "%d\n", r.Status)
	formatHeader(&w, r.Header)
	fmt.Fprintf(&w, "\n%s", r.Body)
	return unstyled.ReplaceAllString(w.String(), "$1$3…$2$4")
}

// unstyled is how a page looks, and the hash of that in its policy: the same on
// all pages, and no part of what is said on them.
var unstyled = regexp.MustCompile(`(?s)(<style>).*(</style>)|(sha256-)[^']*(')`)

func formatNotice(n remit.Notice, out dialect.Outgoing) string {
	var w strings.Builder
	url := n.URL
	switch {
	case out.Query == "":
	case strings.Contains(url, "?"):
		url += "&" + out.Query
	default:
		url += "?" + out.Query
	}
	fmt.Fprintf(&w, "%s %s\n", out.Method, url)
	formatHeader(&w, out.Header)
	fmt.Fprintf(&w, "\n%s", out.Body)
	return w.String()
}

var policies = map[remit.Policy]string{
	remit.Refuse: "refuse", remit.Wait: "wait", remit.FailLater: "fail later",
	remit.TakeLeft: "take what is left", remit.TakeWhole: "take the whole",
}

var faultStages = map[remit.Stage]string{
	remit.BeforeLookup: "before the look-up", remit.AtLookup: "at the look-up", remit.AfterLookup: "after the look-up",
}

// sheet is a list of named lines.
type sheet struct{ strings.Builder }

func (w *sheet) line(name, format string, args ...any) {
	fmt.Fprintf(w, "%-13s %s\n", name, fmt.Sprintf(format, args...))
}

// some writes a line unless its text is empty.
func (w *sheet) some(name, text string) {
	if text != "" {
		w.line(name, "%s", text)
	}
}

func (w *sheet) keyed(k remit.Keyed, content []byte) {
	if k.Key != "" {
		w.line("key", "%s, for %s; refusals bind: %t", k.Key, k.Remember, k.RefusalsBind)
		w.line("content", "%s", content)
	}
	w.line("form", "%s", k.Form)
}

func (w *sheet) faults(all []remit.Fault) {
	for _, f := range all {
		w.line("fault", "%s: %s", faultStages[f.Stage], formatError(f.Err))
	}
}

func formatName(n remit.Name) string { return strings.TrimPrefix(n.Scope+" "+n.Text, " ") }

// formatOperation writes an operation for people to read.
func formatOperation(op dialect.Operation) string {
	var w sheet
	switch {
	case op.Refund != nil:
		w.refund(op.Refund)
	case op.Payout != nil:
		w.payout(op.Payout)
	case op.Open != nil:
		w.open(op.Open)
	case op.Register != nil:
		r := op.Register
		w.line("register", "%s of %s", r.Party.Account, r.Party.Name)
		w.some("details", r.Details)
		w.some("notify", r.NotificationURL)
		w.keyed(r.Keyed, r.Content)
		w.faults(r.Faults)
	case op.SpendKey != nil:
		w.line("refuse", "%s", formatError(op.SpendKey.Err))
		w.keyed(op.SpendKey.Keyed, op.SpendKey.Content)
	case op.Move != nil:
		w.line("move", "payment %s%s to %s", op.Move.Payment, formatName(op.Move.Name), op.Move.To)
	case op.Cancel != nil:
		w.line("cancel", "%s", op.Cancel.Disbursed)
	case op.Proceed != nil:
		w.line("proceed", "%s", op.Proceed.Disbursed)
	case op.Query != nil:
		w.query(*op.Query)
	default:
		w.line("nothing", "to be done but to answer")
	}
	return w.String()
}

func (w *sheet) refund(r *dialect.Refund) {
	w.line("refund of", "%s", formatName(r.Payment))
	if r.Omitted {
		w.line("amount", "omitted")
	} else {
		w.line("amount", "%d minor %s", r.Amount.Minor, r.Amount.Currency)
	}
	for _, p := range r.Portions {
		w.line("portion", "%s: %d minor", p.Name, p.Minor)
	}
	w.some("reference", r.Reference)
	w.some("details", r.Details)
	w.keyed(r.Keyed, r.Content)
	w.line("when", "unfunded %s, short %s, omitted %s; one waiting: %t",
		policies[r.WhenUnfunded], policies[r.WhenShort], policies[r.WhenOmitted], r.OneWaiting)
	w.faults(r.Faults)
}

func (w *sheet) payout(p *dialect.Payout) {
	w.line("payout to", "%s", strings.TrimSpace(fmt.Sprint(string(p.Beneficiary), " ", formatName(p.Payer), " ", p.Payee.Account, " ", p.Payee.Name)))
	w.line("amount", "%d minor %s", p.Amount.Minor, p.Amount.Currency)
	w.some("order", p.OrderReference)
	w.some("end user", p.EndUser)
	w.some("reference", p.Reference)
	w.some("details", p.Details)
	w.some("notify", p.NotificationURL)
	w.keyed(p.Keyed, p.Content)
	w.line("when", "short %s; order once: %t", policies[p.WhenShort], p.OrderOnce)
	w.faults(p.Faults)
}

func (w *sheet) open(o *dialect.Open) {
	w.line("open", "%d minor %s, %s", o.Amount.Minor, o.Amount.Currency, o.State)
	w.some("order", o.OrderReference)
	for _, n := range o.Names {
		w.line("name", "%s", formatName(n))
	}
	for _, p := range o.Portions {
		w.line("portion", "%s: %d minor", p.Name, p.Minor)
	}
	w.some("details", o.Details)
	w.some("notify", o.NotificationURL)
	if o.Expires > 0 {
		w.line("expires", "after %s", o.Expires)
	}
	w.keyed(o.Keyed, o.Content)
	w.faults(o.Faults)
}

func (w *sheet) query(q dialect.Query) {
	w.some("payment", formatName(q.Payment))
	w.some("disbursement", q.Disbursement)
	for _, what := range []struct {
		asked bool
		name  string
	}{{q.Refunds, "its refunds"}, {q.Payments, "payments"}, {q.Disbursed, "disbursements"}, {q.Balances, "balances"}, {q.Entries, "entries"}} {
		if what.asked {
			w.line("question", "%s", what.name)
		}
	}
	w.some("currency", string(q.Currency))
	if !q.From.IsZero() || !q.To.IsZero() {
		w.line("time", "%s to %s", q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	}
	if q.Fault != nil {
		w.line("fault", "%s", formatError(q.Fault))
	}
}

func formatError(e *remit.Error) string {
	if e.Reason == "" {
		return fmt.Sprintf("%s: %s", e.Code, e.Detail)
	}
	return fmt.Sprintf("%s/%s: %s", e.Code, e.Reason, e.Detail)
}

func formatOutcome(r remit.Result, stage string, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("refused by %s: %s", stage, formatError(remit.AsError(err)))
	case r.Refusal != nil && r.Replayed:
		return "refused as before: " + formatError(r.Refusal)
	case r.Refusal != nil:
		return "refused, and remembered: " + formatError(r.Refusal)
	case r.Replayed:
		return "accepted as before"
	case r.Disbursement != nil:
		return "accepted: " + string(r.Disbursement.State)
	case len(r.Payments)+len(r.Disbursements)+len(r.Balances)+len(r.Entries) > 0:
		return fmt.Sprintf("answered: %d payments, %d disbursements, %d balances, %d entries",
			len(r.Payments), len(r.Disbursements), len(r.Balances), len(r.Entries))
	case r.Payment != nil:
		return "accepted: payment " + string(r.Payment.State)
	case r.Beneficiary != nil:
		return "accepted: beneficiary " + string(r.Beneficiary.ID)
	}
	return "answered"
}
