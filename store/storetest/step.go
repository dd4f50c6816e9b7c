package storetest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"remit"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// fortune is what a merchant's one payment brought in, in cents.
const fortune = 1_000_000

// found makes merchants, each with one funded payment.
func found(ctx context.Context, s store.Store, ms ...remit.MerchantID) error {
	for _, m := range ms {
		if err := AddMerchant(ctx, s, remit.Merchant{ID: m, Created: epoch}); err != nil {
			return err
		}
		err := tryUpdate(ctx, s, locked(m), &store.Writes{
			Payments: []remit.Payment{{ID: "p1", Merchant: m, ExternalID: "n1", Amount: cents(fortune), State: remit.PaymentFunded}},
			Accounts: map[remit.MerchantID][]ledger.Account{m: {
				{ID: remit.WorldAccount(m, "EUR"), Currency: "EUR", Debits: fortune},
				{ID: remit.BalanceAccount(m, "EUR"), Currency: "EUR", Credits: fortune},
				{ID: remit.ClearingAccount(m, "simulator", "EUR"), Currency: "EUR"},
			}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// AddMerchant makes a merchant's row as it is, without an event, where there is
// none: what a test begins with.
func AddMerchant(ctx context.Context, s store.Store, m remit.Merchant) error {
	ids := []remit.MerchantID{m.ID}
	return s.Update(ctx, store.Wants{Merchants: ids, New: ids, Block: true}, func(h *store.Have) (*store.Writes, error) {
		if !h.Merchants[m.ID].Created.IsZero() {
			return &store.Writes{}, nil
		}
		return &store.Writes{Merchants: []remit.Merchant{m}}, nil
	})
}

func cents(n int64) money.Amount { return money.Amount{Minor: n, Currency: "EUR"} }

// step is one group: for each merchant it gives back one more cent, upon what
// it reads, and touches every kind of row.
func step(ctx context.Context, s store.Store, ms ...remit.MerchantID) error {
	w := store.Wants{Merchants: ms, Block: true}
	for _, m := range ms {
		w.Payments = append(w.Payments, store.PaymentRef{Merchant: m, ID: "p1"})
		w.Accounts = append(w.Accounts, store.AccountsRef{Merchant: m, Currency: "EUR"})
	}
	return s.Update(ctx, w, func(h *store.Have) (*store.Writes, error) {
		out := &store.Writes{Accounts: map[remit.MerchantID][]ledger.Account{}}
		for _, m := range ms {
			if err := giveBack(h, out, m); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

func giveBack(h *store.Have, out *store.Writes, id remit.MerchantID) error {
	m, ok := h.Merchants[id]
	if !ok {
		return fmt.Errorf("merchant %s is not there", id)
	}
	p, books := h.Payments[store.PaymentRef{Merchant: id, ID: "p1"}], h.Books[id]
	m.Seq++
	p.RefundedMinor++
	p.RefundsLive++
	n := strconv.FormatInt(m.Seq, 10)
	t := ledger.Transfer{ID: n, Step: ledger.Post, From: remit.BalanceAccount(id, "EUR"), To: remit.ClearingAccount(id, "simulator", "EUR"), Amount: cents(1)}
	if err := books.Apply(t); err != nil {
		return err
	}
	d := remit.Disbursement{ID: remit.DisbursementID("d" + n), Merchant: id, Kind: remit.KindRefund, Payment: "p1", Amount: cents(1), State: remit.Settled, Created: after(time.Duration(m.Seq) * time.Second)}
	out.Merchants = append(out.Merchants, m)
	out.Payments = append(out.Payments, p)
	out.Disbursements = append(out.Disbursements, d)
	out.Events = append(out.Events, remit.Event{Merchant: id, Seq: m.Seq, Subject: string(d.ID), Transfers: []ledger.Transfer{t}})
	out.Answers = append(out.Answers, remit.Answer{Merchant: id, Scope: "s", Key: n})
	out.Work = append(out.Work, remit.Work{Merchant: id, ID: remit.WorkID{Seq: m.Seq}, Subject: string(d.ID), Order: string(d.ID)})
	out.Accounts[id] = append(out.Accounts[id], books[t.From], books[t.To])
	return nil
}

// tally is what one merchant's rows say of how many steps were made. In a
// whole state all of it is the same number.
type tally struct{ seq, events, refunded, live, disbursements, cleared int64 }

// count audits the store, and tells how many steps each merchant made. A
// state that is not whole is an error.
func count(ctx context.Context, s store.Store) (map[remit.MerchantID]int64, error) {
	all := map[remit.MerchantID]*tally{}
	now := &tally{}
	err := s.Audit(ctx, store.Visitor{
		Merchant: func(m remit.Merchant) error {
			now = &tally{seq: m.Seq}
			all[m.ID] = now
			return nil
		},
		Event: func(e remit.Event) error {
			now.events++
			if e.Seq != now.events || len(e.Transfers) != 1 {
				return fmt.Errorf("event %d of %s comes after %d others, with %d transfers", e.Seq, e.Merchant, now.events-1, len(e.Transfers))
			}
			return nil
		},
		Mark: func(store.Mark) error { return nil },
		Payment: func(p remit.Payment) error {
			now.refunded, now.live = p.RefundedMinor, p.RefundsLive
			return nil
		},
		Name:         func(store.PaymentName) error { return nil },
		Disbursement: func(remit.Disbursement) error { now.disbursements++; return nil },
		Beneficiary:  func(remit.Beneficiary) error { return nil },
		Accounts: func(m remit.MerchantID, as []ledger.Account) error {
			for _, a := range as {
				if a.ID == remit.ClearingAccount(m, "simulator", "EUR") {
					now.cleared = a.Credits
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	steps := map[remit.MerchantID]int64{}
	for m, got := range all {
		n := got.seq
		if *got != (tally{n, n, n, n, n, n}) {
			return nil, fmt.Errorf("merchant %s is not whole: %+v", m, *got)
		}
		steps[m] = n
	}
	return steps, nil
}

// wantSteps fails unless each merchant has made n steps, whole.
func wantSteps(t *testing.T, s store.Store, n int64, ms ...remit.MerchantID) {
	t.Helper()
	got, err := count(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		if got[m] != n {
			t.Errorf("merchant %s has made %d steps, want %d", m, got[m], n)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
