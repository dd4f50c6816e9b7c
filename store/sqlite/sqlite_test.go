package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"remit/store"
	"remit/store/relational"
	"remit/store/sqlite"
	"remit/store/storetest"
)

// open opens a file, migrated, until the test ends.
func open(t testing.TB, path string, o relational.Options) store.Store {
	t.Helper()
	s, err := sqlite.OpenWith(t.Context(), path, o)
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

func opener(ctx context.Context, path string, o relational.Options) (store.Store, error) {
	return sqlite.OpenWith(ctx, path, o)
}

func TestMain(m *testing.M) { storetest.Main(m, opener) }

// TestSQLiteKeepsThePromises holds the store to its contract.
func TestSQLiteKeepsThePromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, filepath.Join(t.TempDir(), "remit.db"), relational.Options{})
	})
}

// TestSQLiteOutlivesItsProcesses holds the store to its contract when
// processes die and when several share its file.
func TestSQLiteOutlivesItsProcesses(t *testing.T) {
	storetest.Processes(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "remit.db") }, opener)
}

// TestSQLiteRefusesANewerSchema opens a file that a newer program has
// migrated.
func TestSQLiteRefusesANewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "remit.db")
	s := open(t, path, relational.Options{})
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)"); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(context.Context) error{"Ready": s.Ready, "Migrate": s.Migrate} {
		if err := call(t.Context()); !errors.Is(err, store.ErrSchema) {
			t.Errorf("%s: got %v, want ErrSchema", name, err)
		}
	}
}

// TestTheFilesAreTheirOwnersAlone looks at the file and those that SQLite puts
// beside it: names of payers are in all of them.
func TestTheFilesAreTheirOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	open(t, filepath.Join(dir, "remit.db"), relational.Options{})
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v: want the file, its log and its index", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// TestClosingWaitsForWhatIsBeingWritten closes the file while a transaction is
// in the middle of its statements: as at the end of a process whose request log did
// not wait for it any more. The transaction is finished before the connection goes.
func TestClosingWaitsForWhatIsBeingWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "remit.db")
	open(t, path, relational.Options{})
	d, err := sqlite.Driver(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	tx := d.Write()
	if err := tx.Run(t.Context(), []relational.Statement{{Text: "SELECT 1", Row: func(relational.Row) error { return nil }}}); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	for i := range 100 { // each a statement that the connection learns while it is being closed
		time.Sleep(time.Millisecond / 2)
		if err := tx.Run(t.Context(), []relational.Statement{{Text: fmt.Sprintf("SELECT %d", i), Row: func(relational.Row) error { return nil }}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context(), nil); err != nil {
		t.Error(err)
	}
	tx.Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestWhoMigratesWaitsForAnother migrates while another process does: it waits,
// gives up with its context, and goes on once the other has ended.
func TestWhoMigratesWaitsForAnother(t *testing.T) {
	dir := t.TempDir()
	other, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "other.db")
	if err := os.Symlink(filepath.Join(dir, "remit.db"), link); err != nil {
		t.Fatal(err)
	}
	open := func(path string) store.Store {
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	for _, s := range []store.Store{open(filepath.Join(dir, "remit.db")), open(link)} {
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := s.Migrate(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while another migrates: %v", err)
		}
		stop()
	}
	s := open(link)
	done := make(chan error)
	go func() { done <- s.Migrate(t.Context()) }()
	other.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
