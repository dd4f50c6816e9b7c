package sqlite_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"remit"
	"remit/money"
	"remit/store"
	"remit/store/relational"
	"remit/store/sqlite"
)

// noted is a driver that notes what is read.
type noted struct {
	relational.Driver
	read *[]relational.Statement
}

func (n noted) Read() relational.Tx { return notedTx{n.Driver.Read(), n.read} }

type notedTx struct {
	relational.Tx
	read *[]relational.Statement
}

func (n notedTx) Commit(ctx context.Context, st []relational.Statement) error {
	*n.read = append(*n.read, st...)
	return n.Tx.Commit(ctx, st)
}

// reading is a store that notes what is read of it, and its driver.
func reading(t *testing.T, read *[]relational.Statement) (*relational.Store, relational.Driver) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plan.db")
	open(t, path, relational.Options{})
	d, err := sqlite.Driver(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s := relational.New(noted{d, read}, relational.Options{})
	t.Cleanup(func() { s.Close() })
	return s, d
}

// TestEachListingHasItsIndex asks for what people look for, and has the
// database explain itself: the rows are found by the index that was made for
// them, so that it takes as long over a million rows as over a thousand.
func TestEachListingHasItsIndex(t *testing.T) {
	var read []relational.Statement
	ctx := t.Context()
	s, d := reading(t, &read)
	disbursements := func(f store.Filter) error {
		f.Merchant, f.Newest, f.Max = "acme", true, 9
		_, err := s.Disbursements(ctx, f)
		return err
	}
	deliveries := func(f store.DeliveryFilter) error {
		f.Merchant, f.Newest, f.Max = "acme", true, 9
		_, err := s.Deliveries(ctx, f)
		return err
	}
	find := func(f store.Search) error {
		f.Max = 9
		_, _, err := s.Find(ctx, f)
		return err
	}
	requests := func(f store.RequestFilter) error {
		f.Merchant, f.Newest, f.Max = "acme", true, 9
		_, err := s.Requests(ctx, f)
		return err
	}
	now := time.Now()
	for name, c := range map[string]struct {
		ask  func() error
		want string // an index for each table that is read
	}{
		"all":             {func() error { return disbursements(store.Filter{}) }, "disbursements_created"},
		"payouts":         {func() error { return disbursements(store.Filter{Kind: remit.KindPayout}) }, "disbursements_payouts"},
		"waiting":         {func() error { return disbursements(store.Filter{State: remit.Waiting}) }, "disbursements_waiting"},
		"failed":          {func() error { return disbursements(store.Filter{State: remit.Failed}) }, "disbursements_gone"},
		"today":           {func() error { return disbursements(store.Filter{State: remit.Failed, Ended: now}) }, "disbursements_ended"},
		"stuck":           {func() error { return disbursements(store.Filter{Stuck: true}) }, "disbursements_stuck"},
		"unknown":         {func() error { return disbursements(store.Filter{Unknown: true}) }, "work_due sqlite_autoindex_disbursements_1 events_subject"},
		"stalled":         {func() error { return disbursements(store.Filter{Stalled: now}) }, "work_due sqlite_autoindex_disbursements_1"},
		"held":            {func() error { return disbursements(store.Filter{Held: true}) }, "disbursements_waiting"},
		"stuck payouts":   {func() error { return disbursements(store.Filter{Stuck: true, Kind: remit.KindPayout}) }, "disbursements_stuck"},
		"unknown payouts": {func() error { return disbursements(store.Filter{Unknown: true, Kind: remit.KindPayout}) }, "work_due sqlite_autoindex_disbursements_1 events_subject"},
		"held payouts":    {func() error { return disbursements(store.Filter{Held: true, Kind: remit.KindPayout}) }, "disbursements_waiting"},
		"payment":         {func() error { return disbursements(store.Filter{Payment: "p1"}) }, "disbursements_payment"},
		"external":        {func() error { return disbursements(store.Filter{External: "1"}) }, "disbursements_external payments_external disbursements_payment"},
		"payments": {func() error {
			_, err := s.Payments(ctx, store.PaymentFilter{Merchant: "acme", Newest: true, Max: 9})
			return err
		}, "payments_opened"},
		"moved": {func() error {
			_, err := s.EventsIn(ctx, store.Span{Merchant: "acme", To: now, Moved: true, Max: 9})
			return err
		}, "sqlite_autoindex_events_1"},
		"dead":    {func() error { return deliveries(store.DeliveryFilter{State: remit.DeliveryDead}) }, "deliveries_dead"},
		"subject": {func() error { return deliveries(store.DeliveryFilter{Subject: "d1"}) }, "deliveries_subject"},
		"text":    {func() error { return find(store.Search{Merchant: "acme", Text: "x"}) }, "payments_external payment_names_name payments_order disbursements_external disbursements_reference disbursements_order"},
		"amount":  {func() error { return find(store.Search{Merchant: "acme", Amount: money.Amount{Minor: 1}}) }, "payments_minor disbursements_minor"},
		"events of one": {func() error {
			_, err := s.Events(ctx, "acme", "d1")
			return err
		}, "events_subject"},
		"own": {func() error {
			_, err := s.Recent(ctx, store.Newest{Merchant: "acme", Own: true, Max: 9})
			return err
		}, "events_own"},
		"marks": {func() error {
			_, _, err := s.Marks(ctx, "acme", 9)
			return err
		}, "sqlite_autoindex_marks_1"},
		"requests": {func() error { return requests(store.RequestFilter{}) }, "requests_at"},
		"refused":  {func() error { return requests(store.RequestFilter{Refused: true}) }, "requests_refused"},
		"about":    {func() error { return requests(store.RequestFilter{About: []string{"d1", "1"}}) }, "requests_subject requests_named"},
		"trace, of all": {func() error {
			_, err := s.Requests(ctx, store.RequestFilter{ID: "1", Max: 9})
			return err
		}, "sqlite_autoindex_requests_1"},
		"trace":      {func() error { return requests(store.RequestFilter{ID: "1"}) }, "sqlite_autoindex_requests_1"},
		"money in":   {func() error { return totals(ctx, s, store.FlowIn) }, "COVERING INDEX payments_funded"},
		"money out":  {func() error { return totals(ctx, s, store.FlowOut) }, "COVERING INDEX disbursements_created"},
		"money back": {func() error { return totals(ctx, s, store.FlowBack) }, "COVERING INDEX disbursements_gone"},
	} {
		read = nil
		if err := c.ask(); err != nil {
			t.Fatal(err)
		}
		plan := explain(ctx, t, d, read)
		for index := range strings.FieldsSeq(strings.ReplaceAll(c.want, "COVERING INDEX ", "COVERING·INDEX·")) {
			if index = strings.ReplaceAll(index, "·", " "); !strings.Contains(plan, index+" ") {
				t.Errorf("%s: %s is not used:\n%s", name, index, plan)
			}
		}
		if strings.Contains(plan, "SCAN") {
			t.Errorf("%s: a table is read whole:\n%s", name, plan)
		}
	}
}

// TestASearchAmongAllMerchantsUsesTheSameIndexes: of each merchant rows are
// looked up, and none is read whole but the list of merchants.
func TestASearchAmongAllMerchantsUsesTheSameIndexes(t *testing.T) {
	var read []relational.Statement
	ctx := t.Context()
	s, d := reading(t, &read)
	for _, f := range []store.Search{{Text: "x", Max: 9}, {Amount: money.Amount{Minor: 1}, Max: 9}} {
		if _, _, err := s.Find(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	plan := explain(ctx, t, d, read)
	for line := range strings.Lines(plan) {
		if strings.Contains(line, "SCAN") && !strings.Contains(line, "SCAN merchants") {
			t.Errorf("a table is read whole: %s\n%s", line, plan)
		}
	}
	for _, index := range []string{"payments_external", "payment_names_name", "payments_order", "disbursements_external", "disbursements_reference", "payments_minor", "disbursements_minor"} {
		if !strings.Contains(plan, index+" ") {
			t.Errorf("%s is not used:\n%s", index, plan)
		}
	}
}

// TestClaimsPassOverIdleMerchants: what a claim costs depends on the merchants
// that have work, not on how many there are.
func TestClaimsPassOverIdleMerchants(t *testing.T) {
	var read []relational.Statement
	ctx := t.Context()
	s, d := reading(t, &read)
	now := time.Now()
	if _, err := s.Claim(ctx, store.Claim{Now: now, Real: now, Lease: now, Max: 9, Kind: remit.WorkSend}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.NextDue(ctx, remit.WorkSend, now); err != nil {
		t.Fatal(err)
	}
	plan := explain(ctx, t, d, read)
	for line := range strings.Lines(plan) {
		if strings.Contains(line, "merchants") || (strings.Contains(line, "SCAN") && strings.TrimSpace(line) != "SCAN m" && !strings.Contains(line, "CONSTANT")) {
			t.Errorf("a table is read whole: %s\n%s", line, plan)
		}
	}
	if got := strings.Count(plan, "work_due "); got < 6 { // in each: the first, the next, their work
		t.Errorf("work_due is used %d times:\n%s", got, plan)
	}
}

func totals(ctx context.Context, s store.Store, f store.Flow) error {
	_, err := s.Totals(ctx, store.TotalsFilter{Merchant: "acme", Flow: f, From: time.Unix(0, 0), To: time.Now()})
	return err
}

// explain is how the database answers each statement, a line for each step.
func explain(ctx context.Context, t *testing.T, d relational.Driver, all []relational.Statement) string {
	t.Helper()
	var plan strings.Builder
	for _, st := range all {
		tx := d.Read()
		err := tx.Run(ctx, []relational.Statement{{Text: "EXPLAIN QUERY PLAN " + st.Text, Args: st.Args, Row: func(r relational.Row) error {
			var id, parent, unused int64
			var step string
			err := r.Scan(&id, &parent, &unused, &step)
			plan.WriteString(step + " \n")
			return err
		}}})
		tx.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return plan.String()
}
