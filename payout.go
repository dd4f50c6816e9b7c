package remit

import (
	"cmp"

	"remit/money"
)

// Payout is a command to pay a beneficiary, of no payment. Who is paid is
// named in one of three ways: a registered beneficiary, the payer of an
// earlier payment, or an account that comes with the command. Where the first
// two are given, whichever is there is meant.
type Payout struct {
	Head
	Keyed
	Rail   string
	Naming Naming // of its own name in the dialect

	Beneficiary BeneficiaryID
	Payer       Name // of a payment
	Account     Sealed
	AccountName Sealed

	// Order names the opened payment of no amount in which the payee asks for
	// this. The payout has its name, and it is authorized by it: once.
	Order Name

	Amount    money.Amount
	Reference string
	Details   string // see Disbursement.Details
	EndUser   string // the merchant's own id of who is paid; refused if blocked

	NotificationURL string
	OrderReference  string
	OrderOnce       bool // the order's name can be used once only

	WhenShort Policy     // Refuse, FailLater
	WaitFor   WaitReason // WaitApproval: the money is held, and somebody must agree first; "" goes on at once

	Faults []Fault
	// Judge, where it is set, says what the dialect finds wrong with paying the
	// payer of this payment; Fit completes the command with what follows from
	// it, or says so too. Both are pure.
	Judge func(Payment) *Error
	Fit   func(p Payout, payer Payment) (Payout, *Error)
}

// Header is the command's head.
func (p Payout) Header() Head { return p.Head }

// Needs is what the decision looks at.
func (p Payout) Needs() Needs {
	n := Needs{Keys: p.refs(), Beneficiary: p.Beneficiary, Name: cmp.Or(p.Order, p.Payer), Currency: p.Amount.Currency}
	if p.OrderOnce && p.OrderReference != "" {
		n.Keys = append(n.Keys, p.orderRef(p.OrderReference))
	}
	return n
}

// Decide accepts the payout, lets it wait or fail, or refuses it.
func (p Payout) Decide(f Facts) (Change, error) {
	return p.under(p.Head, f, func() (Change, error) { return p.decide(f) })
}

// payee says who is paid.
func (p Payout) payee(f Facts) (Payee, error) {
	b, of := f.Beneficiary, f.Payment
	switch {
	case b != nil && b.Dialect == p.Dialect:
		return Payee{b.Account, b.Holder, b.ID.Owner()}, nil
	case p.Payer.Text != "" && of != nil && of.Dialect == p.Dialect:
		if p.Judge != nil {
			if err := p.Judge(*of); err != nil {
				return Payee{}, err
			}
		}
		return of.Payer(), nil
	case p.Beneficiary != "" || p.Payer.Text != "":
		return Payee{}, Errorf(NotFound, ReasonBeneficiary, "there is no such account")
	}
	return Payee{p.Account, p.AccountName, p.DisbursementID().Owner()}, nil
}

func (p Payout) decide(f Facts) (Change, error) {
	for _, s := range []Stage{BeforeLookup, AtLookup} {
		if err := faultAt(p.Faults, s); err != nil {
			return Change{}, err
		}
	}
	to, err := p.payee(f)
	if err != nil {
		return Change{}, err
	}
	if p.Fit != nil && f.Payment != nil {
		var fault *Error
		if p, fault = p.Fit(p, *f.Payment); fault != nil {
			return Change{}, fault
		}
	}
	if p.EndUser != "" && f.Merchant.Settings.Blocked(p.EndUser) {
		return Change{}, Errorf(Forbidden, ReasonEndUser, "the end user is blocked")
	}
	if err := faultAt(p.Faults, AfterLookup); err != nil {
		return Change{}, err
	}
	if p.Amount.Minor <= 0 {
		return Change{}, Errorf(Invalid, ReasonAmount, "the amount must be above zero")
	}
	x := begin(f, p.Head)
	x.c.Origin = to.Owner
	asked, err := p.asked(x)
	if err != nil {
		return Change{}, err
	}
	d := Disbursement{
		ID: p.DisbursementID(), Merchant: p.Merchant, Kind: KindPayout, Dialect: p.Dialect, Amount: p.Amount,
		Reference: p.Reference, Rail: p.Rail, Details: p.Details, Account: to.Account, AccountName: to.Name,
		NotificationURL: p.NotificationURL, OrderReference: p.OrderReference, Created: f.Now, Updated: f.Now,
	}
	if p.OrderOnce {
		order, err := p.order(p.Head, f, p.OrderReference, string(d.ID))
		if err != nil {
			return Change{}, err
		}
		x.c.Answers = append(x.c.Answers, order)
	}
	short := f.available(d.source()) < p.Amount.Minor
	if short && p.WhenShort != FailLater {
		return Change{}, Errorf(InsufficientFunds, "", "the balance is too low")
	}
	if asked == nil {
		d.ExternalID = x.name(p.Naming)
	} else {
		d.ExternalID = asked.ExternalID
	}
	switch {
	case short:
		x.await(nil, &d)
		x.fail(nil, &d, Failed, ReasonShort)
	case p.WaitFor != "":
		x.hold(&d, p.WaitFor)
	default:
		x.accept(nil, &d)
	}
	x.keep(asked, d)
	return x.c, nil
}

// asked is the payment of Order, authorized; nil where the payout has none.
func (p Payout) asked(x *draft) (*Payment, error) {
	switch of := x.f.Payment; {
	case p.Order.Text == "":
		return nil, nil
	case of == nil || of.Dialect != p.Dialect || of.Amount.Minor != 0:
		return nil, Errorf(NotFound, "", "there is no such order")
	case of.State != PaymentOpened:
		return nil, Errorf(Conflict, ReasonTerminal, "the order is %s already", of.State)
	default:
		order := *of
		x.movePayment(&order, PaymentAuthorized)
		return &order, nil
	}
}

// Proceed is a command that lets a waiting disbursement go on whose money is
// held: somebody agreed to it, or named the account.
type Proceed struct {
	Head
	Keyed
	Disbursement DisbursementID
	Disbursed    string     // or by its own name
	Only         string     // where it is set, the dialect whose it must be
	For          WaitReason // where it is set, what it must wait for
	Account      Sealed     // of WaitAccount
	AccountName  Sealed
	// Judge, where it is set, says why the dialect does not let it go on. It is
	// pure.
	Judge func(Disbursement) *Error
}

// Header is the command's head.
func (p Proceed) Header() Head { return p.Head }

// Needs is what the decision looks at.
func (p Proceed) Needs() Needs {
	return Needs{Keys: p.refs(), Disbursement: p.Disbursement, Disbursed: p.Disbursed}
}

// Decide accepts the disbursement.
func (p Proceed) Decide(f Facts) (Change, error) {
	if p.Key == "" {
		return p.decide(f)
	}
	return p.under(p.Head, f, func() (Change, error) { return p.decide(f) })
}

func (p Proceed) decide(f Facts) (Change, error) {
	d, err := f.disbursement(Accepted, p.Only)
	if err != nil {
		return Change{}, err
	}
	if p.Judge != nil {
		if err := p.Judge(d); err != nil {
			return Change{}, err
		}
	}
	switch {
	case p.Actor == ActorMerchant && f.Merchant.Settings.Disabled:
		return Change{}, Errorf(Forbidden, ReasonDisabled, "the merchant is disabled")
	case d.WaitingFor == WaitFunding, p.For != "" && d.WaitingFor != p.For:
		return Change{}, Errorf(Conflict, ReasonTerminal, "the disbursement waits for something else")
	case d.WaitingFor == WaitAccount && p.Account == "":
		return Change{}, Errorf(Invalid, "", "the disbursement waits for an account")
	case d.WaitingFor == WaitAccount:
		d.Account, d.AccountName = p.Account, p.AccountName
	}
	x := begin(f, p.Head)
	x.c.Origin = p.Owner()
	x.accept(nil, &d)
	x.keep(nil, d)
	x.c.Result.Payment = f.Payment
	return x.c, nil
}
