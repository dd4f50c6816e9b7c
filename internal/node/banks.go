package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"remit/rail"
	"remit/store"
)

// ErrOtherBank means that the store was used with another bank on a rail.
var ErrOtherBank = errors.New("this is not the bank that the store was used with: it does not know what the other was sent, and would be sent it again")

// Times of the question who a bank is.
const (
	identityPatience = 10 * time.Second // for one that is only just starting too
	identityEvery    = 200 * time.Millisecond
)

// forGood is when the memory of a bank ends.
var forGood = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// sameBanks holds each rail to the bank that the store remembers, and has the
// store remember one that is new. Of two processes that start at once with banks of their own the
// second is refused.
func (n *Node) sameBanks(ctx context.Context) error {
	for name, r := range n.Rails {
		bank, ok := r.(rail.Identified)
		if !ok {
			continue
		}
		id, err := identity(ctx, bank)
		if err != nil {
			return fmt.Errorf("the bank of the rail %s does not say who it is: %w", name, err)
		}
		now, slip := n.cfg.Real(), store.Slip{Name: "bank/" + name, Text: id, Expires: forGood}
		isNew, err := n.Store.AddSlip(ctx, now, slip)
		if err != nil {
			return err
		}
		if isNew {
			continue
		}
		known, _, err := n.Store.Slip(ctx, now, slip.Name)
		if err != nil {
			return err
		}
		if known.Text != id {
			return fmt.Errorf("the rail %s leads to the bank %s, the store knows %s: %w", name, id, known.Text, ErrOtherBank)
		}
	}
	return nil
}

// identity asks a bank who it is, for as long as it is waited for.
func identity(ctx context.Context, bank rail.Identified) (id string, err error) {
	ctx, stop := context.WithTimeout(ctx, identityPatience)
	defer stop()
	for {
		if id, err = bank.Identity(ctx); err == nil || ctx.Err() != nil {
			return id, err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(identityEvery):
		}
	}
}
