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
	"slices"
	"strconv"
	"strings"
	"testing"

	"remit"
	"remit/dialect"
)

// parseRequest reads "POST /path?query", headers, a blank line and the body,
// less its last line feed.
func parseRequest(t testing.TB, text []byte) dialect.Request {
	t.Helper()
	first, header, body := parseMessage(t, text)
	method, target, ok := strings.Cut(first, " ")
	if !ok {
		t.Fatalf("%q is no request line", first)
	}
	path, query, _ := strings.Cut(target, "?")
	return dialect.Request{Method: method, Path: path, Query: query, Header: header, Body: body}
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
	return w.String()
}

func formatNotice(n remit.Notice, out dialect.Outgoing) string {
	var w strings.Builder
	url := n.URL
	if out.Query != "" {
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

var stages = map[remit.Stage]string{
	remit.BeforeLookup: "before the look-up", remit.AtLookup: "at the look-up", remit.AfterLookup: "after the look-up",
}

// formatOperation writes an operation for people to read.
func formatOperation(op dialect.Operation) string {
	r := op.Refund
	var w strings.Builder
	line := func(name string, format string, args ...any) {
		fmt.Fprintf(&w, "%-13s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("refund of", "%s", strings.TrimPrefix(r.Payment.Scope+" "+r.Payment.Text, " "))
	if r.Omitted {
		line("amount", "omitted")
	} else {
		line("amount", "%d minor %s", r.Amount.Minor, r.Amount.Currency)
	}
	if r.Reference != "" {
		line("reference", "%s", r.Reference)
	}
	if r.Key != "" {
		line("key", "%s, for %s; refusals bind: %t", r.Key, r.Remember, r.RefusalsBind)
		line("content", "%s", r.Content)
	}
	line("form", "%s", r.Form)
	line("when", "unfunded %s, short %s, omitted %s; one waiting: %t",
		policies[r.WhenUnfunded], policies[r.WhenShort], policies[r.WhenOmitted], r.OneWaiting)
	for _, f := range r.Faults {
		line("fault", "%s: %s", stages[f.Stage], formatError(f.Err))
	}
	return w.String()
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
	}
	return "accepted: " + string(r.Disbursement.State)
}
