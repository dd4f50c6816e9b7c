package sqlite_test

import (
	"path/filepath"
	"testing"

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

// TestSQLiteKeepsThePromises holds the store to its contract.
func TestSQLiteKeepsThePromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, filepath.Join(t.TempDir(), "remit.db"), relational.Options{})
	})
}
