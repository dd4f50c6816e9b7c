package paytrail

import (
	"fmt"
	"net/url"
	"time"

	"remit"
	"remit/dialect"
)

// A settlement is a day, of UTC: what came in and went out on it, by our
// books. It is settled when the day is over, and its id is its date. (D10)
const (
	settlementID   = "20060102"
	settlementDate = "2006-01-02"
	monthsMax      = 2       // that one list spans
	entriesMax     = 100_000 // that one answer adds up
)

var (
	errNoSettlement = remit.Errorf(remit.NotFound, reasonSettlement, "there is no such settlement")
	errTooMuch      = remit.Errorf(remit.Unavailable, "", "there is too much in these days for one answer: ask for fewer")
)

// window is the days that are asked for.
type window struct{ from, to time.Time } // to is not in it

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// settlementOf is the settlement of something that happened at at; nil while
// there is none yet.
func settlementOf(at, now time.Time) *string {
	if at.IsZero() || !dayOf(at).Before(dayOf(now)) {
		return nil
	}
	id := dayOf(at).Format(settlementID)
	return &id
}

// query reads a query string, as far as it can be read.
func query(raw string) url.Values {
	v, _ := url.ParseQuery(raw)
	return v
}

// decodeSettlements reads the two dates. What is wrong with them is a 404.
// docs/spec/paytrail.md#a10-settlements-outline-m-set.
func decodeSettlements(c *merchantCall) (dialect.Operation, error) {
	q := query(c.r.Query)
	from, errFrom := time.Parse(settlementDate, q.Get("fromDate"))
	to, errTo := time.Parse(settlementDate, q.Get("toDate"))
	switch {
	case errFrom != nil || errTo != nil:
		return dialect.Operation{}, remit.Errorf(remit.NotFound, reasonDateFormat, "fromDate and toDate are dates")
	case to.Before(from) || to.After(from.AddDate(0, monthsMax, 0)):
		return dialect.Operation{}, remit.Errorf(remit.NotFound, reasonDateRange, "the dates span more than %d months, or none", monthsMax)
	}
	return c.entries(window{from, to.AddDate(0, 0, 1)})
}

func decodeSettlement(c *merchantCall) (dialect.Operation, error) {
	day, err := time.Parse(settlementID, c.piece)
	if err != nil {
		return dialect.Operation{}, errNoSettlement
	}
	return c.entries(window{day, day.AddDate(0, 0, 1)})
}

// entries asks for what the books say of whole days that are over.
func (c *merchantCall) entries(w window) (dialect.Operation, error) {
	return dialect.Operation{Query: &dialect.Query{Entries: true, Currency: currency, From: w.from, To: w.to, Max: entriesMax}}, nil
}

// settlement is one of a list.
type settlement struct {
	ID              string  `json:"id"`
	ReferenceNumber string  `json:"referenceNumber"`
	SettledAt       *string `json:"settledAt"`
	SettledAmount   int64   `json:"settledAmount"`
	Currency        string  `json:"currency"`
}

// settlementDetails is one with what is in it.
type settlementDetails struct {
	settlement
	Payments []paymentSummary `json:"payments"`
	Refunds  []refundDetails  `json:"refunds"`
}

// settlements adds the entries up, day by day. Only what was made in this
// dialect is settled in it.
func (c *merchantCall) settlements(res remit.Result) (days []settlementDetails) {
	for _, x := range res.Entries {
		if x.Payment == nil || x.Payment.Dialect != Name {
			continue
		}
		id := dayOf(x.At).Format(settlementID)
		if len(days) == 0 || days[len(days)-1].ID != id {
			days = append(days, settlementDetails{Payments: []paymentSummary{}, Refunds: []refundDetails{}, settlement: settlement{
				ID: id, ReferenceNumber: referenceNumber(id), Currency: currency, SettledAt: c.settledAt(x.At),
			}})
		}
		day := &days[len(days)-1]
		day.SettledAmount += x.Amount.Minor
		if x.Disbursement != nil {
			day.Refunds = append(day.Refunds, detailsOf(*x.Disbursement, *x.Payment, c.r.At))
		} else {
			day.Payments = append(day.Payments, summary(*x.Payment))
		}
	}
	return days
}

// settledAt is the day after; nil while the day is not over.
func (c *merchantCall) settledAt(at time.Time) *string {
	next := dayOf(at).AddDate(0, 0, 1)
	if next.After(c.r.At) {
		return nil
	}
	date := next.Format(settlementDate)
	return &date
}

// referenceNumber is a Finnish bank reference: the check digit makes the sum
// of the digits, weighted 7, 3, 1 from the right, a multiple of ten.
func referenceNumber(digits string) string {
	weights, sum := [...]int{7, 3, 1}, 0
	for i := range len(digits) {
		sum += int(digits[len(digits)-1-i]-'0') * weights[i%len(weights)]
	}
	return fmt.Sprint(digits, (10-sum%10)%10)
}

func answerSettlements(c *merchantCall, res remit.Result) (any, error) {
	if res.More {
		return nil, errTooMuch
	}
	list := []settlement{}
	for _, d := range c.settlements(res) {
		list = append(list, d.settlement)
	}
	return list, nil
}

func answerSettlement(c *merchantCall, res remit.Result) (any, error) {
	if res.More {
		return nil, errTooMuch
	}
	days := c.settlements(res)
	if len(days) == 0 {
		return nil, errNoSettlement
	}
	return days[0], nil
}
