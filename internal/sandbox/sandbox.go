// Package sandbox is a whole installation for tests and for people who try
// things out: a store and a simulated bank in one folder, two demo merchants
// with money and credentials, a clock that can be moved, a receiver of
// notifications, and a control API over all of it. What it promises is
// written down in docs/reference/sandbox.md.
package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/clock"
	"remit/internal/engine"
	"remit/internal/node"
	"remit/internal/requestlog"
	"remit/money"
	"remit/rail"
	"remit/store"
)

// The demo merchants; the first is the one that a call means if it names none.
var merchants = []remit.MerchantID{"acme", "globex"}

// What a demo merchant begins with.
const (
	sendWindow  = 5 * time.Second // of the virtual clock
	fundedMinor = 100_000_000     // in each of currencies: 1,000,000.00
)

var currencies = []money.Currency{"EUR", "SEK", "GBP", "USD"}

// Where things are, below the base URL.
const (
	controlPath = "/_sandbox"
	inboxPath   = "/inbox"
	consolePath = "/console"
)

// Bank is a simulated bank, and the rail that leads to it.
type Bank interface {
	rail.Rail
	rail.Steerable
}

// Options are what a sandbox is made of.
type Options struct {
	Dir      string // where everything is kept; it is made if it is not there
	Seed     *int64 // nil is a clock that runs, and ids that nobody can tell before
	Listener net.Listener
	Dialects []dialect.Dialect
	Log      *slog.Logger
	NewID    func(remit.MerchantID) string // where there is no seed
	Hook     func(point string)            // for crash tests, as node.Config.Hook

	// OpenStore opens the store of a file, and OpenBank the simulated bank of
	// a journal, in this process.
	OpenStore func(ctx context.Context, path string) (store.Store, error)
	OpenBank  func(path string, now func() time.Time) (Bank, func() error, error)
	// Caller makes the calls of deliveries; it may call this machine.
	Caller engine.Caller
	// Public answers merchants. answered returns once all that was answered
	// has let its notifications go. newTrace is nil where any name of a request
	// will do.
	Public func(n *node.Node, newTrace func() string) (h http.Handler, answered func())
	// Console shows the installation to people below /console; whole is the
	// sandbox itself, with its control API. Nil shows nothing.
	Console func(n *node.Node, whole http.Handler) http.Handler
	// Serve answers on the listener until the context ends.
	Serve func(context.Context, net.Listener, http.Handler) error
}

// Sandbox is a running sandbox.
type Sandbox struct {
	o       Options
	base    string // the base URL
	home    *home
	node    *node.Node
	bank    Bank
	inbox   *inbox
	control http.Handler
	console http.Handler
	public  http.Handler
	closers []func() error

	answered func()
	requests sync.RWMutex  // read-held by each public request while it is answered
	turn     chan struct{} // with a seed: one thing at a time
	moving   sync.Mutex    // held while the clock is moved
}

// Open makes a sandbox ready to serve, or makes the one ready that is in the
// folder already.
func Open(ctx context.Context, o Options) (s *Sandbox, err error) {
	s = &Sandbox{o: o, base: baseURL(o.Listener.Addr()), turn: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := described(o.Dialects); err != nil {
		return s, err
	}
	if s.home, err = openHome(o.Dir, o.Seed); err != nil {
		return s, err
	}
	s.later(s.home.close)
	st, err := o.OpenStore(ctx, filepath.Join(s.home.dir, "remit.db"))
	if err != nil {
		return s, err
	}
	s.later(st.Close)
	if err := st.Migrate(ctx); err != nil {
		return s, err
	}
	c := clock.New(s.home.real(), s.home.offset(), s.home.frozen())
	bank, done, err := o.OpenBank(filepath.Join(s.home.dir, "bank.journal"), c.Now)
	if err != nil {
		return s, err
	}
	s.later(done)
	s.bank = bank
	s.node, err = node.Start(ctx, node.Config{
		Store: st, MasterKey: s.home.masterKey, Dialects: o.Dialects, Rails: []rail.Rail{bank}, Clock: c,
		Real: s.home.leaseTime(), Rand: rand.Reader, NewID: s.home.newID(o.NewID), Caller: moved{Caller: o.Caller, home: s.home, base: s.base, mails: s.mail},
		Log: o.Log, Hook: o.Hook, OneAtATime: true, RequestLogDays: requestlog.DaysDefault,
	})
	if err != nil {
		return s, err
	}
	s.later(func() error { s.node.Close(); return nil })
	s.public, s.answered = o.Public(s.node, s.home.newTrace())
	s.inbox = &inbox{node: s.node, dialects: o.Dialects, home: s.home}
	s.control = s.routes()
	if o.Console != nil {
		s.console = o.Console(s.node, s)
	}
	return s, s.furnish(ctx)
}

// later has something closed when the sandbox is.
func (s *Sandbox) later(f func() error) { s.closers = append(s.closers, f) }

// Close lets go of everything. Run must have returned.
func (s *Sandbox) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Run answers until ctx ends. ready is called once sandbox.json is there.
func (s *Sandbox) Run(ctx context.Context, ready func()) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- s.o.Serve(serving, s.o.Listener, s) }()
	if err := s.begin(ctx); err != nil {
		stop()
		return errors.Join(err, <-failed)
	}
	ready()
	err := s.work(ctx, failed)
	err = errors.Join(err, s.home.withdraw())
	stop()
	if err == nil {
		err = <-failed
	}
	s.answered()
	return err
}

// begin carries out what an earlier start left due, and says that it is ready.
func (s *Sandbox) begin(ctx context.Context) error {
	if _, err := s.settle(ctx); err != nil {
		return err
	}
	return s.home.announce(s.description())
}

// work carries out what was caused until ctx ends or the listener fails.
// With a seed nothing runs by itself: what a request caused is carried out
// before the next one, in an order that is always the same.
func (s *Sandbox) work(ctx context.Context, failed <-chan error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	if !s.home.frozen() {
		running.Go(func() { s.node.Serve(ctx) })
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return errors.Join(errors.New("the listener has failed"), err)
	}
}

func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// ServeHTTP answers everything: the control API, the inbox, and merchants.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case below(r.URL.Path, inboxPath):
		s.inbox.ServeHTTP(w, r)
	case below(r.URL.Path, controlPath):
		defer s.takeTurn()()
		s.control.ServeHTTP(w, r)
	case s.console != nil && below(r.URL.Path, consolePath):
		s.console.ServeHTTP(w, r)
	case s.console != nil && r.URL.Path == "/" && r.Method == http.MethodGet:
		http.Redirect(w, r, consolePath, http.StatusSeeOther) // a person who was told the address alone
	case s.home.frozen():
		defer s.takeTurn()()
		s.answer(w, r)
		if _, err := s.settle(context.WithoutCancel(r.Context())); err != nil {
			s.o.Log.Error("what a request caused could not be carried out", "error", err)
		}
	default:
		s.answer(w, r)
	}
}

func (s *Sandbox) answer(w http.ResponseWriter, r *http.Request) {
	s.requests.RLock()
	defer s.requests.RUnlock()
	s.public.ServeHTTP(w, r)
}

// turnWaitMax is how long a request waits, in real time, until the one before
// it and all that it caused are done. Who calls us back while we deliver to
// him is answered after that, out of order.
const turnWaitMax = 2 * time.Second

// takeTurn waits, where there is a seed, until nothing else is done.
func (s *Sandbox) takeTurn() (giveBack func()) {
	if !s.home.frozen() {
		return func() {}
	}
	wait := time.NewTimer(turnWaitMax)
	defer wait.Stop()
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }
	case <-wait.C:
		return func() {}
	}
}

// requestWaitMax is how long a control call waits, in real time, for requests
// that are being answered.
const requestWaitMax = 250 * time.Millisecond

// settle runs all that is due, once whoever is being answered has his answer.
// It says how many pieces of work it ran.
func (s *Sandbox) settle(ctx context.Context) (int, error) {
	for end := time.Now().Add(requestWaitMax); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if s.requests.TryLock() {
			s.requests.Unlock()
			break
		}
	}
	s.answered()
	return s.node.Settle(ctx)
}

// aheadMax is how far the clock may be moved in all.
const aheadMax = 50 * 365 * 24 * time.Hour

// advance moves the clock from one moment at which something falls due to the
// next, and has each done at its own time. The offset is kept before the clock
// goes there: after a crash it has not gone back.
func (s *Sandbox) advance(ctx context.Context, by time.Duration) error {
	s.moving.Lock()
	defer s.moving.Unlock()
	c := s.node.Clock
	if c.Offset()+by > aheadMax {
		return invalid("the clock would be more than %s ahead", aheadMax)
	}
	target := c.Now().Add(by)
	if err := s.home.keepOffset(c.Offset() + by); err != nil {
		return err
	}
	for {
		if _, err := s.settle(ctx); err != nil {
			return err
		}
		next, any, err := s.node.NextDue(ctx)
		if err != nil {
			return err
		}
		now := c.Now()
		if !any || !next.After(now) || !next.Before(target) {
			break
		}
		if err := c.AdvanceTo(next); err != nil && !errors.Is(err, clock.ErrBackward) {
			return err
		}
	}
	// A clock that runs may have got there by itself.
	if err := c.AdvanceTo(target); err != nil && !errors.Is(err, clock.ErrBackward) {
		return err
	}
	_, err := s.settle(ctx)
	return err
}

// furnish gives the demo merchants what they lack: a row, credentials, money.
func (s *Sandbox) furnish(ctx context.Context) error {
	for _, m := range merchants {
		name := strings.ToUpper(string(m[:1])) + string(m[1:])
		settings := remit.Settings{
			Name: name, SendWindowMicros: sendWindow.Microseconds(), Switches: map[string]bool{remit.SwitchSandbox: true},
			Config: s.configured(m),
		}
		if err := s.node.AddMerchant(ctx, s.head(m, "demo merchant"), settings); err != nil && !errors.Is(err, remit.Conflict) {
			return err
		}
		for _, d := range s.o.Dialects {
			if err := s.credentials(ctx, m, d); err != nil {
				return fmt.Errorf("credentials of %s for %s: %w", m, d.Name(), err)
			}
		}
		if err := s.fund(ctx, m); err != nil {
			return err
		}
	}
	for _, d := range s.o.Dialects {
		if s.node.Directory.KeyVersion(d.Name()) == 0 {
			continue // we sign nothing there
		}
		text, err := s.node.Directory.PublicKeyPEM(d.Name())
		if err != nil {
			return err
		}
		if err := s.home.write(serverKeyFile(d.Name()), []byte(text), publicMode); err != nil {
			return err
		}
	}
	if err := s.home.moveIn(s.base); err != nil {
		return err
	}
	return s.home.write(refundFile, []byte(refundScript), scriptMode)
}

// credentials issues a merchant's credentials where there never were any, and
// sees that the directory knows them. What was revoked since stays so.
func (s *Sandbox) credentials(ctx context.Context, m remit.MerchantID, d dialect.Dialect) error {
	c, ok := s.home.credentials(m, d.Name())
	if !ok {
		var err error
		if c, err = d.Issue(s.home.rand("credentials", string(m), d.Name()), m); err != nil {
			return err
		}
		if err := s.home.keepCredentials(m, d.Name(), c); err != nil {
			return err
		}
	}
	had, err := s.node.Store.Credentials(ctx, m)
	if err != nil || slices.ContainsFunc(had, func(c remit.Credential) bool { return c.Dialect == d.Name() }) {
		return err
	}
	return s.node.Keep(ctx, s.head(m, "demo credentials"), d.Name(), c)
}

// fund fills the balances that a merchant never had.
func (s *Sandbox) fund(ctx context.Context, m remit.MerchantID) error {
	books, err := s.books(ctx, m)
	if err != nil {
		return err
	}
	for _, c := range currencies {
		if _, ok := books[remit.BalanceAccount(m, c)]; ok {
			continue
		}
		_, err := s.node.Engine.Do(ctx, remit.TopUp{
			Head: s.head(m, "demo money"), Amount: money.Amount{Minor: fundedMinor, Currency: c},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// head starts a command of whoever controls the sandbox.
func (s *Sandbox) head(m remit.MerchantID, evidence string) remit.Head {
	return s.node.Engine.Head(m, "operator:sandbox", "control:"+evidence)
}
