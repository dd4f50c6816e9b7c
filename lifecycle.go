package remit

import (
	"cmp"
	"slices"
	"time"

	"remit/ledger"
	"remit/money"
)

// OpenPayment is a command that makes a payment known: a merchant asks for
// one, or the sandbox makes one by hand.
type OpenPayment struct {
	Head
	Keyed
	ExternalID      string    // "" gives it a name of the form Naming
	Naming          Naming    // "" is a Number
	Names           []Name    // further ones, as they are …
	Further         []NewName // … and as they are to be given
	Amount          money.Amount
	Later           bool         // opened without an amount: the payer says it, or there is none to pay
	State           PaymentState // opened, authorized, funded or failed
	Portions        []Portion
	NotificationURL string
	OrderReference  string
	OrderOnce       bool   // the order's name can be used once only
	EndUser         string // refused if blocked
	PayerAccount    Sealed
	PayerName       Sealed
	Attributes      PaymentAttributes
	Details         string // see Payment.Details
	// Expires is after how long the payment fails unless somebody has finished
	// it: see Expire. 0 is never.
	Expires time.Duration

	// Of, where it is set, is the payment whose payer pays this one too, from
	// the same account: the oldest of those that have the name. ExternalID is
	// then empty. Judge says what the dialect has against it; Fit completes the
	// command with what follows from all that have the name, or says what the
	// dialect has against it. Both are pure.
	Of    Name
	Judge func(Payment) *Error
	Fit   func(o OpenPayment, of []Payment) (OpenPayment, *Error)
	// Back, where it is set, is the disbursement, by its own name, of which
	// this payment brings money back, from where it went. Of is then a name
	// that such payments share; FitBack is asked instead of Judge and Fit.
	Back    string
	FitBack func(o OpenPayment, back Disbursement, earlier []Payment) (OpenPayment, *Error)

	Faults []Fault

	origin Owner // of the payer's account and name, where they are another's: see Change.Origin
}

// Header is the command's head.
func (o OpenPayment) Header() Head { return o.Head }

// Needs is what the decision looks at.
func (o OpenPayment) Needs() Needs {
	n := Needs{Keys: o.refs(), Name: cmp.Or(o.Of, Name{Text: o.ExternalID}), Disbursed: o.Back, Currency: o.Amount.Currency}
	if o.OrderOnce && o.OrderReference != "" {
		n.Keys = append(n.Keys, o.orderRef(o.OrderReference))
	}
	return n
}

// Decide opens the payment, and takes it through its states up to the one
// that is asked for.
func (o OpenPayment) Decide(f Facts) (Change, error) {
	return o.under(o.Head, f, func() (Change, error) { return o.decide(f) })
}

// paymentPaths are the states through which a payment comes into being.
var paymentPaths = map[PaymentState][]PaymentState{
	PaymentOpened:     {},
	PaymentAuthorized: {PaymentAuthorized},
	PaymentFunded:     {PaymentAuthorized, PaymentFunded},
	PaymentFailed:     {PaymentFailed},
}

// checked is the command, complete, if nothing is wrong with it.
func (o OpenPayment) checked(f Facts) (OpenPayment, error) {
	for _, s := range []Stage{BeforeLookup, AtLookup} {
		if err := faultAt(o.Faults, s); err != nil {
			return o, err
		}
	}
	if o.EndUser != "" && f.Merchant.Settings.Blocked(o.EndUser) {
		return o, Errorf(Forbidden, ReasonEndUser, "the end user is blocked")
	}
	o, err := o.fitted(f)
	if err != nil {
		return o, err
	}
	if err := faultAt(o.Faults, AfterLookup); err != nil {
		return o, err
	}
	if _, ok := o.Amount.Currency.Digits(); !ok {
		return o, Errorf(Invalid, ReasonCurrency, "there is no such currency")
	}
	later := o.Later && o.Amount.Minor == 0 && o.State == PaymentOpened
	if o.Amount.Minor <= 0 && !later {
		return o, Errorf(Invalid, ReasonAmount, "the amount must be above zero")
	}
	if _, ok := paymentPaths[o.State]; !ok {
		return o, Errorf(Invalid, "", "a payment cannot begin as %q", o.State)
	}
	return o, nil
}

// fitted holds what was found by the command's name against it: it must be
// free, or be that of other payments of the same payer.
func (o OpenPayment) fitted(f Facts) (OpenPayment, error) {
	switch {
	case o.Back != "":
		return o.brought(f)
	case o.Of.Text == "" && len(f.Named) > 0:
		return o, Errorf(Conflict, "", "there is a payment of this name already")
	case o.Of.Text == "":
		return o, nil
	case len(f.Named) == 0 || f.Named[0].Dialect != o.Dialect:
		return o, Errorf(NotFound, ReasonBeneficiary, "there is no such account")
	}
	of, fault := f.Named[0], (*Error)(nil)
	o.PayerAccount, o.PayerName, o.origin = of.PayerAccount, of.PayerName, of.ID.Owner()
	if o.Judge != nil {
		fault = o.Judge(of)
	}
	if o.Fit != nil && fault == nil {
		o, fault = o.Fit(o, f.Named)
	}
	if fault != nil {
		return o, fault
	}
	return o, nil
}

// brought holds the disbursement of which money comes back against the
// command.
func (o OpenPayment) brought(f Facts) (OpenPayment, error) {
	d := f.Disbursement
	if d == nil || d.Dialect != o.Dialect {
		return o, Errorf(NotFound, "", "there is no such disbursement")
	}
	o.PayerAccount, o.PayerName, o.origin = d.Account, d.AccountName, d.ID.Owner()
	o, fault := o.FitBack(o, *d, f.Named)
	if fault != nil {
		return o, fault
	}
	return o, nil
}

func (o OpenPayment) decide(f Facts) (Change, error) {
	o, err := o.checked(f)
	if err != nil {
		return Change{}, err
	}
	x := begin(f, o.Head)
	x.c.Origin = o.origin
	p := Payment{
		ID: o.PaymentID(), Merchant: o.Merchant, Dialect: o.Dialect, ExternalID: o.ExternalID, Names: o.Names, Amount: o.Amount,
		State: PaymentOpened, Portions: o.Portions, NotificationURL: o.NotificationURL, OrderReference: o.OrderReference,
		PayerAccount: o.PayerAccount, PayerName: o.PayerName, Attributes: o.Attributes, Details: o.Details, Opened: f.Now, Updated: f.Now,
	}
	if o.OrderOnce {
		order, err := o.order(o.Head, f, o.OrderReference, string(p.ID))
		if err != nil {
			return Change{}, err
		}
		x.c.Answers = append(x.c.Answers, order)
	}
	if p.ExternalID == "" {
		p.ExternalID = x.name(cmp.Or(o.Naming, Number))
	}
	for _, n := range o.Further {
		text := p.ExternalID
		if n.Naming != Same {
			text = x.name(n.Naming)
		}
		p.Names = append(p.Names[:len(p.Names):len(p.Names)], Name{n.Scope, text})
	}
	x.event(string(p.ID), string(PaymentOpened))
	opened := x.c.Merchant.Seq
	for _, next := range paymentPaths[o.State] {
		x.movePayment(&p, next)
	}
	if o.Expires > 0 && p.unfinished() {
		x.timer(p, opened, f.Now.Add(o.Expires))
	}
	x.watch(p)
	x.c.Payments = []Payment{p}
	x.c.Result.Payment = &p
	return x.c, nil
}

// MovePayment is a command that takes a payment to another state: the payer
// agrees, the money comes, it never will, it is taken back.
type MovePayment struct {
	Head
	Keyed
	Payment PaymentID
	Name    Name         // or by a name
	To      PaymentState // "" lets it stay where it is, and only keeps what became known
	// Details, PayerAccount and PayerName replace the payment's where they are
	// set: what became known on the way.
	Details      string
	PayerAccount Sealed
	PayerName    Sealed
	PayerOnce    bool // refused where somebody else is known to pay already
	// Amount becomes that of a payment which was opened without one.
	Amount money.Amount
	// Only, where it is set, is the dialect whose payment it must be.
	Only string
	// Amend, where it is set, makes the payment's new Details from what it is
	// now, or says why the dialect does not let it be moved. It is pure.
	Amend func(Payment) (details string, err *Error)
}

// Header is the command's head.
func (m MovePayment) Header() Head { return m.Head }

// Needs is what the decision looks at.
func (m MovePayment) Needs() Needs {
	return Needs{Keys: m.refs(), Payment: m.Payment, Name: m.Name, Waiting: true}
}

// Decide moves the payment, authorizing on the way to funded where that has
// not happened, and settles what becomes of the refunds that wait for it.
func (m MovePayment) Decide(f Facts) (Change, error) {
	if m.Key == "" {
		return m.decide(f)
	}
	return m.under(m.Head, f, func() (Change, error) { return m.decide(f) })
}

func (m MovePayment) decide(f Facts) (Change, error) {
	if f.Payment == nil || (m.Only != "" && f.Payment.Dialect != m.Only) {
		return Change{}, Errorf(NotFound, "", "there is no such payment")
	}
	p := *f.Payment
	if p.Amount.Minor == 0 && m.Amount.Minor > 0 {
		p.Amount = m.Amount
	}
	if m.To == PaymentFunded && p.Amount.Minor == 0 {
		return Change{}, Errorf(Conflict, ReasonAmount, "the payment has no amount")
	}
	if m.PayerOnce && m.PayerAccount != "" && p.PayerAccount != "" {
		return Change{}, Errorf(Conflict, "", "it is known already who pays")
	}
	p.Details = cmp.Or(m.Details, p.Details)
	p.PayerAccount, p.PayerName = cmp.Or(m.PayerAccount, p.PayerAccount), cmp.Or(m.PayerName, p.PayerName)
	if m.Amend != nil {
		details, err := m.Amend(p)
		if err != nil {
			return Change{}, err
		}
		p.Details = details
	}
	x := begin(f, m.Head)
	x.c.Origin = m.Owner()
	if m.To == "" {
		p.Updated = f.Now
		x.event(string(p.ID), KindAmended)
		x.keepPayment(p)
		return x.c, nil
	}
	if m.To == PaymentFunded && p.State == PaymentOpened {
		x.movePayment(&p, PaymentAuthorized)
	}
	if !p.May(m.To) {
		return Change{}, Errorf(Conflict, ReasonTerminal, "a payment that is %s cannot become %s", p.State, m.To)
	}
	x.movePayment(&p, m.To)
	x.watch(p)
	x.settleWaiting(&p)
	x.keepPayment(p)
	return x.c, nil
}

// timer has a payment looked at again by Expire. It is named after an event.
func (x *draft) timer(p Payment, event int64, due time.Time) {
	x.c.Work = append(x.c.Work, Work{
		Merchant: p.Merchant, ID: WorkID{Seq: event}, Kind: WorkExpire, Subject: string(p.ID), Order: string(p.ID), Due: due,
	})
}

// watch looks at a payment, to which the payer has just agreed, again when its
// money is late.
func (x *draft) watch(p Payment) {
	if at, ever := p.late(); ever {
		x.timer(p, x.c.Merchant.Seq, at)
	}
}

// settleWaiting settles what becomes of the refunds that wait for a payment
// which has moved: they are accepted once its money is there, and fail when it
// never will be.
func (x *draft) settleWaiting(p *Payment) {
	available := x.f.available(BalanceAccount(p.Merchant, p.Amount.Currency))
	if p.State == PaymentFunded {
		available += p.Amount.Minor
	}
	for _, d := range x.f.Waiting {
		switch {
		case p.gone():
			x.fail(p, &d, Failed, ReasonPaymentGone)
		case p.State != PaymentFunded:
			continue
		case available >= d.Amount.Minor:
			x.accept(p, &d)
			available -= d.Amount.Minor
		default:
			x.fail(p, &d, Failed, ReasonShort)
		}
		x.c.Disbursements = append(x.c.Disbursements, d)
	}
}

// Expire is a command that ends a payment whose time is up: one to which the
// payer has not agreed, or, where it lapses, one whose money is not there. It
// fails, with ReasonExpired. Money that is late is only said to be.
type Expire struct {
	Head
	Payment PaymentID
	Work    Work // the claimed timer
}

// Header is the command's head.
func (e Expire) Header() Head { return e.Head }

// Needs is what the decision looks at.
func (e Expire) Needs() Needs {
	return Needs{Payment: e.Payment, Waiting: true, Work: []WorkID{e.Work.ID}, NoBooks: true}
}

// Decide fails the payment. One that was finished, or has ended, is left as it
// is, and nothing has happened.
func (e Expire) Decide(f Facts) (Change, error) {
	if f.lost(e.Work) {
		return Change{}, ErrLost
	}
	if f.Payment == nil {
		return Change{}, Errorf(NotFound, "", "there is no such payment")
	}
	p := *f.Payment
	x := begin(f, e.Head)
	x.c.Done = []WorkID{e.Work.ID}
	if at, ever := p.late(); ever && !f.Now.Before(at) {
		x.event(string(p.ID), KindLate)
		x.keepPayment(p)
		return x.c, nil
	}
	if !p.unfinished() {
		return x.c, nil
	}
	p.Reason = ReasonExpired
	x.movePayment(&p, PaymentFailed)
	x.settleWaiting(&p)
	x.keepPayment(p)
	return x.c, nil
}

func (x *draft) keepPayment(p Payment) {
	x.c.Payments = []Payment{p}
	x.c.Result.Payment = &p
}

// May tells whether the payment can become next.
func (p Payment) May(next PaymentState) bool {
	for _, s := range paymentMoves[p.State] {
		if s == next {
			return true
		}
	}
	return false
}

// movePayment writes one move with its transfers.
func (x *draft) movePayment(p *Payment, next PaymentState) {
	world, balance := WorldAccount(p.Merchant, p.Amount.Currency), BalanceAccount(p.Merchant, p.Amount.Currency)
	p.State, p.Updated = next, x.f.Now
	switch next {
	case PaymentAuthorized:
		p.Authorized = x.f.Now
	case PaymentFunded:
		p.Funded = x.f.Now
	default:
		p.Ended = x.f.Now
	}
	switch next {
	case PaymentFunded:
		p.Funding = x.event(string(p.ID), string(next), ledger.Transfer{Step: ledger.Post, From: world, To: balance, Amount: p.Amount})
	case PaymentReversed:
		// What the balance lacks is lent on the account that says so.
		var ts []ledger.Transfer
		if lack := p.Amount.Minor - max(x.f.available(balance), 0); lack > 0 {
			ts = append(ts, ledger.Transfer{Step: ledger.Post, From: OwedAccount(p.Merchant, p.Amount.Currency), To: balance,
				Amount: money.Amount{Minor: lack, Currency: p.Amount.Currency}})
		}
		funding := ledger.Transfer{ID: p.Funding, From: world, To: balance, Amount: p.Amount}
		x.event(string(p.ID), string(next), append(ts, funding.Reverse(""))...)
	default:
		x.event(string(p.ID), string(next))
	}
}

// Cancel is a command that calls a disbursement back before it is sent.
type Cancel struct {
	Head
	Keyed
	Disbursement DisbursementID
	Disbursed    string // or by its own name
	Only         string // where it is set, the dialect whose it must be
	Reason       Reason
	// Judge, where it is set, says why the dialect does not let it be called
	// back. It is pure.
	Judge func(Disbursement, *Payment) *Error
}

// Header is the command's head.
func (c Cancel) Header() Head { return c.Head }

// Needs is what the decision looks at.
func (c Cancel) Needs() Needs {
	return Needs{Keys: c.refs(), Disbursement: c.Disbursement, Disbursed: c.Disbursed}
}

// Decide lets go of what is held.
func (c Cancel) Decide(f Facts) (Change, error) {
	if c.Key == "" {
		return c.decide(f)
	}
	return c.under(c.Head, f, func() (Change, error) { return c.decide(f) })
}

func (c Cancel) decide(f Facts) (Change, error) {
	d, err := f.disbursement(Canceled, c.Only)
	if err != nil {
		return Change{}, err
	}
	if c.Judge != nil {
		if err := c.Judge(d, f.Payment); err != nil {
			return Change{}, err
		}
	}
	x := begin(f, c.Head)
	x.end(d, Canceled, c.Reason)
	return x.c, nil
}

// disbursement is the one that the command names, if it can become next. It
// must be of the dialect only, where that is set.
func (f Facts) disbursement(next State, only string) (Disbursement, error) {
	if f.Disbursement == nil || (only != "" && f.Disbursement.Dialect != only) {
		return Disbursement{}, Errorf(NotFound, "", "there is no such disbursement")
	}
	d := *f.Disbursement
	if !d.May(next) {
		return d, Errorf(Conflict, ReasonTerminal, "a disbursement that is %s cannot become %s", d.State, next)
	}
	return d, nil
}

// end takes a disbursement, and its payment with it, to Failed, Canceled or
// Returned.
func (x *draft) end(d Disbursement, next State, why Reason) {
	var p *Payment
	if x.f.Payment != nil {
		copied := *x.f.Payment
		p = &copied
	}
	x.fail(p, &d, next, why)
	x.keep(p, d)
}

func (x *draft) keep(p *Payment, d Disbursement) {
	if p != nil {
		x.c.Payments = []Payment{*p}
		x.c.Result.Payment = p
	}
	x.c.Disbursements = []Disbursement{d}
	x.c.Result.Disbursement = &d
}

// EndWindow is a command that sends an accepted disbursement at once, however
// much of its send window is left.
type EndWindow struct {
	Head
	Disbursement DisbursementID
	Work         WorkID
}

// Header is the command's head.
func (e EndWindow) Header() Head { return e.Head }

// Needs is what the decision looks at.
func (e EndWindow) Needs() Needs {
	return Needs{Disbursement: e.Disbursement, Work: []WorkID{e.Work}, NoBooks: true}
}

// Decide moves the sending to now.
func (e EndWindow) Decide(f Facts) (Change, error) {
	w, ok := f.Work[e.Work]
	if !ok || f.Disbursement == nil || f.Disbursement.State != Accepted {
		return Change{}, Errorf(Conflict, ReasonTerminal, "the disbursement does not wait to be sent")
	}
	x := begin(f, e.Head)
	if w.Due.After(f.Now) {
		w.Due = f.Now
		x.event(string(f.Disbursement.ID), KindHurried)
		x.c.Work = []Work{w}
	}
	return x.c, nil
}

// lost tells that a claimed piece of work is somebody else's by now, or that
// what came of it has been written already.
func (f Facts) lost(w Work) bool {
	now, ok := f.Work[w.ID]
	return !ok || now.Fence != w.Fence || now.Tries != w.Tries
}

// ErrLost means that the lease of a piece of work ran out, and that it is
// somebody else's now. Nothing was written.
var ErrLost = Errorf(Conflict, "lost", "the work is another's now")

// MarkSent is a command that says: from now on the rail may have it. It is
// committed before the rail is called.
type MarkSent struct {
	Head
	Disbursement DisbursementID
	Rails        []string // that can be called; what leaves over another stays as it is
	Work         Work     // the claimed sending
}

// Header is the command's head.
func (m MarkSent) Header() Head { return m.Head }

// Needs is what the decision looks at.
func (m MarkSent) Needs() Needs {
	return Needs{Disbursement: m.Disbursement, Work: []WorkID{m.Work.ID}}
}

// Decide moves an accepted disbursement to sent. One that is sent already is
// left as it is: the caller must look up what became of it. Where it would go
// to an account that nobody knows it fails instead; that is never guessed.
func (m MarkSent) Decide(f Facts) (Change, error) {
	if f.lost(m.Work) {
		return Change{}, ErrLost
	}
	if f.Disbursement == nil {
		return Change{}, Errorf(NotFound, "", "there is no such disbursement")
	}
	d := *f.Disbursement
	x := begin(f, m.Head)
	switch {
	case d.State == Sent && !d.Stuck:
		x.c.Result.Payment, x.c.Result.Disbursement = f.Payment, &d
	case d.State == Accepted && !slices.Contains(m.Rails, d.Rail):
		return Change{}, Errorf(Unavailable, "", "the rail %q of disbursement %s is not configured", d.Rail, d.ID)
	case d.State != Accepted:
		x.c.Done = []WorkID{m.Work.ID}
		x.c.Result.Disbursement = &d
	case d.Kind == KindRefund && f.Payment != nil && f.Payment.gone():
		x.end(d, Failed, ReasonPaymentGone)
		x.c.Done = []WorkID{m.Work.ID}
	case d.Payee(f.Payment).Account == "":
		x.end(d, Failed, ReasonNoBeneficiary)
		x.c.Done = []WorkID{m.Work.ID}
	default:
		d.State, d.Updated, d.Sent = Sent, f.Now, f.Now
		x.event(string(d.ID), string(Sent))
		x.c.Disbursements = []Disbursement{d}
		x.c.Result.Payment, x.c.Result.Disbursement = f.Payment, &d
	}
	return x.c, nil
}

// Outcome is a command that records what a rail, or an operator, says became
// of a disbursement.
type Outcome struct {
	Head
	Disbursement DisbursementID
	Currency     money.Currency // of the disbursement; "" reads the merchant's whole books
	Amount       money.Amount   // that the evidence speaks of; zero where it does not say
	Became       Became
	ByHand       bool // an operator's word: only of what no rail could tell about
	Reason       Reason
	Work         *Work         // the claimed sending, where the answer came to one
	Again        time.Duration // after which to ask again, where it is still open
}

// Became is what is known of a disbursement that was sent.
type Became string

// What may have become of it.
const (
	BecameSettled  Became = "settled"
	BecameRefused  Became = "refused"
	BecameReturned Became = "returned"
	BecamePending  Became = "pending"  // the rail has it
	BecameUnknown  Became = "unknown"  // nobody can tell yet
	BecameStuck    Became = "stuck"    // nobody could tell, and nobody will be asked again
	BecameNotSent  Became = "not_sent" // the rail certainly never had it
)

// Header is the command's head.
func (o Outcome) Header() Head { return o.Head }

// Needs is what the decision looks at.
func (o Outcome) Needs() Needs {
	n := Needs{Disbursement: o.Disbursement, Currency: o.Currency}
	if o.Work != nil {
		n.Work = []WorkID{o.Work.ID}
	}
	return n
}

// Decide posts or lets go of the hold, takes returned money back, or asks
// again later. What is known already is not written twice.
func (o Outcome) Decide(f Facts) (Change, error) {
	if o.Work != nil && f.lost(*o.Work) {
		return Change{}, ErrLost
	}
	if f.Disbursement == nil {
		return Change{}, Errorf(NotFound, "", "there is no such disbursement")
	}
	d := *f.Disbursement
	if o.Amount != (money.Amount{}) && o.Amount != d.Amount {
		return Change{}, Errorf(Conflict, ReasonAmount, "the evidence speaks of %s, the disbursement is of %s", o.Amount, d.Amount)
	}
	if o.ByHand && !d.Stuck {
		return Change{}, Errorf(Conflict, ReasonTerminal, "a disbursement that is %s, and not stuck, is its rail's to tell about", d.State)
	}
	x := begin(f, o.Head)
	x.c.Result.Payment, x.c.Result.Disbursement = f.Payment, &d
	known := map[Became]State{BecameSettled: Settled, BecameRefused: Failed, BecameReturned: Returned}[o.Became]
	switch {
	case known == "":
		return x.askAgain(o, d)
	case d.State == known || (o.Became == BecameSettled && d.State == Returned):
		// Said before; a return that overtook its confirmation among them.
	case o.Became == BecameSettled && d.May(Settled):
		x.keep(nil, x.settle(d))
	case o.Became == BecameRefused && d.State == Sent:
		x.end(d, Failed, o.Reason)
	case o.Became == BecameReturned && d.State == Sent:
		x.end(x.settle(d), Returned, o.Reason)
	case o.Became == BecameReturned && d.May(Returned):
		x.end(d, Returned, o.Reason)
	case o.Became == BecameSettled && !o.ByHand && (d.State == Failed || d.State == Canceled):
		x.event(string(d.ID), KindContradicted)
	default:
		return Change{}, Errorf(Conflict, ReasonTerminal, "a disbursement that is %s cannot have been %s", d.State, o.Became)
	}
	if o.Work != nil {
		x.c.Done = []WorkID{o.Work.ID}
	}
	return x.c, nil
}

// settle moves the money that was held.
func (x *draft) settle(d Disbursement) Disbursement {
	d.State, d.Stuck, d.Updated, d.Settled = Settled, false, x.f.Now, x.f.Now
	d.Paid = x.event(string(d.ID), string(Settled),
		ledger.Transfer{Step: ledger.PostHold, From: d.source(), To: d.sink(), Amount: d.Amount, Cites: d.Hold})
	return d
}

// askAgain puts the work off, or gives up asking and calls for an operator.
func (x *draft) askAgain(o Outcome, d Disbursement) (Change, error) {
	switch {
	case o.Work == nil:
		return Change{}, Errorf(Invalid, "", "nothing is known, and there is no work to put off")
	case d.May(Sent):
		return Change{}, Errorf(Conflict, ReasonTerminal, "no rail was given the disbursement yet")
	case d.State != Sent:
		x.c.Done = []WorkID{o.Work.ID}
		return x.c, nil
	}
	w := x.f.Work[o.Work.ID]
	w.Tries, w.Lease, w.Due = w.Tries+1, time.Time{}, x.f.Now.Add(o.Again)
	switch o.Became {
	case BecameStuck:
		d.Stuck, d.Updated = true, x.f.Now
		x.event(string(d.ID), KindStuck)
		x.c.Disbursements = []Disbursement{d}
		x.c.Done = []WorkID{w.ID}
		return x.c, nil
	case BecameUnknown:
		if w.Tries == 1 {
			x.event(string(d.ID), KindUnknown)
		}
	}
	x.c.Work = []Work{w}
	return x.c, nil
}

// TopUp is a command that puts money into a merchant's balance, or takes it
// out, by hand: the merchant paid us, or we paid the merchant out.
type TopUp struct {
	Head
	Amount money.Amount // minor units; below zero takes out
	// Target, where it is set, is the balance to reach instead of an amount
	// to add. What is held stays.
	Target *int64
}

// Header is the command's head.
func (t TopUp) Header() Head { return t.Head }

// Needs is what the decision looks at.
func (t TopUp) Needs() Needs { return Needs{Currency: t.Amount.Currency} }

// Decide posts between the world and the balance.
func (t TopUp) Decide(f Facts) (Change, error) {
	if _, ok := t.Amount.Currency.Digits(); !ok {
		return Change{}, Errorf(Invalid, ReasonCurrency, "there is no such currency")
	}
	world, balance := WorldAccount(t.Merchant, t.Amount.Currency), BalanceAccount(t.Merchant, t.Amount.Currency)
	n := t.Amount.Minor
	if t.Target != nil {
		if *t.Target < 0 {
			return Change{}, Errorf(Invalid, ReasonAmount, "a balance cannot be below zero")
		}
		a := f.Books[balance]
		n = max(*t.Target, a.Held) - a.Balance()
	}
	x := begin(f, t.Head)
	tr := ledger.Transfer{Step: ledger.Post, From: world, To: balance, Amount: money.Amount{Minor: n, Currency: t.Amount.Currency}}
	switch {
	case n == 0:
		return x.c, nil
	case n < 0:
		tr.From, tr.To, tr.Amount.Minor = balance, world, -n
		if f.available(balance)+n < 0 {
			return Change{}, Errorf(InsufficientFunds, "", "the balance is too low")
		}
	}
	x.event("", KindTopUp, tr)
	return x.c, nil
}
