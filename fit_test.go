package remit

import "testing"

// TestWhatIsMadeUnderAPaymentSeesAllOfIt makes payments under one that was
// opened under a shared name. Each sees those before it, the first one first,
// takes what follows from them, and is refused where the dialect says so.
func TestWhatIsMadeUnderAPaymentSeesAllOfIt(t *testing.T) {
	w := newWorld(t)
	first := w.must(OpenPayment{
		Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: eur(0), Later: true, State: PaymentOpened,
		Further: []NewName{{"family", Same}}, PayerAccount: "sealed",
	}).Result.Payment
	name := Name{"family", first.ExternalID}
	const ceiling = 1_000
	under := func(minor int64) OpenPayment {
		return OpenPayment{
			Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Of: name, Names: []Name{name}, State: PaymentFunded,
			Fit: func(o OpenPayment, of []Payment) (OpenPayment, *Error) {
				if of[0].ID != first.ID {
					t.Errorf("the first is %s, want %s", of[0].ID, first.ID)
				}
				taken := minor
				for _, p := range of[1:] {
					taken += p.Amount.Minor
				}
				if taken > ceiling {
					return o, Errorf(Exceeds, "", "too much")
				}
				o.Amount = eur(minor)
				return o, nil
			},
		}
	}
	if p := w.must(under(600)).Result.Payment; p.PayerAccount != "sealed" || p.Amount != eur(600) || p.ExternalID == first.ExternalID {
		t.Errorf("got %+v", p)
	}
	w.refused(under(401), Exceeds, "")
	w.must(under(400))
	w.refused(under(1), Exceeds, "")
	nobodys := under(1)
	nobodys.Of.Text = "nobody's"
	w.refused(nobodys, NotFound, ReasonBeneficiary)
	w.check()
}

// TestAPayoutTakesWhatFollowsFromItsPayer completes a payout from the payment
// whose payer it pays, and refuses one that the dialect does not want.
func TestAPayoutTakesWhatFollowsFromItsPayer(t *testing.T) {
	w := newWorld(t)
	payer := w.pay(10_000, PaymentFunded)
	p := Payout{
		Head: w.head(), Keyed: Keyed{Dialect: payer.Dialect}, Rail: "slow", Payer: Name{Text: payer.ExternalID}, Amount: eur(100),
		Fit: func(p Payout, payer Payment) (Payout, *Error) {
			p.Details = payer.ExternalID
			return p, nil
		},
	}
	if d := w.must(p).Result.Disbursement; d.Details != payer.ExternalID {
		t.Errorf("got %q", d.Details)
	}
	p.Head = w.head()
	p.Fit = func(p Payout, _ Payment) (Payout, *Error) { return p, Errorf(Conflict, "its own", "no") }
	w.refused(p, Conflict, "its own")
}

// TestMoneyOfAPayoutComesBack opens payments that bring back what was paid
// out: each sees the payout and those before it, and comes from the account
// that was paid.
func TestMoneyOfAPayoutComesBack(t *testing.T) {
	w := newWorld(t)
	w.pay(10_000, PaymentFunded)
	d := *w.must(Payout{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Rail: "slow", Naming: Number, Account: "sealed", Amount: eur(1_000)}).Result.Disbursement
	back := func(minor int64) OpenPayment {
		return OpenPayment{
			Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Back: d.ExternalID, Of: Name{"payout", d.ExternalID},
			Names: []Name{{"payout", d.ExternalID}}, Amount: eur(minor), State: PaymentFunded,
			FitBack: func(o OpenPayment, back Disbursement, earlier []Payment) (OpenPayment, *Error) {
				left := back.Amount.Minor
				for _, p := range earlier {
					left -= p.Amount.Minor
				}
				if minor > left {
					return o, Errorf(Exceeds, "", "too much")
				}
				return o, nil
			},
		}
	}
	if p := w.must(back(600)).Result.Payment; p.PayerAccount != "sealed" || p.Amount != eur(600) {
		t.Errorf("got %+v", p)
	}
	w.refused(back(401), Exceeds, "")
	w.must(back(400))
	nobodys := back(1)
	nobodys.Back = "nobody's"
	w.refused(nobodys, NotFound, "")
	w.check()
}
