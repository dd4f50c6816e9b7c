package trustlyus

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/dialect"
)

// decodeGet asks for one transaction.
func decodeGet(c *call) (dialect.Operation, error) {
	q := &dialect.Query{}
	switch {
	case isPayment(c.id):
		q.Payment.Text = c.id
	case isDisbursement(c.id):
		q.Disbursement = c.id
	default:
		return dialect.Operation{}, errNoTransaction
	}
	return dialect.Operation{Query: q}, nil
}

// list is what a listing is asked for.
type list struct {
	filters    []func(transaction) bool
	order      func(transaction) int64
	descending bool
	start      int // how many to pass over
	count      int
	from, to   time.Time // bounds of createdAt; to is behind them
}

// decodeList asks for all transactions; which of them are meant is seen when
// they are there. docs/spec/trustly-us.md#95-get-transactions.
func decodeList(c *call) (dialect.Operation, error) {
	l, fault := listOf(c.r.Query)
	if fault != nil {
		return dialect.Operation{}, fault
	}
	c.list = l
	q := &dialect.Query{Payments: true, Disbursed: true, From: l.from, To: l.to, Max: transactionsMax}
	return dialect.Operation{Query: q}, nil
}

// texts are the filters that want a text to be equal, by parameter.
var texts = map[string]func(transaction) string{
	"originalTransactionId":                                   func(t transaction) string { return t.Original },
	"merchantReference":                                       func(t transaction) string { return t.MerchantReference },
	"ipAddr":                                                  func(t transaction) string { return t.IP },
	"payment.paymentId":                                       func(t transaction) string { return t.Payment.PaymentID },
	"payment.merchantReference":                               func(t transaction) string { return t.Payment.MerchantReference },
	"payment.description":                                     func(t transaction) string { return t.Payment.Description },
	"payment.fingerprint":                                     func(t transaction) string { return t.Payment.Fingerprint },
	"payment.merchant.merchantId":                             func(t transaction) string { return t.Payment.MerchantID },
	"payment.paymentProvider.paymentProviderId":               func(t transaction) string { return t.Payment.Provider.ID },
	"payment.fiAccount.providerId":                            func(t transaction) string { return t.Payment.Provider.ID },
	"payment.customer.name":                                   func(t transaction) string { return t.Payment.Customer.Name },
	"customerName":                                            func(t transaction) string { return t.Payment.Customer.Name },
	"payment.customer.externalId":                             func(t transaction) string { return t.Payment.Customer.ExternalID },
	"paymentProviderTransaction.ppTrxStatusCode":              func(t transaction) string { return t.StatusCode },
	"paymentProviderTransaction.paymentProviderTransactionId": func(t transaction) string { return t.Provider.ID },
	"transactionType":                                         func(t transaction) string { return strconv.Itoa(t.Type) },
	"transactionStatus":                                       func(t transaction) string { return strconv.Itoa(t.Status) },
	"payment.paymentType":                                     func(t transaction) string { return strconv.Itoa(t.Payment.PaymentType) },
	"payment.authorization.status":                            func(t transaction) string { return strconv.Itoa(t.Payment.AuthStatus) },
	"payment.verification.status":                             func(t transaction) string { return strconv.Itoa(t.Payment.Verification.Status) },
	"payment.fiAccount.verified":                              func(t transaction) string { return strconv.FormatBool(t.Payment.Account.Verified) },
}

// repeatable are those of which several values may be given.
var repeatable = []string{"transactionType", "transactionStatus", "payment.paymentType", "payment.authorization.status"}

// times are the filters of which a beginning and an end can be given.
var times = map[string]func(transaction) int64{
	"createdAt":   func(t transaction) int64 { return t.CreatedAt },
	"updatedAt":   func(t transaction) int64 { return t.UpdatedAt },
	"processedAt": func(t transaction) int64 { return t.ProcessedAt },
	"completedAt": func(t transaction) int64 { return t.CompletedAt },
}

// amounts are the filters of which a least and a most can be given.
var amounts = map[string]func(transaction) string{
	"amount":   func(t transaction) string { return t.Amount },
	"paid":     func(t transaction) string { return t.Paid },
	"refunded": func(t transaction) string { return t.Refunded },
}

// unknowable are the filters over what is not kept in clear. To ignore them
// would answer with what nobody asked for. (D14)
var unknowable = []string{"accountNumber", "routingNumber", "payment.fiAccount.accountNumber", "payment.fiAccount.routingNumber",
	"payment.paymentProvider.framework"}

// listOf reads the parameters of a listing. Those that nobody knows are let
// through, and so are empty ones.
func listOf(query string) (list, *remit.Error) {
	l := list{order: times["createdAt"], count: countDefault}
	values, err := url.ParseQuery(query)
	if err != nil {
		return l, remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "Invalid query")
	}
	for name, all := range values {
		all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
		if len(all) == 0 {
			continue
		}
		if len(all) > 1 && !slices.Contains(repeatable, name) {
			return l, invalid(name, "Invalid "+name)
		}
		if !l.take(name, all) {
			return l, invalid(name, "Invalid "+name)
		}
	}
	return l, nil
}

// take reads one parameter; false if its value makes no sense.
func (l *list) take(name string, all []string) bool {
	v := all[0]
	what, bound, bounded := cutLast(name)
	switch {
	case slices.Contains(unknowable, name):
		return false
	case texts[name] != nil:
		l.filters = append(l.filters, func(t transaction) bool { return slices.Contains(all, texts[name](t)) })
	case bounded && times[what] != nil:
		at, ok := momentOf(v)
		switch name {
		case "createdAt.start":
			l.from = time.UnixMilli(at)
		case "createdAt.end":
			l.to = time.UnixMilli(at + 1)
		}
		return ok && l.between(bound, "start", "end", at, times[what])
	case bounded && amounts[what] != nil:
		minor, ok := boundOf(v)
		return ok && l.between(bound, "min", "max", minor, func(t transaction) int64 {
			have, _ := boundOf(amounts[what](t)) // it was written by amountText
			return have
		})
	case name == "orderBy":
		l.order = times[v]
		return l.order != nil
	case name == "sortOrder":
		l.descending = v == "desc"
		return v == "asc" || v == "desc"
	case name == "startIndex":
		n, err := strconv.Atoi(v)
		l.start = n
		return err == nil && n >= 0
	case name == "count":
		n, err := strconv.Atoi(v)
		l.count = min(n, countMax)
		return err == nil && n > 0
	}
	return true
}

// cutLast takes the last part of a dotted name off.
func cutLast(name string) (what, last string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

// between adds a bound; both bounds belong to what is between them.
func (l *list) between(bound, low, high string, limit int64, of func(transaction) int64) bool {
	switch bound {
	case low:
		l.filters = append(l.filters, func(t transaction) bool { return of(t) >= limit })
	case high:
		l.filters = append(l.filters, func(t transaction) bool { return of(t) <= limit && of(t) != 0 })
	default:
		return false
	}
	return true
}

// momentOf reads a time in milliseconds: of thirteen digits, or of ten, which
// are seconds. docs/spec/trustly-us.md#45-time-unit.
func momentOf(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	const millisecondsFrom = 100_000_000_000
	if n < millisecondsFrom {
		n *= int64(time.Second / time.Millisecond)
	}
	return n, err == nil && n >= 0
}

// errTooMany is the answer where not all transactions could be looked at.
var errTooMany = remit.Errorf(remit.Invalid, "", "There are more than %d transactions: name createdAt.start and createdAt.end", transactionsMax)

// answerList is what of the merchant's transactions was asked for.
func answerList(c *call, r remit.Result) any {
	w, of := c.shop(), map[remit.PaymentID]*remit.Payment{}
	all := []transaction{}
	for i, p := range r.Payments {
		of[p.ID] = &r.Payments[i]
		all = append(all, w.ofPayment(p))
	}
	for _, d := range r.Disbursements {
		all = append(all, w.ofDisbursement(d, of[d.Payment]))
	}
	l := c.list
	for _, keep := range l.filters {
		all = slices.DeleteFunc(all, func(t transaction) bool { return !keep(t) })
	}
	slices.SortStableFunc(all, func(a, b transaction) int {
		if l.descending {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(l.order(a), l.order(b)), strings.Compare(a.PPTrxID[1:], b.PPTrxID[1:]))
	})
	page := all[min(l.start, len(all)):]
	page = page[:min(l.count, len(page))]
	return map[string]any{"transactions": page, "startIndex": l.start, "itemsPerPage": l.count}
}
