package trustly

import (
	"strings"
	"time"
	"unicode/utf8"

	"remit"
	"remit/dialect"
)

// uuidRemembered is how long a UUID is bound to its answer. The provider
// publishes no time. (D3)
const uuidRemembered = 30 * 24 * time.Hour

const (
	orderIDDigitsMax  = 19  // what fits 64 bits, in which two clients keep it (D18)
	referenceRunesMax = 255 // of an ExternalReference, in characters (D10)
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
	r := &dialect.Refund{
		Refund: remit.Refund{
			Keyed:       remit.Keyed{Key: strings.ToLower(c.uuid), Form: c.alg.name, Remember: uuidRemembered, RefusalsBind: true},
			WhenOmitted: remit.Refuse, WhenUnfunded: remit.Wait, WhenShort: remit.Refuse, OneWaiting: true,
		},
		Content: c.content(),
	}
	attach := func(s remit.Stage, err *remit.Error) {
		if err != nil {
			r.Faults = append(r.Faults, remit.Fault{Stage: s, Err: err})
		}
	}
	currency, err := currencyOf(c.data.get("Currency"))
	attach(remit.BeforeLookup, err)
	order, given := c.data.get("OrderID").scalar()
	switch {
	case !given || order == "":
		attach(remit.BeforeLookup, remit.Errorf(remit.Invalid, "", "OrderID is required"))
	case !orderID(order):
		attach(remit.AtLookup, remit.Errorf(remit.NotFound, remit.ReasonMalformedID, "OrderID has digits only"))
	default:
		r.Payment.Text = order
	}
	r.Amount, err = amountOf(c.data.get("Amount"), currency)
	attach(remit.AfterLookup, err)
	r.Reference, err = externalReference(c.data.get("Attributes"))
	attach(remit.AfterLookup, err)
	return dialect.Operation{Refund: r}
}

func orderID(s string) bool {
	return len(s) <= orderIDDigitsMax && strings.Trim(s, "0123456789") == ""
}

// externalReference is the one attribute of a refund. Unknown ones are let
// through: new ones may come. docs/spec/trustly-eu.md#41-refund--full.
func externalReference(attributes value) (string, *remit.Error) {
	if attributes.kind != object && attributes.kind != null {
		return "", remit.Errorf(remit.Invalid, "", "Attributes is an object or null")
	}
	v := attributes.get("ExternalReference")
	s, ok := v.scalar()
	if (!ok && v.kind != null) || utf8.RuneCountInString(s) > referenceRunesMax {
		return "", remit.Errorf(remit.Invalid, "", "ExternalReference is a text of at most %d characters", referenceRunesMax)
	}
	return s, nil
}

// answerRefund names the deposit, and not the refund.
func answerRefund(c *call, _ remit.Result) value {
	order, _ := c.data.get("OrderID").scalar()
	return value{kind: object, members: []member{{"orderid", str(order)}, {"result", str("1")}}}
}
