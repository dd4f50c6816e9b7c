// Package store is the contract of what the engine remembers.
//
// It is group-shaped: one transaction locks some merchants, reads what their
// commands need, lets the engine decide them one after another in memory, and
// writes all of it at once.
package store

import (
	"context"
	"errors"
	"time"

	"remit"
	"remit/ledger"
	"remit/money"
)

// Store keeps the books, the disbursements and the work still to do.
//
// Every method returns an error that wraps the context's when the context
// ends first.
type Store interface {
	// Update runs one group in one transaction: it locks the merchants, then
	// reads what is wanted in statements of their own, lets decide think, and
	// writes what it answers. If decide returns an error nothing is kept.
	//
	// An error that wraps ErrUnclear means that the commit may have happened.
	// One that wraps ErrData means that the writes can never be kept as they
	// are. After any other error nothing was kept, and the group may be tried
	// again.
	Update(ctx context.Context, w Wants, decide func(*Have) (*Writes, error)) error
	// Read reads the same things in one snapshot, and locks nothing.
	Read(ctx context.Context, w Wants) (*Have, error)

	// Claim leases work that is due, of at most c.Max pieces in all: first an
	// unlocked look for merchants that have any, then a claim per merchant.
	// Work of one kind and order is leased only when each earlier piece of
	// them has been tried, done or given up.
	Claim(ctx context.Context, c Claim) ([]remit.Work, error)
	// NextDue is when the next piece of work of a kind ("" is every kind)
	// falls due that nobody has leased at real; false if there is none.
	NextDue(ctx context.Context, kind remit.WorkKind, real time.Time) (time.Time, bool, error)
	// Backlog counts the work and the deliveries that wait, and those in need
	// of a person.
	Backlog(ctx context.Context, now time.Time) (Backlog, error)

	// Merchants lists all merchants by id.
	Merchants(ctx context.Context) ([]remit.Merchant, error)
	// SomeMerchants lists merchants by id, from behind one, at most max, and
	// counts all.
	SomeMerchants(ctx context.Context, after remit.MerchantID, max int) (some []remit.Merchant, all int, err error)

	// Disbursements lists a merchant's, at most f.Max.
	Disbursements(ctx context.Context, f Filter) ([]remit.Disbursement, error)
	// Payments lists a merchant's, at most f.Max.
	Payments(ctx context.Context, f PaymentFilter) ([]remit.Payment, error)
	// EventsIn lists a merchant's events with transfers that fall into a time,
	// in order, at most s.Max.
	EventsIn(ctx context.Context, s Span) ([]remit.Event, error)
	// Events lists what happened to one payment or disbursement, or to the
	// merchant itself (""), with the transfers, in order.
	Events(ctx context.Context, m remit.MerchantID, subject string) ([]remit.Event, error)
	// Deliveries lists a merchant's deliveries that tell of one subject, or in
	// one state, with their tries, in order.
	Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivered, error)
	// Find lists what of a merchant's, or of all merchants', answers to a text or an amount, newest
	// first, at most f.Max of each kind.
	Find(ctx context.Context, f Search) ([]remit.Payment, []remit.Disbursement, error)
	// Recent lists a merchant's newest events, with the transfers, newest first.
	Recent(ctx context.Context, f Newest) ([]remit.Event, error)
	// SeqAt is the number of a merchant's newest event that is not after a
	// time; 0 if there is none. Events of one merchant may stand up to two
	// seconds in the wrong order of time, where several processes decide: newest
	// is the one of the highest number.
	SeqAt(ctx context.Context, m remit.MerchantID, at time.Time) (int64, error)
	// Transfers shows a merchant's transfers of the events behind one number
	// and up to another, in order.
	Transfers(ctx context.Context, m remit.MerchantID, after, upTo int64, show func(ledger.Transfer) error) error
	// AddMark keeps a mark, unless there is one of that number.
	AddMark(ctx context.Context, k Mark) error
	// Marks finds a merchant's last mark that is not behind a number, and the
	// first that is. The zero Mark is none.
	Marks(ctx context.Context, m remit.MerchantID, seq int64) (before, behind Mark, err error)
	// Totals adds up a merchant's money of a time, by day and currency, in
	// order.
	Totals(ctx context.Context, f TotalsFilter) ([]Total, error)

	// AddRequests keeps requests of any merchants. One that is kept already is
	// replaced: an unclear attempt can be made again.
	AddRequests(ctx context.Context, rs []Request) error
	// Requests lists a merchant's, at most f.Max.
	Requests(ctx context.Context, f RequestFilter) ([]Request, error)
	// ForgetRequests deletes those of a merchant that came before a time, at
	// most max of them, the oldest first, and says how many.
	ForgetRequests(ctx context.Context, m remit.MerchantID, before time.Time, max int) (int, error)

	// Credential finds whose a principal is; false if nobody's.
	Credential(ctx context.Context, dialect, principal string) (remit.Credential, bool, error)
	// Credentials lists a merchant's, those that have ended too, by dialect and
	// principal.
	Credentials(ctx context.Context, m remit.MerchantID) ([]remit.Credential, error)
	// Secret reads one of the installation's own secrets, the newest version
	// if version is 0; false if there is none.
	Secret(ctx context.Context, name string, version int64) (Secret, bool, error)
	// AddSecret keeps a secret unless its name and version are taken; false
	// if they are.
	AddSecret(ctx context.Context, s Secret) (bool, error)
	// AddSlip keeps a slip unless there is one of its name that is still good
	// at now; false if there is.
	AddSlip(ctx context.Context, now time.Time, s Slip) (bool, error)
	// SetSlip replaces a slip that is there; false if none is.
	SetSlip(ctx context.Context, s Slip) (bool, error)
	// DropSlip deletes a slip, if it is there.
	DropSlip(ctx context.Context, name string) error
	// Slip reads one that is good at now; false if there is none.
	Slip(ctx context.Context, now time.Time, name string) (Slip, bool, error)
	// Cursor reads how far a rail's statements have been read; SetCursor
	// keeps it.
	Cursor(ctx context.Context, rail string) (string, error)
	SetCursor(ctx context.Context, rail, cursor string) error

	// Audit shows everything, merchant by merchant, in one snapshot.
	Audit(ctx context.Context, visit Visitor) error
	// Forget deletes answers that expired before a time, at most max of
	// them, and says how many.
	Forget(ctx context.Context, before time.Time, max int) (int, error)
	// ForgetSlips deletes slips that expired before a time, at most max of
	// them, and says how many.
	ForgetSlips(ctx context.Context, before time.Time, max int) (int, error)
	// Clock is the database's, to compare ours with.
	Clock(ctx context.Context) (time.Time, error)
	// Migrate brings the schema up to this program's; it refuses a newer one.
	Migrate(ctx context.Context) error
	// Ready tells whether the store can be used: nil, or why not (ErrSchema
	// where the schema is not this program's).
	Ready(ctx context.Context) error
	Close() error
}

// ErrUnclear means that a commit was asked for, and that its answer was lost.
var ErrUnclear = errors.New("store: the commit may have happened")

// ErrData means that what was written breaks a constraint or a type: trying
// again cannot help.
var ErrData = errors.New("store: the data is refused")

// ErrSchema means that the database was made by a newer program, or has not
// been migrated.
var ErrSchema = errors.New("store: the schema is not this program's")

// Wants is what a group reads once its merchants are locked, and in this
// order: merchants, answers, payments, disbursements, credentials, accounts,
// events, work and deliveries. Work is locked too.
type Wants struct {
	// New are those of Merchants of which a bare row is made, where there is
	// none, before they are locked. It stays unless decide returns an error.
	New       []remit.MerchantID
	Merchants []remit.MerchantID // those to lock; the store sorts them
	// Block waits for the locks. Without it merchants that another
	// transaction holds are skipped, and missing in Have.
	Block bool

	Answers       []AnswerRef
	Payments      []PaymentRef      // by our id
	Externals     []ExternalRef     // payments by their names
	Waiting       []PaymentRef      // refunds that wait for these payments …
	WaitingByName []ExternalRef     // … or for those of these names, all of scope ""
	Refunds       []ExternalRef     // all refunds of the payments of these names
	Disbursements []DisbursementRef // each with its payment
	Disbursed     []DisbursedRef    // the same, by their own names
	Beneficiaries []BeneficiaryRef
	Credentials   []remit.MerchantID
	Accounts      []AccountsRef
	Events        []EventsRef
	Work          []WorkRef
	Deliveries    []WorkRef
}

// References into one merchant's things.
type (
	AnswerRef struct {
		Merchant   remit.MerchantID
		Scope, Key string
	}
	PaymentRef struct {
		Merchant remit.MerchantID
		ID       remit.PaymentID
	}
	ExternalRef struct {
		Merchant remit.MerchantID
		Name     remit.Name
	}
	DisbursedRef struct {
		Merchant remit.MerchantID
		Name     string
	}
	// BeneficiaryRef is a beneficiary by its id, or by its digest.
	BeneficiaryRef struct {
		Merchant remit.MerchantID
		ID       remit.BeneficiaryID
		Digest   string
	}
	DisbursementRef struct {
		Merchant remit.MerchantID
		ID       remit.DisbursementID
	}
	// AccountsRef is all of a merchant's accounts in one currency, or in all
	// of them ("").
	AccountsRef struct {
		Merchant remit.MerchantID
		Currency money.Currency
	}
	// EventsRef is a merchant's events behind a number.
	EventsRef struct {
		Merchant remit.MerchantID
		After    int64
	}
	WorkRef struct {
		Merchant remit.MerchantID
		ID       remit.WorkID
	}
)

// Have is what was found. What is not there is not in its map.
type Have struct {
	Merchants     map[remit.MerchantID]remit.Merchant
	Answers       map[AnswerRef]remit.Answer
	Payments      map[PaymentRef]remit.Payment
	Names         map[ExternalRef][]remit.PaymentID      // of the payments in Payments, by the names asked for
	Disbursements map[DisbursementRef]remit.Disbursement // the waiting ones and the refunds too
	Disbursed     map[DisbursedRef]remit.DisbursementID
	Beneficiaries map[BeneficiaryRef]remit.Beneficiary    // by the references asked for
	Credentials   map[remit.MerchantID][]remit.Credential // by dialect and principal
	Books         map[remit.MerchantID]ledger.Books
	Events        map[remit.MerchantID][]remit.Event // without their transfers, in order
	Work          map[WorkRef]remit.Work
	Deliveries    map[WorkRef]remit.Delivery
}

// Writes is what a group keeps. Rows of the same key replace each other,
// except events, transfers and tries, which are only ever added.
type Writes struct {
	Merchants     []remit.Merchant
	Answers       []remit.Answer
	Payments      []remit.Payment
	Names         []PaymentName // of new payments, but for their names of scope ""
	Beneficiaries []remit.Beneficiary
	Disbursements []remit.Disbursement
	Accounts      map[remit.MerchantID][]ledger.Account
	Events        []remit.Event // with their transfers
	Work          []remit.Work
	Done          []WorkRef
	Deliveries    []remit.Delivery
	Tries         []remit.Try
	// Credentials replace each other by dialect and principal. One whose
	// principal is another merchant's breaks a constraint.
	Credentials []remit.Credential
}

// PaymentName is a further name of a payment.
type PaymentName struct {
	Merchant remit.MerchantID
	Name     remit.Name
	Payment  remit.PaymentID
}

// Claim asks for work.
type Claim struct {
	Now   time.Time // of the business clock: what is due by then
	Real  time.Time // of the real clock: leases that ran out by then are free
	Lease time.Time // of the real clock: until when the work will be leased
	Max   int
	Kind  remit.WorkKind // "" is every kind
	Skip  int            // of the merchants found, how many to pass over first
}

// Backlog is how much waits.
type Backlog struct {
	Send, Deliver, Expire int64 // pieces of work, by kind
	Due                   int64 // of all of them, those that are due
	OldestDue             time.Time
	Dead                  int64 // deliveries given up
	Stuck                 int64 // disbursements that nobody could tell about
}

// Filter chooses disbursements of one merchant. Members that are empty choose
// all. They come oldest first.
type Filter struct {
	Merchant remit.MerchantID
	Kind     remit.Kind
	Payment  remit.PaymentID
	External string // a payment's name of scope "", or the disbursement's own
	State    remit.State
	Dialect  string
	Underway bool // only those whose sending is work still, or that are stuck: all that are accepted or sent
	Stuck    bool // only those of which nobody could tell what became of them
	// Unknown leaves those that were sent and are not stuck, and of which the
	// last that happened is that a rail could not tell.
	Unknown bool
	// Stalled leaves those that were sent before it, and are neither settled
	// since nor stuck.
	Stalled  time.Time
	Held     bool      // only those that wait, and whose money is held meanwhile
	From, To time.Time // when it was made: from From, and before To
	Ended    time.Time // only those that failed, were canceled or came back, from Ended on
	After    remit.DisbursementID
	Newest   bool // newest first; After goes on to older ones then
	Max      int
}

// PaymentFilter chooses payments of one merchant. Members that are empty
// choose all. They come oldest first.
type PaymentFilter struct {
	Merchant remit.MerchantID
	Dialect  string
	State    remit.PaymentState
	From, To time.Time // when it was opened: from From, and before To
	After    remit.PaymentID
	Newest   bool // newest first; After goes on to older ones then
	Max      int
}

// Span chooses events of one merchant.
type Span struct {
	Merchant remit.MerchantID
	From, To time.Time // from From, and before To
	After    int64     // behind this number
	// Moved leaves out the events that only held money, or let it go. Of the
	// others it shows the number, the time, the subject, the kind and the
	// transfers, and nothing else: who adds up a whole ledger reads half of it.
	Moved bool
	Max   int
}

// Newest chooses the newest events of one merchant.
type Newest struct {
	Merchant remit.MerchantID
	Own      bool  // only those of the merchant itself, not of its payments and disbursements
	Below    int64 // only those of a lower number; 0 is all
	Max      int
}

// Mark is what all of a merchant's accounts came to with one of its events:
// what its transfers up to there add up to, kept so that nobody adds them up
// from the beginning. It can be made again from them at any time.
type Mark struct {
	Merchant remit.MerchantID
	Seq      int64
	Accounts []ledger.Account // by currency and path
}

// DeliveryFilter chooses deliveries of one merchant.
type DeliveryFilter struct {
	Merchant remit.MerchantID
	ID       remit.WorkID // one of them
	Subject  string
	State    remit.DeliveryState
	Underway bool         // only those that are work still: all that are due
	After    remit.WorkID // behind this one, in the order of the list
	Newest   bool         // newest first
	Max      int
}

// Request is what was asked of us in a merchant's name, and what came of it.
type Request struct {
	Merchant  remit.MerchantID
	ID        string    // its trace
	At        time.Time // of the business clock
	Took      time.Duration
	Status    int64 // of HTTP
	Verified  bool  // it came from the merchant; else somebody only said so
	Replayed  bool  // it was answered as an earlier one
	Dialect   string
	Operation string       // what it asks, in our words; "" where that was never understood
	Stage     string       // at which it was refused; "" where it was not
	Code      string       // of the refusal, as remit.Code is written; "" where it was not refused
	Reason    remit.Reason // of the refusal
	Detail    string       // what the merchant was told of it
	Wire      string       // the provider's own code for it, where it has one
	Subject   string       // the id of the payment or disbursement that it made, or is about
	Named     string       // where there is no subject: what the request calls it
	Asked     remit.Sealed // what came, masked
}

// RequestFilter chooses requests of one merchant. Members that are empty
// choose all. They come oldest first.
type RequestFilter struct {
	Merchant remit.MerchantID // "" is every one, for those that an ID names; else nobody
	ID       string           // one of them
	Dialect  string
	Refused  bool      // only those that were
	About    []string  // only those whose subject is one of these, or that name one of these
	From, To time.Time // when it came: from From, and before To
	After    string    // the id of the last one seen
	Newest   bool      // newest first; After goes on to older ones then
	Max      int
}

// Search is a text that people look for, or an amount.
type Search struct {
	Merchant remit.MerchantID // "" is all of them
	// Text is an id of ours, a name in a dialect, or the merchant's own
	// reference. Where it is "" the amount counts.
	Text   string
	Amount money.Amount // in any currency where it says none
	Max    int
}

// Flow is a direction of money in totals.
type Flow string

// The flows. A day is that of UTC.
const (
	FlowIn   Flow = "in"   // payments, by the day when their money came
	FlowOut  Flow = "out"  // disbursements, by the day when they were asked for
	FlowBack Flow = "back" // of those, what failed, was canceled or came back: by the day when it was asked for
)

// TotalsFilter chooses what is added up.
type TotalsFilter struct {
	Merchant remit.MerchantID
	Flow     Flow
	From, To time.Time // from From, and before To
}

// Total is the sum of one day in one currency.
type Total struct {
	Day      time.Time // when it began
	Currency money.Currency
	Count    int64
	Minor    int64
}

// Delivered is a delivery with its tries.
type Delivered struct {
	remit.Delivery
	Log []remit.Try
}

// Secret is one of the installation's own, sealed.
type Secret struct {
	Name    string
	Version int64 // from 1
	Sealed  remit.Sealed
	Created time.Time
}

// Slip is a small text of the installation's that is good for a time: of
// somebody's session, of what a form came to, and of the bank that a rail leads to.
type Slip struct {
	Name    string
	Text    string
	Expires time.Time // of the real clock
}

// Visitor is shown a merchant's rows in this order, each kind whole before
// the next: the merchant, its marks by number, its events (each with its
// transfers) by number, its payments, their further names, its disbursements,
// its beneficiaries; at last its accounts.
type Visitor struct {
	Merchant     func(remit.Merchant) error
	Mark         func(Mark) error
	Event        func(remit.Event) error
	Payment      func(remit.Payment) error
	Name         func(PaymentName) error
	Disbursement func(remit.Disbursement) error
	Beneficiary  func(remit.Beneficiary) error
	Accounts     func(remit.MerchantID, []ledger.Account) error
}
