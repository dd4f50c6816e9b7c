package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/internal/books"
	"remit/internal/check"
	"remit/ledger"
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

// ledger lists a merchant's accounts, now or as they were at a moment.
func (c *Console) ledger(v *visit) error {
	shown, err := c.books(v.Context(), v.merchant.ID)
	if err != nil {
		return err
	}
	last, err := c.lastCheck(v.Context())
	if err != nil {
		return err
	}
	data := map[string]any{"Check": last, "Moment": v.FormValue("at")}
	if text := v.FormValue("at"); text != "" {
		at, err := moment(text)
		if err != nil {
			return err
		}
		then, err := books.At(v.Context(), c.store, v.merchant.ID, at)
		if err != nil {
			return err
		}
		shown, data["At"], data["Seq"] = then.Books, at, then.Seq
	}
	var accounts []ledger.Account
	for _, a := range shown {
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b ledger.Account) int {
		return strings.Compare(string(a.Currency)+accountOrder(a.ID), string(b.Currency)+accountOrder(b.ID))
	})
	data["Accounts"] = accounts
	v.render(200, "ledger", "ledger", "Ledger", data)
	return nil
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

// account shows the transfers of one account, newest first, each with the
// balance after it.
func (c *Console) account(v *visit) error {
	m := v.merchant.ID
	id := remit.AccountAt(m, v.FormValue("path"))
	have, err := c.store.Read(v.Context(), store.Wants{Merchants: []remit.MerchantID{m}, Accounts: []store.AccountsRef{{Merchant: m}}})
	if err != nil {
		return err
	}
	a, ok := have.Books[m][id]
	if !ok {
		return remit.Errorf(remit.NotFound, "", "There is no account %q.", v.FormValue("path"))
	}
	below, balance := have.Merchants[m].Seq+1, a.Balance()
	if text := v.FormValue("below"); text != "" {
		n, errSeq := strconv.ParseInt(text, 10, 64)
		b, errBalance := strconv.ParseInt(v.FormValue("balance"), 10, 64)
		if errSeq != nil || errBalance != nil {
			return remit.Errorf(remit.Invalid, "", "This is no page of the account.")
		}
		below, balance = n, b
	}
	events, err := c.store.Recent(v.Context(), store.Newest{Merchant: m, Below: below, Max: postingsWalkedMax})
	if err != nil {
		return err
	}
	list, next := postings(events, id, balance)
	v.render(200, "account", "ledger", "Account", map[string]any{
		"Account": a, "List": list, "Next": next, "Path": v.FormValue("path"), "Last": next == nil || len(events) == 0, "Whole": v.FormValue("below") == "",
	})
	return nil
}

// further is where an account's next page begins, and the balance there.
type further struct{ Below, Balance int64 }

// postings are an account's among events that come newest first, and where the
// next page begins: nil at the end.
func postings(events []remit.Event, id ledger.AccountID, balance int64) (list []posting, next *further) {
	for _, e := range events {
		if len(list) >= postingsMax {
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
