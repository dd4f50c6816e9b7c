package engine

import (
	"context"

	"remit"
	"remit/dialect"
)

// Record opens a payment that came into being elsewhere, and seals who paid
// it. The payment's id is the head's.
func (e *Engine) Record(ctx context.Context, o remit.OpenPayment, payer dialect.Party) (remit.Payment, error) {
	s := sealer{e: e, m: o.Merchant}
	o.PayerAccount, o.PayerName = s.party(o.PaymentID().Owner(), payer)
	if s.err != nil {
		return remit.Payment{}, s.err
	}
	return e.payment(ctx, o)
}

// Move takes a payment to another state. A payer who was not known until now
// is sealed with it; one who was is not replaced, which is Conflict.
func (e *Engine) Move(ctx context.Context, m remit.MovePayment, payer dialect.Party) (remit.Payment, error) {
	s := sealer{e: e, m: m.Merchant}
	m.PayerAccount, m.PayerName = s.party(m.Owner(), payer)
	m.PayerOnce = true
	if s.err != nil {
		return remit.Payment{}, s.err
	}
	return e.payment(ctx, m)
}

func (e *Engine) payment(ctx context.Context, cmd remit.Command) (remit.Payment, error) {
	res, err := e.Do(ctx, cmd)
	if err != nil {
		return remit.Payment{}, err
	}
	return *res.Payment, nil
}
