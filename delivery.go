package remit

import (
	"time"

	"remit/money"
)

// RecordTry is a command that keeps what came of one call of a delivery.
type RecordTry struct {
	Head
	Work  Work // the claimed delivery
	Try   Try  // without its number
	Again time.Duration
	More  bool // it will be tried again after Again, if this try did not deliver
}

// Header is the command's head.
func (r RecordTry) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r RecordTry) Needs() Needs {
	return Needs{Work: []WorkID{r.Work.ID}, Delivery: &r.Work.ID, NoBooks: true}
}

// Decide ends the delivery, puts it off, or gives it up.
func (r RecordTry) Decide(f Facts) (Change, error) {
	if f.lost(r.Work) {
		return Change{}, ErrLost
	}
	if f.Delivery == nil {
		return Change{}, Errorf(NotFound, "", "there is no such delivery")
	}
	d, w := *f.Delivery, f.Work[r.Work.ID]
	d.Tries++
	d.Updated = f.Now
	try := r.Try
	try.Merchant, try.Delivery, try.N = d.Merchant, d.ID, d.Tries
	c := Change{Merchant: f.Merchant, Tries: []Try{try}}
	switch {
	case try.Problem == "":
		d.State = DeliveryDelivered
		c.Done = []WorkID{w.ID}
	case r.More:
		w.Tries, w.Lease, w.Due = w.Tries+1, time.Time{}, f.Now.Add(r.Again)
		c.Work = []Work{w}
	default:
		d.State = DeliveryDead
		c.Done = []WorkID{w.ID}
	}
	c.Deliveries = []Delivery{d}
	return c, nil
}

// PutOff is a command that gives a claimed piece of work back undone: nothing
// was tried, and it is due again after a while.
type PutOff struct {
	Head
	Work  Work // the claimed one
	Again time.Duration
}

// Header is the command's head.
func (p PutOff) Header() Head { return p.Head }

// Needs is what the decision looks at.
func (p PutOff) Needs() Needs { return Needs{Work: []WorkID{p.Work.ID}, NoBooks: true} }

// Decide ends the lease.
func (p PutOff) Decide(f Facts) (Change, error) {
	if f.lost(p.Work) {
		return Change{}, ErrLost
	}
	w := f.Work[p.Work.ID]
	w.Lease, w.Due = time.Time{}, f.Now.Add(p.Again)
	return Change{Merchant: f.Merchant, Work: []Work{w}}, nil
}

// Redeliver is a command that makes a delivery once more: one that was given
// up, or one that the merchant wants again.
type Redeliver struct {
	Head
	Delivery WorkID
}

// Header is the command's head.
func (r Redeliver) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r Redeliver) Needs() Needs {
	return Needs{Work: []WorkID{r.Delivery}, Delivery: &r.Delivery, NoBooks: true}
}

// Decide puts the delivery back to work, with the same body, and writes down
// who wanted it.
func (r Redeliver) Decide(f Facts) (Change, error) {
	if f.Delivery == nil {
		return Change{}, Errorf(NotFound, "", "there is no such delivery")
	}
	d := *f.Delivery
	d.State, d.Updated = DeliveryDue, f.Now
	w, ok := f.Work[r.Delivery]
	if !ok {
		w = Work{Merchant: d.Merchant, ID: d.ID, Kind: WorkDeliver, Subject: d.Subject, Order: d.Subject}
	}
	w.Due = f.Now
	x := begin(f, r.showing("notification "+d.ID.String()))
	x.event(d.Subject, KindRedelivered)
	x.c.Deliveries, x.c.Work = []Delivery{d}, []Work{w}
	return x.c, nil
}

// Release is a command that lets go of deliveries that were kept back until
// the answer to their cause was on the wire.
type Release struct {
	Head
	Work []WorkID
}

// Header is the command's head.
func (r Release) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r Release) Needs() Needs { return Needs{Work: r.Work, NoBooks: true} }

// Decide ends the leases that nobody has taken over.
func (r Release) Decide(f Facts) (Change, error) {
	c := Change{Merchant: f.Merchant}
	for _, id := range r.Work {
		if w, ok := f.Work[id]; ok && w.Fence == 0 {
			w.Lease = time.Time{}
			c.Work = append(c.Work, w)
		}
	}
	return c, nil
}

// AskAgain is a command by which an operator asks a rail again about a disbursement that is
// stuck: its sending becomes work once more, and begins with a look-up.
type AskAgain struct {
	Head
	Disbursement DisbursementID
	Currency     money.Currency
}

// Header is the command's head.
func (r AskAgain) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r AskAgain) Needs() Needs { return Needs{Disbursement: r.Disbursement, NoBooks: true} }

// Decide makes the work anew.
func (r AskAgain) Decide(f Facts) (Change, error) {
	if f.Disbursement == nil {
		return Change{}, Errorf(NotFound, "", "there is no such disbursement")
	}
	d := *f.Disbursement
	id, ok := d.SendWork()
	if d.State != Sent || !d.Stuck || !ok {
		return Change{}, Errorf(Conflict, ReasonTerminal, "the disbursement is not stuck")
	}
	x := begin(f, r.Head)
	d.Stuck, d.Updated = false, f.Now
	x.event(string(d.ID), KindUnknown)
	x.c.Disbursements = []Disbursement{d}
	x.c.Work = []Work{{Merchant: d.Merchant, ID: id, Kind: WorkSend, Subject: string(d.ID), Order: string(d.ID), Due: f.Now}}
	return x.c, nil
}
