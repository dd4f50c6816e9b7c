package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"remit"
	"remit/money"
	"remit/store"
)

// dayOf is the beginning of epoch's day, and the next one's.
var (
	dayOf   = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	nextDay = dayOf.AddDate(0, 0, 1)
)

// textsAreFound looks one thing up by each of its names, and what shares an
// amount; another merchant's is not found.
func textsAreFound(t *testing.T, s store.Store) {
	ctx, w := t.Context(), fullWrites()
	must(t, found(ctx, s, globex))
	update(t, s, locked(acme), w)
	p1, p2, d1, d2 := w.Payments[0], w.Payments[1], w.Disbursements[0], w.Disbursements[1]
	for _, c := range []struct {
		f             store.Search
		payments      []remit.Payment
		disbursements []remit.Disbursement
	}{
		{f: store.Search{Text: "p1"}, payments: []remit.Payment{p1}},
		{f: store.Search{Text: "1000000001"}, payments: []remit.Payment{p1}},
		{f: store.Search{Text: "7"}, payments: []remit.Payment{p1, p2}}, // a further name that they share, newest first
		{f: store.Search{Text: "7", Max: 1}, payments: []remit.Payment{p1}},
		{f: store.Search{Text: "order 7"}, payments: []remit.Payment{p1}},
		{f: store.Search{Text: "d1"}, disbursements: []remit.Disbursement{d1}},
		{f: store.Search{Text: "x1"}, disbursements: []remit.Disbursement{d1}},
		{f: store.Search{Text: "ref"}, disbursements: []remit.Disbursement{d1}},
		{f: store.Search{Text: "order 8"}, disbursements: []remit.Disbursement{d1}},
		{f: store.Search{Text: "nothing"}},
		{f: store.Search{Amount: money.Amount{Minor: 1}}, payments: []remit.Payment{p2}, disbursements: []remit.Disbursement{d2}},
		{f: store.Search{Amount: money.Amount{Minor: 1, Currency: "EUR"}}, payments: []remit.Payment{p2}, disbursements: []remit.Disbursement{d2}},
		{f: store.Search{Amount: money.Amount{Minor: 1, Currency: "SEK"}}},
	} {
		c.f.Merchant = acme
		if c.f.Max == 0 {
			c.f.Max = 10
		}
		ps, ds, err := s.Find(ctx, c.f)
		same(t, fmt.Sprintf("payments of %+v", c.f), ps, err, c.payments)
		same(t, fmt.Sprintf("disbursements of %+v", c.f), ds, err, c.disbursements)
		c.f.Merchant = ""
		ps, ds, err = s.Find(ctx, c.f)
		must(t, err)
		if (len(c.payments) > 0 && !slices.ContainsFunc(ps, func(p remit.Payment) bool { return p.Merchant == acme })) ||
			(len(c.disbursements) > 0 && !slices.ContainsFunc(ds, func(d remit.Disbursement) bool { return d.Merchant == acme })) {
			t.Errorf("among all merchants %+v finds %d payments, %d disbursements, and none of acme's", c.f, len(ps), len(ds))
		}
		c.f.Merchant = globex
		ps, ds, err = s.Find(ctx, c.f)
		must(t, err)
		for _, p := range ps {
			same(t, "whose the payment is", p.Merchant, nil, globex)
		}
		for _, d := range ds {
			same(t, "whose the disbursement is", d.Merchant, nil, globex)
		}
	}
}

// newestComeFirst turns listings around, and narrows them to what a person
// looks at.
func newestComeFirst(t *testing.T, s store.Store) {
	ctx, w := t.Context(), fullWrites()
	for i := range w.Disbursements {
		w.Disbursements[i].Created = after(time.Duration(i) * time.Hour)
	}
	w.Payments[1].Opened = after(time.Hour)
	update(t, s, locked(acme), w)
	p1, p2, d1, d2 := w.Payments[0], w.Payments[1], w.Disbursements[0], w.Disbursements[1]

	for _, c := range []struct {
		f    store.PaymentFilter
		want []remit.Payment
	}{
		{store.PaymentFilter{}, []remit.Payment{p2, p1}},
		{store.PaymentFilter{After: "p2"}, []remit.Payment{p1}},
		{store.PaymentFilter{After: "p1"}, nil},
	} {
		c.f.Merchant, c.f.Newest, c.f.Max = acme, true, 9
		got, err := s.Payments(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}
	for _, c := range []struct {
		f    store.Filter
		want []remit.Disbursement
	}{
		{store.Filter{}, []remit.Disbursement{d2, d1}},
		{store.Filter{After: "d2"}, []remit.Disbursement{d1}},
		{store.Filter{Kind: remit.KindPayout}, []remit.Disbursement{d2}},
		{store.Filter{Kind: remit.KindRefund}, []remit.Disbursement{d1}},
		{store.Filter{Stuck: true}, []remit.Disbursement{d1}},
		{store.Filter{Underway: true}, []remit.Disbursement{d1}},
		{store.Filter{Ended: after(4 * time.Minute)}, []remit.Disbursement{d1}},
		{store.Filter{Ended: after(5 * time.Minute)}, nil},
	} {
		c.f.Merchant, c.f.Newest, c.f.Max = acme, true, 9
		got, err := s.Disbursements(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}

	first, second := store.Delivered{Delivery: w.Deliveries[0], Log: w.Tries}, store.Delivered{Delivery: w.Deliveries[1]}
	for _, c := range []struct {
		f    store.DeliveryFilter
		want []store.Delivered
	}{
		{store.DeliveryFilter{Newest: true}, []store.Delivered{second, first}},
		{store.DeliveryFilter{Newest: true, After: second.ID}, []store.Delivered{first}},
		{store.DeliveryFilter{After: first.ID}, []store.Delivered{second}},
		{store.DeliveryFilter{ID: first.ID}, []store.Delivered{first}},
		{store.DeliveryFilter{Underway: true}, nil}, // the work is of no kind
	} {
		c.f.Merchant, c.f.Max = acme, 9
		got, err := s.Deliveries(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}

	e1, e2 := w.Events[0], w.Events[1]
	for _, c := range []struct {
		below int64
		max   int
		want  []remit.Event
	}{{0, 9, []remit.Event{e2, e1}}, {2, 9, []remit.Event{e1}}, {1, 9, nil}, {0, 1, []remit.Event{e2}}} {
		got, err := s.Recent(ctx, store.Newest{Merchant: acme, Below: c.below, Max: c.max})
		same(t, fmt.Sprintf("%d events below %d", c.max, c.below), got, err, c.want)
	}
	own, err := s.Recent(ctx, store.Newest{Merchant: acme, Own: true, Max: 9})
	same(t, "the merchant's own events", own, err, []remit.Event{e2})
}

// openEndsAreFound sends disbursements, and lets one thing happen to each: what
// a rail could not tell about is found, what was sent long ago, and what is held
// for a person, and nothing else.
func openEndsAreFound(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, found(ctx, s, globex))
	w := &store.Writes{Merchants: []remit.Merchant{{ID: acme, Seq: 20}}}
	add := func(kind remit.Kind, d remit.Disbursement, events ...string) remit.Disbursement {
		n := int64(len(w.Disbursements)) + 1
		d.ID, d.Merchant, d.Kind, d.Amount, d.Created = remit.DisbursementID(fmt.Sprint("d", n)), acme, kind, cents(n), after(time.Duration(n)*time.Minute)
		w.Disbursements = append(w.Disbursements, d)
		for _, e := range events {
			w.Events = append(w.Events, remit.Event{Merchant: acme, Seq: int64(len(w.Events)) + 1, Subject: string(d.ID), Kind: e})
		}
		if d.State == remit.Accepted || (d.State == remit.Sent && !d.Stuck) {
			w.Work = append(w.Work, remit.Work{Merchant: acme, ID: remit.WorkID{Seq: n}, Kind: remit.WorkSend, Subject: string(d.ID), Order: string(d.ID), Due: epoch})
		}
		return d
	}
	day := 24 * time.Hour
	unknown := add(remit.KindRefund, remit.Disbursement{State: remit.Sent, Sent: after(2 * day)}, "accepted", "sent", remit.KindUnknown)
	told := add(remit.KindPayout, remit.Disbursement{State: remit.Sent, Sent: epoch}, "sent", remit.KindUnknown, remit.KindRedelivered)
	plain := add(remit.KindRefund, remit.Disbursement{State: remit.Sent, Sent: after(day - time.Microsecond)}, "accepted", "sent")
	add(remit.KindRefund, remit.Disbursement{State: remit.Sent, Sent: after(day)}, remit.KindUnknown, "sent")
	add(remit.KindRefund, remit.Disbursement{State: remit.Sent, Sent: epoch, Stuck: true}, "sent", remit.KindUnknown)
	add(remit.KindRefund, remit.Disbursement{State: remit.Settled, Sent: epoch, Settled: after(day)}, "sent", remit.KindUnknown)
	add(remit.KindRefund, remit.Disbursement{State: remit.Accepted}, "accepted")
	add(remit.KindRefund, remit.Disbursement{State: remit.Waiting, WaitingFor: remit.WaitFunding})
	held := add(remit.KindRefund, remit.Disbursement{State: remit.Waiting, WaitingFor: remit.WaitReview})
	asked := add(remit.KindPayout, remit.Disbursement{State: remit.Waiting, WaitingFor: remit.WaitApproval})
	w.Events = append(w.Events, remit.Event{Merchant: globex, Seq: 99, Subject: string(plain.ID), Kind: remit.KindUnknown})
	update(t, s, locked(acme, globex), w)

	for _, c := range []struct {
		f    store.Filter
		want []remit.Disbursement
	}{
		{store.Filter{Unknown: true}, []remit.Disbursement{told, unknown}},
		{store.Filter{Unknown: true, Kind: remit.KindRefund}, []remit.Disbursement{unknown}},
		{store.Filter{Unknown: true, Kind: remit.KindPayout}, []remit.Disbursement{told}},
		{store.Filter{Unknown: true, After: told.ID}, []remit.Disbursement{unknown}},
		{store.Filter{Stalled: after(day)}, []remit.Disbursement{plain, told}},
		{store.Filter{Stalled: after(day), Kind: remit.KindPayout}, []remit.Disbursement{told}},
		{store.Filter{Stalled: epoch}, nil},
		{store.Filter{Held: true}, []remit.Disbursement{asked, held}},
		{store.Filter{Held: true, Kind: remit.KindPayout}, []remit.Disbursement{asked}},
	} {
		c.f.Newest, c.f.Max = true, 9
		for m, want := range map[remit.MerchantID][]remit.Disbursement{acme: c.want, globex: nil} {
			c.f.Merchant = m
			got, err := s.Disbursements(ctx, c.f)
			same(t, fmt.Sprintf("%+v", c.f), got, err, want)
		}
	}
}

// daysAddUp adds up each flow over two days, and cuts it by time.
func daysAddUp(t *testing.T, s store.Store) {
	ctx := t.Context()
	w := &store.Writes{Merchants: []remit.Merchant{{ID: acme}, {ID: globex}}}
	for i, c := range []struct {
		m        remit.MerchantID
		at       time.Time
		currency money.Currency
		gone     bool
	}{{acme, dayOf, "EUR", false}, {acme, epoch, "EUR", true}, {acme, epoch, "SEK", false}, {acme, nextDay, "EUR", false}, {globex, epoch, "EUR", false}} {
		n, amount := fmt.Sprint(i), money.Amount{Minor: 10 + int64(i), Currency: c.currency}
		d := remit.Disbursement{ID: remit.DisbursementID("d" + n), Merchant: c.m, Amount: amount, Created: c.at}
		if c.gone {
			d.Ended = c.at.AddDate(0, 0, 6)
		}
		w.Disbursements = append(w.Disbursements, d)
		w.Payments = append(w.Payments, remit.Payment{ID: remit.PaymentID("p" + n), Merchant: c.m, ExternalID: n, Amount: amount, Funded: c.at})
	}
	w.Payments = append(w.Payments, remit.Payment{ID: "p9", Merchant: acme, ExternalID: "9", Amount: money.Amount{Minor: 99, Currency: "EUR"}})
	update(t, s, locked(acme, globex), w)

	first := []store.Total{{Day: dayOf, Currency: "EUR", Count: 2, Minor: 21}, {Day: dayOf, Currency: "SEK", Count: 1, Minor: 12}}
	both := append(first[:2:2], store.Total{Day: nextDay, Currency: "EUR", Count: 1, Minor: 13})
	for _, c := range []struct {
		f    store.TotalsFilter
		want []store.Total
	}{
		{store.TotalsFilter{Flow: store.FlowIn, From: dayOf, To: after(48 * time.Hour)}, both},
		{store.TotalsFilter{Flow: store.FlowOut, From: dayOf, To: after(48 * time.Hour)}, both},
		{store.TotalsFilter{Flow: store.FlowOut, From: dayOf, To: nextDay}, first},
		{store.TotalsFilter{Flow: store.FlowBack, From: dayOf, To: after(48 * time.Hour)}, []store.Total{{Day: dayOf, Currency: "EUR", Count: 1, Minor: 11}}},
	} {
		c.f.Merchant = acme
		got, err := s.Totals(ctx, c.f)
		same(t, fmt.Sprintf("%+v", c.f), got, err, c.want)
	}
}
