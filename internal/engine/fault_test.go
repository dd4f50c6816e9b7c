package engine_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"remit"
	"remit/dialect"
	"remit/internal/engine"
	"remit/internal/pgtest"
	"remit/rail"
	"remit/store"
)

// A process that lost its power between its two flights goes on holding the
// rows of its group, by the server's lights. Who is not in that group is
// served meanwhile, and who is comes through once the server lets go.
func TestADeadProcessStallsNobodyForLong(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	s := openPostgres(t, dsn)
	w := newWorld(t, s, func(c *engine.Config) { c.Sleep = nil })
	held := []remit.MerchantID{"m1", "m2", "m3", "m4", "m5"}
	for _, m := range append(held, "well") {
		w.merchant(t, m, 1000)
	}
	dead, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer dead.Close(context.Background())
	_, err = dead.Exec(t.Context(), "SET idle_in_transaction_session_timeout = '10s'; BEGIN; SELECT * FROM merchants WHERE merchant_id <> 'well' ORDER BY merchant_id FOR UPDATE")
	must(t, err)
	topUp := func(m remit.MerchantID) error {
		_, err := w.Do(t.Context(), remit.TopUp{Head: w.Head(m, "operator:test", ""), Amount: eur(1)})
		return err
	}
	var all sync.WaitGroup
	for _, m := range held {
		all.Go(func() {
			if err := topUp(m); err != nil {
				t.Errorf("merchant %s, which the dead process held: %v", m, err)
			}
		})
	}
	for range 50 {
		must(t, topUp("well"))
	}
	_, err = s.Merchants(t.Context())
	must(t, err)
	all.Wait()
}

// hung is a store whose merchants another transaction holds.
type hung struct {
	store.Store
	on   atomic.Bool
	free chan struct{}
}

func (h *hung) Update(ctx context.Context, w store.Wants, d func(*store.Have) (*store.Writes, error)) error {
	switch {
	case h.on.Load() && w.Block:
		<-h.free
	case h.on.Load():
		w = store.Wants{}
	}
	return h.Store.Update(ctx, w, d)
}

// However long a merchant is held, what waits for it is bounded: the rest is
// refused, and told so.
func TestWhatWaitsForAHeldMerchantIsBounded(t *testing.T) {
	t.Parallel()
	h := &hung{Store: openSQLite(t), free: make(chan struct{})}
	w := newWorld(t, h)
	w.merchant(t, "acme", 1000)
	h.on.Store(true)
	gone, stop := context.WithCancel(t.Context())
	stop()
	full := 0
	for range 60_000 {
		_, err := w.Do(gone, remit.TopUp{Head: w.Head("acme", "operator:test", ""), Amount: eur(1)})
		if remit.AsError(err).Reason == remit.ReasonQueueFull {
			full++
		}
	}
	if n := w.Waiting(); n > 2*20_000 {
		t.Errorf("%d commands wait, %d were refused", n, full)
	}
	close(h.free)
}

// bomb is a command whose decision panics.
type bomb struct{ remit.TopUp }

func (bomb) Decide(remit.Facts) (remit.Change, error) { panic("a decision met a nil") }

// A decision that panics is an internal error of that command alone: the
// process goes on, and so do those of its group.
func TestADecisionThatBreaksFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLite(t))
	w.merchant(t, "acme", 1000)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			top := remit.TopUp{Head: w.Head("acme", "operator:test", ""), Amount: eur(1)}
			if i%10 == 0 {
				if _, err := w.Do(t.Context(), bomb{top}); !errors.Is(err, remit.Internal) {
					t.Errorf("a broken decision: %v, want internal", err)
				}
				return
			}
			if _, err := w.Do(t.Context(), top); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := w.sound(t).Currencies["EUR"].BalanceMinor; got != 1036 {
		t.Errorf("the balance is %d, want 1036", got)
	}
}

// A text that no store can keep is refused as such, on both stores alike; a
// name that nothing can have is that of nothing.
func TestATextThatNoStoreKeepsIsRefused(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		w.merchant(t, "acme", 1000)
		p := w.payment(t, "acme", 1000, remit.PaymentFunded)
		for _, bad := range []string{"a\x00b", "\xff"} {
			r := w.refund("acme", p.ExternalID, 1, "")
			r.Reference = bad
			if _, err := w.Do(t.Context(), r); !errors.Is(err, remit.Invalid) {
				t.Errorf("a reference of %q: %v, want invalid", bad, err)
			}
			if _, err := w.Do(t.Context(), w.refund("acme", bad, 1, "")); !errors.Is(err, remit.NotFound) {
				t.Errorf("a payment called %q: %v, want not found", bad, err)
			}
			_, err := w.Ask(t.Context(), "acme", "test", "", dialect.Operation{Query: &dialect.Query{Disbursement: bad}})
			if !errors.Is(err, remit.NotFound) {
				t.Errorf("a disbursement called %q: %v, want not found", bad, err)
			}
		}
		w.sound(t)
	})
}

// between is a store in which something happens right after balances were
// read.
type between struct {
	store.Store
	once sync.Once
	then func()
}

func (b *between) Read(ctx context.Context, w store.Wants) (*store.Have, error) {
	h, err := b.Store.Read(ctx, w)
	if len(w.Accounts) > 0 && b.then != nil {
		b.once.Do(b.then)
	}
	return h, err
}

// A report of the past says the same however much money moves while it is
// made.
func TestAReportOfThePastDoesNotMove(t *testing.T) {
	t.Parallel()
	b := &between{Store: openSQLite(t)}
	w := newWorld(t, b)
	w.merchant(t, "acme", 1000)
	w.advance(48 * time.Hour)
	b.then = func() {
		_, err := w.Do(t.Context(), remit.TopUp{Head: w.Head("acme", "operator:test", ""), Amount: eur(777)})
		must(t, err)
	}
	res, err := w.Ask(t.Context(), "acme", "test", "", dialect.Operation{Query: &dialect.Query{Entries: true, Proved: true, From: start.Add(-time.Hour), To: start.Add(time.Hour)}})
	must(t, err)
	if len(res.Entries) != 1 || res.Opening[0].Minor != 0 || res.Closing[0].Minor != 1000 {
		t.Errorf("%d entries; opened with %d, closed with %d; want 1, 0 and 1000", len(res.Entries), res.Opening[0].Minor, res.Closing[0].Minor)
	}
}

// told is a rail whose statement is given.
type told struct {
	rail.Rail
	all []rail.Statement
}

func (l told) Statements(context.Context, string) iter.Seq2[rail.Statement, error] {
	return func(yield func(rail.Statement, error) bool) {
		for _, s := range l.all {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// A line whose text cannot be kept as it is does not stop a rail's statements.
func TestOneLineStopsNoStatement(t *testing.T) {
	t.Parallel()
	l := newLife(t, openSQLite(t), nil, 1000)
	l.run(t)
	d := l.state(t)
	l.restart(t, func(r rail.Rail) rail.Rail {
		return told{r, []rail.Statement{{Cursor: "1", EndToEndID: d.EndToEndID(), Kind: rail.StatementSettled, Amount: d.Amount, Reference: "M\xfcller\x00"}}}
	}, nil)
	_, err := l.ReadStatements(t.Context(), "bank")
	must(t, err)
	if d := l.state(t); d.State != remit.Settled {
		t.Errorf("it is %s, want settled", d.State)
	}
}

// during is a rail during whose call something else happens.
type during struct {
	rail.Rail
	then func()
}

func (d during) Submit(ctx context.Context, i rail.Instruction) (rail.Outcome, error) {
	d.then()
	return d.Rail.Submit(ctx, i)
}

// What is with its rail is the rail's to tell about: an operator can end only
// what is stuck.
func TestAnOperatorCannotEndWhatIsInFlight(t *testing.T) {
	t.Parallel()
	l := newLife(t, openSQLite(t), nil, 1000)
	l.restart(t, func(r rail.Rail) rail.Rail {
		return during{r, func() {
			_, err := l.Do(t.Context(), remit.Outcome{
				Head: l.Head("acme", "operator:ann", "a letter"), Disbursement: l.id, Currency: "EUR", Became: remit.BecameRefused, ByHand: true,
			})
			if !errors.Is(err, remit.Conflict) {
				t.Errorf("an operator failed what was being sent: %v", err)
			}
		}}
	}, nil)
	l.run(t)
	if d := l.settle(t); d.State != remit.Settled {
		t.Errorf("it ended as %s", d.State)
	}
	l.sound(t)
}

// A disbursement whose rail this process does not have stays where it is.
func TestWithoutItsRailNothingIsMarkedSent(t *testing.T) {
	t.Parallel()
	l := newLife(t, openSQLite(t), nil, 1000)
	other := newWorld(t, l.store, func(c *engine.Config) { c.Now = l.now })
	work, err := l.store.Claim(t.Context(), store.Claim{Now: l.now(), Real: l.real, Lease: l.real.Add(time.Minute), Max: 10})
	must(t, err)
	if err := other.Run(t.Context(), work[0]); err == nil {
		t.Error("it was sent over a rail that is not there")
	}
	if d := l.state(t); d.State != remit.Accepted {
		t.Errorf("it is %s, want accepted", d.State)
	}
}

// What could not be read is unavailable, not our fault for ever.
func TestAQuestionToAStoreThatIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, away{openSQLite(t)})
	_, err := w.Ask(t.Context(), "acme", "test", "", dialect.Operation{Query: &dialect.Query{Balances: true}})
	if !errors.Is(err, remit.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
}

type away struct{ store.Store }

func (away) Read(context.Context, store.Wants) (*store.Have, error) { return nil, errors.New("away") }

// A refund of a payment that was taken back is not sent any more.
func TestWhatWasTakenBackIsNotSent(t *testing.T) {
	t.Parallel()
	l := newLife(t, openSQLite(t), nil, 1000)
	_, err := l.Do(t.Context(), remit.MovePayment{Head: l.Head("acme", "rail:bank", ""), Payment: l.state(t).Payment, To: remit.PaymentReversed})
	must(t, err)
	l.run(t)
	if d := l.state(t); d.State != remit.Failed || d.Reason != remit.ReasonPaymentGone {
		t.Errorf("it is %s (%s), want failed (payment_failed)", d.State, d.Reason)
	}
	l.sound(t)
}
