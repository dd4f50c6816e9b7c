package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"remit"
	"remit/internal/node"
	"remit/internal/pgtest"
	"remit/internal/vault"
	"remit/money"
	"remit/store"
	"remit/store/postgres"
	"remit/store/relational"
	"remit/store/sqlite"
	"remit/store/storetest"
)

// engineCallers is how many commands wait at once, and paymentsOfEach how many
// payments each merchant has.
const (
	engineCallers  = 256
	paymentsOfEach = 20
)

// kinds are the two stores.
var kinds = []struct {
	name   string
	open   func(b *testing.B) store.Store
	driver func(b *testing.B) relational.Driver
}{
	{"SQLite",
		func(b *testing.B) store.Store {
			return must1(b)(sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "remit.db")))
		},
		func(b *testing.B) relational.Driver {
			d, err := sqlite.Driver(b.Context(), filepath.Join(b.TempDir(), "remit.db"))
			fatal(b, err)
			return d
		}},
	{"PostgreSQL",
		func(b *testing.B) store.Store { return must1p(b)(postgres.Open(b.Context(), pgtest.DSN(b))) },
		func(b *testing.B) relational.Driver {
			d, err := postgres.Driver(b.Context(), pgtest.DSN(b))
			fatal(b, err)
			return d
		}},
}

func must1(b *testing.B) func(*sqlite.Store, error) store.Store {
	return func(s *sqlite.Store, err error) store.Store { fatal(b, err); return s }
}

func must1p(b *testing.B) func(*postgres.Store, error) store.Store {
	return func(s *postgres.Store, err error) store.Store { fatal(b, err); return s }
}

func fatal(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// throughEngine measures refunds accepted by the engine on each store, against
// a bare loop that sends the same statements in groups of 64.
func throughEngine(ctx context.Context, o options) (string, error) {
	var t strings.Builder
	fmt.Fprintf(&t, `### Refunds through the engine

%d callers wait at once; no HTTP, no signatures. *Bare* sends the statements of such groups, of 64 refunds, as they were recorded, and decides nothing.

| store | merchants | bare refunds/s | refunds/s | of bare | hot of spread |
|---|---|---|---|---|---|
`, engineCallers)
	for _, k := range kinds {
		var spread series
		for _, merchants := range []int{1000, 1} {
			var bare, rate series
			for range o.rounds {
				b := testing.Benchmark(func(b *testing.B) { storetest.BenchBare(b, k.driver, merchants) })
				e := testing.Benchmark(func(b *testing.B) { engineRate(b, k.open(b), merchants) })
				if b.N == 0 || e.N == 0 || ctx.Err() != nil {
					return "", errors.Join(errors.New("a benchmark failed"), ctx.Err())
				}
				bare, rate = append(bare, b.Extra["refunds/s"]), append(rate, e.Extra["refunds/s"])
			}
			hot := ""
			if merchants == 1 {
				hot = rate.ratio(spread)
			} else {
				spread = rate
			}
			fmt.Fprintf(&t, "| %s | %d | %s | %s | %s | %s |\n", k.name, merchants, bare, rate, rate.ratio(bare), hot)
		}
	}
	return t.String(), nil
}

// engineRate has b.N groups' worth of refunds accepted.
func engineRate(b *testing.B, s store.Store, merchants int) {
	defer s.Close()
	fatal(b, s.Migrate(b.Context()))
	n, err := start(b.Context(), s, make([]byte, vault.MasterKeyBytes))
	fatal(b, err)
	defer n.Close()
	names := shops(b, n, merchants)
	total := int64(b.N * storetest.GroupSize)
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, engineCallers)
	b.ResetTimer()
	for range engineCallers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < total; i = next.Add(1) - 1 {
				m := int(i) % merchants
				if err := refund(b.Context(), n, m, names[m][int(i)/merchants%paymentsOfEach], i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "refunds/s")
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
}

func shops(b *testing.B, n *node.Node, merchants int) [][]string {
	names := make([][]string, merchants)
	var wg sync.WaitGroup
	errs := make([]error, merchants)
	for i := range merchants {
		m := remit.MerchantID(fmt.Sprintf("m%d", i))
		err := n.AddMerchant(b.Context(), n.Engine.Head(m, "operator:bench", "bench"), remit.Settings{})
		fatal(b, err)
		wg.Go(func() { names[i], errs[i] = payments(b.Context(), n, speaksTrustly, m, paymentsOfEach) })
	}
	wg.Wait()
	fatal(b, errors.Join(errs...))
	return names
}

func refund(ctx context.Context, n *node.Node, m int, payment string, i int64) error {
	_, err := n.Engine.Do(ctx, remit.Refund{
		Head:  n.Engine.Head(remit.MerchantID(fmt.Sprintf("m%d", m)), "merchant", "request:0123456789abcdef"),
		Keyed: remit.Keyed{Dialect: "trustly", Key: fmt.Sprintf("00000000-0000-4000-8000-%012x", i), Digest: "0123456789012345678901", Remember: 1},
		Rail:  "simulator", Payment: remit.Name{Text: payment}, Amount: money.Amount{Minor: 1, Currency: "EUR"},
	})
	return err
}
