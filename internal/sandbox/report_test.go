package sandbox_test

import (
	"bytes"
	"database/sql"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"remit/internal/node"
)

// said is a log that can be read while it is written.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// alarms is how often something was logged since the log was read last. It is
// written once a request is answered, so that so many are waited for.
func (s *said) alarms(what string, want int) (n int) {
	for deadline := time.Now().Add(5 * time.Second); n < want && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		n = strings.Count(s.text.String(), what)
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Reset()
	return n
}

// dayReport is a day's settlement report: "" if it was refused.
func (c *caller) dayReport(day string) string {
	c.Helper()
	result, code := c.call("ViewAutomaticSettlementDetailsCSV", map[string]any{"SettlementDate": day, "Attributes": map[string]any{"APIVersion": "1.2"}})
	if code != 0 && code != 620 {
		c.Fatalf("the report of %s: %d", day, code)
	}
	text, _ := at(result, "view_automatic_settlement_details").(string)
	return text
}

// The settlement report of a day is not given once anything differs by one
// minor unit from what the ledger says in another place: the account, a
// transfer before the day, on it or after it, a disbursement or a payment of the
// day. The log says so, and what it was. Undone, the report is as before.
func TestAReportThatTheLedgerContradictsIsNotGiven(t *testing.T) {
	var log said
	o := config(t, t.TempDir(), new(int64(7)))
	o.Public = func(n *node.Node, newTrace func() string) (http.Handler, func()) {
		return public(n, newTrace, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})))
	}
	c := startWith(t, o).caller("acme")
	// Each day a deposit of 100.00 is made, and as many cents more as days have
	// passed are given back of it.
	var days []string
	for i, amount := range []string{"11.01", "11.02", "11.03"} {
		days = append(days, at(c.do("GET", "/clock", ""), "now").(string)[:len(time.DateOnly)])
		deposit := c.pay("")
		c.accept("Refund", map[string]any{"OrderID": deposit, "Amount": amount, "Currency": "EUR"})
		c.advance("1h")
		if i == 1 { // one that comes back on the same day
			back := c.pay("")
			c.accept("Refund", map[string]any{"OrderID": back, "Amount": "12.00", "Currency": "EUR"})
			c.advance("1h")
			c.do("POST", "/disbursements/"+at(c.only(back), "id").(string)+"/outcome", `{"outcome":"return"}`)
			c.do("POST", "/drain", "")
		}
		c.advance("23h")
	}
	day, whole := days[1], c.dayReport(days[1])
	if strings.Count(whole, "\n") != 6 || !strings.Contains(whole, "-11.02") || !strings.Contains(whole, "Failed Refund") {
		t.Fatalf("the report of %s:\n%s", day, whole)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.dir, "remit.db")+"?_pragma=busy_timeout(10000)")
	must(t, err)
	defer db.Close()
	alter := func(statement string, args ...any) {
		t.Helper()
		res, err := db.Exec(statement, args...)
		must(t, err)
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			t.Fatalf("%s altered %d rows, %v", statement, n, err)
		}
	}
	transfer := "UPDATE events SET transfers = replace(transfers, ?, ?) WHERE merchant_id = 'acme' AND transfers LIKE 'post%' || ? || '%'"
	moved := func(minor string) [2][]any {
		from, to := "\t"+minor+"\t", "\t"+minor[:3]+"9\t"
		return [2][]any{{transfer, from, to, from}, {transfer, to, from, to}}
	}
	amount := func(table, id string) [2][]any {
		text := "UPDATE " + table + " SET minor = minor + ? WHERE merchant_id = 'acme' AND id = (" + id + ")"
		return [2][]any{{text, 1}, {text, -1}}
	}
	account := "UPDATE accounts SET credits = credits + ? WHERE merchant_id = 'acme' AND currency = 'EUR' AND path = 'EUR'"
	for name, x := range map[string]struct {
		statements [2][]any // that alter, and undo
		why        string
	}{
		"the account's row":          {[2][]any{{account, 1}, {account, -1}}, "the balance in EUR "},
		"a transfer before":          {moved("1101"), "the balance in EUR "},
		"a transfer of the day":      {moved("1102"), "the balance in EUR "},
		"a transfer after":           {moved("1103"), "the balance in EUR "},
		"a disbursement's amount":    {amount("disbursements", "SELECT id FROM disbursements WHERE minor IN (1102, 1103) ORDER BY created LIMIT 1"), "event "},
		"that of one that came back": {amount("disbursements", "SELECT id FROM disbursements WHERE state = 'returned'"), "event "},
		"a payment's amount":         {amount("payments", "SELECT payment FROM disbursements WHERE minor = 1102"), "event "},
	} {
		for i, want := range []string{"", whole} {
			alter(x.statements[i][0].(string), x.statements[i][1:]...)
			if got := c.dayReport(day); got != want {
				t.Errorf("%s, altered %t: the report is\n%s", name, i == 0, got)
			}
			if _, code := c.call("AccountLedger", map[string]any{"FromDate": "2000-01-01", "ToDate": "2100-01-01"}); (code == 620) != (i == 0) {
				t.Errorf("%s, altered %t: the account ledger answered %d", name, i == 0, code)
			}
		}
		if n := log.alarms("the ledger disagrees with itself: "+x.why, 2); n != 2 {
			t.Errorf("%s: %d alarms, want one for each report", name, n)
		}
	}
	c.sound()
}
