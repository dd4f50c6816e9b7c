// Package rail is the contract of a way for money to leave.
package rail

import (
	"context"
	"errors"
	"iter"
	"time"

	"remit/money"
)

// Status is what is known of an instruction. Its zero value is Unknown, so
// that a rail which forgets to answer has said the safe thing.
type Status uint8

// The four things that a rail can know.
const (
	Unknown Status = iota // it may have been paid; ask again, never pay again
	Pending               // the rail has it
	Settled               // paid
	Refused               // never paid, and never will be
)

func (s Status) String() string {
	return [...]string{"unknown", "pending", "settled", "refused"}[s]
}

// Instruction is one order to pay. It is plain data, and could be sent to
// another process.
type Instruction struct {
	EndToEndID  string       `json:"end_to_end_id"` // the engine's; the same on every try, for ever
	Amount      money.Amount `json:"amount"`        // minor units
	Account     string       `json:"account"`       // of who is paid: an IBAN or a local number
	Beneficiary string       `json:"beneficiary"`   // the name of who is paid
	Remittance  string       `json:"remittance"`    // what they read on the statement
}

// Outcome is what became of an instruction.
type Outcome struct {
	Status    Status        `json:"status"`
	Reason    string        `json:"reason,omitempty"`    // of Refused: an ISO 20022 code, such as AC04
	Reference string        `json:"reference,omitempty"` // the rail's own
	Again     time.Duration `json:"again,omitempty"`     // of Pending: when it is worth asking; 0 leaves it to the caller
}

// ErrNotSent says that the instruction has certainly not left: Submit did not
// hand it over, or Lookup finds that the rail never had it. Only after it may
// the same instruction be submitted again. Any other error leaves the outcome
// Unknown.
var ErrNotSent = errors.New("rail: not sent")

// Rail is one way for money to leave.
type Rail interface {
	// Name is the rail's name in configuration, ledger accounts and logs.
	Name() string
	// Submit hands an instruction over. It may be called again with the same
	// one, also by another process: the rail pays it once, and a rail that
	// cannot recognise it must say Unknown.
	Submit(context.Context, Instruction) (Outcome, error)
	// Lookup asks what became of an instruction.
	Lookup(ctx context.Context, endToEndID string) (Outcome, error)
}

// StatementKind is what a line of a statement tells.
type StatementKind string

// The kinds of lines that bear on a disbursement.
const (
	StatementSettled  StatementKind = "settled"
	StatementRefused  StatementKind = "refused"
	StatementReturned StatementKind = "returned" // settled before, and sent back
)

// Statement is what a bank says happened to one instruction.
type Statement struct {
	Cursor     string        `json:"cursor"` // of this line: the next call goes on behind it
	EndToEndID string        `json:"end_to_end_id"`
	Kind       StatementKind `json:"kind"`
	Amount     money.Amount  `json:"amount"`
	Reason     string        `json:"reason,omitempty"` // an ISO 20022 code
	Reference  string        `json:"reference"`        // the bank's own, of this line
	At         time.Time     `json:"at"`
}

// Reporter is a rail that also brings statements: how returns are learnt.
type Reporter interface {
	// Statements yields what happened after a cursor ("" is the beginning),
	// oldest first. The same line may come again; it is recognised by what it
	// says.
	Statements(ctx context.Context, after string) iter.Seq2[Statement, error]
}

// Identified is a rail whose bank can tell who it is. A store that was used
// with one bank is not used with another: what the first was sent, the other
// certainly never had, and would be given again.
type Identified interface {
	// Identity is the bank's, the same for as long as it knows what it was sent.
	Identity(context.Context) (string, error)
}

// Order tells a simulated bank what to do with one instruction.
type Order struct {
	Outcome string        `json:"outcome"` // settle, refuse, return, stall, unknown
	After   time.Duration `json:"after"`   // from now, of the bank's clock
	Reason  string        `json:"reason"`  // a word (account_closed) or an ISO 20022 code (AC04)
}

// BookedInstruction is one instruction as a simulated bank's own journal has
// it.
type BookedInstruction struct {
	EndToEndID string       `json:"end_to_end_id"`
	Amount     money.Amount `json:"amount"`
	Submitted  int          `json:"times_submitted"`
	Paid       int          `json:"times_paid"`
	State      string       `json:"state"` // pending, settled, refused, returned, stalled
}

// ErrTooLate means that an order came after the bank had done something else
// that it cannot undo.
var ErrTooLate = errors.New("rail: the bank can no longer do that")

// ErrOrder means that a simulated bank does not know the outcome or the
// reason that an order names.
var ErrOrder = errors.New("rail: the bank does not understand the order")

// Steerable is a simulated rail, whose bank does as it is told.
type Steerable interface {
	// Steer decides what becomes of an instruction: one that the bank has, or
	// one that it will be given. ErrTooLate if that can no longer be, ErrOrder
	// if the order makes no sense.
	Steer(ctx context.Context, endToEndID string, o Order) error
	// Booked lists every instruction in the bank's journal, oldest first.
	Booked(context.Context) ([]BookedInstruction, error)
	// NextDue is when the bank will next do something by itself; false if
	// there is nothing.
	NextDue(context.Context) (time.Time, bool, error)
	// Run does what has fallen due at the bank.
	Run(context.Context) error
}
