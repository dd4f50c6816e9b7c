package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"remit"
	"remit/dialect"
	"remit/store"
)

// query answers a question of a merchant, in one dialect.
func (e *Engine) query(ctx context.Context, m remit.MerchantID, in string, q dialect.Query) (remit.Result, error) {
	if q.Fault != nil {
		return remit.Result{}, q.Fault
	}
	q.Max = cmp.Or(q.Max, dialect.QueryMax)
	a := asked{e: e, m: m, in: in, q: q}
	res, err := a.answer(ctx)
	if err == nil && q.Accounts {
		err = a.open(&res)
	}
	return res, err
}

func (a asked) answer(ctx context.Context) (remit.Result, error) {
	switch q := a.q; {
	case q.Payment.Text != "" && q.Disbursement != "":
		return a.either(ctx)
	case q.Payment.Text != "":
		return a.payment(ctx)
	case q.Disbursement != "":
		return a.disbursement(ctx)
	case q.Payments || q.Disbursed:
		return a.lists(ctx)
	case q.Entries:
		return a.entries(ctx)
	case q.Balances:
		balances, _, err := a.balances(ctx)
		return remit.Result{Balances: balances}, err
	}
	return remit.Result{}, remit.Errorf(remit.Internal, "", "a question without a subject")
}

// lists are the payments or the disbursements of the dialect, or both.
func (a asked) lists(ctx context.Context) (res remit.Result, err error) {
	var more [2]bool
	if a.q.Payments {
		res.Payments, err = a.e.cfg.Store.Payments(ctx, store.PaymentFilter{
			Merchant: a.m, Dialect: a.in, From: a.q.From, To: a.q.To, After: remit.PaymentID(a.q.After), Max: a.q.Max + 1,
		})
		if err != nil {
			return res, err
		}
		res.Payments, more[0] = most(res.Payments, a.q.Max)
	}
	if a.q.Disbursed {
		res.Disbursements, err = a.e.cfg.Store.Disbursements(ctx, store.Filter{
			Merchant: a.m, Dialect: a.in, From: a.q.From, To: a.q.To, After: remit.DisbursementID(a.q.After), Max: a.q.Max + 1,
		})
		if err != nil {
			return res, err
		}
		res.Disbursements, more[1] = most(res.Disbursements, a.q.Max)
	}
	res.More = more[0] || more[1]
	if a.q.Payments {
		err = a.refunded(ctx, &res)
	}
	return res, err
}

// refunded adds the payments of the refunds in an answer that it does not have
// yet.
func (a asked) refunded(ctx context.Context, res *remit.Result) error {
	listed := map[remit.PaymentID]bool{"": true} // payouts are of none
	for _, p := range res.Payments {
		listed[p.ID] = true
	}
	var w store.Wants
	for _, d := range res.Disbursements {
		if !listed[d.Payment] {
			listed[d.Payment] = true
			w.Payments = append(w.Payments, store.PaymentRef{Merchant: a.m, ID: d.Payment})
		}
	}
	if len(w.Payments) == 0 {
		return nil
	}
	have, err := a.e.cfg.Store.Read(ctx, w)
	for _, ref := range w.Payments {
		if p, ok := have.Payments[ref]; ok {
			res.Payments = append(res.Payments, p)
		}
	}
	return err
}

// open opens the accounts and names of all that is answered.
func (a asked) open(res *remit.Result) error {
	res.Accounts = map[remit.Sealed]string{}
	payments, disbursements := slices.Clone(res.Payments), slices.Clone(res.Disbursements)
	for _, x := range append(slices.Clone(res.Entries), remit.Entry{Payment: res.Payment, Disbursement: res.Disbursement}) {
		if x.Payment != nil {
			payments = append(payments, *x.Payment)
		}
		if x.Disbursement != nil {
			disbursements = append(disbursements, *x.Disbursement)
		}
	}
	for _, p := range payments {
		if err := a.clear(res, p.ID.Owner(), p.PayerAccount, p.PayerName); err != nil {
			return err
		}
	}
	for _, d := range disbursements {
		if err := a.clear(res, d.ID.Owner(), d.Account, d.AccountName); err != nil {
			return err
		}
	}
	return nil
}

// clear opens what belongs to one payment or disbursement.
func (a asked) clear(res *remit.Result, of remit.Owner, sealed ...remit.Sealed) error {
	for _, s := range sealed {
		text, err := a.e.open(a.m, of, s)
		if err != nil {
			return err
		}
		res.Accounts[s] = text
	}
	return nil
}

// most cuts a list that was asked for with one more than its bound.
func most[T any](list []T, max int) ([]T, bool) {
	if len(list) > max {
		return list[:max], true
	}
	return list, false
}

// asked is one question of one merchant.
type asked struct {
	e  *Engine
	m  remit.MerchantID
	in string
	q  dialect.Query
}

func (a asked) payment(ctx context.Context) (remit.Result, error) {
	ref := store.ExternalRef{Merchant: a.m, Name: a.q.Payment}
	w := store.Wants{Externals: []store.ExternalRef{ref}}
	if a.q.Refunds {
		w.Refunds = w.Externals
	}
	have, err := a.e.cfg.Store.Read(ctx, w)
	if err != nil {
		return remit.Result{}, err
	}
	var res remit.Result
	for _, id := range have.Names[ref] {
		if p := have.Payments[store.PaymentRef{Merchant: a.m, ID: id}]; p.Dialect == a.in {
			res.Payments = append(res.Payments, p)
		}
	}
	if len(res.Payments) == 0 {
		return remit.Result{}, remit.Errorf(remit.NotFound, "", "there is no such payment")
	}
	slices.SortFunc(res.Payments, func(a, b remit.Payment) int { return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID)) })
	res.Payment = &res.Payments[0]
	for _, d := range have.Disbursements {
		if slices.ContainsFunc(res.Payments, func(p remit.Payment) bool { return p.ID == d.Payment }) {
			res.Disbursements = append(res.Disbursements, d)
		}
	}
	slices.SortFunc(res.Disbursements, func(a, b remit.Disbursement) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return res, nil
}

func (a asked) disbursement(ctx context.Context) (remit.Result, error) {
	ref := store.DisbursedRef{Merchant: a.m, Name: a.q.Disbursement}
	have, err := a.e.cfg.Store.Read(ctx, store.Wants{Disbursed: []store.DisbursedRef{ref}})
	if err != nil {
		return remit.Result{}, err
	}
	d, ok := have.Disbursements[store.DisbursementRef{Merchant: a.m, ID: have.Disbursed[ref]}]
	if !ok || d.Dialect != a.in {
		return remit.Result{}, remit.Errorf(remit.NotFound, "", "there is no such disbursement")
	}
	res := remit.Result{Disbursement: &d}
	if p, ok := have.Payments[store.PaymentRef{Merchant: a.m, ID: d.Payment}]; ok {
		res.Payment = &p
	}
	return res, nil
}

// either is what there is of a payment and of a disbursement.
func (a asked) either(ctx context.Context) (remit.Result, error) {
	res, err := a.payment(ctx)
	if err != nil && !errors.Is(err, remit.NotFound) {
		return remit.Result{}, err
	}
	of, err := a.disbursement(ctx)
	if err != nil && !errors.Is(err, remit.NotFound) {
		return remit.Result{}, err
	}
	if of.Disbursement != nil {
		res.Disbursement, res.Disbursements = of.Disbursement, append(res.Disbursements, *of.Disbursement)
	}
	return res, nil
}

// balances are the merchant's, by currency, and the number of its newest event
// then: both are of one moment.
func (a asked) balances(ctx context.Context) (list []remit.Balance, seq int64, err error) {
	have, err := a.e.cfg.Store.Read(ctx, store.Wants{
		Merchants: []remit.MerchantID{a.m}, Accounts: []store.AccountsRef{{Merchant: a.m, Currency: a.q.Currency}},
	})
	if err != nil {
		return nil, 0, err
	}
	for id, account := range have.Books[a.m] {
		if id == remit.BalanceAccount(a.m, account.Currency) {
			list = append(list, remit.Balance{Currency: account.Currency, Minor: account.Balance(), AvailableMinor: account.Available()})
		}
	}
	slices.SortFunc(list, func(a, b remit.Balance) int { return cmp.Compare(a.Currency, b.Currency) })
	return list, have.Merchants[a.m].Seq, nil
}
