package trustly

import (
	"remit"
	"remit/dialect"
	"remit/money"
)

// selectAccount lets a person choose an account on a page: an order in which no
// money comes. docs/spec/trustly-eu.md#44-selectaccount--full.
var selectAccount = method{
	params: []string{"Username", "Password", "NotificationURL", "EndUserID", "MessageID", "Attributes"},
	decode: func(c *call) dialect.Operation {
		var f faults
		h := c.hosted(&f)
		f.at(remit.AfterLookup, h.attributes.err)
		return c.order(h, money.Amount{Currency: currencyDefault}, f)
	},
	answer: answerHosted,
	hosted: true,
}
