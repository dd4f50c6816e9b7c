package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"remit/internal/pgtest"
	"remit/store/postgres"
	"remit/store/relational"
	"remit/store/storetest"
)

// BenchmarkGroup measures groups of 64 refunds.
func BenchmarkGroup(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) relational.Driver {
		d, err := postgres.Driver(b.Context(), pgtest.DSN(b))
		if err != nil {
			b.Fatal(err)
		}
		return d
	})
}

// lifeBytesMax is what one refund may take on disk, with all its indexes,
// once it has been accepted, sent and settled, in bytes. Some 200 of them are
// the indexes by which people look for it: by time, amount and reference.
const lifeBytesMax = 1560

// TestARefundsLifeIsSmall takes refunds through their lives, with a vacuum
// now and then as the server makes of itself, and weighs what the tables and
// indexes have grown by.
func TestARefundsLifeIsSmall(t *testing.T) {
	dsn := pgtest.DSN(t)
	s := open(t, dsn, relational.Options{})
	const groups, each, vacuumEvery = 120, 64, 10
	vacuum := func(group int) {
		if group%vacuumEvery == 0 {
			execute(t, dsn, "VACUUM")
		}
	}
	if err := storetest.Live(t.Context(), s, groups, vacuum); err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	rows, err := c.Query(t.Context(), `SELECT relname, pg_relation_size(oid) FROM pg_class
		WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%'
		AND relname NOT LIKE 'payments%' ORDER BY 2 DESC`)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	var size, sum int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &size}, func() error {
		sum += size
		if size/(groups*each) > 0 {
			t.Logf("%5d B a refund: %s", size/(groups*each), name)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := sum / (groups * each); got > lifeBytesMax {
		t.Errorf("a refund takes %d B, want at most %d", got, lifeBytesMax)
	}
}
