package remit

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"remit/ledger"
)

// kinds is what the events after the first n say, in order.
func (w *world) kinds(n int) string {
	var got []string
	for _, e := range w.events[n:] {
		got = append(got, e.Kind)
	}
	return fmt.Sprint(got)
}

// TestAPaymentIsOpenedThroughItsStates, and every step is an event.
func TestAPaymentIsOpenedThroughItsStates(t *testing.T) {
	for state, want := range map[PaymentState]string{
		PaymentOpened:     "[opened]",
		PaymentAuthorized: "[opened authorized]",
		PaymentFunded:     "[opened authorized funded]",
		PaymentFailed:     "[opened failed]",
	} {
		w := newWorld(t)
		p := w.pay(10_000, state)
		if got := w.kinds(0); got != want || p.State != state {
			t.Errorf("%s: got %s, %s; want %s", state, p.State, got, want)
		}
		if posted, _ := w.balance("EUR"); (posted == 10_000) != (state == PaymentFunded) {
			t.Errorf("%s: the balance is %d", state, posted)
		}
		w.check()
	}
	w := newWorld(t)
	o := OpenPayment{Head: w.head(), Amount: eur(1), State: PaymentOpened}
	for state, amount := range map[PaymentState]int64{PaymentReversed: 1, PaymentCanceled: 1, PaymentOpened: 0, PaymentFunded: -1} {
		bad := o
		bad.State, bad.Amount.Minor = state, amount
		if _, err := w.do(bad); !errors.Is(err, Invalid) {
			t.Errorf("%s of %d: got %v", state, amount, err)
		}
	}
	unknown := o
	unknown.Amount.Currency = "EURO"
	w.refused(unknown, Invalid, ReasonCurrency)
	o.ExternalID = w.must(o).Result.Payment.ExternalID
	w.refused(o, Conflict, "")
}

// TestFundingSettlesWhoWaits: the money comes, and those who waited for it
// are accepted; it never comes, and they fail.
func TestFundingSettlesWhoWaits(t *testing.T) {
	for to, want := range map[PaymentState]State{PaymentFunded: Accepted, PaymentFailed: Failed, PaymentCanceled: Failed} {
		w := newWorld(t)
		p := w.pay(10_000, PaymentAuthorized)
		var ids []DisbursementID
		for _, minor := range []int64{2_500, 7_500} {
			r := w.refund(p, minor)
			r.WhenUnfunded = Wait
			ids = append(ids, w.must(r).Result.Disbursement.ID)
		}
		w.check()
		w.must(MovePayment{Head: w.head(), Name: Name{Text: p.ExternalID}, To: to})
		for _, id := range ids {
			if d := w.disbursements[id]; d.State != want || d.WaitingFor != "" || (want == Failed) != (d.Reason == ReasonPaymentGone) {
				t.Errorf("%s: got %s, reason %q; want %s", to, d.State, d.Reason, want)
			}
		}
		w.check()
		w.audit()
	}
}

// TestTooLittleMoneyFailsWhoCameLast: of those who wait the oldest are served
// first, and who finds too little fails. A payment's own money always covers
// its refunds, so that this is tried on facts that are wrong.
func TestTooLittleMoneyFailsWhoCameLast(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentAuthorized)
	r := w.refund(p, 6_000)
	r.WhenUnfunded = Wait
	first := *w.must(r).Result.Disbursement
	second := first
	second.ID = "d2"
	f := w.facts(Needs{Payment: p.ID})
	f.Waiting = []Disbursement{first, second}
	c, err := MovePayment{Head: w.head(), Payment: p.ID, To: PaymentFunded}.Decide(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Disbursements; got[0].State != Accepted || got[1].State != Failed || got[1].Reason != ReasonShort {
		t.Errorf("got %+v", got)
	}
}

// TestAnOpenedPaymentIsAuthorizedOnTheWayToItsMoney, and no other step is
// made up.
func TestAnOpenedPaymentIsAuthorizedOnTheWayToItsMoney(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentOpened)
	w.refused(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentReversed}, Conflict, ReasonTerminal)
	w.refused(MovePayment{Head: w.head(), Payment: "p-none", To: PaymentFunded}, NotFound, "")
	w.must(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentFunded})
	if got, want := w.kinds(0), "[opened authorized funded]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w.refused(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentFunded}, Conflict, ReasonTerminal)
}

// TestAReversalAfterARefundIsADebt: what the balance lacks is lent on an
// account that says so; nothing available goes below zero.
func TestAReversalAfterARefundIsADebt(t *testing.T) {
	for name, x := range map[string]struct {
		state          State
		topUp          int64
		owed           int64
		posted, useful int64 // the balance afterwards
	}{
		"refunded, and nothing else there":    {Settled, 0, 4_000, 0, 0},
		"refunded, with money from elsewhere": {Settled, 1_000, 3_000, 0, 0},
		"refunded, with enough":               {Settled, 9_000, 0, 5_000, 5_000},
		"held, not paid yet":                  {Accepted, 0, 4_000, 4_000, 0},
	} {
		w := newWorld(t)
		p := w.pay(10_000, PaymentFunded)
		if x.topUp > 0 {
			w.must(TopUp{Head: w.head(), Amount: eur(x.topUp)})
		}
		d := w.refunded(p, 4_000, x.state)
		w.must(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentReversed})
		posted, useful := w.balance("EUR")
		if owed := -w.books[OwedAccount("acme", "EUR")].Balance(); owed != x.owed || posted != x.posted || useful != x.useful {
			t.Errorf("%s: got %d owed, a balance of %d, %d available; want %d, %d, %d", name, owed, posted, useful, x.owed, x.posted, x.useful)
		}
		if got := w.disbursements[d.ID].State; got != x.state {
			t.Errorf("%s: the refund became %s", name, got)
		}
		w.refused(w.refund(p, 1), Conflict, ReasonPaymentFailed)
		w.check()
		w.audit()
	}
}

// TestCancelLetsGo of what is held, and only before it is sent.
func TestCancelLetsGo(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	d := w.refunded(p, 4_000, Accepted)
	x := w.sending(d)
	w.must(Cancel{Head: w.head(), Disbursement: d.ID, Reason: ReasonAborted})
	if _, available := w.balance("EUR"); available != 10_000 || w.disbursements[d.ID].Reason != ReasonAborted || w.payments[p.ID].RefundsLive != 0 {
		t.Errorf("got %d available, %+v", available, w.disbursements[d.ID])
	}
	// The work that would have sent it finds nothing to do, and ends.
	c := w.must(MarkSent{Head: w.head(), Disbursement: d.ID, Rails: []string{"slow"}, Work: x})
	if len(w.work) != 0 || c.Result.Disbursement.State != Canceled {
		t.Errorf("got %+v; work left %v", c, w.work)
	}
	w.refused(Cancel{Head: w.head(), Disbursement: w.refunded(p, 1, Sent).ID}, Conflict, ReasonTerminal)
	w.refused(Cancel{Head: w.head(), Disbursement: "d-none"}, NotFound, "")

	a := w.pay(5_000, PaymentAuthorized)
	r := w.refund(a, 1_000)
	r.WhenUnfunded = Wait
	waits := w.must(r).Result.Disbursement.ID
	w.must(Cancel{Head: w.head(), Disbursement: waits})
	w.check()
	w.audit()
}

// TestSentIsWrittenBeforeARailIsCalled, once; who comes again is told to look
// up what became of it.
func TestSentIsWrittenBeforeARailIsCalled(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	d := w.refunded(p, 4_000, Accepted)
	mark := MarkSent{Head: w.head(), Disbursement: d.ID, Rails: []string{"slow"}, Work: w.sending(d)}

	late := mark
	late.Work.Fence--
	if _, err := w.do(late); !errors.Is(err, ErrLost) {
		t.Errorf("who has lost the lease got %v", err)
	}
	strange := mark
	strange.Rails = []string{"fast"}
	w.refused(strange, Unavailable, "")
	if c := w.must(mark); c.Result.Disbursement.State != Sent || c.Result.Payment.ID != p.ID || len(c.Events) != 1 {
		t.Errorf("got %+v", c)
	}
	if c := w.must(mark); !c.Empty() || c.Result.Disbursement.State != Sent {
		t.Errorf("the second time got %+v", c)
	}
	mark.Disbursement = "d-none"
	w.refused(mark, NotFound, "")
	w.check()
}

// TestNobodysAccountIsGuessed: a refund to where nobody knows fails when it
// would be sent.
func TestNobodysAccountIsGuessed(t *testing.T) {
	w := newWorld(t)
	p := *w.must(OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(10_000), State: PaymentFunded}).Result.Payment
	d := w.refunded(p, 4_000, Sent)
	if d.State != Failed || d.Reason != ReasonNoBeneficiary || len(w.work) != 0 {
		t.Errorf("got %s, %s; work left %v", d.State, d.Reason, w.work)
	}
	w.check()
	w.audit()
}

// TestOutcomes tells one after another what became of a disbursement, and
// looks where it stands, what the events said, and what the merchant has.
func TestOutcomes(t *testing.T) {
	for name, x := range map[string]struct {
		from   State
		tell   []Became
		state  State
		events string
		posted int64
	}{
		"settled":                          {Sent, []Became{BecameSettled}, Settled, "[settled]", 6_000},
		"settled, said twice":              {Sent, []Became{BecameSettled, BecameSettled}, Settled, "[settled]", 6_000},
		"refused":                          {Sent, []Became{BecameRefused}, Failed, "[failed]", 10_000},
		"refused, said twice":              {Sent, []Became{BecameRefused, BecameRefused}, Failed, "[failed]", 10_000},
		"returned":                         {Settled, []Became{BecameReturned}, Returned, "[returned]", 10_000},
		"a return overtakes":               {Sent, []Became{BecameReturned}, Returned, "[settled returned]", 10_000},
		"a return overtakes, then settled": {Sent, []Became{BecameReturned, BecameSettled}, Returned, "[settled returned]", 10_000},
		"returned, said twice":             {Settled, []Became{BecameReturned, BecameReturned}, Returned, "[returned]", 10_000},
	} {
		w := newWorld(t)
		p := w.pay(10_000, PaymentFunded)
		d := w.refunded(p, 4_000, x.from)
		n := len(w.events)
		for _, became := range x.tell {
			w.must(Outcome{Head: w.head(), Disbursement: d.ID, Became: became, Reason: ReasonAccountClosed})
		}
		posted, _ := w.balance("EUR")
		if got := w.disbursements[d.ID].State; got != x.state || w.kinds(n) != x.events || posted != x.posted {
			t.Errorf("%s: got %s, %s, a balance of %d; want %s, %s, %d", name, got, w.kinds(n), posted, x.state, x.events, x.posted)
		}
		w.check()
		w.audit()
	}
}

// TestNoOutcomeContradictsAnother: what is known is not unsaid, and what no
// rail was given cannot have become anything.
func TestNoOutcomeContradictsAnother(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	tell := func(d Disbursement, b Became, x *Work) Command {
		return Outcome{Head: w.head(), Disbursement: d.ID, Became: b, Work: x}
	}
	accepted, settled := w.refunded(p, 1_000, Accepted), w.refunded(p, 1_000, Settled)
	x := w.sending(accepted)
	for _, b := range []Became{BecameSettled, BecameRefused, BecameReturned, BecamePending, BecameUnknown, BecameStuck, BecameNotSent} {
		w.refused(tell(accepted, b, &x), Conflict, ReasonTerminal)
	}
	w.refused(tell(settled, BecameRefused, nil), Conflict, ReasonTerminal)
	w.refused(tell(settled, BecameUnknown, nil), Invalid, "")
	w.refused(tell(Disbursement{ID: "d-none"}, BecameSettled, nil), NotFound, "")
	failed := w.refunded(p, 1_000, Sent)
	w.must(tell(failed, BecameRefused, nil))
	w.refused(tell(failed, BecameReturned, nil), Conflict, ReasonTerminal)
	byHand := tell(failed, BecameSettled, nil).(Outcome)
	byHand.ByHand = true
	w.refused(byHand, Conflict, ReasonTerminal)
	// A bank that paid all the same is not passed over: it is an event, for a
	// person, and changes nothing.
	c := w.must(tell(failed, BecameSettled, nil))
	if len(c.Disbursements) != 0 || len(c.Events) != 1 || c.Events[0].Kind != KindContradicted {
		t.Errorf("a contradiction wrote %+v", c)
	}
	w.check()
}

// TestNotKnowingIsNoAnswer: an open outcome keeps the money held and asks
// again later; only the last look-up gives up, and calls for an operator.
func TestNotKnowingIsNoAnswer(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	d := w.refunded(p, 4_000, Sent)
	n := len(w.events)
	for i, b := range []Became{BecameUnknown, BecameUnknown, BecamePending, BecameNotSent} {
		x := w.sending(d)
		w.must(Outcome{Head: w.head(), Disbursement: d.ID, Became: b, Work: &x, Again: time.Minute})
		got := w.sending(d)
		if got.Tries != int64(i+1) || !got.Due.Equal(w.now.Add(time.Minute)) || !got.Lease.IsZero() {
			t.Errorf("%s: got %+v", b, got)
		}
		if _, err := w.do(Outcome{Head: w.head(), Disbursement: d.ID, Became: BecameSettled, Work: &x}); !errors.Is(err, ErrLost) {
			t.Errorf("an answer that was written came again, and got %v", err)
		}
		w.check()
	}
	w.refused(AskAgain{Head: w.head(), Disbursement: d.ID}, Conflict, ReasonTerminal)
	x := w.sending(d)
	w.must(Outcome{Head: w.head(), Disbursement: d.ID, Became: BecameStuck, Work: &x})
	if d = w.disbursements[d.ID]; d.State != Sent || !d.Stuck || len(w.work) != 0 {
		t.Errorf("got %+v; work left %v", d, w.work)
	}
	if got, want := w.kinds(n), "[unknown stuck]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w.check()

	w.must(AskAgain{Head: w.head(), Disbursement: d.ID})
	if got := w.sending(d); got.Kind != WorkSend || !got.Due.Equal(w.now) || w.disbursements[d.ID].Stuck {
		t.Errorf("asked again, got %+v", got)
	}
	w.must(Outcome{Head: w.head(), Disbursement: d.ID, Became: BecameSettled})
	// The work is left behind by an answer that came another way, and ends.
	x = w.sending(d)
	w.must(Outcome{Head: w.head(), Disbursement: d.ID, Became: BecameUnknown, Work: &x})
	if len(w.work) != 0 || w.disbursements[d.ID].State != Settled {
		t.Errorf("got %+v; work left %v", w.disbursements[d.ID], w.work)
	}
	w.refused(AskAgain{Head: w.head(), Disbursement: "d-none"}, NotFound, "")
	w.check()
	w.audit()
}

// TestAStuckDisbursementIsNotSentByItself: its work is gone, and who still
// has it ends it.
func TestAStuckDisbursementIsNotSentByItself(t *testing.T) {
	w := newWorld(t)
	d := w.refunded(w.pay(10_000, PaymentFunded), 4_000, Sent)
	stuck := d
	stuck.Stuck = true
	w.disbursements[d.ID] = stuck
	w.must(MarkSent{Head: w.head(), Disbursement: d.ID, Rails: []string{"slow"}, Work: w.sending(d)})
	if len(w.work) != 0 {
		t.Errorf("work left: %v", w.work)
	}
}

// TestTheWindowCanBeEnded while the disbursement waits in it.
func TestTheWindowCanBeEnded(t *testing.T) {
	w := newWorld(t)
	w.must(ChangeSettings{Head: w.head(), Change: func(s *Settings) { s.SendWindowMicros = 5_000_000 }})
	d := w.refunded(w.pay(10_000, PaymentFunded), 4_000, Accepted)
	end := EndWindow{Head: w.head(), Disbursement: d.ID, Work: w.sending(d).ID}
	for _, events := range []int{1, 0} { // the second time there is nothing to do
		c := w.must(end)
		if len(c.Events) != events || (events == 1 && (c.Events[0].Kind != KindHurried || c.Events[0].Subject != string(d.ID))) {
			t.Errorf("got the events %+v", c.Events)
		}
		if got := w.sending(d).Due; !got.Equal(w.now) {
			t.Errorf("due %s, want %s", got, w.now)
		}
	}
	w.must(MarkSent{Head: w.head(), Disbursement: d.ID, Rails: []string{"slow"}, Work: w.sending(d)})
	w.refused(end, Conflict, ReasonTerminal)
}

// TestTopUp puts in, takes out, and reaches a target without touching what is
// held.
func TestTopUp(t *testing.T) {
	target := func(n int64) *int64 { return &n }
	for name, x := range map[string]struct {
		minor  int64
		target *int64
		posted int64 // afterwards, of 10000 with 4000 held
		code   Code
	}{
		"puts in":                      {500, nil, 10_500, 0},
		"takes out":                    {-6_000, nil, 4_000, 0},
		"takes out too much":           {-6_001, nil, 10_000, InsufficientFunds},
		"takes out more than there is": {math.MinInt64, nil, 10_000, InsufficientFunds},
		"nothing":                      {0, nil, 10_000, 0},
		"reaches more":                 {0, target(12_000), 12_000, 0},
		"reaches less":                 {0, target(5_000), 5_000, 0},
		"reaches what it has":          {0, target(10_000), 10_000, 0},
		"leaves what is held":          {0, target(0), 4_000, 0},
		"below zero":                   {0, target(-1), 10_000, Invalid},
	} {
		w := newWorld(t)
		w.refunded(w.pay(10_000, PaymentFunded), 4_000, Accepted)
		_, err := w.do(TopUp{Head: w.head(), Amount: eur(x.minor), Target: x.target})
		if (err != nil) != (x.code != 0) || (err != nil && !errors.Is(err, x.code)) {
			t.Errorf("%s: got %v, want %s", name, err, x.code)
		}
		if posted, _ := w.balance("EUR"); posted != x.posted {
			t.Errorf("%s: got a balance of %d, want %d", name, posted, x.posted)
		}
		w.check()
		w.audit()
	}
	w := newWorld(t)
	bad := eur(1)
	bad.Currency = "EURO"
	w.refused(TopUp{Head: w.head(), Amount: bad}, Invalid, ReasonCurrency)
}

// TestSettingsAreChangedInACopy: whoever still holds the old ones sees the
// old ones.
func TestSettingsAreChangedInACopy(t *testing.T) {
	w := newWorld(t)
	put := func(on bool, text string) func(*Settings) {
		return func(s *Settings) {
			if s.Functions == nil {
				*s = Settings{Functions: map[string]bool{}, Switches: map[string]bool{}, KeysWithdrawn: map[string]bool{}, IPAllow: []string{""}, EndUsersBlocked: []string{""}}
			}
			s.Functions["f"], s.Switches["s"], s.KeysWithdrawn["k"], s.IPAllow[0], s.EndUsersBlocked[0] = on, on, on, text, text
		}
	}
	w.must(ChangeSettings{Head: w.head(), Change: put(true, "old")})
	old := w.facts(Needs{NoBooks: true})
	c, err := ChangeSettings{Head: w.head(), Change: put(false, "new")}.Decide(old)
	if err != nil {
		t.Fatal(err)
	}
	if s := old.Merchant.Settings; !s.Functions["f"] || !s.On("s") || !s.KeysWithdrawn["k"] || s.IPAllow[0] != "old" || !s.Blocked("old") {
		t.Errorf("the old settings became %+v", s)
	}
	if s := c.Merchant.Settings; s.MayCall("f") || s.On("s") || s.KeysWithdrawn["k"] || s.IPAllow[0] != "new" || !s.Blocked("new") {
		t.Errorf("the new settings are %+v", s)
	}
	if len(c.Events) != 1 || c.Events[0].Kind != KindSettings || c.Events[0].Subject != "" {
		t.Errorf("got the events %+v", c.Events)
	}
}

// TestEachEventTellsAllOfItself: who, why, when, of which command, and its
// transfers by number.
func TestEachEventTellsAllOfItself(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	w.refunded(p, 4_000, Settled)
	c := w.must(MovePayment{Head: Head{ID: "c", Merchant: "acme", Actor: "operator:ada", Evidence: "letter"}, Payment: p.ID, To: PaymentReversed})
	e := c.Events[0]
	var ids []string
	for _, tr := range e.Transfers {
		ids = append(ids, tr.ID)
	}
	n := TransferID(e.Seq, 0)
	if e.Actor != "operator:ada" || e.Evidence != "letter" || e.Cause != "c" || e.Subject != string(p.ID) || !e.At.Equal(w.now) ||
		!slices.Equal(ids, []string{n, n + ".1"}) {
		t.Errorf("got %+v", e)
	}
	if got := e.Transfers[1]; got.Cites != p.Funding || got.Step != ledger.Post {
		t.Errorf("the reversal is %+v", got)
	}
}
