// Package node puts one process together, whatever it is for: the store, the
// directory, the engine, and the loops that carry out what was caused.
package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/check"
	"remit/internal/clock"
	"remit/internal/directory"
	"remit/internal/engine"
	"remit/internal/outbox"
	"remit/internal/requestlog"
	"remit/internal/vault"
	"remit/rail"
	"remit/store"
)

// Config is what a process is made of.
type Config struct {
	Store     store.Store // migrated
	MasterKey []byte      // vault.MasterKeyBytes of them
	Dialects  []dialect.Dialect
	Rails     []rail.Rail // refunds leave over the first
	Clock     *clock.Clock
	Real      func() time.Time
	Rand      io.Reader
	NewID     func(remit.MerchantID) string
	Caller    engine.Caller
	Lanes     int
	Lease     time.Duration // of a piece of work; 0 is WorkLeaseDefault
	Observer  engine.Observer
	Log       *slog.Logger
	Hook      func(point string)
	// OneAtATime has the caused work run by Settle alone, one round after
	// another, as a sandbox needs it: who moves the clock then sees all that
	// fell due.
	OneAtATime bool
	// RequestLogDays is for how many days of the business clock requests are
	// kept. 0 keeps none, and forgets those that are there.
	RequestLogDays int
}

// Node is one running process.
type Node struct {
	Registrar
	Store    store.Store
	Vault    *vault.Vault
	Clock    *clock.Clock
	Dialects map[string]dialect.Dialect
	Rails    map[string]rail.Rail
	Requests *requestlog.Log // nil where no requests are kept

	cfg      Config
	loops    []*outbox.Loop // one for each kind of work
	settling sync.Mutex
}

// Start makes a process ready to decide commands. Serve makes it carry out
// what they cause.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Store.Ready(ctx); err != nil {
		return nil, err
	}
	if cfg.Lease == 0 {
		cfg.Lease = WorkLeaseDefault
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	v, err := vault.New(cfg.MasterKey, cfg.Rand)
	if err != nil {
		return nil, err
	}
	if len(cfg.Rails) == 0 {
		return nil, fmt.Errorf("no rail is configured: nothing could leave")
	}
	n := &Node{
		Store: cfg.Store, Vault: v, Clock: cfg.Clock, cfg: cfg,
		Dialects: map[string]dialect.Dialect{}, Rails: map[string]rail.Rail{},
	}
	for _, d := range cfg.Dialects {
		n.Dialects[d.Name()] = d
	}
	for _, r := range cfg.Rails {
		n.Rails[r.Name()] = r
	}
	if err := n.sameBanks(ctx); err != nil {
		return nil, err
	}
	n.Directory = directory.New(cfg.Store, v, n.Dialects, cfg.Rand, cfg.Clock.Now, cfg.Real)
	if err := n.Directory.Prepare(ctx); err != nil {
		return nil, err
	}
	lines := statementLines
	if cfg.OneAtATime {
		lines = 1 // so that a seed makes the same events every time
	}
	n.Engine = engine.New(engine.Config{
		Store: cfg.Store, Vault: v, Directory: n.Directory, Dialects: n.Dialects, Rails: n.Rails, Rail: cfg.Rails[0].Name(),
		Key: n.RequestKey, Caller: cfg.Caller, Now: cfg.Clock.Now, Real: cfg.Real, NewID: cfg.NewID, Lanes: cfg.Lanes,
		Observer: cfg.Observer, Log: cfg.Log, Hook: cfg.Hook, Settings: n.Directory.Changed, LinesAtOnce: lines,
	})
	n.loops = []*outbox.Loop{n.loop(remit.WorkExpire, expireWorkers), n.loop(remit.WorkSend, sendWorkers), n.loop(remit.WorkDeliver, deliverWorkers)}
	if cfg.RequestLogDays > 0 {
		n.Requests = requestlog.New(requestlog.Options{Store: cfg.Store, Vault: v, Dialects: n.Dialects, Real: cfg.Real, Log: cfg.Log})
	}
	return n, nil
}

// RequestKey is the secret with which a dialect signs what only itself reads
// again: see dialect.Request.
func (n *Node) RequestKey(in string) []byte { return n.Vault.Derive("dialect/" + in) }

// Check recomputes the books from their transfers.
func (n *Node) Check(ctx context.Context) (check.Report, error) {
	return check.Run(ctx, n.Store, n.Vault, nil)
}

// Close finishes the commands that wait, and writes the requests that do.
// Serve must have returned. The store stays open.
func (n *Node) Close() {
	n.Engine.Close()
	n.Requests.Close()
}
