package trustly

import (
	"time"

	"remit"
	"remit/dialect"
	"remit/money"
)

// charge takes money from an account whose holder lets the merchant do so. A
// refusal that is the account's is a result, not an error.
// docs/spec/trustly-eu.md#410-one-line-methods, D31.
var charge = method{
	params: []string{"Username", "Password", "AccountID", "NotificationURL", "EndUserID", "MessageID", "Amount", "Currency", "Attributes"},
	decode: decodeCharge,
	answer: func(_ *call, r remit.Result) (value, *remit.Error) {
		var order string
		if r.Payment != nil {
			order = r.Payment.ExternalID
		}
		return value{kind: object, members: []member{{"result", str("1")}, {"orderid", str(order)}, {"rejected", str("")}}}, nil
	},
	rejects: map[fault]string{
		{remit.NotFound, remit.ReasonBeneficiary}: "ERROR_ACCOUNT_NOT_FOUND",
		{remit.Forbidden, reasonMandate}:          "ERROR_MANDATE_NOT_FOUND",
	},
	rejected: func(why string) value {
		return value{kind: object, members: []member{{"result", str("0")}, {"orderid", str("")}, {"rejected", str(why)}}}
	},
	hosted: true,
}

func decodeCharge(c *call) dialect.Operation {
	var f faults
	t := c.terms(&f)
	currency, err := currencyOf(c.data.get("Currency"))
	f.at(remit.BeforeLookup, err)
	account := c.number("AccountID", &f)
	amount, err := amountOf(c.data.get("Amount"), currency)
	f.at(remit.AfterLookup, err)
	a := c.attributes()
	d := details{Method: methodCharge, EndUser: t.endUser, Reference: a.text("ExternalReference"), Due: a.date("PaymentDate")}
	a.text("ShopperStatement")
	a.partner()
	f.at(remit.AfterLookup, a.err)
	return dialect.Operation{Open: &dialect.Open{
		OpenPayment: remit.OpenPayment{
			Keyed: c.keyed(), Naming: remit.Number, Amount: money.Amount{Minor: amount.Minor, Currency: currency}, State: remit.PaymentAuthorized,
			NotificationURL: t.notify, OrderReference: t.message, OrderOnce: true, EndUser: t.endUser,
			Attributes: remit.PaymentAttributes{EndUserID: t.endUser}, Details: d.String(),
			Of: remit.Name{Scope: scopeAccount, Text: account}, Judge: letsCharge, Faults: f,
		},
		Content: c.content(),
	}}
}

// date reads a date that may be absent.
func (a *attributes) date(name string) string {
	s := a.text(name)
	if _, err := time.Parse(time.DateOnly, s); s != "" && err != nil {
		a.refuse(reasonAttribute, "%s is YYYY-MM-DD", name)
	}
	return s
}

// letsCharge asks for the mandate that the holder has given where the account
// was chosen.
func letsCharge(of remit.Payment) *remit.Error {
	if detailsOf(of.Details).Mandate != "1" {
		return remit.Errorf(remit.Forbidden, reasonMandate, "the holder of the account has given no mandate")
	}
	return nil
}

// cancelCharge takes a charge back whose day has not come: until 18:00 UTC of
// the day before. (D31)
var cancelCharge = method{
	params: []string{"Username", "Password", "OrderID"},
	decode: func(c *call) dialect.Operation {
		var f faults
		order := c.number("OrderID", &f)
		if err := f.first(); err != nil {
			return c.refuse(err) // there is nothing to look up
		}
		return dialect.Operation{Move: &dialect.Move{
			MovePayment: remit.MovePayment{Keyed: c.keyed(), Name: remit.Name{Text: order}, To: remit.PaymentCanceled, Amend: canBeTakenBack(c.request.At)},
			Content:     c.content(),
		}}
	},
	answer: func(*call, remit.Result) (value, *remit.Error) {
		return value{kind: object, members: []member{{"result", str("1")}, {"rejected", str("")}}}, nil
	},
	rejects: map[fault]string{{remit.Conflict, remit.ReasonTerminal}: "ERROR_UNKNOWN"},
	rejected: func(why string) value {
		return value{kind: object, members: []member{{"result", str("0")}, {"rejected", str(why)}}}
	},
}

// lastHour is when a charge can be taken back for the last time: before the
// beginning of its day.
const lastHour = 6 * time.Hour

func canBeTakenBack(now time.Time) func(remit.Payment) (string, *remit.Error) {
	return func(p remit.Payment) (string, *remit.Error) {
		d := detailsOf(p.Details)
		if d.Method != methodCharge {
			return "", remit.Errorf(remit.NotFound, "", "there is no such charge")
		}
		day, err := time.Parse(time.DateOnly, d.Due)
		if err != nil || !now.Before(day.Add(-lastHour)) {
			return "", remit.Errorf(remit.Conflict, remit.ReasonTerminal, "it is too late")
		}
		return p.Details, nil
	}
}
