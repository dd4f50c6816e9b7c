// Package dialect is the contract of an inbound API. A dialect translates. It
// does not decide, store, send or wait: what it needs to know comes in as
// plain data, and its answers are bytes.
package dialect

import (
	"crypto"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"remit"
	"remit/money"
)

// Request is what came over the wire, read whole and bounded.
type Request struct {
	Method string
	Origin string // under which we were called: https://host, without a path
	Path   string // as it came, percent-encoded
	Query  string
	Header http.Header // with the Host: a signature may be over it
	Body   []byte
	// TooLarge says that the body went on behind the dialect's limit, and
	// that Body is only its beginning.
	TooLarge bool
	From     netip.Addr // the caller's address
	At       time.Time  // of the business clock
	Trace    string     // our name of this request
	// Key is a secret of this installation and this dialect, with which it
	// signs what only itself will read again: tokens, links.
	Key []byte
}

// Response is what goes back.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// Code is the provider's own code of an error, where it has one, for the
	// request log.
	Code string
}

// Route is one place where a dialect listens.
type Route struct {
	Method string // "" is every method
	Path   string // in the pattern language of net/http
}

// Principal is who the caller claims to be, in the dialect's own terms.
type Principal string

// Signer signs as one of our own keys towards merchants.
type Signer interface {
	// Key is the private key of a version; version 0 is the newest.
	Key(version int64) (crypto.Signer, error)
}

// Caller is what is known of who asks, once the principal has been looked up.
// Its zero value is a caller whom nobody knows.
type Caller struct {
	Known    bool
	Merchant remit.MerchantID
	Settings remit.Settings
	Admitted bool // the address is on the merchant's list
	// Issued names the secrets that the caller has now: others have another
	// name. What a dialect hands out under them, such as tokens, can say so, and
	// ends with them. A public key that is replaced does not change it.
	Issued string
	// Secret compares a candidate with one of the merchant's secrets, in
	// constant time, against a keyed digest.
	Secret func(name, candidate string) bool
	// Shared are the secrets that both sides compute with, by name.
	Shared map[string]string
	// PublicKeys are the merchant's, by name; parsed, and empty where they
	// were withdrawn.
	PublicKeys map[string]crypto.PublicKey
}

// Dialect speaks one provider's API to merchants.
type Dialect interface {
	// Name is the dialect's name in configuration, records and logs.
	Name() string
	// Routes are the provider's native paths.
	Routes() []Route
	// BodyBytesMax is the largest body that is read, in bytes.
	BodyBytesMax() int64
	// Read takes a request apart. It never fails: what is wrong with the
	// request, the call says when it is asked.
	Read(Request) Call
	// Settings are the names of what a merchant can be set to in the dialect.
	Settings() Names
	// Private is what of a request is hidden before it is kept.
	Private() Private
	// Checks are what a request is checked for before it is decided, in the
	// order in which that is done, all stages but the last.
	Checks() []Check
	// Notices are the notifications that an event owes the merchant, frozen
	// but for their signatures. Most events owe none.
	Notices(Occurrence) []remit.Notice
	// Seal makes the HTTP request of a notice to the merchant to, signed with
	// our key or with a secret that both sides know, for a try at a time. It
	// makes the same body at every time, and the same headers at the same time.
	// The caller sets the URL.
	Seal(n remit.Notice, s Signer, to Caller, at time.Time) (Outgoing, error)
	// Acknowledged tells whether the merchant's reply acknowledges a notice:
	// nil, or why it does not.
	Acknowledged(remit.Notice, Reply, Caller) error
	// Retry is how long to wait after so many tries of a notice; false gives up.
	Retry(n remit.Notice, tries int64) (time.Duration, bool)
	// Issue makes a merchant's credentials for this dialect.
	Issue(rand io.Reader, m remit.MerchantID) (Credentials, error)
	// NewServerKey makes a key of our own to sign with, as PEM; "" where the
	// provider signs nothing.
	NewServerKey(rand io.Reader) (string, error)
	// Receive answers a notification as a correct merchant would: for the
	// sandbox's inbox. problem says why the notification should not be
	// believed; the answer is given all the same, as the provider's own
	// libraries do.
	Receive(r Request, c Credentials, server crypto.PublicKey) (reply Response, problem string)
}

// Call is one request being answered. Its methods are asked in this order,
// each only if those before it found nothing wrong; Encode always.
type Call interface {
	// Claim reads who the caller says that it is. Nothing is believed yet. ""
	// is a call that anybody may make; Verify is then not asked.
	Claim() (Principal, error)
	// Verify checks the request against what is known of the caller.
	Verify(Caller) error
	// Decode turns the verified request into what the merchant asks, in our
	// words.
	Decode() (Operation, error)
	// Encode turns what came of it into the provider's reply, signed where
	// the provider signs. It is total: every remit.Code has an encoding, and
	// so has every bare error.
	Encode(Signer, remit.Result, error) Response
}

// Operation is one of the things that a merchant can ask: at most one member
// is set. None is a call that needs nothing but its answer: a token, a key.
type Operation struct {
	Refund   *Refund
	Payout   *Payout
	Open     *Open
	Move     *Move
	Cancel   *remit.Cancel
	Proceed  *Proceed
	Register *Register
	SpendKey *SpendKey
	Query    *Query
	Content  string // of Cancel and Proceed: what makes the request this one
	// Merchant is whose thing it is about, of a call that names no principal:
	// a payer's page. The dialect has shown that the page was ours.
	Merchant remit.MerchantID
}

// Kind is what an operation is, in our words; "" for none, and for one of which
// only its key was looked at.
func (o Operation) Kind() string {
	switch {
	case o.Refund != nil:
		return "refund"
	case o.Payout != nil:
		return "payout"
	case o.Open != nil:
		return "open"
	case o.Move != nil:
		return "move"
	case o.Cancel != nil:
		return "cancel"
	case o.Proceed != nil:
		return "proceed"
	case o.Register != nil:
		return "register"
	case o.Query != nil:
		return "query"
	}
	return ""
}

// Question tells whether an operation changes nothing.
func (o Operation) Question() bool {
	return o.Query != nil || (o.Kind() == "" && o.SpendKey == nil)
}

// Named is what an operation calls the thing that it is about, in the
// dialect's own words; "" where it calls it nothing.
func (o Operation) Named() string {
	switch {
	case o.Refund != nil:
		return o.Refund.Payment.Text
	case o.Payout != nil:
		return o.Payout.OrderReference
	case o.Open != nil:
		return o.Open.OrderReference
	case o.Move != nil && o.Move.Name.Text != "":
		return o.Move.Name.Text
	case o.Move != nil:
		return string(o.Move.Payment)
	case o.Cancel != nil:
		return o.Cancel.Disbursed
	case o.Proceed != nil:
		return o.Proceed.Disbursed
	case o.Query != nil && o.Query.Disbursement != "":
		return o.Query.Disbursement
	case o.Query != nil:
		return o.Query.Payment.Text
	}
	return ""
}

// The engine adds the merchant, the ids, the rail and the keyed digest of
// Content, which is what makes the request this request and no other. It seals
// the accounts and names, which are plain here.
type (
	// Refund is a command to refund, as a dialect decodes it.
	Refund struct {
		remit.Refund
		Content []byte
	}
	// Payout is a command to pay out.
	Payout struct {
		remit.Payout
		Content []byte
		Payee   Party // where it comes with the command
	}
	// Open is a command to open a payment.
	Open struct {
		remit.OpenPayment
		Content []byte
		Payer   Party
	}
	// Move is a command to move a payment.
	Move struct {
		remit.MovePayment
		Content []byte
		Payer   Party // where it became known on the way
	}
	// Proceed is a command that lets a waiting disbursement go on.
	Proceed struct {
		remit.Proceed
		Payee Party // whom a payer named
	}
	// Register is a command to register a beneficiary.
	Register struct {
		remit.Register
		Content []byte
		Party   Party
		Same    []byte // what makes the account this account
	}
	// SpendKey is a command that is refused, and uses its key up.
	SpendKey struct {
		remit.SpendKey
		Content []byte
	}
	// Party is who pays or is paid.
	Party struct {
		Account string // an IBAN or a local number
		Name    string
	}
)

// Query is a question. It is answered in the members of remit.Result of the
// same names; what is named and is not there is remit.NotFound. A payment and a
// disbursement may both be named, where one text may be either's: what there is
// of them is answered, and nothing is no error.
type Query struct {
	Payment      remit.Name     // Result.Payment, or Payments where several have the name; it must be the dialect's
	Refunds      bool           // of Payment: Result.Disbursements
	Disbursement string         // by its own name: Result.Disbursement, and its Payment
	Payments     bool           // of the dialect, in the time: Result.Payments …
	Disbursed    bool           // … and, in the time: Result.Disbursements; with both, their payments are among the payments
	Balances     bool           // Result.Balances: one for each currency that the merchant ever had
	Entries      bool           // in the time: Result.Entries
	Proved       bool           // of Entries: with Opening and Closing, and refused unless all of the ledger agrees with them
	Currency     money.Currency // of Entries; "" is every one
	Accounts     bool           // Result.Accounts: whose they are, of what is answered

	From, To time.Time    // from From, and before To; zero is unbounded
	Max      int          // of a list; 0 is QueryMax
	After    string       // of a list: the id of the last one seen; of Entries its number
	Fault    *remit.Error // something is wrong with the question itself
}

// QueryMax is how many things one answer lists at most.
const QueryMax = 1_000

// Occurrence is an event with what it happened to, after it happened.
type Occurrence struct {
	Event        remit.Event
	Merchant     remit.Merchant
	Payment      *remit.Payment
	Disbursement *remit.Disbursement
	Beneficiary  *remit.Beneficiary // of remit.KindRegistered, with …
	Register     *remit.Register    // … the command that asked for it
	Was          remit.State        // of the disbursement, before the event
	KeyVersion   int64              // of the key that will sign
	Key          func() []byte      // see Request.Key
	Number       func() string      // the merchant's next ten-digit number
	UUID         func() string      // a new one; the same however often the event is decided
}

// MethodMail is the method of a notification that is a mail: its URL is
// mailto:ADDRESS, its header has a Subject, its body is plain text.
const MethodMail = "MAIL"

// Outgoing is a notification ready to be sent.
type Outgoing struct {
	Method string
	Query  string // added to the URL
	Header http.Header
	Body   []byte
	// Timeout is how long the merchant has to answer; 0 is the sender's own.
	Timeout time.Duration
}

// Reply is what a merchant answered to a notification.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Credentials are one merchant's, for one dialect. Secrets are kept as keyed
// digests; Shared, and public keys, are kept as they are, sealed; Private is
// handed out once and never kept.
type Credentials struct {
	Principal Principal         `json:"principal"`
	Also      []Principal       `json:"also,omitempty"` // other names of the same merchant, with the same secrets and keys
	Secrets   map[string]string `json:"secrets,omitempty"`
	Shared    map[string]string `json:"shared,omitempty"`  // of HMACs
	Public    map[string]string `json:"public,omitempty"`  // PEM
	Private   map[string]string `json:"private,omitempty"` // PEM
}

// Teller is a dialect that shares paths with others. Mine tells by a request's
// header whether the caller speaks it.
type Teller interface{ Mine(http.Header) bool }

// Spec is what a payment is made of that did not come through the dialect's own
// API: a sandbox makes it, or an operator records one that was made elsewhere.
type Spec struct {
	Amount          money.Amount
	State           remit.PaymentState // authorized, funded or failed
	ExternalID      string             // its name towards the merchant, of the dialect's form; "" gives it one
	Demo            bool               // what is not given may be invented, for a sandbox
	NotificationURL string
	OrderReference  string
	EndUserID       string
	Single          bool // only one refund can be made of it
	Payer           Party
	// More are the attributes that only some dialects understand, as JSON
	// values by their names. A dialect says which it does not.
	More map[string]json.RawMessage
}

// Only refuses attributes of other names than these.
func (s Spec) Only(in string, names ...string) error {
	for name := range s.More {
		if !slices.Contains(names, name) {
			return remit.Errorf(remit.Invalid, "", "%s knows no attribute %q", in, name)
		}
	}
	return nil
}

// Listener is a dialect in which a merchant's reply to a notification can ask
// for something.
type Listener interface {
	// Heard is what a reply asks that has acknowledged a notice: an empty
	// operation where it asks nothing. It may be heard again.
	Heard(remit.Notice, Reply, Caller) Operation
}

// Registrar is a dialect in which a sandbox can make the account of a
// beneficiary known.
type Registrar interface {
	// Account is the command that does so. An *remit.Error says what is wrong
	// with the account.
	Account(Party) (Register, error)
}

// Stager is a dialect of which payments can be made without its API.
type Stager interface {
	// Stage is the command that opens such a payment. An *remit.Error says
	// what is wrong with the attributes.
	Stage(Spec) (remit.OpenPayment, error)
	// Names are a payment's names towards the merchant: the first for most
	// purposes, and all of them by what they are names for, which is the scope
	// of those that have one.
	Names(remit.Payment) (external string, all map[string]string)
}

// Accountant is a dialect in which a merchant's balances have names.
type Accountant interface {
	// AccountIDs are those names, under the key of Request.Key.
	AccountIDs(key []byte, m remit.MerchantID) map[money.Currency]string
}
