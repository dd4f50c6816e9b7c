package metrics

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"remit"
	"remit/internal/requestlog"
	"remit/store"
)

var update = flag.Bool("update", false, "rewrite docs/reference/metrics.md")

const page = "../../docs/reference/metrics.md"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// used makes metrics of which every one was used.
func used(backlog func(context.Context) (store.Backlog, error)) *Metrics {
	m := New()
	m.Request("trustly", "ok", time.Millisecond)
	m.Command("Refund", 2*time.Millisecond, nil)
	m.Command("Refund", time.Millisecond, remit.Errorf(remit.Exceeds, "", "too much"))
	m.Group(3, time.Millisecond, nil)
	m.Group(1, time.Millisecond, errors.New("no"))
	m.Rail("simulator", "submit", "pending", time.Millisecond)
	m.Delivery("trustly", "credit", "delivered", time.Millisecond)
	m.Skew(-250 * time.Millisecond)
	m.Watch(Waits{
		Backlog: backlog, Queue: func() int { return 4 }, Now: func() time.Time { return time.Unix(1000, 0) },
		NotKept: func() requestlog.Lost { return requestlog.Lost{Full: 1, Failed: 2, Limited: 3} },
	})
	return m
}

func waiting7(context.Context) (store.Backlog, error) {
	return store.Backlog{Send: 5, Deliver: 2, Expire: 6, Due: 3, OldestDue: time.Unix(940, 0), Dead: 1, Stuck: 1}, nil
}

// TestThePageListsTheMetrics makes the page anew from all that is exposed, and
// compares: go test ./internal/metrics -update rewrites it.
func TestThePageListsTheMetrics(t *testing.T) {
	families, err := used(waiting7).registry.Gather()
	must(t, err)
	var want bytes.Buffer
	want.WriteString(`# Metrics

` + "`GET /metrics`" + ` on the admin listener, in the text form of Prometheus. Beside these are the usual ` + "`go_`" + ` and ` + "`process_`" + `
metrics of the runtime. A duration is in seconds of real time. A ` + "`code`" + ` is ` + "`ok`" + `, or why it was refused:
` + codes() + `; of a request also ` + "`gone`" + `: the caller did not wait for the answer.

| name | type | labels | what it tells |
|---|---|---|---|
`)
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), namespace+"_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, " "), f.GetHelp())
	}
	want.WriteString(`
## What should wake somebody

| when | why |
|---|---|
| ` + "`remit_disbursements_stuck > 0`" + ` | nobody knows whether that money left: only an operator may say |
| ` + "`remit_backlog_read == 0`" + ` | the store does not answer |
| ` + "`remit_work_oldest_due_seconds > 300`" + ` | sending, delivering or expiring stands still |
| ` + "`abs(remit_clock_skew_seconds) > 0.5`" + ` | clocks differ; ` + "`/readyz`" + ` says no as well |
| ` + "`increase(remit_requests_total{code=~\"internal\\|unavailable\"}[5m]) > 0`" + ` | merchants are turned away for reasons that are ours; the log has the cause under the trace |
| ` + "`delta(remit_deliveries_dead[1d]) > 0`" + ` | a merchant was not told, and will not be by itself |
`)
	if *update {
		must(t, os.WriteFile(page, want.Bytes(), 0o644))
	}
	got, err := os.ReadFile(page)
	must(t, err)
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is stale: run go test ./internal/metrics -update", page)
	}
}

func codes() string {
	var all []string
	for _, c := range remit.Codes() {
		all = append(all, "`"+c.String()+"`")
	}
	return strings.Join(all, ", ")
}

// scrape reads the metrics as Prometheus does, but for the runtime's.
func scrape(t *testing.T, m *Metrics) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("answered %d: %s", w.Code, w.Body)
	}
	return slices.DeleteFunc(strings.Split(w.Body.String(), "\n"), func(l string) bool { return !strings.HasPrefix(l, "remit_") })
}

// TestWhatHappenedIsCounted observes one of each, and reads the numbers back.
func TestWhatHappenedIsCounted(t *testing.T) {
	got := scrape(t, used(waiting7))
	for _, want := range []string{
		`remit_requests_total{code="ok",dialect="trustly"} 1`,
		`remit_commands_total{code="ok",kind="Refund"} 1`,
		`remit_commands_total{code="exceeds",kind="Refund"} 1`,
		`remit_command_duration_seconds_sum{kind="Refund"} 0.003`,
		`remit_group_duration_seconds_count{result="committed"} 1`,
		`remit_group_duration_seconds_count{result="failed"} 1`,
		`remit_group_commands_sum 4`,
		`remit_rail_calls_total{call="submit",rail="simulator",status="pending"} 1`,
		`remit_delivery_tries_total{dialect="trustly",kind="credit",result="delivered"} 1`,
		`remit_clock_skew_seconds -0.25`,
		`remit_commands_waiting 4`,
		`remit_requests_not_kept_total{why="full"} 1`,
		`remit_requests_not_kept_total{why="failed"} 2`,
		`remit_requests_not_kept_total{why="limited"} 3`,
		`remit_backlog_read 1`,
		`remit_work_waiting{kind="send"} 5`,
		`remit_work_waiting{kind="deliver"} 2`,
		`remit_work_waiting{kind="expire"} 6`,
		`remit_work_due 3`,
		`remit_work_oldest_due_seconds 60`,
		`remit_deliveries_dead 1`,
		`remit_disbursements_stuck 1`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// TestAStoreThatDoesNotAnswerIsSeen reads the metrics while the store is gone:
// the rest is still there, and no number is made up.
func TestAStoreThatDoesNotAnswerIsSeen(t *testing.T) {
	got := scrape(t, used(func(context.Context) (store.Backlog, error) { return store.Backlog{}, errors.New("gone") }))
	if !slices.Contains(got, "remit_backlog_read 0") || !slices.Contains(got, "remit_commands_waiting 4") {
		t.Errorf("got %q", got)
	}
	if slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "remit_work_") }) {
		t.Errorf("what waits was made up: %q", got)
	}
}
