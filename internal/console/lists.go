package console

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"remit"
	"remit/money"
	"remit/store"
)

// Lengths of lists.
const (
	rowsMax    = 50    // of one page
	csvRowsMax = 1_000 // that are read at once for a file
	foundMax   = 50    // of each kind, of a search
)

// stalledAfter is how long after it was sent a disbursement calls for a person
// that no rail has told the end of.
const stalledAfter = 24 * time.Hour

// What a list of disbursements is narrowed to that no state says, by its name
// in addresses.
const (
	onlyStuck   = "stuck"
	onlyUnknown = "unknown"
	onlyStalled = "stalled"
	onlyHeld    = "held"
)

// onlyWords say it above the list.
var onlyWords = map[string]string{
	onlyStuck: "stuck only", onlyUnknown: "outcome unknown only", onlyHeld: "held for a person only",
	onlyStalled: fmt.Sprintf("sent over %d h ago, and open, only", int(stalledAfter.Hours())),
}

// filters are what a list is narrowed to, as they stand in its address.
type filters struct {
	State, Dialect, Only string
	From, To             string // days
	Ended                string // a day: what ended badly on it, or later
	After                string
}

func (v *visit) filters() filters {
	get := v.URL.Query().Get
	return filters{get("state"), get("dialect"), get("only"), get("from"), get("to"), get("ended"), get("after")}
}

// times are the days of the filters: from the first's beginning, and before
// the last's end; and when the day begins from which on it ended.
func (f filters) times() (from, to, ended time.Time, err error) {
	for _, x := range []struct {
		text string
		into *time.Time
		more int
	}{{f.From, &from, 0}, {f.To, &to, 1}, {f.Ended, &ended, 0}} {
		if x.text == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, x.text)
		if err != nil {
			return from, to, ended, remit.Errorf(remit.Invalid, "", "A day is written as 2006-01-02, not %q.", x.text)
		}
		*x.into = day.AddDate(0, 0, x.more)
	}
	return from, to, ended, nil
}

// any tells whether the list is narrowed at all.
func (f filters) Any() bool { f.After = ""; return f != filters{} }

func (v *visit) paymentFilter() (store.PaymentFilter, error) {
	f := v.filters()
	from, to, _, err := f.times()
	return store.PaymentFilter{
		Merchant: v.merchant.ID, Dialect: f.Dialect, State: remit.PaymentState(f.State), From: from, To: to,
		After: remit.PaymentID(f.After), Newest: true, Max: rowsMax + 1,
	}, err
}

func (c *Console) payments(v *visit) error {
	f, err := v.paymentFilter()
	if err != nil {
		return err
	}
	list, err := c.store.Payments(v.Context(), f)
	if err != nil {
		return err
	}
	list, last := most(list, func(p remit.Payment) string { return string(p.ID) })
	v.render(200, "payments", "payments", "Payments", map[string]any{
		"List": list, "Last": last, "Filters": v.filters(), "States": remit.PaymentStates(), "Dialects": v.dialects(), "Stagers": v.stagers(),
	})
	return nil
}

// most cuts a list that was read with one more than a page holds, and says
// where the next page begins: "" if there is none.
func most[T any](list []T, id func(T) string) ([]T, string) {
	if len(list) <= rowsMax {
		return list, ""
	}
	return list[:rowsMax], id(list[rowsMax-1])
}

func (v *visit) dialects() (names []string) {
	for name := range v.c.o.Node.Dialects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (v *visit) disbursementFilter(k remit.Kind, f filters) (store.Filter, error) {
	from, to, ended, err := f.times()
	if err != nil {
		return store.Filter{}, err
	}
	state := remit.State(f.State)
	return v.only(f.Only, store.Filter{
		Merchant: v.merchant.ID, Kind: k, Dialect: f.Dialect, State: state, Underway: state == remit.Accepted || state == remit.Sent,
		From: from, To: to, Ended: ended, After: remit.DisbursementID(f.After), Newest: true, Max: rowsMax + 1,
	})
}

// only narrows a list to what a name in its address says.
func (v *visit) only(name string, f store.Filter) (store.Filter, error) {
	switch name {
	case "":
	case onlyStuck:
		f.Stuck = true
	case onlyUnknown:
		f.Unknown = true
	case onlyStalled:
		f.Stalled = v.now.Add(-stalledAfter)
	case onlyHeld:
		f.Held = true
	default:
		return f, remit.Errorf(remit.Invalid, "", "No list is narrowed to %q.", name)
	}
	return f, nil
}

func (c *Console) refunds(v *visit) error { return c.disbursements(v, remit.KindRefund, "Refunds") }
func (c *Console) payouts(v *visit) error { return c.disbursements(v, remit.KindPayout, "Payouts") }

func (c *Console) disbursements(v *visit, k remit.Kind, title string) error {
	f, err := v.disbursementFilter(k, v.filters())
	if err != nil {
		return err
	}
	list, err := c.store.Disbursements(v.Context(), f)
	if err != nil {
		return err
	}
	list, last := most(list, func(d remit.Disbursement) string { return string(d.ID) })
	v.render(200, "disbursements", string(k)+"s", title, map[string]any{
		"List": list, "Last": last, "Filters": v.filters(), "States": remit.States(), "Dialects": v.dialects(), "Kind": k,
	})
	return nil
}

// paymentsOf are the payments of which some disbursements are refunds.
func (c *Console) paymentsOf(v *visit, list []remit.Disbursement) (map[store.PaymentRef]remit.Payment, error) {
	var refs []store.PaymentRef
	for _, d := range list {
		if d.Payment != "" {
			refs = append(refs, store.PaymentRef{Merchant: d.Merchant, ID: d.Payment})
		}
	}
	have, err := c.store.Read(v.Context(), store.Wants{Payments: refs})
	return have.Payments, err
}

// payment shows one payment with its refunds.
func (c *Console) payment(v *visit) error {
	ref := store.PaymentRef{Merchant: v.merchant.ID, ID: remit.PaymentID(v.PathValue("id"))}
	have, err := c.store.Read(v.Context(), store.Wants{Payments: []store.PaymentRef{ref}})
	if err != nil {
		return err
	}
	p, ok := have.Payments[ref]
	if !ok {
		return remit.Errorf(remit.NotFound, "", "There is no payment %q.", string(ref.ID))
	}
	refunds, err := c.store.Disbursements(v.Context(), store.Filter{Merchant: p.Merchant, Payment: p.ID, Max: foundMax})
	if err != nil {
		return err
	}
	events, err := c.store.Events(v.Context(), p.Merchant, string(p.ID))
	if err != nil {
		return err
	}
	refused, err := c.refusedAbout(v, p)
	if err != nil {
		return err
	}
	v.render(200, "payment", "payments", "Payment "+cmp.Or(p.ExternalID, string(p.ID)), map[string]any{
		"Payment": p, "Refunds": refunds, "Events": events, "Refused": refused, "Bar": barOf(p, refunds, ""), "Account": c.masked(p.Merchant, p.Payer()),
		"Acts": movesOf(p),
	})
	return nil
}

// table streams a file, a page of rows after another. next answers the rows
// behind an id, and the last one's id: "" at the end.
func (v *visit) table(name string, columns []string, next func(after string) (rows [][]string, last string, err error)) error {
	rows, after, err := next("")
	if err != nil {
		return err // nothing was answered yet
	}
	v.download("text/csv; charset=utf-8", name)
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Time{}) // it may be long
	w := csv.NewWriter(v.w)
	_ = w.Write(columns) // an error stays until Flush
	for {
		for _, row := range rows {
			for i := range row {
				row[i] = harmless(row[i])
			}
			_ = w.Write(row)
		}
		if w.Flush(); w.Error() != nil || after == "" {
			return nil // who has hung up needs no answer
		}
		_ = http.NewResponseController(v.w).Flush()
		if rows, after, err = next(after); err != nil {
			v.c.o.Log.Error("a file ends too early", "path", v.URL.Path, "error", err)
			panic(http.ErrAbortHandler) // so that nobody takes it for whole
		}
	}
}

// belowZero is an amount below zero, which no program takes for a formula.
var belowZero = regexp.MustCompile(`^-[0-9]+(\.[0-9]+)?$`)

// harmless keeps a program that opens the file from taking a text for a
// formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !belowZero.MatchString(cell) {
		return "'" + cell
	}
	return cell
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func (c *Console) paymentsCSV(v *visit) error {
	f, err := v.paymentFilter()
	if err != nil {
		return err
	}
	f.After, f.Max = "", csvRowsMax
	columns := []string{"id", "external_id", "dialect", "state", "reason", "amount", "currency", "refunded", "left", "order_reference", "opened", "funded", "ended"}
	return v.table("payments.csv", columns, func(after string) (rows [][]string, last string, err error) {
		f.After = remit.PaymentID(after)
		list, err := c.store.Payments(v.Context(), f)
		for _, p := range list {
			of := func(minor int64) string { return money.Amount{Minor: minor, Currency: p.Amount.Currency}.Major() }
			rows = append(rows, []string{string(p.ID), p.ExternalID, p.Dialect, string(p.State), string(p.Reason), p.Amount.Major(), string(p.Amount.Currency),
				of(p.RefundedMinor), left(p).Major(), p.OrderReference, stamp(p.Opened), stamp(p.Funded), stamp(p.Ended)})
		}
		if len(list) == csvRowsMax {
			last = string(list[len(list)-1].ID)
		}
		return rows, last, err
	})
}

func (c *Console) refundsCSV(v *visit) error {
	return c.disbursementsCSV(v, remit.KindRefund, "refunds.csv")
}
func (c *Console) payoutsCSV(v *visit) error {
	return c.disbursementsCSV(v, remit.KindPayout, "payouts.csv")
}

func (c *Console) disbursementsCSV(v *visit, k remit.Kind, name string) error {
	f, err := v.disbursementFilter(k, v.filters())
	if err != nil {
		return err
	}
	f.After, f.Max = "", csvRowsMax
	columns := []string{"id", "external_id", "payment", "payment_external_id", "order_reference", "dialect", "state", "reason", "amount", "currency", "reference", "end_to_end_id", "rail", "created", "sent", "settled", "ended"}
	return v.table(name, columns, func(after string) (rows [][]string, last string, err error) {
		f.After = remit.DisbursementID(after)
		list, err := c.store.Disbursements(v.Context(), f)
		if err != nil {
			return nil, "", err
		}
		paid, err := c.paymentsOf(v, list)
		for _, d := range list {
			p := paid[store.PaymentRef{Merchant: d.Merchant, ID: d.Payment}]
			rows = append(rows, []string{string(d.ID), d.ExternalID, string(d.Payment), p.ExternalID, cmp.Or(d.OrderReference, p.OrderReference), d.Dialect, string(d.State), string(d.Reason), d.Amount.Major(),
				string(d.Amount.Currency), d.Reference, d.EndToEndID(), d.Rail, stamp(d.Created), stamp(d.Sent), stamp(d.Settled), stamp(d.Ended)})
		}
		if len(list) == csvRowsMax {
			last = string(list[len(list)-1].ID)
		}
		return rows, last, err
	})
}
