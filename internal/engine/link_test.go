package engine_test

import (
	"errors"
	"testing"

	"remit"
)

// silent is a command that changes what is fixed of a payment, and tells
// nobody.
type silent struct{ remit.MovePayment }

func (s silent) Decide(f remit.Facts) (remit.Change, error) {
	c, err := s.MovePayment.Decide(f)
	c.Events, c.Merchant = nil, f.Merchant
	return c, err
}

// What is fixed of a payment changes with an event or not at all: without one
// the command is an internal error, and nothing of it is kept.
func TestWhatIsFixedChangesWithAnEventOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLite(t))
	w.merchant(t, "acme", 1000)
	p := w.payment(t, "acme", 500, remit.PaymentAuthorized)
	move := remit.MovePayment{Head: w.Head("acme", "test", ""), Payment: p.ID, Details: `{"a":1}`}
	if _, err := w.Do(t.Context(), silent{move}); !errors.Is(err, remit.Internal) {
		t.Errorf("got %v, want an internal error", err)
	}
	w.sound(t)
	move.Head = w.Head("acme", "test", "")
	res, err := w.Do(t.Context(), move)
	must(t, err)
	if res.Payment.Details != move.Details {
		t.Errorf("the payment has %q", res.Payment.Details)
	}
	w.sound(t)
}
