package engine

import (
	"context"
	"errors"

	"remit"
	"remit/dialect"
	"remit/store"
)

// Ask carries out what a merchant asks in a dialect. The caller has shown that
// it is this merchant. evidence names the request.
func (e *Engine) Ask(ctx context.Context, m remit.MerchantID, in, evidence string, op dialect.Operation) (remit.Result, error) {
	if op.Query != nil {
		res, err := e.query(ctx, m, in, *op.Query)
		return res, unavailable(err)
	}
	cmd, key, err := e.command(m, in, evidence, op)
	if err != nil || cmd == nil {
		return remit.Result{}, err
	}
	if key.Alone && key.Key != "" {
		at := store.AnswerRef{Merchant: m, Scope: in, Key: key.Key}
		if _, running := e.inFlight.LoadOrStore(at, true); running {
			return remit.Result{}, remit.Errorf(remit.InFlight, "", "the key is being used by another request")
		}
		defer e.inFlight.Delete(at)
	}
	res, err := e.Do(ctx, cmd)
	if err == nil && res.Replayed && res.Refusal == nil {
		err = unavailable(e.recall(ctx, &res))
	}
	return res, err
}

// unavailable is what a store that cannot be read comes to for who asks.
func unavailable(err error) error {
	if _, ours := errors.AsType[*remit.Error](err); ours || err == nil {
		return err
	}
	return &remit.Error{Code: remit.Unavailable, Detail: "the service cannot be used now", Err: err}
}

// command makes an operation the engine's own: its ids, its rail, digests for
// what is compared, seals for what is secret. Nil is no command at all.
func (e *Engine) command(m remit.MerchantID, in, evidence string, op dialect.Operation) (remit.Command, remit.Keyed, error) {
	s := sealer{e: e, m: m}
	keyed := func(k *remit.Keyed, content []byte) remit.Keyed {
		k.Dialect = in
		if k.Key != "" {
			k.Digest = e.cfg.Vault.Digest("request", in, string(content))
		}
		return *k
	}
	head := e.Head(m, remit.ActorMerchant, evidence)
	switch {
	case op.Refund != nil:
		cmd := op.Refund.Refund
		cmd.Head, cmd.Rail = head, e.cfg.Rail
		key := keyed(&cmd.Keyed, op.Refund.Content)
		return cmd, key, nil
	case op.Payout != nil:
		cmd := op.Payout.Payout
		cmd.Head, cmd.Rail = head, e.cfg.Rail
		cmd.Account, cmd.AccountName = s.party(head.DisbursementID().Owner(), op.Payout.Payee)
		key := keyed(&cmd.Keyed, op.Payout.Content)
		return cmd, key, s.err
	case op.Open != nil:
		cmd := op.Open.OpenPayment
		cmd.Head = head
		cmd.PayerAccount, cmd.PayerName = s.party(head.PaymentID().Owner(), op.Open.Payer)
		key := keyed(&cmd.Keyed, op.Open.Content)
		return cmd, key, s.err
	case op.Register != nil:
		cmd := op.Register.Register
		cmd.Head, cmd.Same = head, e.cfg.Vault.Digest("account", in, string(op.Register.Same))
		cmd.Account, cmd.Holder = s.party(head.Owner(), op.Register.Party)
		key := keyed(&cmd.Keyed, op.Register.Content)
		return cmd, key, s.err
	case op.SpendKey != nil:
		cmd := op.SpendKey.SpendKey
		cmd.Head = head
		key := keyed(&cmd.Keyed, op.SpendKey.Content)
		return cmd, key, nil
	case op.Move != nil:
		cmd := op.Move.MovePayment
		cmd.Head, cmd.Only = head, in
		cmd.PayerAccount, cmd.PayerName = s.party(head.Owner(), op.Move.Payer)
		key := keyed(&cmd.Keyed, op.Move.Content)
		return cmd, key, s.err
	case op.Cancel != nil:
		cmd := *op.Cancel
		cmd.Head, cmd.Only = head, in
		key := keyed(&cmd.Keyed, []byte(op.Content))
		return cmd, key, nil
	case op.Proceed != nil:
		cmd := op.Proceed.Proceed
		cmd.Head, cmd.Only = head, in
		cmd.Account, cmd.AccountName = s.party(head.Owner(), op.Proceed.Payee)
		key := keyed(&cmd.Keyed, []byte(op.Content))
		return cmd, key, s.err
	}
	return nil, remit.Keyed{}, nil
}

// recall reads what an earlier command made, as it is now.
func (e *Engine) recall(ctx context.Context, r *remit.Result) error {
	var w store.Wants
	switch {
	case r.Disbursement != nil:
		w.Disbursements = []store.DisbursementRef{{Merchant: r.Disbursement.Merchant, ID: r.Disbursement.ID}}
	case r.Payment != nil:
		w.Payments = []store.PaymentRef{{Merchant: r.Payment.Merchant, ID: r.Payment.ID}}
	case r.Beneficiary != nil:
		w.Beneficiaries = []store.BeneficiaryRef{{Merchant: r.Beneficiary.Merchant, ID: r.Beneficiary.ID}}
	}
	have, err := e.cfg.Store.Read(ctx, w)
	if err != nil {
		return err
	}
	for _, d := range have.Disbursements {
		r.Disbursement = &d
	}
	for _, p := range have.Payments {
		r.Payment = &p
	}
	for _, b := range have.Beneficiaries {
		r.Beneficiary = &b
	}
	return nil
}
