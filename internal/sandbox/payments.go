package sandbox

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"remit"
	"remit/internal/engine"
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
var demoPayer = payer{name: "Demo Payer", account: "FI2112345600000785"}

type payer struct{ name, account string }

// iban is the shape of an IBAN.
var iban = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}$`)

// openPayment makes a payment as if a payer had paid.
func (s *Sandbox) openPayment(ctx context.Context, c *call) (any, error) {
	o := c.object()
	m, in := merchant(o), s.dialectOf(o)
	p := remit.OpenPayment{
		Head: s.head(m, "payments"), Keyed: remit.Keyed{Dialect: in}, Amount: amount(o),
		State: remit.PaymentFunded, NotificationURL: s.inboxURL(m, in),
	}
	p.OrderReference = "order-" + p.ID
	o.text("order_reference", &p.OrderReference)
	if o.text("state", (*string)(&p.State)) && !slices.Contains([]remit.PaymentState{remit.PaymentAuthorized, remit.PaymentFunded, remit.PaymentFailed}, p.State) {
		o.fail("state must be authorized, funded or failed")
	}
	if o.text("notification_url", &p.NotificationURL) && !callable(p.NotificationURL) {
		o.fail("notification_url must be an http or https URL with a host")
	}
	who := &demoPayer
	if a, ok := o.within("attributes"); ok {
		who = attributes(a, &p.Attributes)
		if err := a.done(); err != nil {
			o.fail("attributes: %s", remit.AsError(err).Detail)
		}
	}
	for _, text := range []string{p.OrderReference, p.NotificationURL, p.Attributes.EndUserID} {
		if len(text) > textBytesMax {
			o.fail("a text is longer than %d bytes", textBytesMax)
		}
	}
	if err := o.done(); err != nil {
		return nil, err
	}
	if who != nil {
		if err := s.sealPayer(&p, *who); err != nil {
			return nil, err
		}
	}
	res, err := s.node.Engine.Do(ctx, p)
	if err != nil {
		return nil, err
	}
	_, err = s.settle(ctx)
	return shown(*res.Payment), err
}

// shown is a payment as the control API answers it.
func shown(p remit.Payment) any {
	return map[string]any{
		"payment_id": p.ID, "external_id": p.ExternalID, "external_ids": map[string]string{p.Dialect: p.ExternalID},
		"merchant": p.Merchant, "state": p.State,
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

func callable(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// otherAttributes have a meaning in dialects that are not all spoken here
// yet; a payment of any other lets them pass.
var otherAttributes = []string{"interface", "payment_method", "rows", "paid", "type"}

// attributes reads what a dialect may need, and who pays: nil where that is
// said to be unknown.
func attributes(o *object, into *remit.PaymentAttributes) *payer {
	o.text("end_user_id", &into.EndUserID)
	take(o, "single_refund", "true or false", &into.SingleRefund)
	for _, name := range otherAttributes {
		o.raw(name)
	}
	v, ok := o.raw("payer")
	switch {
	case !ok:
		return &demoPayer
	case isNull(v):
		return nil
	}
	return payerOf(o, v)
}

func payerOf(o *object, v json.RawMessage) *payer {
	var p payer
	in := read(v)
	named, known := in.text("name", &p.name), in.text("iban", &p.account)
	p.account = strings.ToUpper(strings.ReplaceAll(p.account, " ", ""))
	switch err := in.done(); {
	case err != nil:
		o.fail("payer: %s", remit.AsError(err).Detail)
	case !named || !known || p.name == "" || len(p.name) > textBytesMax:
		o.fail("payer has a name and an iban, or is null")
	case !iban.MatchString(p.account):
		o.fail("payer: that is no IBAN")
	}
	return &p
}

func (s *Sandbox) sealPayer(p *remit.OpenPayment, who payer) (err error) {
	bind := engine.AccountBinding(p.Merchant)
	if p.PayerAccount, err = s.node.Vault.Seal(who.account, bind); err != nil {
		return err
	}
	p.PayerName, err = s.node.Vault.Seal(who.name, bind)
	return err
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
		res, err := s.node.Engine.Do(ctx, remit.MovePayment{Head: s.head(p.Merchant, "payments/"+string(to)), Payment: p.ID, To: to})
		if err != nil {
			return nil, err
		}
		_, err = s.settle(ctx)
		return shown(*res.Payment), err
	}
}

// payment finds a payment of any merchant by its name in its dialect.
func (s *Sandbox) payment(ctx context.Context, name string) (p remit.Payment, err error) {
	var refs []store.ExternalRef
	for _, m := range merchants {
		refs = append(refs, store.ExternalRef{Merchant: m, Name: remit.Name{Text: name}})
	}
	have, err := s.node.Store.Read(ctx, store.Wants{Externals: refs})
	if err != nil {
		return p, err
	}
	found := 0
	for _, ref := range refs {
		for _, id := range have.Names[ref] {
			p = have.Payments[store.PaymentRef{Merchant: ref.Merchant, ID: id}]
			found++
		}
	}
	switch found {
	case 0:
		return p, remit.Errorf(remit.NotFound, "", "there is no payment %q", name)
	case 1:
		return p, nil
	}
	return p, remit.Errorf(remit.Conflict, "", "two merchants have a payment %q", name)
}

// openAccount would make a beneficiary's account. No dialect that is spoken
// can pay one out yet.
func (s *Sandbox) openAccount(_ context.Context, c *call) (any, error) {
	o := c.object()
	merchant(o)
	in := s.dialectOf(o)
	var account, holder string
	if !o.text("iban", &account) || !o.text("holder", &holder) {
		o.fail("iban and holder are required")
	}
	if err := o.done(); err != nil {
		return nil, err
	}
	return nil, remit.Errorf(remit.Unsupported, "", "%s cannot pay out to an account here: only refunds leave", in)
}
