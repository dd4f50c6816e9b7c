package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/internal/books"
	"remit/internal/check"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// How the last check of the books is remembered, and how one is kept from
// running beside another, whichever processes they run in. Of real time.
const (
	checkSlip       = "check/last"
	checkingSlip    = "check/running"
	checkKept       = 10 * 365 * 24 * time.Hour
	checkTakesAtMax = time.Hour
)

// lastCheck is the last check that was run from a console.
type lastCheck struct {
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took"`
	By     string        `json:"by"`
	Report check.Report  `json:"report"`
}

// lastCheck is nil if there was none.
func (c *Console) lastCheck(ctx context.Context) (*lastCheck, error) {
	s, ok, err := c.store.Slip(ctx, c.o.Real(), checkSlip)
	if err != nil || !ok {
		return nil, err
	}
	var last lastCheck
	return &last, json.Unmarshal([]byte(s.Text), &last)
}

// runCheck makes the books anew from their transfers: one check at a time.
func (c *Console) runCheck(v *visit) (outcome, error) {
	out := outcome{to: v.path("ledger"), message: "The books were checked."}
	ctx, start := context.WithoutCancel(v.Context()), c.o.Real()
	free, err := c.store.AddSlip(ctx, start, store.Slip{Name: checkingSlip, Text: v.operator, Expires: start.Add(checkTakesAtMax)})
	if err != nil {
		return out, err
	}
	if !free {
		return out, remit.Errorf(remit.Conflict, "", "a check is running already")
	}
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Time{}) // it reads everything
	report, err := c.o.Node.Check(ctx)
	if err == nil {
		err = c.keepCheck(ctx, v, lastCheck{v.now, c.o.Real().Sub(start), v.operator, report})
	}
	return out, errors.Join(err, c.store.DropSlip(ctx, checkingSlip))
}

// keepCheck writes down that the books were checked, and what was found.
func (c *Console) keepCheck(ctx context.Context, v *visit, last lastCheck) error {
	_, err := c.o.Node.Engine.Do(ctx, remit.RecordCheck{Head: v.head("check"), Faults: last.Report.Faults, Events: last.Report.Events})
	if err != nil {
		return err
	}
	text, err := json.Marshal(last)
	if err != nil {
		return err
	}
	s := store.Slip{Name: checkSlip, Text: string(text), Expires: c.o.Real().Add(checkKept)}
	if added, err := c.store.AddSlip(ctx, c.o.Real(), s); err != nil || added {
		return err
	}
	_, err = c.store.SetSlip(ctx, s)
	return err
}

// sum is what came to an account and left it in a period.
type sum struct {
	ID                        ledger.AccountID
	Currency                  money.Currency
	Opening, In, Out, Closing int64
}

// sums are those of all accounts of a merchant, from a moment and before
// another: zero is unbounded.
func (c *Console) sums(v *visit, from, to time.Time) (list []sum, err error) {
	if !to.IsZero() && !from.Before(to) {
		return nil, remit.Errorf(remit.Invalid, "", "The first day is behind the last.")
	}
	first, last := books.Moment{}, books.Moment{}
	if !from.IsZero() {
		if first, err = c.before(v, from); err != nil {
			return nil, err
		}
	}
	if to.IsZero() {
		last.Books, err = c.books(v.Context(), v.merchant.ID)
	} else {
		last, err = c.before(v, to)
	}
	for id, a := range last.Books {
		b := first.Books[id]
		list = append(list, sum{id, a.Currency, b.Balance(), a.Credits - b.Credits, a.Debits - b.Debits, a.Balance()})
	}
	slices.SortFunc(list, func(a, b sum) int { return byAccount(a.Currency, b.Currency, a.ID, b.ID) })
	return list, err
}

// before are a merchant's books with its last event before a moment.
func (c *Console) before(v *visit, at time.Time) (books.Moment, error) {
	return books.At(v.Context(), c.store, v.merchant.ID, at.Add(-time.Microsecond))
}

// ledger lists a merchant's accounts, now or as they were at a moment; or what
// came to them and left them on some days.
func (c *Console) ledger(v *visit) error {
	f := v.filters()
	from, to, _, err := f.times()
	if err != nil {
		return err
	}
	last, err := c.lastCheck(v.Context())
	if err != nil {
		return err
	}
	data := map[string]any{"Check": last, "Moment": v.FormValue("at"), "Filters": f}
	switch text := v.FormValue("at"); {
	case f.From != "" || f.To != "":
		data["Sums"], err = c.sums(v, from, to)
	case text != "":
		var at time.Time
		if at, err = moment(text); err != nil {
			return err
		}
		var then books.Moment
		then, err = books.At(v.Context(), c.store, v.merchant.ID, at)
		data["Accounts"], data["At"], data["Seq"] = sorted(then.Books), at, then.Seq
	default:
		var now ledger.Books
		now, err = c.books(v.Context(), v.merchant.ID)
		data["Accounts"] = sorted(now)
	}
	if err != nil {
		return err
	}
	v.render(200, "ledger", "ledger", "Ledger", data)
	return nil
}

// ledgerCSV is a file of what came to the accounts and left them.
func (c *Console) ledgerCSV(v *visit) error {
	from, to, _, err := v.filters().times()
	if err != nil {
		return err
	}
	return v.table("ledger.csv", []string{"account", "currency", "opening", "in", "out", "closing"}, func(string) (rows [][]string, last string, err error) {
		list, err := c.sums(v, from, to)
		for _, s := range list {
			of := func(minor int64) string { return money.Amount{Minor: minor, Currency: s.Currency}.Major() }
			rows = append(rows, []string{accountName(s.ID), string(s.Currency), of(s.Opening), of(s.In), of(s.Out), of(s.Closing)})
		}
		return rows, "", err
	})
}

// sorted are accounts by currency, the merchant's own balance first.
func sorted(b ledger.Books) []ledger.Account {
	return slices.SortedFunc(maps.Values(b), func(a, b ledger.Account) int { return byAccount(a.Currency, b.Currency, a.ID, b.ID) })
}

func byAccount(c, d money.Currency, a, b ledger.AccountID) int {
	return cmp.Or(strings.Compare(string(c), string(d)), strings.Compare(accountOrder(a), accountOrder(b)))
}

// accountOrder puts the merchant's own balance before all others.
func accountOrder(id ledger.AccountID) string {
	if name := accountName(id); name != "balance" {
		return name
	}
	return ""
}

// moment reads a time of a form: what a browser's own field writes, in UTC.
func moment(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, remit.Errorf(remit.Invalid, "", "A moment is written as 2006-01-02T15:04, in UTC.")
}

// posting is one transfer as one account sees it.
type posting struct {
	Event    remit.Event
	Transfer ledger.Transfer
	Other    ledger.AccountID
	Minor    int64 // posted: below zero where it left
	Held     int64 // promised, or let go
	Balance  int64 // after it
}

// Lengths of an account's page: how many postings it shows, and among how many
// events they are looked for.
const (
	postingsMax       = 50
	postingsWalkedMax = 2_000
)

// walk is a way through the transfers of one account, newest first: of those
// below one event of the merchant, and above another.
type walk struct {
	account      ledger.Account
	below, above int64
	balance      int64 // of the account before below
}

// walkOf begins where a form says: at days, or at the place where a page ended.
func (c *Console) walkOf(v *visit) (w walk, err error) {
	m := v.merchant.ID
	id := remit.AccountAt(m, v.FormValue("path"))
	have, err := c.store.Read(v.Context(), store.Wants{Merchants: []remit.MerchantID{m}, Accounts: []store.AccountsRef{{Merchant: m}}})
	if err != nil {
		return w, err
	}
	a, ok := have.Books[m][id]
	if !ok {
		return w, remit.Errorf(remit.NotFound, "", "There is no account %q.", v.FormValue("path"))
	}
	w = walk{account: a, below: have.Merchants[m].Seq + 1, balance: a.Balance()}
	from, to, _, err := v.filters().times()
	if err != nil {
		return w, err
	}
	if !from.IsZero() {
		if w.above, err = c.store.SeqAt(v.Context(), m, from.Add(-time.Microsecond)); err != nil {
			return w, err
		}
	}
	if text := v.FormValue("below"); text != "" {
		n, errSeq := strconv.ParseInt(text, 10, 64)
		b, errBalance := strconv.ParseInt(v.FormValue("balance"), 10, 64)
		if errSeq != nil || errBalance != nil {
			return w, remit.Errorf(remit.Invalid, "", "This is no page of the account.")
		}
		w.below, w.balance = n, b
	} else if !to.IsZero() {
		then, err := c.before(v, to)
		if err != nil {
			return w, err
		}
		w.below, w.balance = then.Seq+1, then.Books[id].Balance()
	}
	return w, nil
}

// page reads what comes next of a walk, at most so many transfers and those of
// one event, and where it goes on: nil at the end.
func (c *Console) page(v *visit, w walk, rows int) ([]posting, *further, error) {
	events, err := c.store.Recent(v.Context(), store.Newest{Merchant: v.merchant.ID, Below: w.below, Max: postingsWalkedMax})
	if err != nil {
		return nil, nil, err
	}
	list, next := postings(events, w, rows)
	return list, next, nil
}

// account shows the transfers of one account, newest first, each with the
// balance after it.
func (c *Console) account(v *visit) error {
	w, err := c.walkOf(v)
	if err != nil {
		return err
	}
	list, next, err := c.page(v, w, postingsMax)
	if err != nil {
		return err
	}
	v.render(200, "account", "ledger", "Account", map[string]any{
		"Account": w.account, "List": list, "Next": next, "Path": v.FormValue("path"), "Whole": v.FormValue("below") == "", "Filters": v.filters(),
	})
	return nil
}

// accountCSV is a file of the transfers of one account, newest first.
func (c *Console) accountCSV(v *visit) error {
	w, err := c.walkOf(v)
	if err != nil {
		return err
	}
	columns := []string{"at", "event", "kind", "subject", "evidence", "transfer", "other_side", "step", "moved", "held", "balance", "currency"}
	return v.table("account.csv", columns, func(string) (rows [][]string, last string, err error) {
		list, next, err := c.page(v, w, csvRowsMax)
		for _, p := range list {
			of := func(minor int64) string { return money.Amount{Minor: minor, Currency: w.account.Currency}.Major() }
			rows = append(rows, []string{stamp(p.Event.At), strconv.FormatInt(p.Event.Seq, 10), string(p.Event.Kind), p.Event.Subject, p.Event.Evidence,
				string(p.Transfer.ID), accountName(p.Other), string(p.Transfer.Step), of(p.Minor), of(p.Held), of(p.Balance), string(w.account.Currency)})
		}
		if next != nil {
			w.below, w.balance, last = next.Below, next.Balance, "more"
		}
		return rows, last, err
	})
}

// further is where an account's next page begins, and the balance there.
type further struct{ Below, Balance int64 }

// postings are a walk's among events that come newest first, and where the
// next page begins: nil at the end.
func postings(events []remit.Event, w walk, rows int) (list []posting, next *further) {
	id, balance := w.account.ID, w.balance
	for _, e := range events {
		if e.Seq <= w.above {
			return list, nil
		}
		if len(list) >= rows {
			return list, &further{list[len(list)-1].Event.Seq, balance}
		}
		for i := len(e.Transfers) - 1; i >= 0; i-- {
			t := e.Transfers[i]
			p := posting{Event: e, Transfer: t, Balance: balance, Other: t.To}
			switch moves := t.Step == ledger.Post || t.Step == ledger.PostHold; {
			case t.From == id && t.Step == ledger.PostHold:
				p.Minor, p.Held = -t.Amount.Minor, -t.Amount.Minor
			case t.From == id && moves:
				p.Minor = -t.Amount.Minor
			case t.From == id && t.Step == ledger.Hold:
				p.Held = t.Amount.Minor
			case t.From == id:
				p.Held = -t.Amount.Minor
			case t.To == id && moves:
				p.Minor, p.Other = t.Amount.Minor, t.From
			default:
				continue
			}
			balance -= p.Minor
			list = append(list, p)
		}
	}
	if len(events) == postingsWalkedMax {
		return list, &further{events[len(events)-1].Seq, balance}
	}
	return list, nil
}
