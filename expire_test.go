package remit

import (
	"errors"
	"testing"
	"time"
)

// TestAPaymentThatNobodyFinishesExpires once its time is up, and takes with it
// the refunds that wait for its money. Whether the payer's agreement saves it,
// the dialect says.
func TestAPaymentThatNobodyFinishesExpires(t *testing.T) {
	for name, x := range map[string]struct {
		begins PaymentState
		lapses bool
		then   []PaymentState // what becomes of it before its time is up
		timer  bool           // there is work to end it
		ends   PaymentState
	}{
		"nobody comes":                      {PaymentOpened, false, nil, true, PaymentFailed},
		"nobody comes, where it lapses":     {PaymentOpened, true, nil, true, PaymentFailed},
		"the payer agrees":                  {PaymentOpened, false, []PaymentState{PaymentAuthorized}, true, PaymentAuthorized},
		"the payer agrees, where it lapses": {PaymentOpened, true, []PaymentState{PaymentAuthorized}, true, PaymentFailed},
		"the money comes":                   {PaymentOpened, true, []PaymentState{PaymentFunded}, true, PaymentFunded},
		"the money came and was taken back": {PaymentOpened, true, []PaymentState{PaymentFunded, PaymentReversed}, true, PaymentReversed},
		"given up before":                   {PaymentOpened, true, []PaymentState{PaymentCanceled}, true, PaymentCanceled},
		"failed before":                     {PaymentOpened, true, []PaymentState{PaymentFailed}, true, PaymentFailed},
		"agreed to from the beginning":      {PaymentAuthorized, false, nil, false, PaymentAuthorized},
		"the same, where it lapses":         {PaymentAuthorized, true, nil, true, PaymentFailed},
		"funded from the beginning":         {PaymentFunded, true, nil, false, PaymentFunded},
	} {
		w := newWorld(t)
		o := OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(10_000), State: x.begins, PayerAccount: "s1.sealed",
			Expires: time.Hour, Attributes: PaymentAttributes{Lapses: x.lapses}}
		p := *w.must(o).Result.Payment
		due := w.now.Add(time.Hour)
		if got := w.timer(p); (got.Kind == WorkExpire) != x.timer || (x.timer && (!got.Due.Equal(due) || got.Order != string(p.ID))) {
			t.Errorf("%s: the timer is %+v", name, got)
		}
		for _, to := range x.then {
			w.must(MovePayment{Head: w.head(), Payment: p.ID, To: to})
		}
		w.check()
		before, n := w.payments[p.ID], len(w.events)
		w.now = due
		if x.timer {
			c := w.must(Expire{Head: w.head(), Payment: p.ID, Work: w.timer(p)})
			expired := x.ends != before.State
			if w.payments[p.ID].State != x.ends || c.Result.Payment != nil != expired || (len(w.events) > n) != expired || len(w.work) != 0 {
				t.Errorf("%s: it is %s, want %s; events %s; work left %v", name, w.payments[p.ID].State, x.ends, w.kinds(n), w.work)
			}
			if got := w.payments[p.ID]; expired && (got.Reason != ReasonExpired || !got.Ended.Equal(due) || w.kinds(n) != "[failed]") {
				t.Errorf("%s: it ended %s, reason %q, %s", name, got.Ended, got.Reason, w.kinds(n))
			}
		}
		w.check()
		w.audit()
	}
}

// TestWhoeverComesTooLateFindsAnExpiredPayment: it is not paid, not refunded,
// and does not expire twice.
func TestWhoeverComesTooLateFindsAnExpiredPayment(t *testing.T) {
	w := newWorld(t)
	o := OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(10_000), State: PaymentAuthorized, PayerAccount: "s1.sealed",
		Expires: time.Hour, Attributes: PaymentAttributes{Lapses: true}}
	p := *w.must(o).Result.Payment
	waits := w.refund(p, 4_000)
	waits.WhenUnfunded = Wait
	d := *w.must(waits).Result.Disbursement
	end := Expire{Head: w.head(), Payment: p.ID, Work: w.timer(p)}
	late := end
	late.Work.Fence--
	if _, err := w.do(late); !errors.Is(err, ErrLost) {
		t.Errorf("who has lost the lease got %v", err)
	}
	w.must(end)
	if got := w.disbursements[d.ID]; got.State != Failed || got.Reason != ReasonPaymentGone {
		t.Errorf("the refund that waited is %s, %q", got.State, got.Reason)
	}
	if _, err := w.do(end); !errors.Is(err, ErrLost) {
		t.Errorf("the second time got %v", err)
	}
	w.refused(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentFunded}, Conflict, ReasonTerminal)
	w.refused(w.refund(p, 1), Conflict, ReasonPaymentFailed)
	gone := end
	gone.Payment, gone.Work = "p-none", Work{ID: WorkID{Seq: 99}}
	w.work[gone.Work.ID] = gone.Work
	w.refused(gone, NotFound, "")
	delete(w.work, gone.Work.ID)
	w.check()
	w.audit()
}

// TestMoneyThatIsLateIsSaidToBe once, and the payment waits on.
func TestMoneyThatIsLateIsSaidToBe(t *testing.T) {
	const late = 72 * time.Hour
	for name, x := range map[string]struct {
		begins PaymentState
		then   PaymentState // before it is late; "" is nothing
		said   bool
	}{
		"agreed to":                    {PaymentAuthorized, "", true},
		"agreed to later":              {PaymentOpened, PaymentAuthorized, true},
		"paid in time":                 {PaymentAuthorized, PaymentFunded, false},
		"given up in time":             {PaymentAuthorized, PaymentFailed, false},
		"paid without a moment's wait": {PaymentFunded, "", false},
	} {
		w := newWorld(t)
		p := *w.must(OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(10_000), State: x.begins, PayerAccount: "s1.sealed",
			Attributes: PaymentAttributes{LateMicros: late.Microseconds()}}).Result.Payment
		if x.then != "" {
			w.must(MovePayment{Head: w.head(), Payment: p.ID, To: x.then})
		}
		timer := w.timer(p)
		if (timer.Kind == WorkExpire) == (x.begins == PaymentFunded) {
			t.Errorf("%s: the timer is %+v", name, timer)
		}
		if timer.Kind == "" {
			continue
		}
		n, before := len(w.events), w.payments[p.ID].State
		w.now = w.now.Add(late)
		w.must(Expire{Head: w.head(), Payment: p.ID, Work: timer})
		if want := map[bool]string{true: "[late]", false: "[]"}[x.said]; w.kinds(n) != want || w.payments[p.ID].State != before || len(w.work) != 0 {
			t.Errorf("%s: %s, want %s; it is %s, work left %v", name, w.kinds(n), want, w.payments[p.ID].State, w.work)
		}
		if x.said {
			w.must(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentFunded})
		}
		w.check()
		w.audit()
	}
}
