package remit

import (
	"slices"
	"time"

	"remit/ledger"
	"remit/money"
)

// Refund is a command to give back all or part of one payment, to where it
// came from.
//
// The amount may come without a currency: the payment's own is then filled in.
type Refund struct {
	Head
	Keyed
	Rail   string // over which it will leave
	Naming Naming // of its own name in the dialect

	Payment   Name // by its name in the dialect
	Amount    money.Amount
	Omitted   bool // no amount was given: WhenOmitted decides
	Portions  []Portion
	Reference string
	Details   string // see Disbursement.Details

	WhenOmitted  Policy // Refuse, TakeLeft, TakeWhole
	WhenUnfunded Policy // Refuse, Wait
	WhenShort    Policy // Refuse, FailLater
	WhenNowhere  Policy // FailLater, Wait: the payer's account is not known
	OneWaiting   bool   // a second refund is refused while one waits
	Shielded     bool   // the dialect has no keys: the duplicate shield applies

	Faults []Fault
	// Judge, where it is set, says what the dialect finds wrong with the
	// request once the payment is known, before the amount. It is pure.
	Judge func(Payment) *Error
}

// Header is the command's head.
func (r Refund) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r Refund) Needs() Needs {
	return Needs{Keys: r.refs(), Name: r.Payment, Refunds: r.Shielded, Currency: r.Amount.Currency}
}

// Decide accepts the refund, lets it wait, or refuses it.
func (r Refund) Decide(f Facts) (Change, error) {
	return r.under(r.Head, f, func() (Change, error) { return r.decide(f) })
}

func faultAt(faults []Fault, s Stage) *Error {
	for _, x := range faults {
		if x.Stage == s {
			return x.Err
		}
	}
	return nil
}

// payment is the one that the refund names.
func (r Refund) payment(f Facts) (Payment, error) {
	for _, s := range []Stage{BeforeLookup, AtLookup} {
		if err := faultAt(r.Faults, s); err != nil {
			return Payment{}, err
		}
	}
	if f.Ambiguous {
		return Payment{}, Errorf(Conflict, ReasonAmbiguous, "several payments have this name")
	}
	if f.Payment == nil || f.Payment.Dialect != r.Dialect {
		return Payment{}, Errorf(NotFound, "", "there is no such payment")
	}
	return *f.Payment, nil
}

// decide asks the questions in their one order: what makes no sense, who is
// meant, what is wrong with the amount, what the payment's state forbids, how
// much is left, whether the money is there.
func (r Refund) decide(f Facts) (Change, error) {
	p, err := r.payment(f)
	if err != nil {
		return Change{}, err
	}
	if r.Judge != nil {
		if err := r.Judge(p); err != nil {
			return Change{}, err
		}
	}
	amount, err := r.amount(p)
	if err != nil {
		return Change{}, err
	}
	switch {
	case p.gone():
		return Change{}, Errorf(Conflict, ReasonPaymentFailed, "the payment failed")
	case p.Attributes.SingleRefund && p.RefundsLive > 0:
		return Change{}, Errorf(Conflict, ReasonSingleRefund, "the payment can be refunded once only")
	case r.OneWaiting && p.RefundsWaiting > 0:
		return Change{}, Errorf(Conflict, ReasonRefundWaiting, "a refund of the payment is waiting already")
	case amount.Minor > p.Left():
		return Change{}, exceeds(p, amount)
	}
	portions, fault := takePortions(p.Portions, r.Portions, amount.Minor)
	if fault != nil {
		return Change{}, fault
	}
	double := r.double(f, amount)
	if double && f.Merchant.Settings.Shield == ShieldReject {
		return Change{}, Errorf(Conflict, ReasonDuplicate, "an equal refund was made a moment ago")
	}
	p.Portions = portions
	d := Disbursement{
		ID: r.DisbursementID(), Merchant: r.Merchant, Kind: KindRefund, Payment: p.ID, Dialect: r.Dialect,
		Amount: amount, Reference: r.Reference, Rail: r.Rail, Portions: r.Portions, Details: r.Details, Created: f.Now, Updated: f.Now,
	}
	if p.State != PaymentFunded {
		if r.WhenUnfunded != Wait || p.State != PaymentAuthorized {
			return Change{}, Errorf(Conflict, ReasonNotFunded, "the payment's money has not come yet")
		}
		return r.start(f, p, d, (*draft).await)
	}
	if f.available(d.source()) < amount.Minor {
		if r.WhenShort != FailLater {
			return Change{}, Errorf(InsufficientFunds, "", "the balance is too low")
		}
		return r.start(f, p, d, func(x *draft, p *Payment, d *Disbursement) {
			x.await(p, d)
			x.fail(p, d, Failed, ReasonShort)
		})
	}
	switch {
	case double && f.Merchant.Settings.Shield == ShieldHold:
		return r.start(f, p, d, func(x *draft, _ *Payment, d *Disbursement) { x.hold(d, WaitReview) })
	case double:
		return r.start(f, p, d, func(x *draft, p *Payment, d *Disbursement) {
			x.accept(p, d)
			x.event(string(d.ID), KindDuplicate)
		})
	case p.PayerAccount == "" && r.WhenNowhere == Wait:
		return r.start(f, p, d, func(x *draft, _ *Payment, d *Disbursement) { x.hold(d, WaitAccount) })
	}
	return r.start(f, p, d, (*draft).accept)
}

// double tells whether an equal refund was made a moment ago, where the
// merchant wants to know.
func (r Refund) double(f Facts, amount money.Amount) bool {
	s := f.Merchant.Settings
	return r.Shielded && s.Shield != ShieldOff && slices.ContainsFunc(f.Refunds, func(d Disbursement) bool {
		return d.Live() && d.Amount == amount && d.Reference == r.Reference && f.Now.Sub(d.Created) < s.ShieldWindow()
	})
}

func (r Refund) start(f Facts, p Payment, d Disbursement, how func(*draft, *Payment, *Disbursement)) (Change, error) {
	x := begin(f, r.Head)
	d.ExternalID = x.name(r.Naming)
	p.RefundedMinor += d.Amount.Minor
	p.RefundsLive++
	p.Updated = f.Now
	how(x, &p, &d)
	x.c.Payments, x.c.Disbursements = []Payment{p}, []Disbursement{d}
	x.c.Result.Payment, x.c.Result.Disbursement = &p, &d
	return x.c, nil
}

func (r Refund) amount(p Payment) (money.Amount, error) {
	if r.Amount.Currency != "" && r.Amount.Currency != p.Amount.Currency {
		return money.Amount{}, Errorf(Invalid, ReasonCurrency, "the currency is not the payment's")
	}
	if err := faultAt(r.Faults, AfterLookup); err != nil {
		return money.Amount{}, err
	}
	a := money.Amount{Minor: r.Amount.Minor, Currency: p.Amount.Currency}
	if r.Omitted {
		switch r.WhenOmitted {
		case TakeLeft:
			a.Minor = p.Left()
		case TakeWhole:
			a.Minor = p.Amount.Minor
		default:
			return a, Errorf(Invalid, ReasonAmount, "an amount is required")
		}
	}
	switch {
	case r.Omitted && a.Minor <= 0:
		return a, exceeds(p, a)
	case a.Minor <= 0:
		return a, Errorf(Invalid, ReasonAmount, "the amount must be above zero")
	}
	return a, nil
}

// exceeds tells the second whole refund of a payment from any other amount
// that is too much.
func exceeds(p Payment, amount money.Amount) *Error {
	if p.RefundsLive == 1 && p.RefundedMinor == p.Amount.Minor && amount.Minor == p.Amount.Minor {
		return Errorf(Exceeds, ReasonRefundedWhole, "the payment has been refunded")
	}
	return Errorf(Exceeds, "", "the payment has less than this left to refund")
}

// await lets a refund wait for its payment's money.
func (x *draft) await(p *Payment, d *Disbursement) {
	d.State, d.WaitingFor = Waiting, WaitFunding
	if p != nil {
		p.RefundsWaiting++
	}
	x.event(string(d.ID), string(Waiting))
}

// hold promises the money, and lets the disbursement wait for something else.
func (x *draft) hold(d *Disbursement, why WaitReason) {
	d.State, d.WaitingFor = Waiting, why
	d.Hold = x.event(string(d.ID), string(Waiting), x.promise(*d))
}

func (x *draft) promise(d Disbursement) ledger.Transfer {
	return ledger.Transfer{Step: ledger.Hold, From: d.source(), To: d.sink(), Amount: d.Amount}
}

// accept promises the money, where that has not been done, and causes the
// sending.
func (x *draft) accept(p *Payment, d *Disbursement) {
	if d.State == Waiting && d.WaitingFor == WaitFunding && p != nil {
		p.RefundsWaiting--
	}
	d.State, d.WaitingFor, d.Updated = Accepted, "", x.f.Now
	if d.Hold == "" {
		d.Hold = x.event(string(d.ID), string(Accepted), x.promise(*d))
	} else {
		x.event(string(d.ID), string(Accepted))
	}
	id, _ := d.SendWork()
	x.c.Work = append(x.c.Work, Work{
		Merchant: d.Merchant, ID: id, Kind: WorkSend, Subject: string(d.ID), Order: string(d.ID),
		Due: x.f.Now.Add(x.f.Merchant.Settings.SendWindow()),
	})
}

// fail ends a disbursement that will not be paid, or came back: next is
// Failed, Canceled or Returned. What was held is let go, what was paid is
// taken back into the balance, and the payment can be refunded again.
func (x *draft) fail(p *Payment, d *Disbursement, next State, why Reason) {
	var ts []ledger.Transfer
	switch {
	case next == Returned:
		paid := ledger.Transfer{ID: d.Paid, From: d.source(), To: d.sink(), Amount: d.Amount}
		ts = append(ts, paid.Reverse(""))
	case d.Hold != "":
		ts = append(ts, ledger.Transfer{Step: ledger.Void, From: d.source(), To: d.sink(), Amount: d.Amount, Cites: d.Hold})
	}
	if p != nil && d.Kind == KindRefund {
		if d.State == Waiting && d.WaitingFor == WaitFunding {
			p.RefundsWaiting--
		}
		p.RefundedMinor -= d.Amount.Minor
		p.RefundsLive--
		p.Portions = givePortions(p.Portions, d.Portions)
		p.Updated = x.f.Now
	}
	d.State, d.WaitingFor, d.Reason, d.Stuck, d.Updated, d.Ended = next, "", why, false, x.f.Now, x.f.Now
	x.event(string(d.ID), string(next), ts...)
}

// Shield is what happens to a refund that equals an earlier one, in dialects
// without keys.
type Shield string

// The shield's settings.
const (
	ShieldOff    Shield = ""       // as the provider does: it is another refund
	ShieldWarn   Shield = "warn"   // it is made, and its timeline says that it is a double
	ShieldHold   Shield = "hold"   // it waits for an operator
	ShieldReject Shield = "reject" // it is refused
)

// shieldWindowDefault is how long a refund is remembered by the shield where
// the merchant has set nothing else.
const shieldWindowDefault = 10 * time.Minute
