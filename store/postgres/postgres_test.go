package postgres_test

import (
	"testing"

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

// TestPostgresKeepsThePromises holds the store to its contract.
func TestPostgresKeepsThePromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, pgtest.DSN(t), relational.Options{}) })
}
