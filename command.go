package remit

import (
	"strconv"
	"time"

	"remit/ledger"
	"remit/money"
)

// Head is what every command has.
type Head struct {
	ID       string // minted before the command queues, and kept on every retry: 19 of [0-9a-z]
	Merchant MerchantID
	Actor    string // who asks: see Event.Actor
	Evidence string // what shows it: see Event.Evidence
}

// Needs is what a decision looks at beside its merchant. The store reads it
// under the merchant's lock.
type Needs struct {
	KeyScope, Key string         // an idempotency key
	Payment       PaymentID      // a payment, by our id …
	ExternalID    string         // … or by its name in the dialect
	Waiting       bool           // and the refunds that wait for it
	Disbursement  DisbursementID // a disbursement, with its payment
	Work          []WorkID       // pieces of work, read last and locked
	Delivery      *WorkID
	Currency      money.Currency // whose accounts; "" reads all of the merchant's
	NoBooks       bool           // no account at all
}

// Command is something to be decided about one merchant's money.
type Command interface {
	Header() Head
	Needs() Needs
	// Decide is pure: it looks at the facts, and answers with all that is to
	// be written, or with the error that refuses the command and leaves no
	// trace. It may be asked again, with other facts.
	Decide(Facts) (Change, error)
}

// Facts are what a decision may look at: what the store holds now, under the
// merchant's lock.
type Facts struct {
	Now          time.Time // of the business clock
	Merchant     Merchant
	Answer       *Answer // earlier, under the same key
	Payment      *Payment
	Disbursement *Disbursement
	Waiting      []Disbursement // refunds of Payment that wait for its money, oldest first
	Work         map[WorkID]Work
	Delivery     *Delivery
	Books        ledger.Books       // of the merchant; not to be changed
	Number       func(int64) string // the n-th of the merchant's ten-digit numbers
	KeyVersion   func(string) int64 // of the key with which a dialect signs now
}

// available is what an account of the merchant may still promise.
func (f Facts) available(id ledger.AccountID) int64 { return f.Books[id].Available() }

// Change is everything that one decision writes, in one transaction.
type Change struct {
	Merchant      Merchant // with the numbers that the change used up
	Payments      []Payment
	Disbursements []Disbursement
	Events        []Event // with their transfers
	Work          []Work  // new, or moved to another time
	Done          []WorkID
	Deliveries    []Delivery
	Tries         []Try
	Answer        *Answer
	Result        Result
}

// Empty tells whether the change writes nothing.
func (c Change) Empty() bool {
	return len(c.Payments)+len(c.Disbursements)+len(c.Events)+len(c.Work)+len(c.Done)+len(c.Deliveries)+len(c.Tries) == 0 && c.Answer == nil
}

// Result is what a caller is told of its command.
type Result struct {
	Payment      *Payment
	Disbursement *Disbursement // of a replay only its id
	Refusal      *Error        // of a refusal that is remembered under its key
	Replayed     bool          // this is the answer to an earlier, identical command
	Changed      bool          // something was written
	Form         string        // how the dialect answered, as Answer.Form
	KeyVersion   int64         // of the key that signs the answer; 0 is the newest
	Owed         []WorkID      // deliveries that wait until the answer is on the wire
}

// Policy says what to do where providers differ.
type Policy uint8

// The policies. Which of them a question allows, the command's field says.
const (
	Refuse    Policy = iota // at once, with an error
	Wait                    // accept, and go on when it can
	FailLater               // accept, and fail at once, by a notification
	TakeLeft                // of an amount: what is left of the payment
	TakeWhole               // of an amount: the whole original
)

// Stage is when a fault of the input is reported, against the looking up of
// what the input names.
type Stage uint8

// The stages, in order.
const (
	BeforeLookup Stage = iota // a value that makes no sense, whatever it names
	AtLookup                  // an id that can be nobody's
	AfterLookup               // a value of which a dialect complains only for a payment that is there
)

// Fault is something wrong with a command's input. A decoder attaches faults,
// the decision reports the first in the order of stages.
type Fault struct {
	Stage Stage
	Err   *Error
}

// draft is a change in the making.
type draft struct {
	f Facts
	h Head
	c Change
}

func begin(f Facts, h Head) *draft {
	return &draft{f: f, h: h, c: Change{Merchant: f.Merchant}}
}

// event adds one event with its transfers, and numbers both. It answers the
// id of the first transfer.
func (d *draft) event(subject, kind string, ts ...ledger.Transfer) string {
	d.c.Merchant.Seq++
	seq := d.c.Merchant.Seq
	for i := range ts {
		ts[i].ID = TransferID(seq, i)
	}
	d.c.Events = append(d.c.Events, Event{
		Merchant: d.f.Merchant.ID, Seq: seq, At: d.f.Now, Subject: subject, Kind: kind,
		Actor: d.h.Actor, Evidence: d.h.Evidence, Cause: d.h.ID, Transfers: ts,
	})
	if len(ts) == 0 {
		return ""
	}
	return ts[0].ID
}

// number takes the merchant's next ten-digit number.
func (d *draft) number() string {
	d.c.Merchant.Numbers++
	return d.f.Number(d.c.Merchant.Numbers)
}

// TransferID is the id of the i-th transfer of the event seq: "17", "17.1".
func TransferID(seq int64, i int) string {
	id := strconv.FormatInt(seq, 10)
	if i > 0 {
		id += "." + strconv.Itoa(i)
	}
	return id
}

// SendWork is the piece of work that sends a disbursement. The event that
// held its money has caused it, and shares its number with the hold.
func (d Disbursement) SendWork() (WorkID, bool) {
	seq, err := strconv.ParseInt(d.Hold, 10, 64)
	return WorkID{Seq: seq}, err == nil
}
