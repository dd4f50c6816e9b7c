package sqlite_test

import (
	"path/filepath"
	"testing"

	"remit/store/relational"
	"remit/store/sqlite"
	"remit/store/storetest"
)

// BenchmarkGroup measures groups of 64 refunds.
func BenchmarkGroup(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) relational.Driver {
		d, err := sqlite.Driver(b.Context(), filepath.Join(b.TempDir(), "remit.db"))
		if err != nil {
			b.Fatal(err)
		}
		return d
	})
}
