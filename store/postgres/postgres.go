// Package postgres keeps everything in PostgreSQL 15 or newer, which several
// processes may share. What a group needs travels together: one flight locks
// and reads, one writes and commits.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"remit/store"
	"remit/store/relational"
)

// rollbackTimeout is how long a rollback may take before its connection is
// given up instead.
const rollbackTimeout = 5 * time.Second

// planning keeps plans to what all our statements are made for: to find rows
// by their keys, in the order of an index. Without it a plan that was made,
// and kept, while a table was small goes on reading, or sorting, all of a
// table that has grown.
var planning = map[string]string{
	"enable_seqscan":    "off",
	"enable_bitmapscan": "off",
	"enable_hashjoin":   "off",
	"enable_mergejoin":  "off",
	"enable_sort":       "off",
	"jit":               "off",
}

// bounds let go of what a process holds that has died, or lost its line,
// without a word: its transaction ends, and with it its locks. Between two
// flights of a group lies a decision in memory, which takes no time; and who
// waits for a merchant's lock comes back for it rather than keep a connection.
var bounds = map[string]string{
	"idle_in_transaction_session_timeout": "10s",
	"lock_timeout":                        "5s",
}

// Store is a store.Store in a PostgreSQL database.
type Store struct{ *relational.Store }

// Open makes a pool of connections. It does not migrate, and a database that
// does not answer shows at the first use.
func Open(ctx context.Context, dsn string) (*Store, error) {
	return OpenWith(ctx, dsn, relational.Options{})
}

// OpenWith opens the database with options.
func OpenWith(ctx context.Context, dsn string, o relational.Options) (*Store, error) {
	d, err := Driver(ctx, dsn)
	if err != nil {
		return nil, err
	}
	return &Store{relational.New(d, o)}, nil
}

// Driver opens the database for somebody who brings statements of their own.
func Driver(ctx context.Context, dsn string) (relational.Driver, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	maps.Copy(c.ConnConfig.RuntimeParams, planning)
	maps.Copy(c.ConnConfig.RuntimeParams, bounds)
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	return &driver{pool: pool}, nil
}

type driver struct {
	pool     *pgxpool.Pool
	migrator *sql.DB
}

func (d *driver) Write() relational.Tx {
	return &tx{pool: d.pool, begin: "BEGIN ISOLATION LEVEL READ COMMITTED", writes: true}
}

func (d *driver) Read() relational.Tx {
	return &tx{pool: d.pool, begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
}

func (d *driver) Locks() bool { return true }

func (d *driver) Clock() string {
	return "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
}

// Tuning leaves room on each page for new versions of rows that change in
// place: no index of theirs then changes with them. Of the events' numbers the
// newest is always the last, so their index needs no room at all.
func (d *driver) Tuning() []string {
	return []string{
		"ALTER TABLE merchants SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.02)",
		"ALTER TABLE accounts SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.02)",
		"ALTER TABLE payments SET (fillfactor = 85)",
		"ALTER TABLE disbursements SET (fillfactor = 95, autovacuum_vacuum_scale_factor = 0.05)",
		"ALTER TABLE work SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)",
		"ALTER INDEX events_pkey SET (fillfactor = 100)",
	}
}

// Migrator has a lock that one process holds at a time.
func (d *driver) Migrator() (*sql.DB, goose.Dialect, []goose.ProviderOption, error) {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, "", nil, err
	}
	if d.migrator == nil {
		d.migrator = stdlib.OpenDBFromPool(d.pool)
	}
	return d.migrator, goose.DialectPostgres, []goose.ProviderOption{goose.WithSessionLocker(locker)}, nil
}

func (d *driver) Close() error {
	var err error
	if d.migrator != nil {
		err = d.migrator.Close()
	}
	d.pool.Close()
	return err
}

// Classify tells errors that no retry can mend, by their SQLSTATE alone.
func (d *driver) Classify(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) || errors.Is(err, store.ErrUnclear) {
		return err
	}
	switch {
	case strings.HasPrefix(e.Code, "22"), strings.HasPrefix(e.Code, "23"), strings.HasPrefix(e.Code, "54"):
		return fmt.Errorf("%w: %w", store.ErrData, err)
	case e.Code == "42P01", e.Code == "42703", e.Code == "3F000":
		return fmt.Errorf("%w: %w", store.ErrSchema, err)
	}
	return err
}

// lost tells whether an error of the flight that commits leaves its outcome
// open: the connection broke, the server stopped, or it lost track itself.
func lost(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return true
	}
	return strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "XX")
}

type tx struct {
	pool   *pgxpool.Pool
	begin  string
	writes bool
	conn   *pgxpool.Conn // once begun
	done   bool
}

func (t *tx) Run(ctx context.Context, st []relational.Statement) error {
	return t.flight(ctx, st, false)
}

// Commit sends the last statements and COMMIT together.
func (t *tx) Commit(ctx context.Context, st []relational.Statement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.flight(ctx, st, true)
}

// flight sends statements in one batch, behind BEGIN if nothing was sent
// before, and reads their answers in order.
func (t *tx) flight(ctx context.Context, st []relational.Statement, commit bool) (err error) {
	var b pgx.Batch
	first := t.conn == nil
	if first {
		if t.conn, err = t.pool.Acquire(ctx); err != nil {
			return err
		}
		b.Queue(t.begin)
	}
	for _, s := range st {
		b.Queue(s.Text, s.Args...)
	}
	if commit {
		b.Queue("COMMIT")
	}
	results := t.conn.SendBatch(ctx, &b)
	defer func() {
		if closed := results.Close(); err == nil && closed != nil {
			err = closed
		}
		if err != nil && commit && t.writes && lost(err) {
			err = fmt.Errorf("%w: %w", store.ErrUnclear, err)
		}
	}()
	if first {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	for _, s := range st {
		if err := read(results, s.Row); err != nil {
			return err
		}
	}
	if !commit {
		return nil
	}
	tag, err := results.Exec()
	if err != nil {
		return err
	}
	t.done = true
	if tag.String() != "COMMIT" {
		return fmt.Errorf("postgres: the transaction was taken back: %s", tag)
	}
	return nil
}

func read(results pgx.BatchResults, row func(relational.Row) error) error {
	if row == nil {
		_, err := results.Exec()
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t *tx) Close() {
	if t.conn == nil {
		return
	}
	if !t.done {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
		defer cancel()
		if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil {
			// The pool throws the connection away, and its server rolls back.
			_ = t.conn.Conn().Close(ctx)
		}
	}
	t.conn.Release()
	t.conn = nil
}
