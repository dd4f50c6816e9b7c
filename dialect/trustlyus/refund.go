package trustlyus

import (
	"cmp"

	"remit"
	"remit/dialect"
)

// A transaction's id tells by its form what it is: ten digits are a payment's,
// twelve a disbursement's. (D2)
const (
	paymentDigits      = 10
	disbursementDigits = 12
)

// isPayment tells whether an id can be a payment's.
func isPayment(id string) bool { return digits(id, paymentDigits) }

// isDisbursement tells whether an id can be a refund's or a deposit's.
func isDisbursement(id string) bool { return digits(id, disbursementDigits) }

func digits(id string, n int) bool {
	if len(id) != n {
		return false
	}
	for _, c := range []byte(id) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// errNoTransaction is the answer to an id that is nobody's.
var errNoTransaction = remit.Errorf(remit.NotFound, remit.ReasonMalformedID, "there is no such transaction")

// errType is the answer to what cannot be refunded.
// docs/spec/trustly-us.md#41-transactiontype-nestintoa.
var errType = remit.Errorf(remit.Conflict, "", "Transaction type cannot be refunded")

// decodeRefund gives back all or part of a capture or an instant payment. The
// questions come in the order of
// docs/spec/trustly-us.md#36-validation-order-and-errors-codes-from-d-err-the-mapping-to-refund-faults-is-assumption-unless-marked:
// the transaction before its amount, the amount before the type.
func decodeRefund(c *call) (dialect.Operation, error) {
	minor, given, amountFault := sumOf(c.body)
	reference, referenceFault := c.reference()
	r := remit.Refund{
		Naming: remit.LongNumber, Payment: remit.Name{Text: c.id}, Omitted: !given, Reference: reference,
		Details:     details{Type: typeRefund, IP: c.ip()}.text(),
		WhenOmitted: remit.TakeLeft, WhenUnfunded: remit.Refuse, WhenShort: remit.Refuse, Shielded: true,
		Judge: func(p remit.Payment) *remit.Error {
			switch d := detailsOf(p.Details); {
			case amountFault != nil:
				return amountFault
			case referenceFault != nil:
				return referenceFault
			case d.Type != typePay && d.Type != typeCapture:
				return errType
			case p.State != remit.PaymentFunded:
				return remit.Errorf(remit.Conflict, remit.ReasonNotFunded, msgNotComplete)
			}
			return nil
		},
	}
	r.Amount.Minor = minor
	if !isPayment(c.id) {
		return c.otherwise(cmp.Or(amountFault, referenceFault, errType))
	}
	return dialect.Operation{Refund: &dialect.Refund{Refund: r}}, nil
}

// otherwise is asked where the id is no payment's: a disbursement's is
// refused for a reason of its own, if it is there.
func (c *call) otherwise(fault *remit.Error) (dialect.Operation, error) {
	if !isDisbursement(c.id) {
		return dialect.Operation{}, errNoTransaction
	}
	c.verdict = fault
	return dialect.Operation{Query: &dialect.Query{Disbursement: c.id}}, nil
}
