package remit

import (
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
	Dialect string
	Rail    string // over which it will leave

	Key      string        // the idempotency key; "" where the dialect has none
	Digest   string        // keyed hash of what was asked
	Form     string        // kept with the answer: how the dialect answers
	Remember time.Duration // how long the answer binds the key
	// RefusalsBind says that a refusal uses up the key too, and is answered
	// again as it was.
	RefusalsBind bool

	ExternalID string // the payment, by its name in the dialect
	Amount     money.Amount
	Omitted    bool // no amount was given: WhenOmitted decides
	Reference  string

	WhenOmitted  Policy // Refuse, TakeLeft, TakeWhole
	WhenUnfunded Policy // Refuse, Wait
	WhenShort    Policy // Refuse, FailLater
	OneWaiting   bool   // a second refund is refused while one waits

	Faults []Fault
}

// Header is the command's head.
func (r Refund) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r Refund) Needs() Needs {
	return Needs{KeyScope: r.Dialect, Key: r.Key, ExternalID: r.ExternalID, Currency: r.Amount.Currency}
}

// Decide accepts the refund, lets it wait, or refuses it.
func (r Refund) Decide(f Facts) (Change, error) {
	if f.Merchant.Settings.Disabled {
		return Change{}, Errorf(Forbidden, ReasonDisabled, "the merchant is disabled")
	}
	if a := f.Answer; a != nil && f.Now.Before(a.Expires) {
		return replay(*a, r.Digest)
	}
	c, err := r.decide(f)
	if err == nil {
		c.Answer = r.answer(f, nil, c.Result.Disbursement.ID)
		c.Result.Form, c.Result.KeyVersion = r.Form, f.KeyVersion(r.Dialect)
		return c, nil
	}
	refusal := AsError(err)
	if r.Key == "" || !r.RefusalsBind || refusal.Code.Transient() {
		return Change{}, err
	}
	return Change{
		Merchant: f.Merchant,
		Answer:   r.answer(f, refusal, ""),
		Result:   Result{Refusal: refusal, Form: r.Form, KeyVersion: f.KeyVersion(r.Dialect)},
	}, nil
}

// replay answers a command under a key that was used before.
func replay(a Answer, digest string) (Change, error) {
	if a.Digest != digest {
		return Change{}, Errorf(KeyReused, "", "the key was used for another request")
	}
	res := Result{Replayed: true, Form: a.Form, KeyVersion: a.KeyVersion}
	if a.Code == "" {
		res.Disbursement = &Disbursement{ID: a.Disbursement, Merchant: a.Merchant}
		return Change{Result: res}, nil
	}
	code, ok := ParseCode(a.Code)
	if !ok {
		return Change{}, Errorf(Internal, "", "an answer with an unknown code was kept")
	}
	res.Refusal = &Error{Code: code, Reason: a.Reason, Detail: "answered before"}
	return Change{Result: res}, nil
}

func (r Refund) answer(f Facts, refusal *Error, id DisbursementID) *Answer {
	if r.Key == "" {
		return nil
	}
	a := &Answer{
		Merchant: r.Merchant, Scope: r.Dialect, Key: r.Key, Digest: r.Digest, Disbursement: id,
		Form: r.Form, KeyVersion: f.KeyVersion(r.Dialect), Cause: r.ID, At: f.Now, Expires: f.Now.Add(r.Remember),
	}
	if refusal != nil {
		a.Code, a.Reason = refusal.Code.String(), refusal.Reason
	}
	return a
}

func (r Refund) fault(s Stage) *Error {
	for _, x := range r.Faults {
		if x.Stage == s {
			return x.Err
		}
	}
	return nil
}

// decide asks the questions in their one order: what makes no sense, who is
// meant, what is wrong with the amount, what the payment's state forbids, how
// much is left, whether the money is there.
func (r Refund) decide(f Facts) (Change, error) {
	if err := r.fault(BeforeLookup); err != nil {
		return Change{}, err
	}
	if err := r.fault(AtLookup); err != nil {
		return Change{}, err
	}
	p := f.Payment
	if p == nil {
		return Change{}, Errorf(NotFound, "", "there is no such payment")
	}
	amount, err := r.amount(*p)
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
		return Change{}, exceeds(*p, amount)
	}
	d := Disbursement{
		ID: DisbursementID("d" + r.ID), Merchant: r.Merchant, Kind: KindRefund, Payment: p.ID, Dialect: r.Dialect,
		Amount: amount, Reference: r.Reference, Rail: r.Rail, Created: f.Now, Updated: f.Now,
	}
	if p.State != PaymentFunded {
		if r.WhenUnfunded != Wait || p.State != PaymentAuthorized {
			return Change{}, Errorf(Conflict, ReasonNotFunded, "the payment's money has not come yet")
		}
		return r.start(f, *p, d, (*draft).await)
	}
	if f.available(d.source()) < amount.Minor {
		if r.WhenShort != FailLater {
			return Change{}, Errorf(InsufficientFunds, "", "the balance is too low")
		}
		return r.start(f, *p, d, func(x *draft, p *Payment, d *Disbursement) {
			x.await(p, d)
			x.fail(p, d, Failed, ReasonShort)
		})
	}
	return r.start(f, *p, d, (*draft).accept)
}

func (r Refund) start(f Facts, p Payment, d Disbursement, how func(*draft, *Payment, *Disbursement)) (Change, error) {
	x := begin(f, r.Head)
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
	if err := r.fault(AfterLookup); err != nil {
		return money.Amount{}, err
	}
	a := money.Amount{Minor: r.Amount.Minor, Currency: p.Amount.Currency}
	if r.Omitted {
		switch r.WhenOmitted {
		case TakeLeft:
			if a.Minor = p.Left(); a.Minor == 0 {
				return a, exceeds(p, a)
			}
		case TakeWhole:
			a.Minor = p.Amount.Minor
		default:
			return a, Errorf(Invalid, ReasonAmount, "an amount is required")
		}
	}
	if a.Minor <= 0 {
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
	p.RefundsWaiting++
	x.event(string(d.ID), string(Waiting))
}

// accept promises the money, and causes the sending.
func (x *draft) accept(p *Payment, d *Disbursement) {
	if d.State == Waiting {
		p.RefundsWaiting--
	}
	d.State, d.WaitingFor, d.Updated = Accepted, "", x.f.Now
	d.Hold = x.event(string(d.ID), string(Accepted),
		ledger.Transfer{Step: ledger.Hold, From: d.source(), To: d.sink(), Amount: d.Amount})
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
		p.Updated = x.f.Now
	}
	d.State, d.WaitingFor, d.Reason, d.Stuck, d.Updated = next, "", why, false, x.f.Now
	x.event(string(d.ID), string(next), ts...)
}
