package trustly

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/dialect"
	"remit/money"
)

// reportMax is how many movements one answer lists at most. Of a time with
// more there is no report, rather than half of one.
const reportMax = 200_000

// accountLedger lists what has changed the merchant's balance.
// docs/spec/trustly-eu.md#47-accountledger, D25.
var accountLedger = method{
	params: []string{"Username", "Password", "FromDate", "ToDate", "Currency"},
	decode: func(c *call) dialect.Operation {
		var f faults
		q := dialect.Query{Entries: true, Proved: true, Max: reportMax, From: c.date("FromDate", &f), To: c.date("ToDate", &f), Currency: c.anyCurrency(&f)}
		q.Fault = f.first()
		return dialect.Operation{Query: &q}
	},
	answer: answerAccountLedger,
}

// date reads a date. Clients write a time behind it, and not always a correct
// one: it does not count.
func (c *call) date(name string, f *faults) time.Time {
	s := c.data.get(name).text
	day, err := time.Parse(time.DateOnly, s[:min(len(s), len(time.DateOnly))])
	if err != nil {
		f.at(remit.BeforeLookup, remit.Errorf(remit.Invalid, "", "%s is a date, YYYY-MM-DD", name))
	}
	return day
}

// anyCurrency reads a currency; null is every one.
func (c *call) anyCurrency(f *faults) money.Currency {
	v := c.data.get("Currency")
	if v.kind == null || (v.kind == text && v.text == "") {
		return ""
	}
	currency, err := currencyOf(v)
	f.at(remit.BeforeLookup, err)
	return currency
}

func answerAccountLedger(c *call, r remit.Result) (value, *remit.Error) {
	username, _ := c.data.get("Username").scalar()
	moves, err := movements(r)
	list := value{kind: array}
	for _, m := range moves {
		list.add(
			member{"userid", str(username)}, member{"datestamp", str(at(m.At))}, member{"orderid", str(m.order)},
			member{"accountname", str(m.from)}, member{"messageid", str(m.message)}, member{"transactiontype", str(m.kind)},
			member{"currency", str(string(m.Amount.Currency))}, member{"amount", str(m.text)}, member{"gluepayid", str(strconv.FormatInt(m.Seq, 10))},
		)
	}
	return list, err
}

// movement is one change of the merchant's balance, in the provider's words.
type movement struct {
	remit.Entry
	kind      string // an order type of the settlement report
	from      string // the account that it came from or went to
	order     string
	message   string
	reference string // ExternalReference
	text      string // the amount, below zero where money went out
}

// The provider's names of accounts that money comes from and goes to.
// docs/spec/trustly-eu.md#47-accountledger.
const (
	accountClients = "SUSPENSE_ACCOUNT_CLIENT_FUNDS"
	accountQueued  = "BANK_WITHDRAWAL_QUEUED"
)

// movements puts a report into the provider's words. It refuses one of which
// the movements, as they will be shown, do not lead from the balances at the
// beginning to those at the end.
func movements(r remit.Result) ([]movement, *remit.Error) {
	left := map[money.Currency]int64{}
	for _, b := range r.Opening {
		left[b.Currency] += b.Minor
	}
	for _, b := range r.Closing {
		left[b.Currency] -= b.Minor
	}
	var all []movement
	for _, e := range r.Entries {
		m := describe(e)
		shown, err := money.ParseMajor(strings.TrimPrefix(m.text, "-"), e.Amount.Currency)
		if err != nil {
			return nil, &remit.Error{Code: remit.Internal, Detail: "internal error", Err: err}
		}
		if strings.HasPrefix(m.text, "-") {
			shown.Minor = -shown.Minor
		}
		left[e.Amount.Currency] += shown.Minor
		all = append(all, m)
	}
	if r.More {
		return nil, remit.Errorf(remit.Internal, "", "the report has more than %d movements", reportMax)
	}
	for currency, minor := range left {
		if minor != 0 {
			return nil, remit.Errorf(remit.Internal, "", "the report of %s does not add up: %d minor units are left over", currency, minor)
		}
	}
	return all, nil
}

// describe tells what an entry was about.
func describe(e remit.Entry) movement {
	m := movement{Entry: e, kind: "Float Adjustment", text: e.Amount.Major()}
	d, p := e.Disbursement, e.Payment
	if p != nil {
		m.order, m.message = p.ExternalID, p.OrderReference
		m.kind, m.from, m.reference = cmp.Or(methodOf(p.Details, methodCharge), methodDeposit), accountClients, detailsOf(p.Details).Reference
	}
	switch {
	case d == nil && p != nil && e.Amount.Minor > 0 && remit.PaymentState(e.Kind) == remit.PaymentReversed:
		m.kind = "Automatic Float Adjustment" // lent, so that the reversal leaves no negative balance
	case d == nil:
	case d.Kind == remit.KindRefund:
		m.kind, m.from, m.reference = "Refund", accountQueued, d.Reference
		m.message = "Refund " + at(e.At) + " " + m.message
		if remit.State(e.Kind) == remit.Returned {
			m.kind = "Failed Refund"
		}
	default:
		m.kind, m.from, m.reference = cmp.Or(methodOf(d.Details, methodWithdraw), "AccountPayout"), accountQueued, detailsOf(d.Details).Reference
		m.order, m.message = d.ExternalID, d.OrderReference
	}
	return m
}

// methodOf is the method of details, where it is the one that is asked for.
func methodOf(text, method string) string {
	if detailsOf(text).Method == method {
		return method
	}
	return ""
}
