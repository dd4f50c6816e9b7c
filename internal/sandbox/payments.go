package sandbox

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"remit"
	"remit/dialect"
	"remit/internal/node"
	"remit/money"
	"remit/store"
)

// amountMinorMax is the largest payment, in minor units.
const amountMinorMax = 1_000_000_000_000

// textBytesMax is the longest text that a control call may give a payment, in
// bytes.
const textBytesMax = 2 << 10

// The payer of a payment that names none. The IBAN is the example of a
// Finnish one in the ISO 13616 register.
var demoPayer = dialect.Party{Name: "Demo Payer", Account: "FI2112345600000785"}

// openPayment makes a payment as if a payer had paid.
func (s *Sandbox) openPayment(ctx context.Context, c *call) (any, error) {
	o := c.object()
	m, in := merchant(o), s.dialectOf(o)
	head := s.head(m, "payments")
	told, err := s.toldAt(ctx, m, in)
	if err != nil {
		return nil, err
	}
	spec := dialect.Spec{
		Demo: true, Amount: amount(o), State: remit.PaymentFunded, NotificationURL: told, OrderReference: "order-" + head.ID,
		Payer: demoPayer, More: map[string]json.RawMessage{},
	}
	o.text("order_reference", &spec.OrderReference)
	if o.text("state", (*string)(&spec.State)) && !slices.Contains([]remit.PaymentState{remit.PaymentAuthorized, remit.PaymentFunded, remit.PaymentFailed}, spec.State) {
		o.fail("state must be authorized, funded or failed")
	}
	if o.text("notification_url", &spec.NotificationURL) && !node.Callable(spec.NotificationURL) {
		o.fail("notification_url must be an http or https URL with a host")
	}
	if a, ok := o.within("attributes"); ok {
		attributes(a, &spec)
		if err := a.done(); err != nil {
			o.fail("attributes: %s", remit.AsError(err).Detail)
		}
	}
	for _, text := range []string{spec.OrderReference, spec.NotificationURL, spec.EndUserID} {
		if len(text) > textBytesMax {
			o.fail("a text is longer than %d bytes", textBytesMax)
		}
	}
	if err := o.done(); err != nil {
		return nil, err
	}
	p, err := s.node.RecordPayment(ctx, head, in, spec)
	if err != nil {
		return nil, err
	}
	_, err = s.settle(ctx)
	return s.shown(p), err
}

// toldAt is the notification URL of a payment that names none: the inbox, but
// "" where the dialect has a setting for that and the merchant has set it.
func (s *Sandbox) toldAt(ctx context.Context, m remit.MerchantID, in string) (string, error) {
	have, err := s.node.Store.Read(ctx, store.Wants{Merchants: []remit.MerchantID{m}})
	if err != nil || have.Merchants[m].Settings.Config[in+".webhook_uri"] != "" {
		return "", err
	}
	return s.inboxURL(m, in), nil
}

// shown is a payment as the control API answers it.
func (s *Sandbox) shown(p remit.Payment) any {
	external, all := p.ExternalID, map[string]string{p.Dialect: p.ExternalID}
	if stager, ok := s.node.Dialects[p.Dialect].(dialect.Stager); ok {
		external, all = stager.Names(p)
	}
	return map[string]any{
		"payment_id": p.ID, "external_id": external, "external_ids": all, "merchant": p.Merchant, "state": p.State,
	}
}

// amount reads amount_minor and currency.
func amount(o *object) (a money.Amount) {
	if !take(o, "amount_minor", "a whole number of minor units", &a.Minor) || a.Minor <= 0 || a.Minor > amountMinorMax {
		o.fail("amount_minor must be from 1 to %d", int64(amountMinorMax))
	}
	if !o.text("currency", (*string)(&a.Currency)) {
		o.fail("currency is required")
	} else if _, ok := a.Currency.Digits(); !ok {
		o.fail("there is no currency %q", string(a.Currency))
	}
	return a
}

// otherAttributes are those that only some dialects understand; the others
// let them pass.
var otherAttributes = []string{"interface", "payment_method", "rows", "paid", "type"}

// attributes reads what a dialect may need, and who pays: nobody that we know
// of where that is said.
func attributes(o *object, into *dialect.Spec) {
	o.text("end_user_id", &into.EndUserID)
	take(o, "single_refund", "true or false", &into.Single)
	for _, name := range otherAttributes {
		if v, ok := o.raw(name); ok {
			into.More[name] = v
		}
	}
	switch v, ok := o.raw("payer"); {
	case ok && isNull(v):
		into.Payer = dialect.Party{}
	case ok:
		into.Payer = payerOf(o, v)
	}
}

func payerOf(o *object, v json.RawMessage) (p dialect.Party) {
	in := read(v)
	var valid bool
	named, known := in.text("name", &p.Name), in.text("iban", &p.Account)
	p.Account, valid = node.IBAN(p.Account)
	switch err := in.done(); {
	case err != nil:
		o.fail("payer: %s", remit.AsError(err).Detail)
	case !named || !known || p.Name == "" || len(p.Name) > textBytesMax:
		o.fail("payer has a name and an iban, or is null")
	case !valid:
		o.fail("payer: that is no IBAN")
	}
	return p
}

// movePayment takes a payment to a state, and has that carried out what
// follows from it.
func (s *Sandbox) movePayment(to remit.PaymentState) func(context.Context, *call) (any, error) {
	return func(ctx context.Context, c *call) (any, error) {
		if err := c.bare(); err != nil {
			return nil, err
		}
		p, err := s.payment(ctx, c.PathValue("external_id"))
		if err != nil {
			return nil, err
		}
		payer := dialect.Party{}
		if p.State == remit.PaymentOpened && p.PayerAccount == "" && to != remit.PaymentFailed {
			payer = demoPayer // the merchant made it, and nobody has named who pays
		}
		if p, err = s.node.MovePayment(ctx, s.head(p.Merchant, "payments/"+string(to)), p.ID, to, payer); err != nil {
			return nil, err
		}
		_, err = s.settle(ctx)
		return s.shown(p), err
	}
}

// payment finds a payment of any merchant by its name in its dialect.
func (s *Sandbox) payment(ctx context.Context, name string) (remit.Payment, error) {
	found, err := s.named(ctx, name)
	switch {
	case err != nil:
		return remit.Payment{}, err
	case len(found) == 0:
		return remit.Payment{}, remit.Errorf(remit.NotFound, "", "there is no payment %q", name)
	case len(found) > 1:
		return remit.Payment{}, remit.Errorf(remit.Conflict, "", "several payments are called %q", name)
	}
	return found[0], nil
}

// named are all merchants' payments of a name, of any of those that are told.
func (s *Sandbox) named(ctx context.Context, name string) ([]remit.Payment, error) {
	scopes := []string{""}
	for _, d := range s.o.Dialects {
		if stager, ok := d.(dialect.Stager); ok {
			_, all := stager.Names(remit.Payment{})
			scopes = append(scopes, slices.Collect(maps.Keys(all))...)
		}
	}
	var refs []store.ExternalRef
	for _, m := range merchants {
		for _, scope := range scopes {
			refs = append(refs, store.ExternalRef{Merchant: m, Name: remit.Name{Scope: scope, Text: name}})
		}
	}
	have, err := s.node.Store.Read(ctx, store.Wants{Externals: refs})
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Values(have.Payments)), nil
}

// openAccount makes the account of a beneficiary known in a dialect that keeps
// such accounts.
func (s *Sandbox) openAccount(ctx context.Context, c *call) (any, error) {
	o := c.object()
	m, in := merchant(o), s.dialectOf(o)
	var p dialect.Party
	if !o.text("iban", &p.Account) || !o.text("holder", &p.Name) || p.Name == "" || len(p.Name) > textBytesMax {
		o.fail("iban and holder are required")
	}
	if err := o.done(); err != nil {
		return nil, err
	}
	registrar, ok := s.node.Dialects[in].(dialect.Registrar)
	if !ok {
		return nil, remit.Errorf(remit.Unsupported, "", "%s has no accounts of beneficiaries", in)
	}
	p.Account, _ = node.IBAN(p.Account) // the dialect says what is wrong with it
	r, err := registrar.Account(p)
	if err != nil {
		return nil, err
	}
	r.Keyed.Dialect = in
	res, err := s.node.Engine.Ask(ctx, m, in, "control:accounts", dialect.Operation{Register: &r})
	if err != nil {
		return nil, err
	}
	return map[string]any{"account_id": res.Beneficiary.ID, "merchant": m}, nil
}
