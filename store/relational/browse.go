package relational

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"remit"
	"remit/store"
)

// Find looks a text up wherever it may stand, each place by an index of its
// own: one condition over all of them would be answered by reading every row.
func (s *Store) Find(ctx context.Context, f store.Search) ([]remit.Payment, []remit.Disbursement, error) {
	payments, disbursements := map[store.PaymentRef]remit.Payment{}, map[store.DisbursementRef]remit.Disbursement{}
	var st []Statement
	payment := func(condition, order string, args ...any) {
		st = append(st, found(among("payments", paymentColumns, f.Merchant), condition, order, f.Max, args, func(r Row) error {
			p, err := scanPayment(r)
			payments[store.PaymentRef{Merchant: p.Merchant, ID: p.ID}] = p
			return err
		}))
	}
	disbursement := func(condition, order string, args ...any) {
		st = append(st, found(among("disbursements", disbursementColumns, f.Merchant), condition, order, f.Max, args, func(r Row) error {
			d, err := scanDisbursement(r)
			disbursements[store.DisbursementRef{Merchant: d.Merchant, ID: d.ID}] = d
			return err
		}))
	}
	if f.Text != "" {
		payment("id = ?", "", f.Text)
		payment("external_id = ?", "", f.Text)
		names := among("payment_names", "merchant_id, payment", f.Merchant).text
		payment("(merchant_id, id) IN ("+names+" AND name = ?)", "", f.Text)
		payment("order_reference = ? AND order_reference <> ''", "", f.Text)
		disbursement("id = ?", "", f.Text)
		disbursement("external_id = ? AND external_id <> ''", "", f.Text)
		disbursement("reference = ? AND reference <> ''", "", f.Text)
		disbursement("order_reference = ? AND order_reference <> ''", "", f.Text)
	} else {
		condition, args := "minor = ?", []any{f.Amount.Minor}
		if f.Amount.Currency != "" {
			condition, args = condition+" AND currency = ?", append(args, string(f.Amount.Currency))
		}
		payment(condition, "minor DESC, opened DESC, id DESC", args...)
		disbursement(condition, "minor DESC, created DESC, id DESC", args...)
	}
	err := s.read(ctx, st...)
	ps := newest(payments, f.Max, func(p remit.Payment) (time.Time, string) { return p.Opened, string(p.ID) })
	ds := newest(disbursements, f.Max, func(d remit.Disbursement) (time.Time, string) { return d.Created, string(d.ID) })
	return ps, ds, err
}

// among starts a query of one merchant's rows, or of all merchants': then each
// merchant's are looked up by the same index, one after another.
func among(table, columns string, m remit.MerchantID) *query {
	if m != "" {
		return of(table, columns, m)
	}
	return &query{text: "SELECT " + columns + " FROM " + table + " WHERE merchant_id IN (SELECT merchant_id FROM merchants)"}
}

// found is one look into one place.
func found(q *query, condition, order string, max int, args []any, row func(Row) error) Statement {
	q.and(true, condition, args...)
	q.limit(order, max)
	return Statement{Text: q.text, Args: q.args, Row: row}
}

// newest lists what was found in several places, newest first.
func newest[K comparable, V any](all map[K]V, max int, key func(V) (time.Time, string)) (list []V) {
	for _, v := range all {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b V) int {
		at, id := key(a)
		bt, bid := key(b)
		return cmp.Or(bt.Compare(at), cmp.Compare(bid, id))
	})
	return list[:min(len(list), max)]
}

// Recent lists a merchant's newest events.
func (s *Store) Recent(ctx context.Context, f store.Newest) ([]remit.Event, error) {
	q := of("events", eventColumns, f.Merchant)
	q.and(f.Own, "subject = ''")
	q.and(f.Below > 0, "seq < ?", f.Below)
	q.limit("seq DESC", f.Max)
	return all(ctx, s, scanEvent, q.text, q.args...)
}

// dayMicros is a day, in microseconds.
const dayMicros = int64(24 * time.Hour / time.Microsecond)

// flows are where the flows are added up, and by which time. Each is answered
// by an index alone. What keeps rows without the time out is no range: SQLite
// would begin at that instead of at the time asked for.
var flows = map[store.Flow]struct{ table, at, condition string }{
	store.FlowIn:   {"payments", "funded", "funded <> 0"},
	store.FlowOut:  {"disbursements", "created", "created <> 0"},
	store.FlowBack: {"disbursements", "created", "ended <> 0"},
}

// Totals adds up money by day.
func (s *Store) Totals(ctx context.Context, f store.TotalsFilter) ([]store.Total, error) {
	x := flows[f.Flow]
	q := of(x.table, x.at+" / "+strconv.FormatInt(dayMicros, 10)+", currency, COUNT(*), CAST(SUM(minor) AS BIGINT)", f.Merchant)
	q.and(true, x.condition+" AND "+x.at+" >= ? AND "+x.at+" < ?", micros(f.From), micros(f.To))
	q.text += " GROUP BY 1, 2"
	totals, err := all(ctx, s, func(r Row) (t store.Total, err error) {
		var day int64
		err = r.Scan(&day, (*string)(&t.Currency), &t.Count, &t.Minor)
		t.Day = time.UnixMicro(day * dayMicros).UTC()
		return t, err
	}, q.text, q.args...)
	slices.SortFunc(totals, func(a, b store.Total) int { return cmp.Or(a.Day.Compare(b.Day), cmp.Compare(a.Currency, b.Currency)) })
	return totals, err
}
