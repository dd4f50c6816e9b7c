package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"remit"
	"remit/internal/engine"
	"remit/rail"
	"remit/rail/simulator"
	"remit/store"
)

// openBank opens a simulated bank by the world's clock, with its own journal.
func openBank(t testing.TB, now func() time.Time) simulator.Rail {
	t.Helper()
	b, err := simulator.Open(filepath.Join(t.TempDir(), "bank.journal"), simulator.Options{Now: now})
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return simulator.New("bank", b)
}

// life is one refund in a world with a bank.
type life struct {
	*world
	bank simulator.Rail
	id   remit.DisbursementID
	real time.Time
}

func newLife(t *testing.T, s store.Store, through func(rail.Rail) rail.Rail, amount int64) *life {
	l := &life{real: time.Now()}
	l.world = newWorld(t, s)
	l.bank = openBank(t, l.now)
	l.world.Close()
	l.restart(t, through, nil)
	l.merchant(t, "acme", 100_000)
	head := l.Head("acme", "test", "")
	account, err := l.vault.Seal("DE89370400440532013000", engine.AccountBinding("acme", head.PaymentID().Owner()))
	must(t, err)
	opened, err := l.Do(t.Context(), remit.OpenPayment{
		Head: head, Keyed: remit.Keyed{Dialect: "test"}, Amount: eur(200_000), State: remit.PaymentFunded, PayerAccount: account,
	})
	must(t, err)
	res, err := l.Do(t.Context(), l.refund("acme", opened.Payment.ExternalID, amount, ""))
	must(t, err)
	l.id = res.Disbursement.ID
	return l
}

// restart is a new process over the same store and the same bank.
func (l *life) restart(t *testing.T, through func(rail.Rail) rail.Rail, hook func(string)) {
	t.Helper()
	if through == nil {
		through = func(r rail.Rail) rail.Rail { return r }
	}
	at := l.now()
	fresh := newWorld(t, l.store, func(c *engine.Config) {
		c.Rails = map[string]rail.Rail{"bank": through(l.bank)}
		c.Now, c.Real, c.Hook = l.now, func() time.Time { return l.real }, hook
	})
	l.Engine = fresh.Engine
	_ = at
}

// run claims what is due and runs it, each piece in a goroutine that a hook
// may end as a crash would.
func (l *life) run(t *testing.T) (ran int) {
	t.Helper()
	work, err := l.store.Claim(t.Context(), store.Claim{Now: l.now(), Real: l.real, Lease: l.real.Add(time.Minute), Max: 10})
	must(t, err)
	for _, w := range work {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := l.Run(t.Context(), w); err != nil {
				t.Error(err)
			}
		}()
		<-done
		ran++
	}
	return ran
}

func (l *life) state(t *testing.T) remit.Disbursement {
	t.Helper()
	ref := store.DisbursementRef{Merchant: "acme", ID: l.id}
	have, err := l.store.Read(t.Context(), store.Wants{Disbursements: []store.DisbursementRef{ref}})
	must(t, err)
	return have.Disbursements[ref]
}

// settle lets time pass until the refund has come to an end.
func (l *life) settle(t *testing.T) remit.Disbursement {
	t.Helper()
	for range 40 {
		if d := l.state(t); d.State != remit.Accepted && d.State != remit.Sent || d.Stuck {
			return d
		}
		l.advance(24 * time.Hour)
		l.real = l.real.Add(2 * time.Minute) // leases of the dead run out
		must(t, l.bank.Run(t.Context()))
		l.run(t)
	}
	t.Fatalf("the refund never came to an end: %+v", l.state(t))
	return remit.Disbursement{}
}

func (l *life) paid(t *testing.T) (submitted, paid int) {
	t.Helper()
	all, err := l.bank.Booked(t.Context())
	must(t, err)
	for _, b := range all {
		if b.EndToEndID == l.state(t).EndToEndID() {
			return b.Submitted, b.Paid
		}
	}
	return 0, 0
}

// lossy is a rail whose answers get lost, or whose orders do.
type lossy struct {
	rail.Rail
	before, after func(n int) error // of the n-th Submit
	n             int
}

func (l *lossy) Submit(ctx context.Context, i rail.Instruction) (rail.Outcome, error) {
	l.n++
	if l.before != nil {
		if err := l.before(l.n); err != nil {
			return rail.Outcome{}, err
		}
	}
	out, err := l.Rail.Submit(ctx, i)
	if l.after != nil {
		if lost := l.after(l.n); lost != nil {
			return rail.Outcome{}, lost
		}
	}
	return out, err
}

var errLine = errors.New("the line went dead")

// However sending is struck — the process dies before or after the rail was
// called, the order is lost on the way, or the answer — the bank's own journal
// has paid the refund exactly once in the end, and the books say so.
func TestEachRefundIsPaidExactlyOnce(t *testing.T) {
	t.Parallel()
	first := func(err error) func(int) error {
		return func(n int) error {
			if n == 1 {
				return err
			}
			return nil
		}
	}
	strikes := map[string]func(rail.Rail) rail.Rail{
		"nothing":                nil,
		"the order was not sent": func(r rail.Rail) rail.Rail { return &lossy{Rail: r, before: first(rail.ErrNotSent)} },
		"the order was lost":     func(r rail.Rail) rail.Rail { return &lossy{Rail: r, before: first(errLine)} },
		"the answer was lost":    func(r rail.Rail) rail.Rail { return &lossy{Rail: r, after: first(errLine)} },
		"and was called not sent": func(r rail.Rail) rail.Rail {
			return &lossy{Rail: r, after: first(fmt.Errorf("%w: wrongly", rail.ErrNotSent))}
		},
	}
	for name, through := range strikes {
		for _, point := range []string{"", engine.PointMarked, engine.PointSubmitted, engine.PointCommitted} {
			t.Run(name+"/"+point, func(t *testing.T) {
				t.Parallel()
				eachStore(t, func(t *testing.T, s store.Store) {
					l := newLife(t, s, nil, 1_000)
					struck := false
					l.restart(t, through, func(at string) {
						if at == point && !struck && point != engine.PointCommitted {
							struck = true
							runtime.Goexit()
						}
					})
					l.run(t)
					if d := l.settle(t); d.State != remit.Settled {
						t.Fatalf("it ended as %s (%s)", d.State, d.Reason)
					}
					if submitted, paid := l.paid(t); paid != 1 {
						t.Errorf("the bank paid %d times, handed over %d times", paid, submitted)
					}
					l.sound(t)
				})
			})
		}
	}
}

// A rail that pays and answers nothing is asked again, never paid again; it
// tells the truth on the third look-up.
func TestUnknownIsAskedAgainAndNeverPaidAgain(t *testing.T) {
	t.Parallel()
	l := newLife(t, openSQLite(t), nil, 1_000)
	must(t, l.bank.Steer(t.Context(), l.state(t).EndToEndID(), rail.Order{Outcome: "unknown"}))
	l.run(t)
	if d := l.state(t); d.State != remit.Sent {
		t.Fatalf("after an answer that was lost it is %s, want sent", d.State)
	}
	if d := l.settle(t); d.State != remit.Settled {
		t.Fatalf("it ended as %s", d.State)
	}
	if submitted, paid := l.paid(t); submitted != 1 || paid != 1 {
		t.Errorf("handed over %d times, paid %d times, want once each", submitted, paid)
	}
	l.sound(t)
}

// mute is a rail that never tells.
type mute struct{ rail.Rail }

func (mute) Lookup(context.Context, string) (rail.Outcome, error) { return rail.Outcome{}, errLine }
func (mute) Submit(context.Context, rail.Instruction) (rail.Outcome, error) {
	return rail.Outcome{}, errLine
}

// A rail that never tells makes the refund stuck after the last look-up: still
// sent, its money still held, and nobody asks any more. An operator can have
// it asked again, and then it goes on where it stood.
func TestUnknownForEverIsStuckAndAnOperatorsMatter(t *testing.T) {
	t.Parallel()
	l := newLife(t, openSQLite(t), nil, 1_000)
	l.restart(t, func(r rail.Rail) rail.Rail { return mute{r} }, nil)
	d := l.settle(t)
	if d.State != remit.Sent || !d.Stuck {
		t.Fatalf("it is %s, stuck %v; want sent and stuck", d.State, d.Stuck)
	}
	if got := l.sound(t).Currencies["EUR"].HeldMinor; got != 1_000 {
		t.Errorf("%d held, want 1000", got)
	}
	l.advance(1000 * time.Hour)
	if n := l.run(t); n != 0 {
		t.Errorf("%d pieces of work ran for a stuck refund", n)
	}
	l.restart(t, nil, nil)
	_, err := l.Do(t.Context(), remit.AskAgain{Head: l.Head("acme", "operator:ann", "ticket 7"), Disbursement: l.id})
	must(t, err)
	if d := l.settle(t); d.State != remit.Settled {
		t.Errorf("asked again it ended as %s", d.State)
	}
	l.sound(t)
}

// What the bank refuses goes back into the balance and can be refunded again;
// what it sends back after success is taken back by a transfer that cites the
// first, learnt from a statement.
func TestRefusedAndReturnedMoneyComesBack(t *testing.T) {
	t.Parallel()
	for _, outcome := range []string{"refuse", "return"} {
		t.Run(outcome, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, s store.Store) {
				l := newLife(t, s, nil, 1_000)
				o := rail.Order{Outcome: outcome, Reason: "account_closed"}
				if outcome == "return" {
					o.After = 144 * time.Hour
				}
				must(t, l.bank.Steer(t.Context(), l.state(t).EndToEndID(), o))
				l.run(t)
				d := l.settle(t)
				want := remit.Failed
				if outcome == "return" {
					if d.State != remit.Settled {
						t.Fatalf("it is %s, want settled first", d.State)
					}
					l.advance(200 * time.Hour)
					must(t, l.bank.Run(t.Context()))
					want = remit.Returned
				}
				for range 2 { // the same lines again are nothing new
					must(t, s.SetCursor(t.Context(), "statements/bank", ""))
					_, err := l.ReadStatements(t.Context(), "bank")
					must(t, err)
				}
				if d = l.state(t); d.State != want || d.Reason != remit.ReasonAccountClosed {
					t.Errorf("it is %s (%s), want %s (account_closed)", d.State, d.Reason, want)
				}
				if got := l.sound(t).Currencies["EUR"]; got.BalanceMinor != 300_000 || got.HeldMinor != 0 {
					t.Errorf("the balance is %+v, want all of 300000 back and nothing held", got)
				}
			})
		})
	}
}

// A statement that speaks of another amount than the disbursement's is a
// break: nothing is believed.
func TestAStatementOfAnotherAmountIsNotBelieved(t *testing.T) {
	t.Parallel()
	l := newLife(t, openSQLite(t), nil, 1_000)
	l.run(t)
	_, err := l.Do(t.Context(), remit.Outcome{
		Head: l.Head("acme", "rail:bank", ""), Disbursement: l.id, Currency: "EUR", Became: remit.BecameSettled, Amount: eur(999),
	})
	if !errors.Is(err, remit.Conflict) || l.state(t).State != remit.Sent {
		t.Errorf("got %v and state %s, want a conflict and sent", err, l.state(t).State)
	}
}

// A refund whose payer's account nobody knows fails when it is sent; it is
// never guessed.
func TestWithoutAnAccountNothingIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLite(t), func(c *engine.Config) { c.Rails = map[string]rail.Rail{"bank": mute{}} })
	w.merchant(t, "acme", 10_000)
	opened, err := w.Do(t.Context(), remit.OpenPayment{Head: w.Head("acme", "test", ""), Keyed: remit.Keyed{Dialect: "test"}, Amount: eur(500), State: remit.PaymentFunded})
	must(t, err)
	res, err := w.Do(t.Context(), w.refund("acme", opened.Payment.ExternalID, 500, ""))
	must(t, err)
	work, err := w.store.Claim(t.Context(), store.Claim{Now: w.now(), Real: time.Now(), Lease: time.Now().Add(time.Minute), Max: 1})
	must(t, err)
	must(t, w.Run(t.Context(), work[0]))
	ds := w.disbursements(t, "acme")
	if d := ds[0]; d.ID != res.Disbursement.ID || d.State != remit.Failed || d.Reason != remit.ReasonNoBeneficiary {
		t.Errorf("it is %s (%s), want failed (no_beneficiary)", d.State, d.Reason)
	}
	w.sound(t)
}
