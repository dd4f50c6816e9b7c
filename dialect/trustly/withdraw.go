package trustly

import (
	"remit"
	"remit/dialect"
	"remit/money"
)

// withdraw lets a person say on a page how much is to be paid out, and where
// to. The merchant is then asked by a debit, and approves or denies it.
// docs/spec/trustly-eu.md#410-one-line-methods, D30.
var withdraw = method{
	params: []string{"Username", "Password", "NotificationURL", "EndUserID", "MessageID", "Currency", "Attributes"},
	decode: decodeWithdraw,
	answer: answerHosted,
	hosted: true,
}

func decodeWithdraw(c *call) dialect.Operation {
	var f faults
	h := c.hosted(&f)
	currency, err := currencyOf(c.data.get("Currency"))
	f.at(remit.BeforeLookup, err)
	suggested := h.attributes.amount("SuggestedAmount", currency)
	low, high := h.attributes.amount("SuggestedMinAmount", currency), h.attributes.amount("SuggestedMaxAmount", currency)
	h.details.Suggested, h.details.Min, h.details.Max = suggested.text, low.text, high.text
	for _, a := range []sum{suggested, low, high} {
		f.at(remit.AfterLookup, a.err)
	}
	h.attributes.person("SenderInformation")
	f.at(remit.AfterLookup, h.attributes.err)
	return c.order(h, money.Amount{Currency: currency}, f)
}

// withdrawn completes a payout with what the order says of it.
func withdrawn(p remit.Payout, order remit.Payment) (remit.Payout, *remit.Error) {
	d := detailsOf(order.Details)
	if order.Dialect != Name || d.Method != methodWithdraw {
		return p, remit.Errorf(remit.NotFound, "", "there is no such order")
	}
	if err := d.within(p.Amount); err != nil {
		return p, err
	}
	p.NotificationURL, p.OrderReference, p.EndUser = order.NotificationURL, order.OrderReference, order.Attributes.EndUserID
	p.Details = details{Method: methodWithdraw, EndUser: p.EndUser, Reference: d.Reference}.String()
	return p, nil
}

// approveWithdrawal and denyWithdrawal are the merchant's word on a withdrawal
// that waits for it.
var (
	approveWithdrawal = method{
		params: paramsWord, words: wordsNotFound, answer: answerWord,
		decode: func(c *call) dialect.Operation {
			return c.word(func(order string) dialect.Operation {
				return dialect.Operation{Proceed: &dialect.Proceed{
					Proceed: remit.Proceed{Keyed: c.keyed(), Disbursed: order, Judge: isWithdrawal},
				}}
			})
		},
	}
	denyWithdrawal = method{
		params: paramsWord, words: wordsNotFound, answer: answerWord,
		decode: func(c *call) dialect.Operation {
			return c.word(func(order string) dialect.Operation {
				judge := func(d remit.Disbursement, _ *remit.Payment) *remit.Error { return waitsForWord(d) }
				return dialect.Operation{Cancel: &remit.Cancel{Keyed: c.keyed(), Disbursed: order, Reason: reasonDenied, Judge: judge}}
			})
		},
	}
	paramsWord = []string{"Username", "Password", "OrderID", "Attributes"}
	// The name is known, its number is not. (D30)
	wordsNotFound = map[fault]problem{{remit.NotFound, ""}: {"618", "ERROR_NOT_FOUND"}}
)

// word reads the order that the merchant speaks of.
func (c *call) word(about func(order string) dialect.Operation) dialect.Operation {
	var f faults
	order := c.number("OrderID", &f)
	if err := f.first(); err != nil {
		return c.refuse(err) // there is nothing to look up
	}
	op := about(order)
	op.Content = string(c.content())
	return op
}

// isWithdrawal keeps the merchant's word from any other disbursement that
// waits.
func isWithdrawal(d remit.Disbursement) *remit.Error {
	if detailsOf(d.Details).Method != methodWithdraw {
		return remit.Errorf(remit.NotFound, "", "there is no such withdrawal")
	}
	return nil
}

// waitsForWord tells whether a withdrawal can still be denied: it was neither
// approved nor denied.
func waitsForWord(d remit.Disbursement) *remit.Error {
	if err := isWithdrawal(d); err != nil {
		return err
	}
	if d.State != remit.Waiting {
		return remit.Errorf(remit.Conflict, remit.ReasonTerminal, "the withdrawal was approved")
	}
	return nil
}

func answerWord(c *call, _ remit.Result) (value, *remit.Error) {
	order, _ := c.data.get("OrderID").scalar()
	return value{kind: object, members: []member{{"orderid", str(order)}, {"result", str("1")}}}, nil
}

// configWithdrawals is a merchant's setting: "automatic" takes OK to a debit
// for an approval.
const configWithdrawals = Name + ".withdrawals"

// Heard is what the merchant's answer to a debit asks: FAILED, that nothing is
// paid out. docs/spec/trustly-eu.md#55-retry-duplicates-order.
func (Dialect) Heard(n remit.Notice, r dialect.Reply, who dialect.Caller) dialect.Operation {
	switch n.Kind {
	case noticeKYC:
		return identified(n, r)
	case noticeDebit:
	default:
		return dialect.Operation{}
	}
	frozen, _ := parse([]byte(n.Content)) // it was acknowledged, so it can be read
	reply, _ := parse(r.Body)
	order := frozen.get("data").get("orderid").text
	switch status := reply.get("result").get("data").get("status").text; {
	case status == "FAILED":
		judge := func(d remit.Disbursement, _ *remit.Payment) *remit.Error { return waitsForWord(d) }
		return dialect.Operation{Cancel: &remit.Cancel{Disbursed: order, Reason: reasonNotDebited, Judge: judge}}
	case who.Settings.Config[configWithdrawals] == "automatic":
		return dialect.Operation{Proceed: &dialect.Proceed{Proceed: remit.Proceed{Disbursed: order, Judge: isWithdrawal}}}
	}
	return dialect.Operation{}
}

// identified is what the merchant's answer to kyc asks: FINISH, that the deposit
// ends; any other, that it goes on to where the payer's bank takes it. (D32)
func identified(n remit.Notice, r dialect.Reply) dialect.Operation {
	frozen, _ := parse([]byte(n.Content)) // it was acknowledged, so it can be read
	reply, _ := parse(r.Body)
	to := remit.PaymentState(frozen.get("leads").text)
	if to == "" {
		return dialect.Operation{} // nobody could say who it is, and it has ended
	}
	if reply.get("result").get("data").get("status").text == statusFinish {
		to = remit.PaymentCanceled
	}
	asked := func(p remit.Payment) (string, *remit.Error) {
		if p.State != remit.PaymentOpened {
			return "", remit.Errorf(remit.Conflict, remit.ReasonTerminal, "the deposit is over already")
		}
		return p.Details, nil
	}
	return dialect.Operation{Move: &dialect.Move{MovePayment: remit.MovePayment{
		Name: remit.Name{Text: frozen.get("data").get("orderid").text}, To: to, Amend: asked,
	}}}
}

var _ dialect.Listener = Dialect{}
