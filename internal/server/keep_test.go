package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/requestlog"
	"remit/internal/server"
	"remit/store"
)

// shelf is a request log that only remembers.
type shelf struct{ kept []store.Request }

func (s *shelf) Add(r requestlog.Record) { s.kept = append(s.kept, r.Kept) }

// TestWhatIsKeptOfARequest asks for everything in turn: commands are kept
// whatever came of them, questions only if they were refused, and strangers as
// such; nobody's request is nobody's.
func TestWhatIsKeptOfARequest(t *testing.T) {
	s := &shelf{}
	w := newWorld(t, func(o *server.Options) { o.Requests = s })
	for _, x := range []struct {
		path, body string
		headers    []string
	}{
		{"/plainly", "order 2000 EUR k1", nil}, {"/plainly", "order 2000 EUR k1", nil}, {"/plainly", "order 9000 EUR k2", nil}, {"/plainly", "what", nil},
		{"/plainly", "order 1 EUR k3", []string{"Word", "wrong"}}, {"/plainly", "order 1 EUR k4", []string{"Who", "nobody"}},
		{"/plainly/encode", "order 1 EUR k5", nil},
	} {
		w.post(t, x.path, x.body, x.headers...)
		<-w.seen // it is kept by then
	}
	w.stop()
	ds, err := w.Store.Disbursements(t.Context(), store.Filter{Merchant: "acme", Max: 9})
	must(t, err)
	first := string(ds[0].ID)
	want := []store.Request{
		{Verified: true, Operation: "refund", Subject: first},
		{Verified: true, Operation: "refund", Subject: first, Replayed: true},
		{Verified: true, Operation: "refund", Stage: "decide", Code: "exceeds", Named: "order"},
		{Verified: true, Stage: "decode", Code: "invalid", Reason: remit.ReasonEnvelope},
		{Stage: "verify", Code: "unauthenticated", Reason: remit.ReasonSecret},
		{Verified: true, Operation: "refund", Stage: "decide", Code: "internal", Subject: string(ds[1].ID)},
	}
	if len(s.kept) != len(want) {
		t.Fatalf("%d were kept, want %d: %+v", len(s.kept), len(want), s.kept)
	}
	for i, got := range s.kept {
		if got.Took <= 0 || got.Status < 400 || got.Merchant != "acme" || got.Dialect != "plainly" || (got.Code != "") != (got.Detail != "") {
			t.Errorf("request %d is kept as %+v", i, got)
		}
		want := want[i]
		want.Took, want.Status, want.Merchant, want.Dialect, want.Detail = got.Took, got.Status, got.Merchant, got.Dialect, got.Detail
		if got != want {
			t.Errorf("request %d is kept as\n%+v, want\n%+v", i, got, want)
		}
	}
}

// asking is plainly with questions instead of commands, of which one is judged
// only by the answer.
type asking struct{ plainly }

func (asking) Read(r dialect.Request) dialect.Call { return question{say{r}} }

type question struct{ say }

func (q question) Decode() (dialect.Operation, error) {
	if string(q.r.Body) == "refuse" {
		return dialect.Operation{}, remit.Errorf(remit.Invalid, "", "no")
	}
	return dialect.Operation{Query: &dialect.Query{Balances: true}}, nil
}

func (q question) Encode(s dialect.Signer, r remit.Result, err error) dialect.Response {
	res := q.say.Encode(s, r, err)
	if string(q.r.Body) == "judge" {
		res.Code = "42"
	}
	return res
}

// visiting is plainly with pages that anybody may call.
type visiting struct{ plainly }

func (visiting) Read(r dialect.Request) dialect.Call { return visit{say{r}} }

type visit struct{ say }

func (visit) Claim() (dialect.Principal, error) { return "", nil }

func (v visit) Decode() (dialect.Operation, error) {
	op, err := v.say.Decode()
	op.Merchant = "acme"
	return op, err
}

// TestQuestionsAndPagesAreNotKept asks questions, of which the refused ones are
// kept, and opens a payer's page, of which nothing is.
func TestQuestionsAndPagesAreNotKept(t *testing.T) {
	s := &shelf{}
	w := newWorld(t, func(o *server.Options) { o.Requests, o.Dialects = s, []dialect.Dialect{asking{}} })
	for _, body := range []string{"", "refuse", "judge"} {
		w.post(t, "/plainly", body)
		<-w.seen
	}
	w.stop()
	if len(s.kept) != 2 || s.kept[0].Code != "invalid" || s.kept[1].Wire != "42" || s.kept[1].Stage != "decide" {
		t.Errorf("kept %+v", s.kept)
	}
	pages := &shelf{}
	w = newWorld(t, func(o *server.Options) { o.Requests, o.Dialects = pages, []dialect.Dialect{visiting{}} })
	w.post(t, "/plainly", "order 1 EUR k1")
	w.post(t, "/plainly", "what")
	w.stop()
	if len(pages.kept) != 0 {
		t.Errorf("of a page is kept %+v", pages.kept)
	}
}

// TestTheBytesAreSealedAtRest sends a secret, an account number and plain words,
// and reads the files of the database: none of them is there.
func TestTheBytesAreSealedAtRest(t *testing.T) {
	var l *requestlog.Log
	w := newWorld(t, func(o *server.Options) { o.Requests = later(func(r requestlog.Record) { l.Add(r) }) })
	l = requestlog.New(requestlog.Options{Store: w.Store, Vault: w.Vault, Dialects: w.Dialects, Real: time.Now, Log: w.options.Log})
	const body = `{"password":"opensesame","note":"a note of mine"}`
	w.post(t, "/plainly", body, "Content-Type", "application/json")
	w.stop()
	l.Close()
	kept, err := w.Store.Requests(t.Context(), store.RequestFilter{Merchant: "acme", Max: 9})
	must(t, err)
	if len(kept) != 1 {
		t.Fatalf("%d requests were kept", len(kept))
	}
	text, err := requestlog.Asked(w.Vault, kept[0])
	must(t, err)
	if !strings.Contains(text, `{"password":"•••","note":"a note of mine"}`) {
		t.Errorf("it opens as %q", text)
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "remit.db*"))
	must(t, err)
	found := false
	for _, f := range files {
		raw, err := os.ReadFile(f)
		must(t, err)
		found = found || strings.Contains(string(raw), kept[0].ID)
		for _, secret := range []string{"opensesame", "a note of mine"} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("%s holds %q", f, secret)
			}
		}
	}
	if !found {
		t.Error("the request is in none of the files")
	}
}

// later is a request log made of a function.
type later func(requestlog.Record)

func (f later) Add(r requestlog.Record) { f(r) }
