package ledger

import "fmt"

// Audit makes one merchant's books anew from their transfers alone, in the order in
// which these were written, and tells what is wrong with them. It trusts no
// balance that anybody stored.
type Audit struct {
	Books Books

	mayGoNegative func(AccountID) bool
	holds         map[string]Transfer // open, by id
	posted        map[string]Transfer // and not reversed, by id
	count         int
}

// NewAudit starts an audit of empty books. mayGoNegative is the chart's word
// on which accounts may be overdrawn.
func NewAudit(mayGoNegative func(AccountID) bool) *Audit {
	return &Audit{Books: Books{}, mayGoNegative: mayGoNegative, holds: map[string]Transfer{}, posted: map[string]Transfer{}}
}

// Add carries out the next transfer. An error means that the transfer is
// wrong in itself or against those before it: a hold ended twice, by another
// amount or out of another account; money that was not there.
func (a *Audit) Add(t Transfer) error {
	a.count++
	for _, id := range []AccountID{t.From, t.To} {
		if _, ok := a.Books[id]; !ok {
			a.Books[id] = Account{ID: id, Currency: t.Amount.Currency, MayGoNegative: a.mayGoNegative(id)}
		}
	}
	_, held := a.holds[t.ID]
	if _, posted := a.posted[t.ID]; held || posted {
		return fmt.Errorf("transfer %s: its id was used before", t.ID)
	}
	switch t.Step {
	case Hold:
		a.holds[t.ID] = t
	case PostHold, Void:
		h, open := a.holds[t.Cites]
		switch {
		case !open:
			return fmt.Errorf("transfer %s ends hold %s, which is not open", t.ID, t.Cites)
		case h.Amount != t.Amount || h.From != t.From || h.To != t.To:
			return fmt.Errorf("transfer %s ends hold %s with another amount or account", t.ID, t.Cites)
		}
		delete(a.holds, t.Cites)
	}
	if t.Step == PostHold || t.Step == Post {
		if t.Step == Post && t.Cites != "" {
			p, ok := a.posted[t.Cites]
			if !ok || p.Amount != t.Amount || p.From != t.To || p.To != t.From {
				return fmt.Errorf("transfer %s is not the reverse of %s", t.ID, t.Cites)
			}
			delete(a.posted, t.Cites)
		} else {
			a.posted[t.ID] = t
		}
	}
	if err := a.Books.Apply(t); err != nil {
		return fmt.Errorf("transfer %s: %w", t.ID, err)
	}
	return nil
}

// Transfers is how many transfers were added.
func (a *Audit) Transfers() int { return a.count }

// Posted is a transfer that moved money and that no other has undone.
func (a *Audit) Posted(id string) (Transfer, bool) {
	t, ok := a.posted[id]
	return t, ok
}

// OpenHolds are the holds that no transfer has ended, by id.
func (a *Audit) OpenHolds() map[string]Transfer { return a.holds }

// Compare reports each account whose stored totals are not those of its
// transfers, and each that only one side knows.
func (a *Audit) Compare(stored []Account) (broken []error) {
	known := map[AccountID]bool{}
	for _, s := range stored {
		known[s.ID] = true
		want, ok := a.Books[s.ID]
		if !ok {
			want = Account{ID: s.ID, Currency: s.Currency}
		}
		if s.Debits != want.Debits || s.Credits != want.Credits || s.Held != want.Held || s.Currency != want.Currency {
			broken = append(broken, fmt.Errorf("account %s: stored debits %d, credits %d, held %d %s; its transfers make %d, %d, %d %s",
				s.ID, s.Debits, s.Credits, s.Held, s.Currency, want.Debits, want.Credits, want.Held, want.Currency))
		}
	}
	for id := range a.Books {
		if !known[id] {
			broken = append(broken, fmt.Errorf("account %s has transfers, and is not stored", id))
		}
	}
	if err := a.Books.Check(); err != nil {
		broken = append(broken, err)
	}
	return broken
}
