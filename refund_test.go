package remit

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"remit/ledger"
)

// TestTheFirstFaultIsReported gives each refund two things that are wrong
// with it, and sees that the first in the one order of questions is what the
// merchant hears of.
func TestTheFirstFaultIsReported(t *testing.T) {
	fault := func(s Stage, why Reason) func(*Refund, *Facts, *Payment) {
		return func(r *Refund, _ *Facts, _ *Payment) {
			r.Faults = append(r.Faults, Fault{s, Errorf(Invalid, why, "nonsense")})
		}
	}
	questions := []struct {
		code  Code
		why   Reason
		spoil func(*Refund, *Facts, *Payment)
	}{
		{Forbidden, ReasonDisabled, func(_ *Refund, f *Facts, _ *Payment) { f.Merchant.Settings.Disabled = true }},
		{KeyReused, "", func(_ *Refund, f *Facts, _ *Payment) {
			f.Answers = map[KeyRef]Answer{{"tongue", "k"}: {Digest: "another request", Expires: f.Now.Add(1)}}
		}},
		{Invalid, "before", fault(BeforeLookup, "before")},
		{Invalid, "at", fault(AtLookup, "at")},
		{NotFound, "", func(_ *Refund, f *Facts, _ *Payment) { f.Payment = nil }},
		{Invalid, ReasonCurrency, func(r *Refund, _ *Facts, _ *Payment) { r.Amount.Currency = "SEK" }},
		{Invalid, "after", fault(AfterLookup, "after")},
		{Invalid, ReasonAmount, func(r *Refund, _ *Facts, _ *Payment) { r.Amount.Minor = 0 }},
		{Conflict, ReasonPaymentFailed, func(_ *Refund, _ *Facts, p *Payment) { p.State = PaymentReversed }},
		{Conflict, ReasonSingleRefund, func(_ *Refund, _ *Facts, p *Payment) { p.Attributes.SingleRefund, p.RefundsLive = true, 1 }},
		{Conflict, ReasonRefundWaiting, func(r *Refund, _ *Facts, p *Payment) { r.OneWaiting, p.RefundsWaiting = true, 1 }},
		{Exceeds, "", func(_ *Refund, _ *Facts, p *Payment) { p.RefundedMinor = p.Amount.Minor - 1 }},
		{Conflict, ReasonNotFunded, func(_ *Refund, _ *Facts, p *Payment) { p.State = PaymentAuthorized }},
		{InsufficientFunds, "", func(_ *Refund, f *Facts, _ *Payment) { f.Books = ledger.Books{} }},
	}
	for i, q := range questions[1:] {
		if before := questions[i]; RefundCheck(before.code, before.why) > RefundCheck(q.code, q.why) {
			t.Errorf("%s (%s) is shown as checked after %s (%s)", before.code, before.why, q.code, q.why)
		}
	}
	for first := range questions {
		for second := first; second < len(questions); second++ {
			w := newWorld(t)
			r := w.refund(w.pay(10_000, PaymentFunded), 2_500)
			r.Key, r.Digest = "k", "this request"
			f := w.facts(r.Needs())
			p := f.Payment
			questions[second].spoil(&r, &f, p)
			questions[first].spoil(&r, &f, p)
			_, err := r.Decide(f)
			got, want := AsError(err), questions[first]
			if err == nil || got.Code != want.code || got.Reason != want.why {
				t.Errorf("faults %d and %d: got %v (%s), want %s (%s)", first, second, err, got.Reason, want.code, want.why)
			}
		}
	}
}

// TestAnAcceptedRefundIsHeldAndWillBeSent: the money is promised, the payment
// counts it, and the work that sends it falls due when the window has passed.
func TestAnAcceptedRefundIsHeldAndWillBeSent(t *testing.T) {
	w := newWorld(t)
	w.must(ChangeSettings{Head: w.head(), Change: func(s *Settings) { s.SendWindowMicros = 5_000_000 }})
	p := w.pay(10_000, PaymentFunded)
	r := w.refund(p, 2_500)
	r.Amount.Currency, r.Reference = "", "order 7" // the payment's currency is filled in
	d := *w.must(r).Result.Disbursement

	if d.State != Accepted || d.Amount != eur(2_500) || d.ID != DisbursementID("d"+r.ID) || d.Payment != p.ID || d.Reference != "order 7" {
		t.Errorf("got %+v", d)
	}
	if posted, available := w.balance("EUR"); posted != 10_000 || available != 7_500 {
		t.Errorf("got a balance of %d, of which %d available; want 10000, 7500", posted, available)
	}
	if p = w.payments[p.ID]; p.RefundedMinor != 2_500 || p.RefundsLive != 1 || p.RefundsWaiting != 0 {
		t.Errorf("the payment counts %d, %d, %d", p.RefundedMinor, p.RefundsLive, p.RefundsWaiting)
	}
	if x := w.sending(d); x.Kind != WorkSend || x.Subject != string(d.ID) || !x.Due.Equal(w.now.Add(5*time.Second)) {
		t.Errorf("got the work %+v", x)
	}
	w.check()
}

// TestPoliciesDecideWhereProvidersDiffer tries each policy where it bites:
// before the money came, when the balance is short, when no amount is given.
func TestPoliciesDecideWhereProvidersDiffer(t *testing.T) {
	for name, x := range map[string]struct {
		state  PaymentState
		spent  int64 // what the merchant took out of its balance
		change func(*Refund)
		want   string // what came of it: state, amount, reason
	}{
		"unfunded, refuse":        {PaymentAuthorized, 0, func(*Refund) {}, "conflict not_funded"},
		"unfunded, wait":          {PaymentAuthorized, 0, func(r *Refund) { r.WhenUnfunded = Wait }, "waiting 2500 "},
		"not authorized, wait":    {PaymentOpened, 0, func(r *Refund) { r.WhenUnfunded = Wait }, "conflict not_funded"},
		"short, refuse":           {PaymentFunded, 9_000, func(*Refund) {}, "insufficient_funds "},
		"short, fail later":       {PaymentFunded, 9_000, func(r *Refund) { r.WhenShort = FailLater }, "failed 2500 insufficient_funds"},
		"just enough":             {PaymentFunded, 7_500, func(*Refund) {}, "accepted 2500 "},
		"omitted, refuse":         {PaymentFunded, 0, func(r *Refund) { r.Omitted = true }, "invalid amount"},
		"omitted, what is left":   {PaymentFunded, 0, func(r *Refund) { r.Omitted, r.WhenOmitted = true, TakeLeft }, "accepted 10000 "},
		"omitted, the whole":      {PaymentFunded, 0, func(r *Refund) { r.Omitted, r.WhenOmitted = true, TakeWhole }, "accepted 10000 "},
		"a cent more than all":    {PaymentFunded, 0, func(r *Refund) { r.Amount.Minor = 10_001 }, "exceeds "},
		"below zero":              {PaymentFunded, 0, func(r *Refund) { r.Amount.Minor = -1 }, "invalid amount"},
		"failed, though it waits": {PaymentFailed, 0, func(r *Refund) { r.WhenUnfunded = Wait }, "conflict payment_failed"},
	} {
		w := newWorld(t)
		p := w.pay(10_000, x.state)
		if x.spent > 0 {
			w.must(TopUp{Head: w.head(), Amount: eur(-x.spent)})
		}
		r := w.refund(p, 2_500)
		x.change(&r)
		c, err := w.do(r)
		got := ""
		if err != nil {
			got = fmt.Sprintf("%s %s", AsError(err).Code, AsError(err).Reason)
		} else {
			d := c.Result.Disbursement
			got = fmt.Sprintf("%s %d %s", d.State, d.Amount.Minor, d.Reason)
		}
		if got != x.want {
			t.Errorf("%s: got %q, want %q", name, got, x.want)
		}
		w.check()
	}
}

// TestTheSecondRefund: within what is left it is like the first; a second
// whole one is told from one that is merely too much.
func TestTheSecondRefund(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	w.must(TopUp{Head: w.head(), Amount: eur(50_000)})
	part := w.refunded(p, 4_000, Accepted)
	w.refused(w.refund(p, 6_001), Exceeds, "")
	w.refused(w.refund(p, 10_000), Exceeds, "")
	left := w.refund(p, 0)
	left.Omitted, left.WhenOmitted = true, TakeLeft
	if d := w.must(left).Result.Disbursement; d.Amount != eur(6_000) {
		t.Errorf("got %s left, want 60.00 EUR", d.Amount)
	}
	again := left
	again.Head = w.head()
	w.refused(again, Exceeds, "")
	w.must(Cancel{Head: w.head(), Disbursement: part.ID})
	w.refunded(p, 4_000, Accepted) // what was called back can be asked again

	whole := w.pay(10_000, PaymentFunded)
	w.refunded(whole, 10_000, Settled)
	w.refused(w.refund(whole, 10_000), Exceeds, ReasonRefundedWhole)
	w.refused(w.refund(whole, 1), Exceeds, "")
	w.check()
}

// TestNoMoneyIsPromisedTwice: what is held for one refund is not there for
// the next, though it has not left yet.
func TestNoMoneyIsPromisedTwice(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	w.must(TopUp{Head: w.head(), Amount: eur(-5_000)})
	w.refunded(p, 4_000, Accepted)
	w.refused(w.refund(p, 1_001), InsufficientFunds, "")
	w.must(w.refund(p, 1_000))
	w.check()
}

// TestAKeyBindsWhatWasAccepted: the same request under the same key is the
// same disbursement, until the key expires; another request is refused.
func TestAKeyBindsWhatWasAccepted(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	r := w.refund(p, 2_500)
	r.Key, r.Digest, r.Form = "k", "this", "form"
	first := w.must(r).Result

	again := r
	again.Head = w.head()
	c := w.must(again)
	if got := c.Result; !c.Empty() || !got.Replayed || got.Refusal != nil || got.Disbursement.ID != first.Disbursement.ID ||
		got.Form != "form" || got.KeyVersion != first.KeyVersion {
		t.Errorf("got %+v", c)
	}
	other := again
	other.Digest = "that"
	w.refused(other, KeyReused, "")

	w.now = w.now.Add(r.Remember)
	again.Head = w.head()
	if got := w.must(again).Result; got.Replayed || got.Disbursement.ID == first.Disbursement.ID {
		t.Error("the key still binds after its time")
	}
	w.check()
}

// TestARefusalBindsOnlyWhereADialectSaysSo, and never for a passing reason.
func TestARefusalBindsOnlyWhereADialectSaysSo(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	r := w.refund(p, 10_001)
	r.Key, r.Digest = "k", "this"
	w.refused(r, Exceeds, "")
	if len(w.answers) != 0 {
		t.Fatal("a refusal used up its key")
	}
	r.RefusalsBind = true
	for _, replayed := range []bool{false, true} {
		c := w.must(r)
		got := c.Result
		if got.Replayed != replayed || got.Refusal == nil || got.Refusal.Code != Exceeds || c.Empty() != replayed || len(c.Events) != 0 {
			t.Errorf("replayed %t: got %+v", replayed, c)
		}
	}
	r.Key, r.Faults = "k2", []Fault{{BeforeLookup, Errorf(Unavailable, "", "later")}}
	w.refused(r, Unavailable, "")
	r.Key, r.Faults = "", nil
	w.refused(r, Exceeds, "")

	kept := w.answers[KeyRef{"tongue", "k"}]
	kept.Code = "word of a newer program"
	w.answers[KeyRef{"tongue", "k"}] = kept
	r.Key = "k"
	w.refused(r, Internal, "")
}

// TestOneRefundWaitsAtATime where a dialect wants it so.
func TestOneRefundWaitsAtATime(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentAuthorized)
	r := w.refund(p, 1_000)
	r.WhenUnfunded, r.OneWaiting = Wait, true
	w.must(r)
	second := w.refund(p, 1_000)
	second.WhenUnfunded, second.OneWaiting = Wait, true
	w.refused(second, Conflict, ReasonRefundWaiting)
	second.OneWaiting = false
	w.must(second)
	w.check()
}

// TestAPaymentOfOneRefund can be refunded again only if that refund failed.
func TestAPaymentOfOneRefund(t *testing.T) {
	w := newWorld(t)
	p := *w.must(OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(10_000), State: PaymentFunded,
		Attributes: PaymentAttributes{SingleRefund: true}}).Result.Payment
	d := w.refunded(p, 1_000, Accepted)
	w.refused(w.refund(p, 1_000), Conflict, ReasonSingleRefund)
	w.must(Cancel{Head: w.head(), Disbursement: d.ID})
	w.must(w.refund(p, 1_000))
	w.check()
}

// TestAReplayNeedsNoPayment: what was accepted is answered again, whatever
// became of the payment since.
func TestAReplayNeedsNoPayment(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	r := w.refund(p, 10_000)
	r.Key, r.Digest = "k", "this"
	w.must(r)
	w.must(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentReversed})
	if got := w.must(r).Result; !got.Replayed {
		t.Errorf("got %+v", got)
	}
	if _, err := r.Decide(Facts{Merchant: Merchant{Settings: Settings{Disabled: true}}}); !errors.Is(err, Forbidden) {
		t.Errorf("a disabled merchant got %v", err)
	}
}
