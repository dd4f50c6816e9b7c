package trustly

import (
	"remit"
	"remit/dialect"
	"remit/money"
)

// balance is what the merchant can use, by currency.
// docs/spec/trustly-eu.md#46-balance, D24.
var balance = method{
	params: []string{"Username", "Password"},
	decode: func(*call) dialect.Operation { return dialect.Operation{Query: &dialect.Query{Balances: true}} },
	answer: answerBalance,
}

// answerBalance tells what is available: what was accepted to be paid out is
// not the merchant's to use any more. It has two decimals in every currency.
func answerBalance(_ *call, r remit.Result) (value, *remit.Error) {
	list := value{kind: array}
	for _, b := range r.Balances {
		if _, known := decimals[b.Currency]; !known {
			continue // of another API
		}
		list.add(member{"currency", str(string(b.Currency))}, member{"balance", str(money.Amount{Minor: b.AvailableMinor, Currency: b.Currency}.Major())})
	}
	return list, nil
}

// add puts an object at the end of a list.
func (v *value) add(members ...member) {
	v.members = append(v.members, member{value: value{kind: object, members: members}})
}
