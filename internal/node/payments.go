package node

import (
	"context"
	"math/big"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"remit"
	"remit/dialect"
	"remit/store"
)

// iban is the shape of an IBAN.
var iban = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}$`)

// IBAN is an account number as it is kept: without spaces, in capitals.
// False means that it is none.
func IBAN(text string) (string, bool) {
	text = strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	return text, iban.MatchString(text)
}

// Payer is who paid, as somebody has typed it: an IBAN whose check digits hold,
// and its holder's name, both, or neither.
func Payer(account, holder string) (p dialect.Party, err error) {
	if account == "" && holder == "" {
		return p, nil
	}
	p.Account, _ = IBAN(account)
	p.Name = holder
	switch {
	case account == "" || holder == "":
		return p, remit.Errorf(remit.Invalid, "", "who paid is an IBAN and its holder's name, both")
	case !checks(p.Account):
		return p, remit.Errorf(remit.Invalid, "", "that is no IBAN: its check digits do not hold")
	case strings.ContainsFunc(holder, unicode.IsControl):
		return p, remit.Errorf(remit.Invalid, "", "the holder's name has a control character")
	}
	return p, nil
}

// checks tells whether an IBAN's check digits hold: ISO 13616, modulo 97 over
// its letters as two digits each, with its first four characters last.
func checks(account string) bool {
	if !iban.MatchString(account) {
		return false
	}
	var digits strings.Builder
	for _, c := range account[4:] + account[:4] {
		value, _ := strconv.ParseInt(string(c), 36, 64)
		digits.WriteString(strconv.FormatInt(value, 10))
	}
	n, ok := new(big.Int).SetString(digits.String(), 10)
	return ok && n.Mod(n, big.NewInt(97)).Int64() == 1
}

// Callable tells whether a text is a URL at which somebody can be told.
func Callable(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// RecordPayment makes a payment of a dialect known that did not come through
// its API: refunds can be made of it. Conflict means that the merchant has
// one of that name already, Unsupported that the dialect has no payments,
// Invalid that something is wrong with what is said of it.
func (r Registrar) RecordPayment(ctx context.Context, h remit.Head, in string, spec dialect.Spec) (remit.Payment, error) {
	o, err := r.staged(in, spec)
	if err != nil {
		return remit.Payment{}, err
	}
	o.Head = h
	return r.Engine.Record(ctx, o, spec.Payer)
}

// Recordable says what is wrong with a payment that would be recorded: what
// can be said without looking at the merchant.
func (r Registrar) Recordable(in string, spec dialect.Spec) error {
	_, err := r.staged(in, spec)
	return err
}

func (r Registrar) staged(in string, spec dialect.Spec) (o remit.OpenPayment, err error) {
	stager, ok := r.Directory.Dialect(in).(dialect.Stager)
	if !ok {
		return o, remit.Errorf(remit.Unsupported, "", "%q has no payments that can be made here", in)
	}
	if o, err = stager.Stage(spec); err != nil {
		return o, err
	}
	if spec.ExternalID != "" && !o.Naming.Fits(spec.ExternalID) {
		return o, remit.Errorf(remit.Invalid, "", "%q is no name of a payment of %s", spec.ExternalID, in)
	}
	o.Keyed.Dialect, o.ExternalID = in, spec.ExternalID
	return o, nil
}

// MovePayment takes a payment to a state: it is known now that its money has
// come, or never will, or was taken back. A payer is kept where one is given.
// NotFound means that there is no such payment, Conflict that it cannot go
// there.
func (r Registrar) MovePayment(ctx context.Context, h remit.Head, p remit.PaymentID, to remit.PaymentState, payer dialect.Party) (remit.Payment, error) {
	return r.Engine.Move(ctx, remit.MovePayment{Head: h, Payment: p, To: to}, payer)
}

// Named is a merchant's payment of a name of scope "".
func Named(ctx context.Context, s store.Store, m remit.MerchantID, name string) (p remit.Payment, ok bool, err error) {
	ref := store.ExternalRef{Merchant: m, Name: remit.Name{Text: name}}
	have, err := s.Read(ctx, store.Wants{Externals: []store.ExternalRef{ref}})
	if err != nil || len(have.Names[ref]) == 0 {
		return p, false, err
	}
	p, ok = have.Payments[store.PaymentRef{Merchant: m, ID: have.Names[ref][0]}]
	return p, ok, nil
}
