// Package sqlite keeps everything in one SQLite file beside the process: one
// writer, readers that never wait for it, and every commit on disk before it
// is answered.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"remit/store"
	"remit/store/relational"
)

const (
	readersMax  = 4                // connections that read at a time
	busyTimeout = 10 * time.Second // to wait for another process that writes

	writerCacheKiB  = 16 << 10 // of pages that the writing connection keeps in memory, at most
	readerCacheKiB  = 2 << 10  // and each that reads
	checkpointPages = 8000     // of 4 KiB, that gather in the log before they go into the file
)

// Store is a store.Store in one SQLite file.
type Store struct{ *relational.Store }

// Open opens the file, and makes it if there is none. It does not migrate.
func Open(ctx context.Context, path string) (*Store, error) {
	return OpenWith(ctx, path, relational.Options{})
}

// OpenWith opens the file with options.
func OpenWith(ctx context.Context, path string, o relational.Options) (*Store, error) {
	d, err := Driver(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Store{relational.New(d, o)}, nil
}

// fileMode is what a new file may be used by: its owner alone. SQLite makes
// the files beside it in the same mode.
const fileMode = 0o600

// Driver opens the file for somebody who brings statements of their own.
func Driver(ctx context.Context, path string) (relational.Driver, error) {
	if err := create(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", source(path))
	if err != nil {
		return nil, err
	}
	d := &driver{path: path, db: db, writers: make(chan *session, 1), readers: make(chan *session, readersMax)}
	if err := d.connect(ctx, d.writers, "BEGIN IMMEDIATE", writerCacheKiB); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	for range readersMax {
		if err := d.connect(ctx, d.readers, "BEGIN", readerCacheKiB); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

// create makes the file, empty, if there is none. One that is there is not
// even opened: closing it would take the locks away that this process may
// have on it.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// source is the file with what every connection to it is set to.
func source(path string) string {
	q := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"temp_store(MEMORY)",
		fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages),
	}}
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: q.Encode()}).String()
}

// driver holds a writing connection and some that read, each free for one
// transaction at a time.
type driver struct {
	path    string
	db      *sql.DB
	all     []*session
	writers chan *session
	readers chan *session
}

// session is one connection with its prepared statements.
type session struct {
	conn  *sql.Conn
	begin string
	stmts map[string]*sql.Stmt
}

func (d *driver) connect(ctx context.Context, pool chan *session, begin string, cacheKiB int) error {
	c, err := d.db.Conn(ctx)
	if err != nil {
		return err
	}
	s := &session{conn: c, begin: begin, stmts: map[string]*sql.Stmt{}}
	d.all = append(d.all, s)
	pool <- s
	_, err = c.ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size = -%d", cacheKiB))
	return err
}

func (d *driver) Write() relational.Tx { return &tx{pool: d.writers} }
func (d *driver) Read() relational.Tx  { return &tx{pool: d.readers} }
func (d *driver) Locks() bool          { return false }
func (d *driver) Tuning() []string     { return nil }

func (d *driver) Clock() string { return "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)" }

// Migrator has a lock that one process holds at a time.
func (d *driver) Migrator() (*sql.DB, goose.Dialect, []goose.ProviderOption, error) {
	return d.db, goose.DialectSQLite3, []goose.ProviderOption{goose.WithLocker(&folderLock{path: d.path})}, nil
}

// Close waits for the transactions that run.
func (d *driver) Close() error {
	var errs []error
	for range d.all {
		var s *session
		select {
		case s = <-d.writers:
		case s = <-d.readers:
		}
		for _, st := range s.stmts {
			errs = append(errs, st.Close())
		}
		errs = append(errs, s.conn.Close())
	}
	d.all = nil
	return errors.Join(append(errs, d.db.Close())...)
}

// primary masks the extended part of an error code away.
const primary = 0xff

// Classify tells errors that no retry can mend.
func (d *driver) Classify(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) || errors.Is(err, store.ErrUnclear) {
		return err
	}
	switch e.Code() & primary {
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_MISMATCH, lib.SQLITE_TOOBIG:
		return fmt.Errorf("%w: %w", store.ErrData, err)
	case lib.SQLITE_ERROR:
		// The texts are all ours: what they name is missing.
		return fmt.Errorf("%w: %w", store.ErrSchema, err)
	}
	return err
}

// tx is a transaction on a connection of its pool. Once it has begun it is
// not interrupted: it is short, and nothing in it waits.
type tx struct {
	pool chan *session
	s    *session // once begun
	done bool     // committed, or certainly taken back
}

func (t *tx) Run(ctx context.Context, st []relational.Statement) error {
	if t.s == nil {
		if err := t.start(ctx); err != nil {
			return err
		}
	}
	for _, x := range st {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.s.run(x); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t.s = <-t.pool:
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := t.s.conn.ExecContext(context.Background(), t.s.begin); err != nil {
		t.done = true
		return err
	}
	return nil
}

// Commit commits. Whatever COMMIT itself complains of leaves open what a
// power cut would find.
func (t *tx) Commit(ctx context.Context, st []relational.Statement) error {
	if err := t.Run(ctx, st); err != nil {
		return err
	}
	if err := t.s.run(relational.Statement{Text: "COMMIT"}); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnclear, err)
	}
	t.done = true
	return nil
}

func (t *tx) Close() {
	if t.s == nil {
		return
	}
	if !t.done {
		// An error says that the database has rolled back by itself.
		_, _ = t.s.conn.ExecContext(context.Background(), "ROLLBACK")
	}
	t.pool <- t.s
	t.s = nil
}

// run runs one statement, prepared once.
func (s *session) run(x relational.Statement) error {
	ctx := context.Background()
	st, ok := s.stmts[x.Text]
	if !ok {
		var err error
		if st, err = s.conn.PrepareContext(ctx, nameless(x.Text)); err != nil {
			return err
		}
		s.stmts[x.Text] = st
	}
	if x.Row == nil {
		_, err := st.ExecContext(ctx, x.Args...)
		return err
	}
	rows, err := st.QueryContext(ctx, x.Args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := x.Row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// nameless writes the parameters $1, $2 … as ?, where each stands once and in
// its place. SQLite looks a named parameter up in a list of all names, for
// each one that is bound: with the hundreds of a group's rows that costs more
// than the writing does.
func nameless(text string) string {
	var b strings.Builder
	parts := strings.Split(text, "$")
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		rest, next := strings.CutPrefix(part, strconv.Itoa(i+1))
		if !next || (rest != "" && '0' <= rest[0] && rest[0] <= '9') {
			return text
		}
		b.WriteString("?" + rest)
	}
	return b.String()
}
