package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"remit"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// What an overview shows at most.
const (
	attentionMax = 50 // of each kind; more are said to be more
	eventsMax    = 12
	underwayMax  = 500
	chartDays    = 30
)

// attention is one kind of thing that needs a person.
type attention struct {
	Name, Tone, Hint string
	Links            []link // to all of them: refunds and payouts are listed apart
	Count            int
	More             bool // there are more than were counted
	Items            []attend
}

type link struct{ To, Text string }

// attend is one such thing.
type attend struct {
	Link, Text string
	Amount     money.Amount
	At         time.Time
}

// attentionShown is how many things of a kind are shown with it.
const attentionShown = 3

func (c *Console) overview(v *visit) error {
	needs, err := c.attention(v)
	if err != nil {
		return err
	}
	balances, err := c.balances(v.Context(), v.merchant.ID)
	if err != nil {
		return err
	}
	health, err := c.health(v)
	if err != nil {
		return err
	}
	waiting, err := c.waiting(v)
	if err != nil {
		return err
	}
	events, err := c.store.Recent(v.Context(), store.Newest{Merchant: v.merchant.ID, Max: eventsMax})
	if err != nil {
		return err
	}
	refused, err := c.refusedToday(v)
	if err != nil {
		return err
	}
	var currencies []money.Currency
	for _, b := range balances {
		currencies = append(currencies, b.Currency)
	}
	shown := money.Currency(v.FormValue("currency"))
	if !slices.Contains(currencies, shown) && len(currencies) > 0 {
		shown = currencies[0]
	}
	total := 0
	for _, n := range needs {
		total += n.Count
	}
	v.render(200, "overview", "overview", "Overview", map[string]any{
		"Needs": needs, "Total": total, "Balances": balances, "Health": health, "Events": events, "Currencies": currencies, "Currency": shown, "Waiting": waiting,
		"Refused": refused, "RefusedMore": refused == refusedCountMax, "Today": v.now.UTC().Format(time.DateOnly),
	})
	return nil
}

// stalledHint says what is stalled.
var stalledHint = fmt.Sprintf("Sent more than %d hours ago, and no rail has said since that they are paid. They are asked about again by themselves; their bank can be asked by the end-to-end id on their page.", int(stalledAfter.Hours()))

// attention gathers what needs a person, the most pressing first.
func (c *Console) attention(v *visit) ([]attention, error) {
	today := v.now.UTC().Format(time.DateOnly)
	stuck, err1 := c.attend(v, "Stuck", "bad", "No rail can tell what became of these. Ask again, or decide from the bank's own statement.", filters{Only: onlyStuck})
	stalled, err2 := c.attend(v, "Stalled", "wait", stalledHint, filters{Only: onlyStalled})
	unknown, err3 := c.attend(v, "Outcome unknown", "wait", "A rail could not tell, and nothing is known since. They are asked about again by themselves.", filters{Only: onlyUnknown})
	letters, err4 := c.letters(v)
	held, err5 := c.attend(v, "Held for a person", "wait", "The money is held until somebody agrees, or names an account.", filters{Only: onlyHeld})
	failed, err6 := c.attend(v, "Failed today", "bad", "They will not be paid. Nothing is held for them any more.", filters{State: string(remit.Failed), Ended: today})
	returned, err7 := c.attend(v, "Returned today", "bad", "They were paid, and the bank sent them back.", filters{State: string(remit.Returned), Ended: today})
	return []attention{stuck, stalled, unknown, letters, held, failed, returned}, errors.Join(err1, err2, err3, err4, err5, err6, err7)
}

// attend makes a kind of attention of the disbursements of two lists: what is
// counted is what its links open.
func (c *Console) attend(v *visit, name, tone, hint string, in filters) (attention, error) {
	a := attention{Name: name, Tone: tone, Hint: hint}
	var newest []remit.Disbursement
	for _, k := range []remit.Kind{remit.KindRefund, remit.KindPayout} {
		f, err := v.disbursementFilter(k, in)
		if err != nil {
			return a, err
		}
		f.Max = attentionMax + 1
		list, err := c.store.Disbursements(v.Context(), f)
		if err != nil {
			return a, err
		}
		if len(list) == 0 {
			continue
		}
		n, more := min(len(list), attentionMax), len(list) > attentionMax
		text := plural(int64(n), string(k))
		if more {
			text = strings.Replace(text, " ", "+ ", 1)
		}
		a.Links = append(a.Links, link{To: withQuery(v.path(string(k)+"s"), "state", in.State, "only", in.Only, "ended", in.Ended), Text: text})
		a.Count, a.More = a.Count+n, a.More || more
		newest = append(newest, list[:min(len(list), attentionShown)]...)
	}
	slices.SortStableFunc(newest, func(a, b remit.Disbursement) int { return b.Created.Compare(a.Created) })
	for _, d := range newest[:min(len(newest), attentionShown)] {
		text := string(d.Kind) + " " + short(cmp.Or(d.ExternalID, string(d.ID)))
		if reason := why(d); reason != "" {
			text += ": " + reason
		}
		a.Items = append(a.Items, attend{Link: v.path("out", string(d.ID)), Text: text, Amount: d.Amount, At: d.Updated})
	}
	return a, nil
}

// letters are the notifications that were given up.
func (c *Console) letters(v *visit) (attention, error) {
	dead, err := c.store.Deliveries(v.Context(), store.DeliveryFilter{Merchant: v.merchant.ID, State: remit.DeliveryDead, Newest: true, Max: attentionMax + 1})
	a := attention{Name: "Dead letters", Tone: "bad", Hint: "Notifications that were given up. Replay them once the merchant answers again.",
		Links: []link{{To: v.path("deliveries") + "?state=dead"}}, Count: min(len(dead), attentionMax), More: len(dead) > attentionMax}
	for _, d := range dead[:min(len(dead), attentionShown)] {
		a.Items = append(a.Items, attend{Link: v.path("deliveries", d.ID.String()), Text: d.Notice.Kind + " to " + host(d.Notice.URL), At: d.Updated})
	}
	return a, err
}

// balance is what a merchant has in one currency, in minor units.
type balance struct {
	Currency                         money.Currency
	Minor, HeldMinor, AvailableMinor int64
	OwedMinor, ClearingMinor         int64
}

func (c *Console) balances(ctx context.Context, m remit.MerchantID) ([]balance, error) {
	books, err := c.books(ctx, m)
	if err != nil {
		return nil, err
	}
	all := map[money.Currency]balance{}
	for id, a := range books {
		b := all[a.Currency]
		b.Currency = a.Currency
		switch id {
		case remit.BalanceAccount(m, a.Currency):
			b.Minor, b.HeldMinor, b.AvailableMinor = a.Balance(), a.Held, a.Available()
		case remit.OwedAccount(m, a.Currency):
			b.OwedMinor = -a.Balance()
		case remit.WorldAccount(m, a.Currency):
		default:
			b.ClearingMinor += a.Balance()
		}
		all[a.Currency] = b
	}
	return slices.SortedFunc(maps.Values(all), func(a, b balance) int { return cmp.Compare(a.Currency, b.Currency) }), nil
}

func (c *Console) books(ctx context.Context, m remit.MerchantID) (ledger.Books, error) {
	have, err := c.store.Read(ctx, store.Wants{Accounts: []store.AccountsRef{{Merchant: m}}})
	return have.Books[m], err
}

// waiting adds up the refunds that wait for their payments' money, by currency.
func (c *Console) waiting(v *visit) (map[money.Currency]*money.Amount, error) {
	list, err := c.store.Disbursements(v.Context(), store.Filter{Merchant: v.merchant.ID, State: remit.Waiting, Newest: true, Max: underwayMax})
	sums := map[money.Currency]*money.Amount{}
	for _, d := range list {
		if d.WaitingFor != remit.WaitFunding {
			continue
		}
		if sums[d.Amount.Currency] == nil {
			sums[d.Amount.Currency] = &money.Amount{Currency: d.Amount.Currency}
		}
		sums[d.Amount.Currency].Minor += d.Amount.Minor
	}
	return sums, err
}

// health is how work goes on.
type health struct {
	Backlog store.Backlog // of all merchants
	Rails   []railHealth
}

type railHealth struct {
	Name     string
	Underway int
	More     bool
	Since    time.Time // when the oldest that is under way was handed over
}

func (c *Console) health(v *visit) (h health, err error) {
	if h.Backlog, err = c.store.Backlog(v.Context(), v.now); err != nil {
		return h, err
	}
	open, err := c.store.Disbursements(v.Context(), store.Filter{Merchant: v.merchant.ID, Underway: true, Newest: true, Max: underwayMax})
	if err != nil {
		return h, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.o.Node.Rails)) {
		r := railHealth{Name: name, More: len(open) == underwayMax}
		for _, d := range open {
			if d.Rail != name {
				continue
			}
			r.Underway++
			if !d.Sent.IsZero() && (r.Since.IsZero() || d.Sent.Before(r.Since)) {
				r.Since = d.Sent
			}
		}
		h.Rails = append(h.Rails, r)
	}
	return h, nil
}

// days remembers what days that are over came to: payments of such a day are
// added up once. What failed of it later is not remembered, but read.
type days struct {
	mu   sync.Mutex
	over map[dayKey][]store.Total
}

type dayKey struct {
	merchant remit.MerchantID
	flow     store.Flow
	day      time.Time
}

// daysKeptMax is how many days are remembered, of all merchants.
const daysKeptMax = 100_000

// settledAfter is how long a day is still read after it is over: what a slow
// process wrote at its end is there by then.
const settledAfter = time.Hour

// totals adds a flow up, day by day.
func (c *Console) totals(ctx context.Context, m remit.MerchantID, flow store.Flow, from, to, now time.Time) (all []store.Total, err error) {
	for day := from; day.Before(to); day = day.AddDate(0, 0, 1) {
		key := dayKey{m, flow, day}
		c.days.mu.Lock()
		totals, ok := c.days.over[key]
		c.days.mu.Unlock()
		if !ok {
			next := day.AddDate(0, 0, 1)
			if totals, err = c.store.Totals(ctx, store.TotalsFilter{Merchant: m, Flow: flow, From: day, To: next}); err != nil {
				return nil, err
			}
			if flow != store.FlowBack && now.Sub(next) > settledAfter {
				c.days.keep(key, totals)
			}
		}
		all = append(all, totals...)
	}
	return all, nil
}

func (d *days) keep(k dayKey, totals []store.Total) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over == nil || len(d.over) >= daysKeptMax {
		d.over = map[dayKey][]store.Total{}
	}
	d.over[k] = totals
}

// series is a chart's data: a number for each day, in minor units.
type series struct {
	Currency money.Currency `json:"currency"`
	Digits   int            `json:"digits"` // of the minor unit
	Days     []int64        `json:"days"`   // in seconds since 1970
	In       []int64        `json:"in"`
	Out      []int64        `json:"out"`
	Back     []int64        `json:"back"`
}

// chart answers with the money of the last days in one currency.
func (c *Console) chart(v *visit) error {
	s := series{Currency: money.Currency(v.FormValue("currency"))}
	digits, ok := s.Currency.Digits()
	if !ok {
		return remit.Errorf(remit.Invalid, "", "There is no currency %q.", string(s.Currency))
	}
	s.Digits = digits
	to := v.now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	from := to.AddDate(0, 0, -chartDays)
	at := map[time.Time]int{}
	for day := from; day.Before(to); day = day.AddDate(0, 0, 1) {
		at[day] = len(s.Days)
		s.Days = append(s.Days, day.Unix())
	}
	for flow, into := range map[store.Flow]*[]int64{store.FlowIn: &s.In, store.FlowOut: &s.Out, store.FlowBack: &s.Back} {
		*into = make([]int64, len(s.Days))
		totals, err := c.totals(v.Context(), v.merchant.ID, flow, from, to, v.now)
		if err != nil {
			return err
		}
		for _, t := range totals {
			if i, ok := at[t.Day]; ok && t.Currency == s.Currency {
				(*into)[i] = t.Minor
			}
		}
	}
	v.w.Header().Set("Content-Type", "application/json")
	return ignoreGone(v.Context(), json.NewEncoder(v.w).Encode(s))
}
