package trustly

import (
	"unicode/utf8"

	"remit"
	"remit/dialect"
)

// refund gives back all or part of a deposit. docs/spec/trustly-eu.md#41-refund--full.
var refund = method{
	params: []string{"Username", "Password", "OrderID", "Amount", "Currency", "Attributes"},
	decode: decodeRefund,
	answer: answerRefund,
}

// decodeRefund attaches what is wrong with the data to the stage at which the
// provider complains of it. docs/spec/trustly-eu.md#62-order-of-checks, D11.
func decodeRefund(c *call) dialect.Operation {
	var f faults
	r := &dialect.Refund{
		Refund: remit.Refund{
			Keyed:       c.keyed(),
			WhenOmitted: remit.Refuse, WhenUnfunded: remit.Wait, WhenShort: remit.Refuse, OneWaiting: true, Judge: isDeposit,
		},
		Content: c.content(),
	}
	currency, err := currencyOf(c.data.get("Currency"))
	f.at(remit.BeforeLookup, err)
	r.Payment.Text = c.number("OrderID", &f)
	r.Amount, err = amountOf(c.data.get("Amount"), currency)
	f.at(remit.AfterLookup, err)
	r.Reference, err = externalReference(c.data.get("Attributes"))
	f.at(remit.AfterLookup, err)
	r.Faults = f
	return dialect.Operation{Refund: r}
}

// isDeposit keeps refunds from orders in which no money comes.
func isDeposit(p remit.Payment) *remit.Error {
	if m := detailsOf(p.Details).Method; m == methodSelectAccount || m == methodWithdraw {
		return remit.Errorf(remit.NotFound, "", "there is no such deposit")
	}
	return nil
}

// externalReference is the one attribute of a refund. (D10) Unknown ones are let
// through: new ones may come. docs/spec/trustly-eu.md#41-refund--full.
func externalReference(attributes value) (string, *remit.Error) {
	if attributes.kind != object && attributes.kind != null {
		return "", remit.Errorf(remit.Invalid, "", "Attributes is an object or null")
	}
	v := attributes.get("ExternalReference")
	s, ok := v.scalar()
	if (!ok && v.kind != null) || utf8.RuneCountInString(s) > textRunesMax {
		return "", remit.Errorf(remit.Invalid, "", "ExternalReference is a text of at most %d characters", textRunesMax)
	}
	return s, nil
}

// answerRefund names the deposit, and not the refund.
func answerRefund(c *call, _ remit.Result) (value, *remit.Error) {
	order, _ := c.data.get("OrderID").scalar()
	return value{kind: object, members: []member{{"orderid", str(order)}, {"result", str("1")}}}, nil
}
