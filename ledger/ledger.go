// Package ledger keeps double-entry books. It knows accounts and transfers,
// and nothing of refunds, banks or providers.
package ledger

import (
	"errors"
	"fmt"

	"remit/money"
)

// AccountID names one account of the books.
type AccountID string

// Account is one account's running balances in minor units. Available is what
// may be promised: what was credited, less what was debited, less what is held.
type Account struct {
	ID            AccountID
	Currency      money.Currency
	Debits        int64 // posted
	Credits       int64 // posted
	Held          int64 // promised out, not posted yet
	MayGoNegative bool  // by the chart of accounts; never stored
}

// Balance is what was posted: credits less debits.
func (a Account) Balance() int64 { return a.Credits - a.Debits }

// Available is what may still be promised from the account.
func (a Account) Available() int64 { return a.Credits - a.Debits - a.Held }

// Step is where a transfer stands in its life.
type Step string

// The four steps. A hold ends by exactly one PostHold or Void that cites it.
const (
	Post     Step = "post"      // move now
	Hold     Step = "hold"      // promise now, move later
	PostHold Step = "post_hold" // move what was held
	Void     Step = "void"      // forget what was held
)

// Transfer moves money from one account to another. It is never changed once
// it is written: a mistake is mended by another transfer.
type Transfer struct {
	ID       string
	Step     Step
	From, To AccountID
	Amount   money.Amount
	Cites    string // of PostHold and Void: the hold; of a reversal: what it undoes
}

// Reverse is the transfer that undoes t. It has an id of its own and cites t.
func (t Transfer) Reverse(id string) Transfer {
	return Transfer{ID: id, Step: Post, From: t.To, To: t.From, Amount: t.Amount, Cites: t.ID}
}

// ErrInsufficientFunds means that From has less available than Amount.
var ErrInsufficientFunds = errors.New("ledger: insufficient funds")

// ErrMalformed means that a transfer can be right in no books: it moves
// nothing, to itself, across currencies, out of an account that is not there.
var ErrMalformed = errors.New("ledger: malformed transfer")

// Books is a set of accounts.
type Books map[AccountID]Account

// Apply carries out one transfer on the books, or leaves them untouched.
func (b Books) Apply(t Transfer) error {
	from, ok := b[t.From]
	if !ok {
		return fmt.Errorf("%w: %s: no account %s", ErrMalformed, t.ID, t.From)
	}
	to, ok := b[t.To]
	if !ok {
		return fmt.Errorf("%w: %s: no account %s", ErrMalformed, t.ID, t.To)
	}
	n := t.Amount.Minor
	switch {
	case t.From == t.To || n <= 0:
		return fmt.Errorf("%w: %s", ErrMalformed, t.ID)
	case from.Currency != t.Amount.Currency || to.Currency != t.Amount.Currency:
		return fmt.Errorf("%w: %s crosses currencies", ErrMalformed, t.ID)
	case (t.Step == PostHold || t.Step == Void) && t.Cites == "":
		return fmt.Errorf("%w: %s ends a hold and cites none", ErrMalformed, t.ID)
	}
	var err error
	switch t.Step {
	case Post, Hold:
		if from.Available() < n && !from.MayGoNegative {
			return ErrInsufficientFunds
		}
		if t.Step == Hold {
			from.Held, err = money.Add(from.Held, n)
		} else {
			err = move(&from, &to, n)
		}
	case PostHold, Void:
		if from.Held < n {
			return fmt.Errorf("%w: %s releases %d of %d held", ErrMalformed, t.ID, n, from.Held)
		}
		from.Held -= n
		if t.Step == PostHold {
			err = move(&from, &to, n)
		}
	default:
		err = fmt.Errorf("%w: %s has no step %q", ErrMalformed, t.ID, t.Step)
	}
	if err != nil {
		return err
	}
	b[t.From], b[t.To] = from, to
	return nil
}

// Lay counts a transfer that was carried out, without asking whether it may be.
// Accounts that are not there come into being; mayGoNegative is the chart's
// word on them.
func (b Books) Lay(t Transfer, mayGoNegative func(AccountID) bool) error {
	return b.count(t, 1, mayGoNegative)
}

// Lift takes back what Lay counts. The order of transfers does not matter to
// either.
func (b Books) Lift(t Transfer, mayGoNegative func(AccountID) bool) error {
	return b.count(t, -1, mayGoNegative)
}

func (b Books) count(t Transfer, sign int64, mayGoNegative func(AccountID) bool) (err error) {
	of := func(id AccountID) Account {
		if a, ok := b[id]; ok {
			return a
		}
		return Account{ID: id, Currency: t.Amount.Currency, MayGoNegative: mayGoNegative(id)}
	}
	from, to, n := of(t.From), of(t.To), sign*t.Amount.Minor
	switch t.Step {
	case Hold:
		from.Held, err = money.Add(from.Held, n)
	case PostHold, Void:
		from.Held, err = money.Add(from.Held, -n)
	}
	if err == nil && (t.Step == Post || t.Step == PostHold) {
		err = move(&from, &to, n)
	}
	if err != nil {
		return err
	}
	b[t.From], b[t.To] = from, to
	return nil
}

func move(from, to *Account, n int64) (err error) {
	if from.Debits, err = money.Add(from.Debits, n); err != nil {
		return err
	}
	to.Credits, err = money.Add(to.Credits, n)
	return err
}

// ApplyAll carries out all of ts, in order, or leaves the books untouched.
func (b Books) ApplyAll(ts []Transfer) error {
	before := make([]Account, 0, 2*len(ts))
	for _, t := range ts {
		before = append(before, b[t.From], b[t.To])
		if err := b.Apply(t); err != nil {
			for i := len(before) - 1; i >= 0; i-- {
				if a := before[i]; a.ID != "" {
					b[a.ID] = a
				}
			}
			return err
		}
	}
	return nil
}

// Check reports the first broken invariant of the books, if any: each
// currency sums to zero, nothing held is negative, and nothing available is
// negative but where the chart allows it.
func (b Books) Check() error {
	sums := map[money.Currency]int64{}
	for _, a := range b {
		sums[a.Currency] += a.Balance()
		if a.Held < 0 || a.Debits < 0 || a.Credits < 0 {
			return fmt.Errorf("%s: a total is negative: %+v", a.ID, a)
		}
		if a.Available() < 0 && !a.MayGoNegative {
			return fmt.Errorf("%s: available %d", a.ID, a.Available())
		}
	}
	for c, sum := range sums {
		if sum != 0 {
			return fmt.Errorf("books in %s are out by %d", c, sum)
		}
	}
	return nil
}
