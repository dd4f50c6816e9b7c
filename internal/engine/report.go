package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"remit"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// entries lists the changes of the merchant's balances in a time. Where they
// are to be proved, the whole ledger is gone through: the balances at the
// beginning are what all transfers before it come to, those at the end are what
// stands in the accounts now less what came after, and the entries themselves
// are what the payments and the disbursements say. None of the three is made
// from another, and where they disagree there is no answer.
func (a asked) entries(ctx context.Context) (res remit.Result, err error) {
	now, seq, err := a.balances(ctx)
	if err != nil {
		return res, err
	}
	from, until := a.q.From, a.q.To
	if until.IsZero() {
		until = a.e.now().Add(time.Hour)
	}
	first, last := from, until
	if a.q.Proved {
		first, last = time.Time{}, endOfTime
	}
	after, _ := strconv.ParseInt(a.q.After, 10, 64)
	before, within, later := sums{}, sums{}, sums{}
	err = a.walk(ctx, first, last, seq, func(x remit.Entry) (more bool) {
		switch {
		case x.At.Before(from):
			before.add(x)
		case !x.At.Before(until):
			later.add(x)
		default:
			within.add(x)
			if x.Seq > after && len(res.Entries) <= a.q.Max {
				res.Entries = append(res.Entries, x)
			}
		}
		return a.q.Proved || len(res.Entries) <= a.q.Max
	})
	if err != nil {
		return res, err
	}
	res.Entries, res.More = most(res.Entries, a.q.Max)
	if a.q.Proved {
		if res.Opening, res.Closing, err = proved(now, before, within, later); err != nil {
			return res, err
		}
	}
	return res, a.subjects(ctx, res.Entries)
}

// endOfTime is after everything that can have happened.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// sums are what entries come to, in minor units, by currency.
type sums map[money.Currency]int64

func (s sums) add(x remit.Entry) { s[x.Amount.Currency] += x.Amount.Minor }

// proved are the balances before and after the entries within: the first of
// transfers alone, the second of the accounts as they stand now, less what came
// later. Only balances are told, not what was available then.
func proved(now []remit.Balance, before, within, later sums) (opening, closing []remit.Balance, err error) {
	stands, all := sums{}, sums{}
	for _, b := range now {
		stands[b.Currency] = b.Minor
	}
	for _, s := range []sums{stands, before, within, later} {
		for currency := range s {
			all[currency] = 0
		}
	}
	for _, currency := range slices.Sorted(maps.Keys(all)) {
		from, to := before[currency], stands[currency]-later[currency]
		if from+within[currency] != to {
			return nil, nil, disagreement("the balance in %s begins with %d and changes by %d minor units; the account says that it ends with %d",
				currency, from, within[currency], to)
		}
		opening = append(opening, remit.Balance{Currency: currency, Minor: from, AvailableMinor: from})
		closing = append(closing, remit.Balance{Currency: currency, Minor: to, AvailableMinor: to})
	}
	return opening, closing, nil
}

// errDisagrees means that a report was not given, since what the books say of
// the same thing in two places differs. It is ours to look into: `remit ledger
// check` says where.
var errDisagrees = errors.New("the ledger disagrees with itself")

func disagreement(format string, args ...any) error {
	return &remit.Error{Code: remit.Internal, Detail: "internal error", Err: fmt.Errorf("%w: "+format, append([]any{errDisagrees}, args...)...)}
}

// walkedAtOnce is how many events are read at once: few enough to be held, and
// to look up from now and then.
const walkedAtOnce = 5_000

// walk shows the entries of a time, up to the event seq, or until no more are
// wanted.
func (a asked) walk(ctx context.Context, from, to time.Time, seq int64, show func(remit.Entry) (more bool)) error {
	for after := int64(0); after < seq; {
		events, err := a.e.cfg.Store.EventsIn(ctx, store.Span{Merchant: a.m, From: from, To: to, After: after, Moved: true, Max: walkedAtOnce})
		if err != nil {
			return err
		}
		for _, ev := range events {
			if after = ev.Seq; after > seq {
				return nil
			}
			for _, t := range ev.Transfers {
				if x, ok := a.entry(ev, t); ok && !show(x) {
					return nil
				}
			}
		}
		if len(events) < walkedAtOnce {
			return nil
		}
	}
	return nil
}

// entry is what a transfer does to the merchant's balance.
func (a asked) entry(ev remit.Event, t ledger.Transfer) (remit.Entry, bool) {
	if t.Step != ledger.Post && t.Step != ledger.PostHold || (a.q.Currency != "" && a.q.Currency != t.Amount.Currency) {
		return remit.Entry{}, false
	}
	x := remit.Entry{Seq: ev.Seq, At: ev.At, Kind: ev.Kind, Amount: t.Amount}
	switch remit.BalanceAccount(a.m, t.Amount.Currency) {
	case t.From:
		x.Amount.Minor = -x.Amount.Minor
	case t.To:
	default:
		return remit.Entry{}, false
	}
	switch {
	case len(ev.Subject) > 0 && ev.Subject[0] == 'p':
		x.Payment = &remit.Payment{ID: remit.PaymentID(ev.Subject)}
	case len(ev.Subject) > 0 && ev.Subject[0] == 'd':
		x.Disbursement = &remit.Disbursement{ID: remit.DisbursementID(ev.Subject)}
	}
	return x, true
}

// subjects reads what the entries are about, and has each say its amount. One
// that says another than its transfer does is no answer.
func (a asked) subjects(ctx context.Context, entries []remit.Entry) error {
	payments, disbursements := map[store.PaymentRef]bool{}, map[store.DisbursementRef]bool{}
	for _, x := range entries {
		if x.Payment != nil {
			payments[store.PaymentRef{Merchant: a.m, ID: x.Payment.ID}] = true
		}
		if x.Disbursement != nil {
			disbursements[store.DisbursementRef{Merchant: a.m, ID: x.Disbursement.ID}] = true
		}
	}
	have, err := a.e.cfg.Store.Read(ctx, store.Wants{
		Payments: slices.Collect(maps.Keys(payments)), Disbursements: slices.Collect(maps.Keys(disbursements)),
	})
	if err != nil {
		return err
	}
	for i, x := range entries {
		if x.Disbursement != nil {
			d := have.Disbursements[store.DisbursementRef{Merchant: a.m, ID: x.Disbursement.ID}]
			entries[i].Disbursement = &d
			x.Payment = &remit.Payment{ID: d.Payment}
		}
		if x.Payment != nil {
			entries[i].Payment = nil
			if p, ok := have.Payments[store.PaymentRef{Merchant: a.m, ID: x.Payment.ID}]; ok {
				entries[i].Payment = &p
			}
		}
		if entries[i].Amount, err = booked(entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// booked is what the payment or the disbursement of an entry says that it
// comes to. Of money that was put in or taken out by hand, or lent, nothing but
// the ledger says an amount.
func booked(x remit.Entry) (money.Amount, error) {
	said := x.Amount
	switch d, p := x.Disbursement, x.Payment; {
	case d != nil && x.Kind == string(remit.Settled):
		said = money.Amount{Minor: -d.Amount.Minor, Currency: d.Amount.Currency}
	case d != nil:
		said = d.Amount // it came back
	case p != nil && x.Kind == string(remit.PaymentFunded):
		said = p.Amount
	case p != nil && x.Amount.Minor < 0:
		said = money.Amount{Minor: -p.Amount.Minor, Currency: p.Amount.Currency} // it was taken back
	case p == nil && x.Kind != remit.KindTopUp:
		said = money.Amount{} // what it was about is gone
	}
	if said != x.Amount {
		return said, disagreement("event %d moves %s, what it is about says %s", x.Seq, x.Amount, said)
	}
	return said, nil
}
