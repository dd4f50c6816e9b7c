package main

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/dialect/trustly"
	"remit/internal/clock"
	"remit/internal/node"
	"remit/internal/vault"
	"remit/internal/webhook"
	"remit/rail"
	"remit/rail/simulator"
	"remit/store/sqlite"
)

// BenchmarkLife takes refunds through their whole lives in this process: no
// HTTP, no signatures.
func BenchmarkLife(b *testing.B) {
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "remit.db"))
	fatal(b, err)
	defer s.Close()
	fatal(b, s.Migrate(b.Context()))
	bank, err := simulator.Open(filepath.Join(b.TempDir(), "bank.journal"), simulator.Options{Now: time.Now, Delay: time.Millisecond})
	fatal(b, err)
	defer bank.Close()
	n, err := node.Start(b.Context(), node.Config{
		Store: s, MasterKey: make([]byte, vault.MasterKeyBytes), Dialects: []dialect.Dialect{trustly.Dialect{}}, Rails: []rail.Rail{simulator.New("simulator", bank)},
		Clock: clock.New(time.Now, 0, false), Real: time.Now, Rand: rand.Reader, NewID: func(remit.MerchantID) string { return newID("") }, Caller: webhook.New(webhook.Options{}),
	})
	fatal(b, err)
	defer n.Close()
	names := shops(b, n, merchantsOverHTTP)
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { n.Serve(ctx) })
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range callers {
		wg.Go(func() {
			for i := w; i < b.N; i += callers {
				m := i % merchantsOverHTTP
				if err := refund(b.Context(), n, m, names[m][i/merchantsOverHTTP%paymentsOfEach], int64(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	in := &installation{store: s}
	fatal(b, in.settled(b.Context()))
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refunds/s")
	stop()
	serving.Wait()
}
