package trustly

import (
	"remit"
	"remit/dialect"
)

// accountPayout pays out to an account that is known by its number.
// docs/spec/trustly-eu.md#42-accountpayout--full.
var accountPayout = method{
	params: []string{"Username", "Password", "NotificationURL", "AccountID", "EndUserID", "MessageID", "Amount", "Currency", "Attributes"},
	decode: decodeAccountPayout,
	answer: answerPayout,
}

// scopeAccount holds the numbers by which payers' accounts can be paid, beside
// those that merchants have registered.
const scopeAccount = "account"

// decodeAccountPayout attaches what is wrong with the data to the stage at
// which the provider complains of it. docs/spec/trustly-eu.md#62-order-of-checks, D20.
func decodeAccountPayout(c *call) dialect.Operation {
	var f faults
	p := c.payout(&f)
	account := c.number("AccountID", &f)
	if account != "" {
		p.Beneficiary, p.Payer, p.Judge = remit.BeneficiaryID(account), remit.Name{Scope: scopeAccount, Text: account}, isChosen
	}
	c.payoutAmount(p, &f)
	c.payoutAttributes(p, &f, details{Account: account})
	p.Faults = f
	return dialect.Operation{Payout: p}
}

// isChosen keeps payouts from an order in which no account was chosen yet.
func isChosen(of remit.Payment) *remit.Error {
	if of.PayerAccount == "" {
		return remit.Errorf(remit.NotFound, remit.ReasonBeneficiary, "there is no such account")
	}
	return nil
}

// payout reads what all methods have in common that pay out.
func (c *call) payout(f *faults) *dialect.Payout {
	t := c.terms(f)
	return &dialect.Payout{
		Payout: remit.Payout{
			Keyed: c.keyed(), Naming: remit.Number, NotificationURL: t.notify, OrderReference: t.message, OrderOnce: true,
			EndUser: t.endUser, WhenShort: remit.FailLater,
		},
		Content: c.content(),
	}
}

// payoutAmount reads the amount. 622 is not among the errors of these methods:
// a currency that is none is 623.
func (c *call) payoutAmount(p *dialect.Payout, f *faults) {
	currency, err := currencyOf(c.data.get("Currency"))
	if err != nil {
		err = remit.Errorf(remit.Invalid, "", "%s", err.Detail)
	}
	f.at(remit.BeforeLookup, err)
	p.Amount, err = amountOf(c.data.get("Amount"), currency)
	f.at(remit.AfterLookup, err)
}

// payoutAttributes reads what the payee will see, and who stands behind it,
// and completes the details.
func (c *call) payoutAttributes(p *dialect.Payout, f *faults, d details) {
	a := c.attributes()
	p.Reference = a.text("ShopperStatement")
	d.EndUser, d.Reference = p.EndUser, a.text("ExternalReference")
	p.Details = d.String()
	a.partner()
	a.person("SenderInformation")
	f.at(remit.AfterLookup, a.err)
}

// answerPayout names the payout. That the balance was too low for it is no
// error here: a credit tells of it. docs/spec/trustly-eu.md#7-semantics.
func answerPayout(_ *call, r remit.Result) (value, *remit.Error) {
	var order string
	if r.Disbursement != nil {
		order = r.Disbursement.ExternalID
	}
	return value{kind: object, members: []member{{"orderid", str(order)}, {"result", str("1")}}}, nil
}
