package trustly

import (
	"remit/dialect"
)

// registerAccountPayout pays out to an account that comes with the request.
// docs/spec/trustly-eu.md#410-one-line-methods.
var registerAccountPayout = method{
	params: []string{"Username", "Password", "NotificationURL", "EndUserID", "MessageID", "Amount", "Currency",
		"ClearingHouse", "BankNumber", "AccountNumber", "Firstname", "Lastname", "Attributes"},
	decode: func(c *call) dialect.Operation {
		var f faults
		p := c.payout(&f)
		account, holder := c.bankAccount(&f)
		c.payoutAmount(p, &f)
		c.payoutAttributes(p, &f, details{})
		p.Payee = dialect.Party{Account: account.local() + account.number, Name: holder}
		p.Faults = f
		return dialect.Operation{Payout: p}
	},
	answer: answerPayout,
}
