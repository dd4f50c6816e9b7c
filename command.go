package remit

import (
	"strconv"
	"strings"
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

// PaymentID is the id of the payment that the command makes.
func (h Head) PaymentID() PaymentID { return PaymentID("p" + h.ID) }

// DisbursementID is the id of the disbursement that the command makes.
func (h Head) DisbursementID() DisbursementID { return DisbursementID("d" + h.ID) }

// Needs is what a decision looks at beside its merchant. The store reads it
// under the merchant's lock.
type Needs struct {
	Keys         []KeyRef       // that the merchant chose
	Payment      PaymentID      // a payment, by our id …
	Name         Name           // … or by a name
	Waiting      bool           // and the refunds that wait for it
	Refunds      bool           // and all its refunds
	Disbursement DisbursementID // a disbursement, with its payment …
	Disbursed    string         // … or one by its own name
	Beneficiary  BeneficiaryID  // whom to pay, by the name in the dialect …
	Details      string         // … or by the digest of the account's details
	Work         []WorkID       // pieces of work, read last and locked
	Delivery     *WorkID
	New          bool           // the merchant itself: its row is made where there is none
	Credentials  bool           // all of the merchant's, those that have ended too
	Currency     money.Currency // whose accounts; "" reads all of the merchant's
	NoBooks      bool           // no account at all
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
	Answers      map[KeyRef]Answer // earlier ones, under the command's keys
	Payment      *Payment
	Ambiguous    bool      // the name is that of several payments, and Payment is nil
	Named        []Payment // all payments that have the name, oldest first
	Disbursement *Disbursement
	Waiting      []Disbursement // refunds of Payment that wait for its money, oldest first
	Refunds      []Disbursement // all refunds of Payment, oldest first
	Beneficiary  *Beneficiary
	Work         map[WorkID]Work
	Delivery     *Delivery
	Credentials  []Credential             // by dialect and name
	Books        ledger.Books             // of the merchant; not to be changed
	Number       func(int64) string       // the n-th of the merchant's ten-digit numbers
	KeyVersion   func(string) int64       // of the key with which a dialect signs now
	Mint         func(Naming, int) string // the n-th name of the command that is not a number
}

// available is what an account of the merchant may still promise.
func (f Facts) available(id ledger.AccountID) int64 { return f.Books[id].Available() }

// Change is everything that one decision writes, in one transaction.
type Change struct {
	Merchant      Merchant // with the numbers that the change used up
	Payments      []Payment
	Disbursements []Disbursement
	Beneficiaries []Beneficiary
	Events        []Event // with their transfers
	Work          []Work  // new, or moved to another time
	Done          []WorkID
	Deliveries    []Delivery
	Tries         []Try
	Answers       []Answer
	Credentials   []Credential
	// Origin is whose the sealed texts are that rows of the change did not have
	// before: they are kept sealed anew, each for its own row. "" says that they
	// are their rows' own already.
	Origin Owner
	Result Result
}

// Empty tells whether the change writes nothing.
func (c Change) Empty() bool {
	return len(c.Payments)+len(c.Disbursements)+len(c.Events)+len(c.Work)+len(c.Done)+len(c.Deliveries)+len(c.Tries)+len(c.Answers)+len(c.Beneficiaries)+len(c.Credentials) == 0
}

// Result is what a caller is told of its command, or of its question.
type Result struct {
	Payment      *Payment
	Disbursement *Disbursement
	Beneficiary  *Beneficiary
	Refusal      *Error   // of a refusal that is remembered under its key
	Replayed     bool     // this is the answer to an earlier, identical command: the things are as they are now
	Changed      bool     // something was written
	Form         string   // how the dialect answered, as Answer.Form
	KeyVersion   int64    // of the key that signs the answer; 0 is the newest
	Owed         []WorkID // deliveries that wait until the answer is on the wire

	// The answers to questions.
	Payments      []Payment
	Disbursements []Disbursement // of payouts and refunds; of a payment's refunds, oldest first
	Balances      []Balance
	Entries       []Entry
	Accounts      map[Sealed]string // of a question that asks for them: the accounts and names of what is answered, in clear
	More          bool              // there is more behind the last one
	Opening       []Balance         // of a report: the balances when its time begins …
	Closing       []Balance         // … and when it ends
}

// beneficiaryMark tells a beneficiary, whose id is a dialect's, from what has
// an id of ours.
const beneficiaryMark = "b "

// subject is the id of what a command made.
func (r Result) subject() string {
	switch {
	case r.Disbursement != nil:
		return string(r.Disbursement.ID)
	case r.Payment != nil:
		return string(r.Payment.ID)
	case r.Beneficiary != nil:
		return beneficiaryMark + string(r.Beneficiary.ID)
	}
	return ""
}

// setSubject names what an earlier command made; the engine reads the rest.
func (r *Result) setSubject(m MerchantID, id string) {
	switch b, beneficiary := strings.CutPrefix(id, beneficiaryMark); {
	case beneficiary:
		r.Beneficiary = &Beneficiary{ID: BeneficiaryID(b), Merchant: m}
	case strings.HasPrefix(id, "d"):
		r.Disbursement = &Disbursement{ID: DisbursementID(id), Merchant: m}
	case strings.HasPrefix(id, "p"):
		r.Payment = &Payment{ID: PaymentID(id), Merchant: m}
	}
}

// Balance is what a merchant has in one currency, in minor units.
type Balance struct {
	Currency       money.Currency
	Minor          int64
	AvailableMinor int64 // less what is held
}

// Entry is one change of a merchant's balance: one side of a transfer, with
// what it was about.
type Entry struct {
	Seq          int64 // of the event
	At           time.Time
	Kind         string       // of the event
	Amount       money.Amount // below zero where money went out
	Payment      *Payment
	Disbursement *Disbursement
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
	f     Facts
	h     Head
	c     Change
	names int // given so far
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
