package simulator_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"remit/rail"
	"remit/rail/simulator"
)

// hand is a clock that a test moves.
type hand struct {
	mu sync.Mutex
	at time.Time
}

func (h *hand) now() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.at }

func (h *hand) advance(d time.Duration) { h.mu.Lock(); defer h.mu.Unlock(); h.at = h.at.Add(d) }

func open(t *testing.T, dir string) (simulator.Rail, *hand) {
	t.Helper()
	clock := &hand{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b, err := simulator.Open(filepath.Join(dir, "bank.journal"), simulator.Options{Now: clock.now})
	must(t, err)
	t.Cleanup(func() { _ = b.Close() })
	return simulator.New("simulator", b), clock
}

// expect compares what the bank says of "a" in a look-up and in its journal.
func expect(t *testing.T, b simulator.Rail, want rail.Status, reason, state string, paid int) {
	t.Helper()
	out, err := b.Lookup(t.Context(), "a")
	must(t, err)
	if out.Status != want || out.Reason != reason {
		t.Errorf("Lookup says %s %q, want %s %q", out.Status, out.Reason, want, reason)
	}
	all, err := b.Booked(t.Context())
	must(t, err)
	if len(all) != 1 || all[0].State != state || all[0].Paid != paid {
		t.Errorf("the journal has %+v, want one %s, paid %d times", all, state, paid)
	}
}

// TestItSettlesByItself: pending until the delay has passed, settled from
// then on, also if nobody ran the bank meanwhile.
func TestItSettlesByItself(t *testing.T) {
	b, clock := open(t, t.TempDir())
	out, err := b.Submit(t.Context(), pay("a"))
	if err != nil || out.Status != rail.Pending || out.Again != simulator.DelayDefault {
		t.Fatalf("Submit: %+v, %v", out, err)
	}
	at, ok, err := b.NextDue(t.Context())
	if want := clock.now().Add(simulator.DelayDefault); err != nil || !ok || !at.Equal(want) {
		t.Errorf("NextDue: %s, %t, %v, want %s", at, ok, err, want)
	}
	clock.advance(simulator.DelayDefault - 1)
	expect(t, b, rail.Pending, "", "pending", 0)
	clock.advance(1)
	expect(t, b, rail.Settled, "", "settled", 1)
	if _, ok, err := b.NextDue(t.Context()); ok || err != nil {
		t.Errorf("NextDue: %t, %v, though nothing is left", ok, err)
	}
}

// TestOrdersAreObeyed gives each order before the hand-over and after it,
// with and without a time, and looks at once and after a week.
func TestOrdersAreObeyed(t *testing.T) {
	type seen struct {
		status rail.Status
		reason string
		state  string
		paid   int
	}
	pending, stalled := seen{rail.Pending, "", "pending", 0}, seen{rail.Pending, "", "stalled", 0}
	settled, returned := seen{rail.Settled, "", "settled", 1}, seen{rail.Settled, "", "returned", 1}
	refused := seen{rail.Refused, "AC04", "refused", 0}
	for _, c := range []struct {
		order      rail.Order
		soon, late seen
	}{
		{rail.Order{Outcome: "settle"}, settled, settled},
		{rail.Order{Outcome: "settle", After: time.Hour}, pending, settled},
		{rail.Order{Outcome: "refuse", Reason: "account_closed"}, refused, refused},
		{rail.Order{Outcome: "refuse", Reason: "AC04", After: time.Hour}, pending, refused},
		{rail.Order{Outcome: "stall"}, stalled, stalled},
		{rail.Order{Outcome: "return"}, returned, returned},
		{rail.Order{Outcome: "return", After: 144 * time.Hour}, pending, returned},
	} {
		for _, first := range []string{"order", "hand-over"} {
			b, clock := open(t, t.TempDir())
			if first == "order" {
				must(t, b.Steer(t.Context(), "a", c.order))
			}
			_, err := b.Submit(t.Context(), pay("a"))
			must(t, err)
			if first == "hand-over" {
				must(t, b.Steer(t.Context(), "a", c.order))
			}
			t.Logf("%+v, %s first", c.order, first)
			expect(t, b, c.soon.status, c.soon.reason, c.soon.state, c.soon.paid)
			clock.advance(7 * 24 * time.Hour)
			expect(t, b, c.late.status, c.late.reason, c.late.state, c.late.paid)
		}
	}
}

// TestAReturnComesAfterSuccess: the statement says settled, then returned
// with the reason, at the times when they happened; the look-up says settled.
func TestAReturnComesAfterSuccess(t *testing.T) {
	b, clock := open(t, t.TempDir())
	began := clock.now()
	_, err := b.Submit(t.Context(), pay("a"))
	must(t, err)
	clock.advance(time.Hour)
	must(t, b.Steer(t.Context(), "a", rail.Order{Outcome: "return", After: 48 * time.Hour, Reason: "account_blocked"}))
	expect(t, b, rail.Settled, "", "settled", 1)
	clock.advance(72 * time.Hour)
	expect(t, b, rail.Settled, "", "returned", 1)
	var times []time.Duration
	for s, err := range b.Statements(t.Context(), "") {
		must(t, err)
		times = append(times, s.At.Sub(began))
	}
	if len(times) != 2 || times[0] != 10*time.Second || times[1] != 49*time.Hour {
		t.Errorf("the lines are of %v, want 10s and 49h", times)
	}
	if got, want := told(t, b), "settled returned AC06"; got != want {
		t.Errorf("the statement says %q, want %q", got, want)
	}
}

// TestAnUnknownPaymentIsToldFromTheThirdLookup: paid at once, nothing said at
// Submit, again at Submit, nor in two look-ups, though the bank was restarted
// between them; then the truth, and a line on the statement.
func TestAnUnknownPaymentIsToldFromTheThirdLookup(t *testing.T) {
	dir := t.TempDir()
	b, _ := open(t, dir)
	must(t, b.Steer(t.Context(), "a", rail.Order{Outcome: "unknown"}))
	for range 2 {
		if out, err := b.Submit(t.Context(), pay("a")); err == nil || errors.Is(err, rail.ErrNotSent) || out.Status != rail.Unknown {
			t.Errorf("Submit answers %+v, %v", out, err)
		}
	}
	expect(t, b, rail.Unknown, "", "settled", 1)
	must(t, b.Close())
	b, _ = open(t, dir)
	expect(t, b, rail.Unknown, "", "settled", 1)
	if got := told(t, b); got != "" {
		t.Errorf("the statement says %q before it is told", got)
	}
	expect(t, b, rail.Settled, "", "settled", 1)
	if got, want := told(t, b), "settled"; got != want {
		t.Errorf("the statement says %q, want %q", got, want)
	}
}

// TestAQuietPaymentThatReturnsIsToldFirst: a return that overtakes the
// confirmation passes through settled.
func TestAQuietPaymentThatReturnsIsToldFirst(t *testing.T) {
	b, clock := open(t, t.TempDir())
	must(t, b.Steer(t.Context(), "a", rail.Order{Outcome: "unknown"}))
	_, err := b.Submit(t.Context(), pay("a"))
	if err == nil {
		t.Fatal("Submit answered")
	}
	must(t, b.Steer(t.Context(), "a", rail.Order{Outcome: "return", After: time.Hour}))
	expect(t, b, rail.Unknown, "", "settled", 1)
	clock.advance(time.Hour)
	if got, want := told(t, b), "settled returned MS03"; got != want {
		t.Errorf("the statement says %q, want %q", got, want)
	}
	for first, err := range b.Statements(t.Context(), "") {
		must(t, err)
		for second, err := range b.Statements(t.Context(), first.Cursor) { // the two stand next to each other in the journal
			must(t, err)
			if first.Kind == rail.StatementSettled && second.Kind != rail.StatementReturned {
				t.Errorf("behind %+v comes %+v", first, second)
			}
			return
		}
		t.Errorf("nothing comes behind %+v", first)
	}
}

// TestWhatIsDoneCannotBeOrderedOtherwise tries every order on every end. Only
// a payment can still be sent back, and only once.
func TestWhatIsDoneCannotBeOrderedOtherwise(t *testing.T) {
	for _, end := range []string{"settle", "refuse", "return", "unknown"} {
		for _, then := range []string{"settle", "refuse", "return", "stall", "unknown"} {
			b, _ := open(t, t.TempDir())
			must(t, b.Steer(t.Context(), "a", rail.Order{Outcome: end}))
			_, _ = b.Submit(t.Context(), pay("a"))
			got := b.Steer(t.Context(), "a", rail.Order{Outcome: then})
			var want error = rail.ErrTooLate
			if then == "return" && (end == "settle" || end == "unknown") {
				want = nil
			}
			if !errors.Is(got, want) {
				t.Errorf("%s after %s: got %v, want %v", then, end, got, want)
			}
		}
	}
}

// TestAStalledOneGoesOnWhenItIsToldTo, and a later order replaces an earlier.
func TestAStalledOneGoesOnWhenItIsToldTo(t *testing.T) {
	b, clock := open(t, t.TempDir())
	_, err := b.Submit(t.Context(), pay("a"))
	must(t, err)
	must(t, b.Steer(t.Context(), "a", rail.Order{Outcome: "stall"}))
	clock.advance(1000 * time.Hour)
	expect(t, b, rail.Pending, "", "stalled", 0)
	must(t, b.Steer(t.Context(), "a", rail.Order{Outcome: "refuse", After: time.Hour}))
	must(t, b.Steer(t.Context(), "a", rail.Order{Outcome: "settle", After: 2 * time.Hour}))
	clock.advance(time.Hour)
	expect(t, b, rail.Pending, "", "pending", 0)
	clock.advance(time.Hour)
	expect(t, b, rail.Settled, "", "settled", 1)
}

// TestOrdersThatMakeNoSenseAreRefused, and leave no trace.
func TestOrdersThatMakeNoSenseAreRefused(t *testing.T) {
	b, _ := open(t, t.TempDir())
	for _, o := range []rail.Order{
		{}, {Outcome: "pay"}, {Outcome: "abort"}, {Outcome: "refuse", Reason: "because"}, {Outcome: "refuse", Reason: "ac04"},
		{Outcome: "settle", After: -1}, {Outcome: "stall", After: time.Hour},
	} {
		if err := b.Steer(t.Context(), "a", o); !errors.Is(err, rail.ErrOrder) {
			t.Errorf("%+v: got %v, want ErrOrder", o, err)
		}
	}
	if _, err := b.Submit(t.Context(), pay("a")); err != nil {
		t.Error(err)
	}
	expect(t, b, rail.Pending, "", "pending", 0)
}

// TestAnotherInstructionUnderTheSameIDIsNotTaken, and is not said to be not
// sent either: whoever sees that might send it again.
func TestAnotherInstructionUnderTheSameIDIsNotTaken(t *testing.T) {
	b, clock := open(t, t.TempDir())
	_, err := b.Submit(t.Context(), pay("a"))
	must(t, err)
	other := pay("a")
	other.Amount.Minor++
	out, err := b.Submit(t.Context(), other)
	if !errors.Is(err, simulator.ErrDifferent) || errors.Is(err, rail.ErrNotSent) || out.Status != rail.Unknown {
		t.Errorf("got %+v, %v", out, err)
	}
	clock.advance(time.Hour)
	all, err := b.Booked(t.Context())
	must(t, err)
	if len(all) != 1 || all[0].Amount != pay("a").Amount || all[0].Submitted != 1 || all[0].Paid != 1 {
		t.Errorf("the journal has %+v", all)
	}
}

// TestACursorOfAnotherBankIsAnError: a cursor beyond the journal would skip
// lines that are still to come.
func TestACursorOfAnotherBankIsAnError(t *testing.T) {
	b, _ := open(t, t.TempDir())
	for _, cursor := range []string{"1", "-1", "x", "99999999999999999999"} {
		var got error
		for _, err := range b.Statements(t.Context(), cursor) {
			got = err
		}
		if !errors.Is(got, simulator.ErrCursor) {
			t.Errorf("after %q: got %v, want ErrCursor", cursor, got)
		}
	}
}
