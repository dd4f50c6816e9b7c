package trustlyus

import (
	"remit"
	"remit/dialect"
)

// decodeCancel calls a transaction back that has not been processed, or voids
// an authorization: what was captured under it stays.
// docs/spec/trustly-us.md#93-post-transactionsidcancel.
func decodeCancel(c *call) (dialect.Operation, error) {
	if _, fault := c.textOf("message", messageRunesMax); fault != nil {
		return dialect.Operation{}, fault
	}
	switch {
	case isPayment(c.id):
		m := remit.MovePayment{Name: remit.Name{Text: c.id}, To: remit.PaymentCanceled}
		return dialect.Operation{Move: &dialect.Move{MovePayment: m}}, nil
	case isDisbursement(c.id):
		return dialect.Operation{Cancel: &remit.Cancel{Disbursed: c.id, Reason: remit.ReasonAborted}}, nil
	}
	return dialect.Operation{}, errNoTransaction
}
