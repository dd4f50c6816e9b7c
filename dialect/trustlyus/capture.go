package trustlyus

import (
	"strconv"
	"time"

	"remit"
	"remit/dialect"
)

// decodeCapture collects money under an authorization.
// docs/spec/trustly-us.md#92-post-transactionsauthidcapture.
func decodeCapture(c *call) (dialect.Operation, error) {
	return c.under(func(o remit.OpenPayment, a authorization) (remit.OpenPayment, *remit.Error) {
		switch {
		case a.taken(o.OrderReference):
			return o, remit.Errorf(remit.KeyReused, remit.ReasonOrderReference, "the reference was used before")
		case o.Amount.Minor == 0 && a.details.Ceiling == 0:
			return o, invalid("amount", "An amount is required: the authorization has none")
		case o.Amount.Minor == 0:
			o.Amount.Minor = a.left()
		}
		if a.details.Ceiling != 0 && o.Amount.Minor > a.left() || o.Amount.Minor <= 0 {
			return o, remit.Errorf(remit.Exceeds, "", "the authorization has less than this left")
		}
		d := a.child(typeCapture, c.ip())
		o.Details = d.text()
		return o, nil
	})
}

// decodePreauth makes sure of money for some hours. Nothing is collected, and
// the authorization's ceiling does not count it. (D8)
// docs/spec/trustly-us.md#96-others.
func decodePreauth(c *call) (dialect.Operation, error) {
	hours, err := strconv.Atoi(c.body.text("period"))
	bad := err != nil || hours < 1 || hours > preauthHoursMax
	return c.under(func(o remit.OpenPayment, a authorization) (remit.OpenPayment, *remit.Error) {
		switch {
		case bad:
			return o, invalid("period", "The period is a number of hours from 1 to 6")
		case o.Amount.Minor == 0:
			return o, invalid("amount", "An amount is required")
		}
		d := a.child(typePreauth, c.ip())
		o.Expires, o.Attributes.Lapses = time.Duration(hours)*time.Hour, true
		d.Ceiling, d.Expires = o.Amount.Minor, c.r.At.Add(o.Expires).UnixMilli()
		o.Amount.Minor, o.Later, o.Details = 0, true, d.text()
		return o, nil
	})
}

// authorization is what a payer agreed to, with all that was made under it.
type authorization struct {
	payment  remit.Payment
	details  details
	children []remit.Payment
}

// child are the details of what is made under the authorization.
func (a authorization) child(kind int, ip string) details {
	d := a.details
	d.Type, d.Ceiling, d.IP, d.Reference = kind, 0, ip, a.payment.OrderReference
	return d
}

// live are the captures that still count: those that have not failed.
func (a authorization) live(yield func(remit.Payment) bool) {
	for _, p := range a.children {
		if p.State != remit.PaymentFailed && p.State != remit.PaymentCanceled && detailsOf(p.Details).Type == typeCapture && !yield(p) {
			return
		}
	}
}

// left is how much may still be captured, in cents.
func (a authorization) left() int64 {
	return a.details.Ceiling - sumOfLive(a.children) // of a pre-authorization the amount is zero
}

// taken tells whether a capture of this reference has been made. The provider
// looks at all transactions of the merchant; here those of the authorization
// count, pending ones among them, so that a client that sends again collects
// once. (D7) docs/spec/trustly-us.md#10-idempotency.
func (a authorization) taken(reference string) bool {
	for p := range a.live {
		if reference != "" && p.OrderReference == reference {
			return true
		}
	}
	return false
}

// under opens a payment under the authorization that the path names. fit says
// how, once everything is known that was made under it.
func (c *call) under(fit func(remit.OpenPayment, authorization) (remit.OpenPayment, *remit.Error)) (dialect.Operation, error) {
	minor, _, amountFault := sumOf(c.body)
	reference, referenceFault := c.reference()
	if !isPayment(c.id) {
		return c.otherwise(remit.Errorf(remit.Conflict, "", "Transaction is not an authorization"))
	}
	o := remit.OpenPayment{
		Naming: remit.Number, State: remit.PaymentOpened, OrderReference: reference,
		Of: remit.Name{Scope: scopeAuthorization, Text: c.id},
		Fit: func(o remit.OpenPayment, of []remit.Payment) (remit.OpenPayment, *remit.Error) {
			a, fault := authorizationOf(c.id, of)
			for _, x := range []*remit.Error{fault, amountFault, referenceFault} {
				if x != nil {
					return o, x
				}
			}
			switch {
			case reference == "":
				return o, invalid("merchantReference", "A merchantReference is required")
			case a.payment.State != remit.PaymentAuthorized:
				return o, remit.Errorf(remit.Conflict, "", "Transaction is not authorized")
			}
			o.Amount.Currency, o.Names, o.NotificationURL = a.payment.Amount.Currency, a.payment.Names, a.payment.NotificationURL
			return fit(o, a)
		},
	}
	o.Amount.Minor = minor
	return dialect.Operation{Open: &dialect.Open{OpenPayment: o}}, nil
}

// authorizationOf finds the authorization among all that have its name.
func authorizationOf(id string, of []remit.Payment) (a authorization, fault *remit.Error) {
	fault = errNoTransaction
	for _, p := range of {
		d := detailsOf(p.Details)
		if p.ExternalID == id && d.Type == typeAuthorize {
			a.payment, a.details, fault = p, d, nil
		} else {
			a.children = append(a.children, p)
		}
	}
	return a, fault
}
