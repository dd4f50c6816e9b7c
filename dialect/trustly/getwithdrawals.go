package trustly

import (
	"fmt"
	"time"

	"remit"
	"remit/dialect"
)

// getWithdrawals lists what became of a payout, or of the refunds of a
// deposit. An order that is not there has none: that is no error.
// docs/spec/trustly-eu.md#49-getwithdrawals.
var getWithdrawals = method{
	params: []string{"Username", "Password", "OrderID"},
	decode: func(c *call) dialect.Operation {
		var f faults
		order := c.number("OrderID", &f)
		return dialect.Operation{Query: &dialect.Query{
			Payment: remit.Name{Text: order}, Refunds: true, Disbursement: order, Fault: f.first(),
		}}
	},
	answer: answerGetWithdrawals,
}

// transferStates are the provider's words for where money stands on its way
// out. docs/spec/trustly-eu.md#49-getwithdrawals.
var transferStates = map[remit.State]string{
	remit.Waiting: "QUEUED", remit.Accepted: "PREPARED", remit.Sent: "EXECUTING", remit.Settled: "CONFIRMED",
	remit.Failed: "FAILED", remit.Canceled: "ERROR", remit.Returned: "RETURNED",
}

// answerGetWithdrawals has nine members in each row, and no null among them.
// docs/spec/trustly-eu.md#8-traps J1, T1.
func answerGetWithdrawals(c *call, r remit.Result) (value, *remit.Error) {
	order, _ := c.data.get("OrderID").scalar()
	list := value{kind: array}
	for _, d := range r.Disbursements {
		state := transferStates[d.State]
		if d.WaitingFor == remit.WaitApproval {
			state = "PENDING"
		}
		list.add(
			member{"reference", str(reference(d))}, member{"modificationdate", str(at(d.Updated))}, member{"orderid", str(order)},
			member{"datestamp", str(at(d.Created))}, member{"transferstate", str(state)}, member{"amount", str(amountText(d.Amount))},
			member{"accountid", str(detailsOf(d.Details).Account)}, member{"currency", str(string(d.Amount.Currency))}, member{"eta", str("")},
		)
	}
	return list, nil
}

// reference is ten digits for one transfer: a payout's own number, or, of a
// refund, which has none, that of the event that promised its money.
func reference(d remit.Disbursement) string {
	work, held := d.SendWork()
	if d.ExternalID != "" || !held {
		return d.ExternalID
	}
	return fmt.Sprintf("5%09d", work.Seq)
}

// at writes a time as the API does, in UTC.
func at(t time.Time) string { return t.UTC().Format(timestampLayout) }
