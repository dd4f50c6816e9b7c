package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
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
	Name, Hint, Link string
	Tone             string
	Count            int
	More             bool // there are more than were counted
	Items            []attend
}

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

// attention gathers what needs a person, the most pressing first.
func (c *Console) attention(v *visit) ([]attention, error) {
	ctx, m := v.Context(), v.merchant.ID
	today := v.now.UTC().Truncate(24 * time.Hour)
	list := func(f store.Filter) ([]remit.Disbursement, error) {
		f.Merchant, f.Newest, f.Max = m, true, attentionMax+1
		return c.store.Disbursements(ctx, f)
	}
	stuck, err1 := list(store.Filter{Stuck: true})
	waiting, err2 := list(store.Filter{State: remit.Waiting})
	failed, err3 := list(store.Filter{State: remit.Failed, Ended: today})
	returned, err4 := list(store.Filter{State: remit.Returned, Ended: today})
	unknown, err5 := c.unknown(ctx, m)
	dead, err6 := c.store.Deliveries(ctx, store.DeliveryFilter{Merchant: m, State: remit.DeliveryDead, Newest: true, Max: attentionMax + 1})
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return nil, err
	}
	review := slices.DeleteFunc(waiting, func(d remit.Disbursement) bool { return d.WaitingFor == remit.WaitFunding })
	letters := attention{Name: "Dead letters", Tone: "bad", Hint: "Notifications that were given up. Replay them once the merchant answers again.",
		Link: v.path("deliveries") + "?state=dead", Count: min(len(dead), attentionMax), More: len(dead) > attentionMax}
	for _, d := range dead[:min(len(dead), attentionShown)] {
		letters.Items = append(letters.Items, attend{Link: v.path("deliveries", d.ID.String()), Text: d.Notice.Kind + " to " + host(d.Notice.URL), At: d.Updated})
	}
	return []attention{
		v.attend("Stuck", "bad", "No rail can tell what became of these. Ask again, or decide from the bank's own statement.", "?stuck=yes", stuck),
		v.attend("Outcome unknown", "wait", "A rail could not tell yet. They are asked about again by themselves.", "?state=sent", unknown),
		letters,
		v.attend("Held for a person", "wait", "The money is held until somebody agrees.", "?state=waiting", review),
		v.attend("Failed today", "bad", "They will not be paid. Nothing is held for them any more.", "?state=failed", failed),
		v.attend("Returned today", "bad", "They were paid, and the bank sent them back.", "?state=returned", returned),
	}, nil
}

// attend makes a kind of attention of disbursements.
func (v *visit) attend(name, tone, hint, query string, ds []remit.Disbursement) attention {
	a := attention{Name: name, Tone: tone, Hint: hint, Link: v.path("refunds") + query, Count: min(len(ds), attentionMax), More: len(ds) > attentionMax}
	if len(ds) > 0 && !slices.ContainsFunc(ds, func(d remit.Disbursement) bool { return d.Kind == remit.KindRefund }) {
		a.Link = v.path("payouts") + query
	}
	for _, d := range ds[:min(len(ds), attentionShown)] {
		text := string(d.Kind) + " " + short(cmp.Or(d.ExternalID, string(d.ID)))
		if reason := why(d); reason != "" {
			text += ": " + reason
		}
		a.Items = append(a.Items, attend{Link: v.path("out", string(d.ID)), Text: text, Amount: d.Amount, At: d.Updated})
	}
	return a
}

// unknown are the disbursements whose rail could not tell, the last time it
// was asked.
func (c *Console) unknown(ctx context.Context, m remit.MerchantID) ([]remit.Disbursement, error) {
	sent, err := c.store.Disbursements(ctx, store.Filter{Merchant: m, State: remit.Sent, Underway: true, Newest: true, Max: attentionMax})
	if err != nil {
		return nil, err
	}
	var unknown []remit.Disbursement
	for _, d := range sent {
		if d.Stuck {
			continue
		}
		events, err := c.store.Events(ctx, m, string(d.ID))
		if err != nil {
			return nil, err
		}
		events = slices.DeleteFunc(events, func(e remit.Event) bool { return e.Kind == remit.KindRedelivered })
		if len(events) > 0 && events[len(events)-1].Kind == remit.KindUnknown {
			unknown = append(unknown, d)
		}
	}
	return unknown, nil
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
