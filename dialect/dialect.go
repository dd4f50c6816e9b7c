// Package dialect is the contract of an inbound API. A dialect translates. It
// does not decide, store, send or wait: what it needs to know comes in as
// plain data, and its answers are bytes.
package dialect

import (
	"crypto"
	"io"
	"net/http"
	"net/netip"
	"time"

	"remit"
)

// Request is what came over the wire, read whole and bounded.
type Request struct {
	Method string
	Path   string
	Query  string
	Header http.Header
	Body   []byte
	// TooLarge says that the body went on behind the dialect's limit, and
	// that Body is only its beginning.
	TooLarge bool
	From     netip.Addr // the caller's address
	At       time.Time  // of the business clock
	Trace    string     // our name of this request
}

// Response is what goes back.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
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
	// Secret compares a candidate with one of the merchant's secrets, in
	// constant time, against a keyed digest.
	Secret func(name, candidate string) bool
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
	// Notices are the notifications that an event owes the merchant, frozen
	// but for their signatures. Most events owe none.
	Notices(Occurrence) []remit.Notice
	// Seal makes the HTTP request of a notice. It makes the same bytes however
	// often it is asked. The caller sets the URL.
	Seal(remit.Notice, Signer) (Outgoing, error)
	// Acknowledged tells whether the merchant's reply acknowledges a notice:
	// nil, or why it does not.
	Acknowledged(remit.Notice, Reply, Caller) error
	// Retry is how long to wait after so many tries; false gives up.
	Retry(tries int64) (time.Duration, bool)
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
	// Claim reads who the caller says that it is. Nothing is believed yet.
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

// Operation is one of the things that a merchant can ask: exactly one member
// is set.
type Operation struct {
	Refund *Refund
}

// Refund is a command to refund, as a dialect decodes it: the engine adds the
// merchant, the ids and the rail.
type Refund struct {
	remit.Refund
	// Content is what makes the request this request and no other: the engine
	// keeps a keyed hash of it.
	Content []byte
}

// Occurrence is an event with what it happened to, after it happened.
type Occurrence struct {
	Event        remit.Event
	Merchant     remit.Merchant
	Payment      *remit.Payment
	Disbursement *remit.Disbursement
	Was          remit.State   // of the disbursement, before the event
	KeyVersion   int64         // of the key that will sign
	Number       func() string // the merchant's next ten-digit number
	UUID         func() string // a new one; the same however often the event is decided
}

// Outgoing is a notification ready to be sent.
type Outgoing struct {
	Method string
	Query  string // added to the URL
	Header http.Header
	Body   []byte
}

// Reply is what a merchant answered to a notification.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Credentials are one merchant's, for one dialect. Secrets are kept as keyed
// digests and public keys as they are, sealed; Private is handed out once and
// never kept.
type Credentials struct {
	Principal Principal         `json:"principal"`
	Secrets   map[string]string `json:"secrets,omitempty"`
	Public    map[string]string `json:"public,omitempty"`  // PEM
	Private   map[string]string `json:"private,omitempty"` // PEM
}
