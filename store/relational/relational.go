// Package relational is what the two SQL stores share: the schema, every
// statement, the reading of rows, and the order in which a group locks, reads
// and writes. A driver only begins transactions and runs lists of statements.
//
// The SQL is one text for SQLite and PostgreSQL, but for the row locks, which
// SQLite has no need of. Every statement about a merchant's rows names the
// merchant, so that the same schema can be distributed by merchant_id: a
// group of one merchant then says merchant_id = $1 throughout.
package relational

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/pressly/goose/v3"

	"remit/store"
)

// Statement is one SQL text with its arguments: strings and int64s only. Row
// is called with each row of the answer; where it is nil none is expected.
type Statement struct {
	Text string
	Args []any
	Row  func(Row) error
}

// Tx is one transaction. It begins with its first statement.
type Tx interface {
	// Run runs statements one after another, each seeing what was committed
	// before it began. They may travel together.
	Run(context.Context, []Statement) error
	// Commit runs the last statements, and commits. An error that wraps
	// store.ErrUnclear means that it may have.
	Commit(context.Context, []Statement) error
	// Close takes back what was not committed.
	Close()
}

// Driver is one kind of database.
type Driver interface {
	// Write begins a transaction in which each statement sees the newest
	// committed rows, and Read one that shows a single snapshot.
	Write() Tx
	Read() Tx
	// Locks tells whether the database knows FOR UPDATE.
	Locks() bool
	// Clock is a query for the database's clock, in microseconds since 1970.
	Clock() string
	// Migrator is what migrations run through, and Tuning are statements that
	// fit the tables to the database once they are made.
	Migrator() (*sql.DB, goose.Dialect, []goose.ProviderOption, error)
	Tuning() []string
	// Classify wraps store.ErrData or store.ErrSchema around an error that
	// means either.
	Classify(error) error
	Close() error
}

// Point is a moment in a group's life at which a test can fail it, or kill
// the process.
type Point string

// The points, in order.
const (
	Locked       Point = "locked"        // the merchants are locked, nothing is read
	Read         Point = "read"          // all is read, nothing is decided
	BeforeCommit Point = "before-commit" // all is written, nothing is kept
	AfterCommit  Point = "after-commit"  // all is kept, nobody has been told
)

// Options are what a store can be opened with. The zero value is for use.
type Options struct {
	// Hook, where it is set, is called at each point of every group. An error
	// fails the group there; after the commit it makes it unclear. Without a
	// hook statements travel together across the points.
	Hook func(Point) error
	// ByMerchant says merchant_id = $1 in each statement that is about one
	// merchant only. A PostgreSQL that is distributed by merchant_id needs it
	// to send the statement to one place, and groups of one merchant; a plain
	// one plans better without.
	ByMerchant bool
}

// Store is a store.Store over a driver.
type Store struct {
	driver     Driver
	hook       func(Point) error
	byMerchant bool
	texts      sync.Map // of shape to string
}

var _ store.Store = (*Store)(nil)

// New makes a store. It neither connects nor migrates.
func New(d Driver, o Options) *Store {
	return &Store{driver: d, hook: o.Hook, byMerchant: o.ByMerchant}
}

// Close lets go of the database.
func (s *Store) Close() error { return s.driver.Close() }

// Clock is the database's.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	var us int64
	err := s.read(ctx, Statement{Text: s.driver.Clock(), Row: func(r Row) error { return r.Scan(&us) }})
	return moment(us), err
}

// read runs statements in one snapshot.
func (s *Store) read(ctx context.Context, st ...Statement) error {
	tx := s.driver.Read()
	defer tx.Close()
	return s.driver.Classify(tx.Commit(ctx, st))
}

// write runs statements in one transaction.
func (s *Store) write(ctx context.Context, st ...Statement) error {
	if err := checkTexts(st); err != nil {
		return err
	}
	tx := s.driver.Write()
	defer tx.Close()
	return s.driver.Classify(tx.Commit(ctx, st))
}

// keepable tells whether both databases can keep a value: a text must be
// UTF-8, without a zero byte.
func keepable(v any) bool {
	t, text := v.(string)
	return !text || (utf8.ValidString(t) && strings.IndexByte(t, 0) < 0)
}

// checkTexts refuses what only one of the databases would take.
func checkTexts(st []Statement) error {
	for _, s := range st {
		for _, a := range s.Args {
			if !keepable(a) {
				return fmt.Errorf("%w: a text is not UTF-8, or holds a zero byte", store.ErrData)
			}
		}
	}
	return nil
}
