package remit

import (
	"strconv"
	"time"

	"remit/ledger"
)

// Event is something that happened to a payment, a disbursement or a
// merchant's settings: a fact, with the transfers that it made. Events of a
// merchant are numbered without a gap, and chained.
type Event struct {
	Merchant  MerchantID
	Seq       int64
	At        time.Time
	Subject   string // a payment's or disbursement's id; "" for the merchant itself
	Kind      string // the state that was reached, or another word of Kind…
	Actor     string // who: "merchant", "rail:simulator", "operator:NAME", "engine"
	Evidence  string // what shows it: a request, a bank's line, an order. Nothing personal.
	Cause     string // the command that wrote it
	Transfers []ledger.Transfer
	Was       string // of an event that fixes its subject anew: the digest of what was fixed before
	Link      string // of the hash chain
}

// ActorMerchant is the actor of every command that a merchant's own request
// causes.
const ActorMerchant = "merchant"

// Kinds of events that are not states.
const (
	KindCreated      = "created"      // a merchant
	KindSettings     = "settings"     // a merchant's switches changed
	KindIssued       = "issued"       // credentials; what the merchant had in that dialect has ended
	KindRevoked      = "revoked"      // credentials
	KindKeyReplaced  = "key_replaced" // one of a merchant's own public keys
	KindChecked      = "checked"      // an operator had the books made anew, and compared
	KindHurried      = "hurried"      // an operator had it sent before its send window was over
	KindRedelivered  = "redelivered"  // an operator had a notification made once more
	KindTopUp        = "top_up"       // money put into or taken out of a merchant's balance by hand
	KindRegistered   = "registered"   // a beneficiary
	KindDuplicate    = "duplicate"    // an equal refund was made a moment before
	KindContradicted = "contradicted" // a bank says that it paid what our books say was not
	KindAmended      = "amended"      // what became known of a payment changed
	KindLate         = "late"         // the payer has agreed long ago, and the money is not there
	KindStuck        = "stuck"        // the last look-up could not tell what became of it
	KindUnknown      = "unknown"      // a rail could not tell; it will be asked again
)

// Identifies tells whether an event of this kind changes who a merchant is, or
// what it may do: whoever remembers that has to ask anew.
func Identifies(kind string) bool {
	switch kind {
	case KindCreated, KindSettings, KindIssued, KindRevoked, KindKeyReplaced:
		return true
	}
	return false
}

// IsState tells whether the kind of an event is a state that a payment or a
// disbursement reached.
func IsState(kind string) bool {
	_, payment := paymentMoves[PaymentState(kind)]
	_, disbursement := moves[State(kind)]
	return payment || disbursement
}

// ChainFields is what the event's link is made over: all of it, and all of its
// transfers. Nothing in it is personal.
func (e Event) ChainFields() []string {
	f := make([]string, 0, 10+7*len(e.Transfers))
	f = append(f, string(e.Merchant), strconv.FormatInt(e.Seq, 10), strconv.FormatInt(e.At.UnixMicro(), 10),
		e.Subject, e.Kind, e.Actor, e.Evidence, e.Cause, e.Was, strconv.Itoa(len(e.Transfers)))
	for _, t := range e.Transfers {
		f = append(f, t.ID, string(t.Step), string(t.From), string(t.To),
			strconv.FormatInt(t.Amount.Minor, 10), string(t.Amount.Currency), t.Cites)
	}
	return f
}

// WorkKind is what a piece of work is.
type WorkKind string

// The kinds of work.
const (
	WorkSend    WorkKind = "send"    // hand a disbursement to its rail, or ask what became of it
	WorkDeliver WorkKind = "deliver" // make a delivery
	WorkExpire  WorkKind = "expire"  // end a payment that nobody has finished
)

// WorkKinds are all of them.
var WorkKinds = []WorkKind{WorkSend, WorkDeliver, WorkExpire}

// WorkID names a piece of work within its merchant: the event that caused it,
// and its place among the work of that event. Deliveries begin at 1; 0 is what
// the event causes besides: a sending, a timer.
type WorkID struct {
	Seq int64
	N   int64
}

func (w WorkID) String() string {
	return strconv.FormatInt(w.Seq, 10) + "." + strconv.FormatInt(w.N, 10)
}

// Work is something still to be done, written by the transaction that causes
// it.
type Work struct {
	Merchant MerchantID
	ID       WorkID
	Kind     WorkKind
	Subject  string    // of WorkSend the disbursement, of WorkExpire the payment; of WorkDeliver what the delivery tells of
	Order    string    // work of one order is first tried in the order of its ids
	Due      time.Time // of the business clock
	Lease    time.Time // of the real clock: until then it is somebody's
	Fence    int64     // grows with each lease; who holds an older one has lost it
	Tries    int64
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryDue       DeliveryState = "due"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryDead      DeliveryState = "dead" // given up; can be replayed
)

// Notice is one notification in a dialect's words, frozen at the state change
// that it tells of: all but what a header says of the try, and its signature.
type Notice struct {
	Kind       string // the dialect's name of it
	URL        string
	Content    string // what the dialect needs to make the same body again
	KeyVersion int64  // of the key that signs it
}

// Delivery is one notice owed to one URL, until acknowledged or given up.
type Delivery struct {
	Merchant MerchantID
	ID       WorkID
	Dialect  string
	Subject  string // the payment or disbursement that it tells of
	Notice   Notice
	State    DeliveryState
	Tries    int64
	Created  time.Time
	Updated  time.Time
}

// Try is one HTTP call of a delivery.
type Try struct {
	Merchant MerchantID
	Delivery WorkID
	N        int64 // from 1
	At       time.Time
	Took     time.Duration
	Status   int64  // of HTTP; 0 if there was no answer
	Problem  string // why it does not count as delivered; "" if it does
	Response string // the first bytes of it, see responseBytesMax
}

// Answer is what a merchant was answered under an idempotency key: the
// outcome, not the bytes, since the bytes can be made again.
type Answer struct {
	Merchant   MerchantID
	Scope      string // the dialect's space of keys
	Key        string
	Digest     string // keyed hash of what was asked
	Code       string // of a remembered refusal; "" if it was accepted
	Reason     Reason
	Field      string // of a remembered refusal, as its Detail
	Detail     string
	Subject    string // the id of what was made: see Result.subject
	Form       string // the dialect's own note on how it answered
	KeyVersion int64  // of the key that signed the answer
	Cause      string // the command that was answered
	At         time.Time
	Expires    time.Time
}
