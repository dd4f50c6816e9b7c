package engine_test

import (
	"testing"

	"remit"
	"remit/dialect"
	"remit/internal/engine"
	"remit/store"
)

// TestANumberThatIsSomebodysIsPassedOver records payments under the very
// numbers that would be given next: what is opened afterwards gets others, and
// so does each of many that wait together.
func TestANumberThatIsSomebodysIsPassedOver(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		w.merchant(t, "acme", 0)
		next := w.vault.NumbersFor("acme")
		taken := map[string]bool{}
		for _, n := range []int64{1, 2, 5} {
			taken[next.At(n)] = true
			p, err := w.Record(t.Context(), remit.OpenPayment{
				Head: w.Head("acme", "operator:test", "a statement"), Keyed: remit.Keyed{Dialect: "test"}, ExternalID: next.At(n), Amount: eur(100), State: remit.PaymentFunded,
			}, dialect.Party{Account: "DE1", Name: "Ann"})
			must(t, err)
			if text, err := w.vault.Open(p.PayerAccount, engine.AccountBinding("acme", p.ID.Owner())); err != nil || text != "DE1" {
				t.Errorf("the payer is %q, %v", text, err)
			}
		}
		const many = 6
		got := make(chan string, many)
		for range many {
			go func() {
				res, err := w.Do(t.Context(), remit.OpenPayment{
					Head: w.Head("acme", "test", ""), Keyed: remit.Keyed{Dialect: "test"}, Amount: eur(100), State: remit.PaymentOpened,
				})
				if err != nil {
					t.Error(err)
					got <- ""
					return
				}
				got <- res.Payment.ExternalID
			}()
		}
		for range many {
			name := <-got
			if name == "" || taken[name] {
				t.Errorf("%q was given", name)
			}
			taken[name] = true
		}
		if len(taken) != 3+many {
			t.Errorf("%d names", len(taken))
		}
		w.sound(t)
	})
}

// TestMoneyThatComesLaterBringsItsPayer funds a payment of which nobody knew
// who pays.
func TestMoneyThatComesLaterBringsItsPayer(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		w := newWorld(t, s)
		w.merchant(t, "acme", 0)
		p, err := w.Record(t.Context(), remit.OpenPayment{
			Head: w.Head("acme", "operator:test", "a mail"), Keyed: remit.Keyed{Dialect: "test"}, ExternalID: "77", Amount: eur(100), State: remit.PaymentAuthorized,
		}, dialect.Party{})
		must(t, err)
		if p.PayerAccount != "" || p.PayerName != "" {
			t.Errorf("somebody pays: %+v", p)
		}
		p, err = w.Move(t.Context(), remit.MovePayment{Head: w.Head("acme", "operator:test", "a statement"), Payment: p.ID, To: remit.PaymentFunded}, dialect.Party{Account: "DE2", Name: "Bo"})
		must(t, err)
		if text, err := w.vault.Open(p.PayerAccount, engine.AccountBinding("acme", p.ID.Owner())); err != nil || text != "DE2" || p.State != remit.PaymentFunded {
			t.Errorf("%s by %q, %v", p.State, text, err)
		}
		known, err := w.Record(t.Context(), remit.OpenPayment{
			Head: w.Head("acme", "operator:test", "a mail"), Keyed: remit.Keyed{Dialect: "test"}, ExternalID: "78", Amount: eur(100), State: remit.PaymentAuthorized,
		}, dialect.Party{Account: "DE3", Name: "Cia"})
		must(t, err)
		move := func(who dialect.Party) error {
			_, err := w.Move(t.Context(), remit.MovePayment{Head: w.Head("acme", "operator:test", "a statement"), Payment: known.ID, To: remit.PaymentFunded}, who)
			return err
		}
		if err := move(dialect.Party{Account: "DE4", Name: "Dee"}); remit.AsError(err).Code != remit.Conflict {
			t.Errorf("another payer: %v", err)
		}
		must(t, move(dialect.Party{}))
		w.sound(t)
	})
}
