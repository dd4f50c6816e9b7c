package console_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"

	"remit/store"
)

// TestATimelineBeginsWithWhatWasAsked reads the page of a refund: what came, with
// its secrets hidden, what it was checked for, and that it was asked again.
func TestATimelineBeginsWithWhatWasAsked(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	f := w.furnish()
	b.visit("/console/m/acme/out/" + string(f.accepted))
	text := ask[string](b, `document.querySelector(".timeline").innerText`)
	at := 0
	for _, want := range []string{"The payment was funded", "The merchant asked, in Trustly", "HTTP 200", "POST /api/1", "Content-Type: application/json", `"Password": "•••"`, `"Amount": "21.00"`,
		"Checked", "signature", "what is left of the payment", "Accepted: the money is held"} {
		i := strings.Index(text[at:], want)
		if i < 0 {
			t.Fatalf("behind %d there is no %q:\n%s", at, want, text)
		}
		at += i
	}
	if strings.Contains(text, w.word) || !strings.Contains(text, "asked again, and got the same answer") {
		t.Errorf("it reads\n%s", text)
	}
	b.blameless("the timeline")
}

// TestWhatIsNoLongerKeptIsSaid forgets the requests, and reads the timeline.
func TestWhatIsNoLongerKeptIsSaid(t *testing.T) {
	w := begin(t)
	order, _ := w.pay("trustly", 10_000, "funded")
	id := w.refund(order, "20.00")
	w.control("drain", "") // one thing at a time: it is kept by then
	_, err := w.node.Store.ForgetRequests(t.Context(), "acme", w.node.Clock.Now().AddDate(0, 0, 1), 100)
	must(t, err)
	if page := w.fetch("/console/m/acme/out/" + string(id)).body; !strings.Contains(page, "Its bytes are not kept") {
		t.Errorf("it does not say so: %s", page)
	}
}

// TestARefusalIsExplained asks for too much, and finds out why: on the page of
// the request, in the list, on the payment's page, by its trace and by what it
// names.
func TestARefusalIsExplained(t *testing.T) {
	w := begin(t)
	b := open(t, w.base)
	order, payment := w.pay("trustly", 10_000, "funded")
	w.uuid++
	w.ask(order, "101.00", w.word)
	trace := w.lastRequest().ID
	for _, path := range []string{
		"m/acme/requests/" + trace, "search?q=" + trace, "search?in=globex&q=" + trace, "m/acme/requests", "m/acme/requests?refused=yes", "m/acme/requests?about=" + trace,
		"m/acme/requests?about=" + order, "m/acme/payments/" + payment,
	} {
		b.visit("/console/" + path)
		if text := ask[string](b, "document.body.innerText"); !strings.Contains(text, "refused: over what is left (670)") {
			t.Errorf("%s does not say why:\n%s", path, text)
		}
	}
	b.visit("/console/m/acme/requests/" + trace)
	if got := ask[string](b, `document.querySelector(".checks .bad").innerText`); !strings.HasPrefix(got, "what is left of the payment") {
		t.Errorf("it was refused by %q", got)
	}
	if passed, rest := ask[int](b, `document.querySelectorAll(".checks .good").length`), ask[int](b, `document.querySelectorAll(".checks .never").length`); passed != 14 || rest != 3 {
		t.Errorf("%d checks passed, and %d were not reached", passed, rest)
	}
	b.visit("/console/m/acme/")
	if got := ask[string](b, `document.querySelector("a[href*='refused=yes']").innerText`); strings.TrimSpace(got) != "1" {
		t.Errorf("refused today: %q", got)
	}
	b.blameless("the refusal")
}

// TestOnlyWhatWasCheckedIsSaidToBe opens a request that was answered as before,
// one that broke on our side, and one of a dialect that is no longer spoken.
func TestOnlyWhatWasCheckedIsSaidToBe(t *testing.T) {
	w := begin(t)
	at := w.node.Clock.Now()
	full := store.Request{Merchant: "acme", At: at, Verified: true, Dialect: "trustly", Operation: "refund", Subject: "d1"}
	again, broken, foreign := full, full, full
	again.ID, again.Replayed = "a", true
	broken.ID, broken.Stage, broken.Code = "b", "decide", "internal"
	foreign.ID, foreign.Dialect = "c", "gone"
	must(t, w.node.Store.AddRequests(t.Context(), []store.Request{again, broken, foreign}))
	for id, want := range map[string][4]int{"a": {12, 0, 6, 1}, "b": {10, 0, 8, 0}, "c": {0, 0, 0, 0}} {
		page := w.fetch("/console/m/acme/requests/" + id).body
		_, list, _ := strings.Cut(page, `class="checks"`)
		list, _, _ = strings.Cut(list, "</ul>")
		got := [4]int{strings.Count(list, `"good"`), strings.Count(list, `"bad"`), strings.Count(list, `"never"`), strings.Count(list, "seen before")}
		if got != want {
			t.Errorf("%s: passed, refused, not reached, seen before: %v, want %v", id, got, want)
		}
	}
}

// TestNobodySeesAnothersRequests looks for acme's requests under globex, and
// for what a stranger said in acme's name.
func TestNobodySeesAnothersRequests(t *testing.T) {
	w := begin(t)
	f := w.furnish()
	for _, trace := range []string{f.refused, f.stranger} {
		if got := w.fetch("/console/m/globex/requests/" + trace).status; got != http.StatusNotFound {
			t.Errorf("%s under globex: %d", trace, got)
		}
		for _, path := range []string{"/console/m/globex/requests", "/console/m/globex/requests?about=" + trace} {
			if strings.Contains(w.fetch(path).body, "data-key=") {
				t.Errorf("%s shows requests", path)
			}
		}
	}
	if got := w.fetch("/console/m/acme/requests/" + f.stranger).body; !strings.Contains(got, "not verified") || strings.Contains(got, "wrong&#34;") {
		t.Errorf("a stranger's request reads %s", got)
	}
}

// TestRequestsAreTakenAlong reads the file of the list.
func TestRequestsAreTakenAlong(t *testing.T) {
	w := begin(t)
	f := w.furnish()
	rows, err := csv.NewReader(strings.NewReader(w.fetch("/console/m/acme/requests.csv?refused=yes").body)).ReadAll()
	must(t, err)
	if len(rows) != 3 || rows[0][0] != "trace" {
		t.Fatalf("got %q", rows)
	}
	for _, row := range rows[1:] {
		if row[0] == f.refused && (row[3] != "refund" || row[4] != "POST /api/1" || row[8] != "exceeds" || row[10] != "670") {
			t.Errorf("got %q", row)
		}
	}
}
