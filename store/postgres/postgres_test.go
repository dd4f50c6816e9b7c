package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"remit"
	"remit/internal/pgtest"
	"remit/store"
	"remit/store/postgres"
	"remit/store/relational"
	"remit/store/storetest"
)

// open opens a database, migrated, until the test ends.
func open(t testing.TB, dsn string, o relational.Options) store.Store {
	t.Helper()
	s, err := postgres.OpenWith(t.Context(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func opener(ctx context.Context, dsn string, o relational.Options) (store.Store, error) {
	return postgres.OpenWith(ctx, dsn, o)
}

func TestMain(m *testing.M) { storetest.Main(m, opener) }

// TestPostgresKeepsThePromises holds the store to its contract.
func TestPostgresKeepsThePromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, pgtest.DSN(t), relational.Options{}) })
}

// TestPostgresIsShared holds the store to its contract between writers.
func TestPostgresIsShared(t *testing.T) {
	storetest.Shared(t, func(t *testing.T) string { return pgtest.DSN(t) }, opener)
}

// TestPostgresOutlivesItsProcesses holds the store to its contract when
// processes die and when several share its database.
func TestPostgresOutlivesItsProcesses(t *testing.T) {
	storetest.Processes(t, func(t *testing.T) string { return pgtest.DSN(t) }, opener)
}

// TestPostgresRefusesANewerSchema opens a database that a newer program has
// migrated.
func TestPostgresRefusesANewerSchema(t *testing.T) {
	dsn := pgtest.DSN(t)
	s := open(t, dsn, relational.Options{})
	execute(t, dsn, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, true)")
	for name, call := range map[string]func(context.Context) error{"Ready": s.Ready, "Migrate": s.Migrate} {
		if err := call(t.Context()); !errors.Is(err, store.ErrSchema) {
			t.Errorf("%s: got %v, want ErrSchema", name, err)
		}
	}
}

// noted is a driver that has the database explain what is read of it.
type noted struct {
	relational.Driver
	plan *strings.Builder
}

func (n noted) Read() relational.Tx  { return explained{n.Driver.Read(), n} }
func (n noted) Write() relational.Tx { return explained{n.Driver.Write(), n} }

type explained struct {
	relational.Tx
	of noted
}

func (x explained) Run(ctx context.Context, st []relational.Statement) error {
	if err := x.explain(ctx, st); err != nil {
		return err
	}
	return x.Tx.Run(ctx, st)
}

func (x explained) Commit(ctx context.Context, st []relational.Statement) error {
	if err := x.explain(ctx, st); err != nil {
		return err
	}
	return x.Tx.Commit(ctx, st)
}

func (x explained) explain(ctx context.Context, st []relational.Statement) error {
	for _, one := range st {
		if one.Row == nil {
			continue
		}
		one.Text, one.Row = "EXPLAIN "+one.Text, func(r relational.Row) error {
			var line string
			err := r.Scan(&line)
			x.of.plan.WriteString(line + "\n")
			return err
		}
		if err := x.Tx.Run(ctx, []relational.Statement{one}); err != nil {
			return err
		}
	}
	return nil
}

// TestABacklogThatNobodyCountedIsClaimedByItsOrders claims of a backlog of one
// merchant of which the database has no statistics: whether something earlier
// waits is found by the index of the orders, and the backlog is not read for
// each piece of it.
func TestABacklogThatNobodyCountedIsClaimedByItsOrders(t *testing.T) {
	dsn := pgtest.DSN(t)
	open(t, dsn, relational.Options{})
	execute(t, dsn, "ALTER TABLE work SET (autovacuum_enabled = false)")
	execute(t, dsn, "INSERT INTO work (merchant_id, seq, n, kind, subject, order_key, due, lease, fence, tries) SELECT 'acme', g, 0, 'send', 'r' || g, 'r' || g, g, 0, 0, 0 FROM generate_series(1, 2000) g")
	d, err := postgres.Driver(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	s := relational.New(noted{d, &plan}, relational.Options{})
	defer s.Close()
	now := time.Now()
	got, err := s.Claim(t.Context(), store.Claim{Now: now, Real: now, Lease: now.Add(time.Minute), Max: 9, Kind: remit.WorkSend})
	if err != nil || len(got) != 9 {
		t.Fatalf("got %d pieces, %v", len(got), err)
	}
	if _, _, err := s.NextDue(t.Context(), remit.WorkSend, now); err != nil {
		t.Fatal(err)
	}
	if all, right := strings.Count(plan.String(), " on work e "), strings.Count(plan.String(), "using work_order on work e "); all != 3 || right != all {
		t.Errorf("of %d looks for what is earlier %d use work_order:\n%s", all, right, &plan)
	}
	for line := range strings.Lines(plan.String()) {
		if strings.Contains(line, "order_key") && !strings.Contains(line, "Index Cond: ((merchant_id = w.merchant_id) AND (order_key = w.order_key))") {
			t.Errorf("an order is not looked up: %s\n%s", line, &plan)
		}
	}
}

// execute runs one statement behind the store's back.
func execute(t *testing.T, dsn, text string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// TestALostCommitIsUnclear ends a group's own connection just before it
// commits: whether it was kept is not known to it. Its rows are not there,
// and the store goes on with another connection.
func TestALostCommitIsUnclear(t *testing.T) {
	dsn := pgtest.DSN(t)
	var killed bool
	s := open(t, dsn, relational.Options{Hook: func(p relational.Point) error {
		if p == relational.BeforeCommit && !killed {
			killed = true
			execute(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")
		}
		return nil
	}})
	keep := func() error {
		return s.Update(t.Context(), store.Wants{}, func(*store.Have) (*store.Writes, error) {
			return &store.Writes{Merchants: []remit.Merchant{{ID: "acme"}}}, nil
		})
	}
	if err := keep(); !errors.Is(err, store.ErrUnclear) {
		t.Errorf("got %v, want ErrUnclear", err)
	}
	for want := range 2 {
		got, err := s.Merchants(t.Context())
		if err != nil || len(got) != want {
			t.Errorf("got %v %v, want %d merchants", got, err, want)
		}
		if err := keep(); err != nil {
			t.Error(err)
		}
	}
}

// TestStatementsCanNameOneMerchant holds the store to its contract with the
// texts that a distributed PostgreSQL needs.
func TestStatementsCanNameOneMerchant(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, pgtest.DSN(t), relational.Options{ByMerchant: true}) })
}
