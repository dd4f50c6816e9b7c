package remit

import (
	"testing"
	"time"
)

// askedOf is an opened payment of no amount, in which a payer or a payee is
// asked something.
func (w *world) askedOf() Payment {
	w.t.Helper()
	o := OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(0), Later: true, State: PaymentOpened}
	return *w.must(o).Result.Payment
}

// TestAPaymentMaySayItsAmountLater opens payments without an amount, where
// that is said to be meant, and lets the payer name it; no money comes before,
// and what was named is not named again.
func TestAPaymentMaySayItsAmountLater(t *testing.T) {
	w := newWorld(t)
	none := OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(0), State: PaymentOpened}
	w.refused(none, Invalid, ReasonAmount)
	none.Later, none.State = true, PaymentFunded
	w.refused(none, Invalid, ReasonAmount)

	p := w.askedOf()
	w.refused(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentFunded}, Conflict, ReasonAmount)
	w.must(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentAuthorized, Amount: eur(700)})
	w.must(MovePayment{Head: w.head(), Payment: p.ID, To: PaymentFunded, Amount: eur(900)})
	if got, _ := w.balance("EUR"); got != 700 || w.payments[p.ID].Amount != eur(700) {
		t.Errorf("the payment is of %s, the balance %d; want 7.00", w.payments[p.ID].Amount, got)
	}
	w.check()
}

// TestAnOrderIsPaidOutOnce answers a payee's order by a payout that has its
// name, and then once more; an order that was given up is not answered.
func TestAnOrderIsPaidOutOnce(t *testing.T) {
	w := newWorld(t)
	w.pay(10_000, PaymentFunded)
	p := w.askedOf()
	ask := func(order string) Payout {
		return Payout{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Rail: "slow", Order: Name{Text: order},
			Account: "s1.sealed", Amount: eur(700), WaitFor: WaitApproval}
	}
	d := *w.must(ask(p.ExternalID)).Result.Disbursement
	if d.ExternalID != p.ExternalID || d.State != Waiting || w.payments[p.ID].State != PaymentAuthorized {
		t.Errorf("the payout %q is %s, the order %q is %s", d.ExternalID, d.State, p.ExternalID, w.payments[p.ID].State)
	}
	w.refused(ask(p.ExternalID), Conflict, ReasonTerminal)
	gone := w.askedOf()
	w.must(MovePayment{Head: w.head(), Payment: gone.ID, To: PaymentCanceled})
	w.refused(ask(gone.ExternalID), Conflict, ReasonTerminal)
	w.refused(ask("nobody's"), NotFound, "")
	w.refused(ask(w.pay(100, PaymentOpened).ExternalID), NotFound, "") // there is money to come: no such order
	w.check()
}

// TestEitherOfTwoNamesOfAPayeeWillDo pays a registered account and the payer
// of a payment by one and the same pair of names.
func TestEitherOfTwoNamesOfAPayeeWillDo(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	b := *w.must(Register{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Naming: Number, Same: "same", Account: "s1.other"}).Result.Beneficiary
	for name, want := range map[string]Sealed{string(b.ID): "s1.other", p.ExternalID: "s1.sealed", "nobody's": ""} {
		pay := Payout{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Rail: "slow", Amount: eur(100),
			Beneficiary: BeneficiaryID(name), Payer: Name{Text: name}}
		if want == "" {
			w.refused(pay, NotFound, ReasonBeneficiary)
		} else if got := w.must(pay).Result.Disbursement.Account; got != want {
			t.Errorf("%s is paid at %s, want %s", name, got, want)
		}
	}
}

// TestAPayerPaysAgain opens a payment from the account of an earlier one,
// unless the dialect has something against it.
func TestAPayerPaysAgain(t *testing.T) {
	w := newWorld(t)
	p := w.pay(10_000, PaymentFunded)
	again := OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(100), State: PaymentAuthorized, Of: Name{Text: p.ExternalID}}
	if got := w.must(again).Result.Payment; got.PayerAccount != p.PayerAccount || got.ID == p.ID {
		t.Errorf("%s is paid from %q, want %q", got.ID, got.PayerAccount, p.PayerAccount)
	}
	again.Head, again.Judge = w.head(), func(Payment) *Error { return Errorf(Forbidden, "mandate", "there is no mandate") }
	w.refused(again, Forbidden, "mandate")
	again.Of.Text = "nobody's"
	w.refused(again, NotFound, ReasonBeneficiary)
}

// TestACancelAndAnApprovalHaveKeys repeats both under their keys: the answer is
// the first one's, and nothing happens twice. What is judged is refused.
func TestACancelAndAnApprovalHaveKeys(t *testing.T) {
	w := newWorld(t)
	w.pay(10_000, PaymentFunded)
	waiting := func() Disbursement {
		return *w.must(Payout{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Rail: "slow", Naming: Number, Account: "s1.sealed",
			Amount: eur(100), WaitFor: WaitApproval}).Result.Disbursement
	}
	key := func(k string) Keyed {
		return Keyed{Dialect: "tongue", Key: k, Digest: k, Remember: time.Hour, RefusalsBind: true}
	}
	no := func(Disbursement) *Error { return Errorf(NotFound, "", "it is none of yours") }
	d := waiting()
	w.refused(Proceed{Head: w.head(), Disbursement: d.ID, Judge: no}, NotFound, "")
	for _, replayed := range []bool{false, true} {
		c := w.must(Proceed{Head: w.head(), Keyed: key("go"), Disbursement: d.ID})
		if c.Result.Replayed != replayed || w.disbursements[d.ID].State != Accepted {
			t.Errorf("approved, replayed: %t, want %t; it is %s", c.Result.Replayed, replayed, w.disbursements[d.ID].State)
		}
	}
	d = waiting()
	for _, replayed := range []bool{false, true} {
		c := w.must(Cancel{Head: w.head(), Keyed: key("no"), Disbursement: d.ID})
		if c.Result.Replayed != replayed || w.disbursements[d.ID].State != Canceled {
			t.Errorf("denied, replayed: %t, want %t; it is %s", c.Result.Replayed, replayed, w.disbursements[d.ID].State)
		}
	}
	w.check()
}

// TestABlockedUserIsNamedBeforeTheAmount opens a payment of a blocked end user
// with a fault before the look-up, and with one after it.
func TestABlockedUserIsNamedBeforeTheAmount(t *testing.T) {
	w := newWorld(t)
	w.merchant.Settings.EndUsersBlocked = []string{"eve"}
	o := OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(100), State: PaymentOpened, EndUser: "eve"}
	for stage, want := range map[Stage]Reason{BeforeLookup: "fault", AfterLookup: ReasonEndUser} {
		o.Faults = []Fault{{stage, Errorf(Forbidden, "fault", "a fault")}}
		w.refused(o, Forbidden, want)
	}
}
