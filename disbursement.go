package remit

import (
	"slices"
	"time"

	"remit/ledger"
	"remit/money"
)

// Kind says what a disbursement answers to.
type Kind string

// The two kinds.
const (
	KindRefund Kind = "refund" // gives back money of one payment
	KindPayout Kind = "payout" // pays a beneficiary, of no payment
)

// State is where a disbursement stands.
type State string

// The states of a disbursement.
const (
	Waiting  State = "waiting"  // WaitingFor says for what
	Accepted State = "accepted" // held, not yet sent
	Sent     State = "sent"     // with a rail; the outcome is not known yet
	Settled  State = "settled"  // the rail says that the money has left
	Failed   State = "failed"   // it will never be paid
	Canceled State = "canceled" // withdrawn before it was sent
	Returned State = "returned" // settled, then sent back by the bank
)

// States lists every state.
func States() []State {
	return []State{Waiting, Accepted, Sent, Settled, Failed, Canceled, Returned}
}

// moves is the whole life of a disbursement. What is not here cannot happen.
var moves = map[State][]State{
	Waiting:  {Accepted, Failed, Canceled},
	Accepted: {Sent, Failed, Canceled},
	Sent:     {Settled, Failed},
	Settled:  {Returned},
	Failed:   {}, Canceled: {}, Returned: {},
}

// WaitReason is what a waiting disbursement waits for.
type WaitReason string

// The reasons to wait. Only who waits for funding holds nothing.
const (
	WaitFunding  WaitReason = "funding"  // for the payment's own money
	WaitApproval WaitReason = "approval" // for a second person
	WaitReview   WaitReason = "review"   // for an operator: it looks like a double
	WaitAccount  WaitReason = "account"  // for the payer to name an account
)

// Disbursement is money on its way out.
type Disbursement struct {
	ID         DisbursementID
	Merchant   MerchantID
	Kind       Kind
	Payment    PaymentID // of a refund; empty for a payout
	Dialect    string    // in which it was asked for
	ExternalID string    // its own name in that dialect, where it has one
	Amount     money.Amount
	State      State
	WaitingFor WaitReason // of Waiting
	Reason     Reason     // of Failed, Canceled, Returned
	Stuck      bool       // Sent, and no rail could say what became of it
	Reference  string     // the merchant's own; never a key
	Rail       string
	Hold       string // the transfer that holds its amount, "" if none does
	Paid       string // the transfer that moved the money, of Settled
	Portions   []Portion
	Details    string // what the dialect keeps for itself, as JSON; nobody else reads it

	// Of payouts, and of refunds that do not go back to the payer's account.
	Account         Sealed
	AccountName     Sealed
	NotificationURL string // "" is the payment's
	OrderReference  string // the merchant's own name of the payout

	Created time.Time
	Updated time.Time
	Sent    time.Time // zero until it was
	Settled time.Time // zero until it was
	Ended   time.Time // when it failed, was canceled or came back
}

// Payee is who is paid: an account, "" if nobody knows it, its holder's name,
// and whose both are.
type Payee struct {
	Account, Name Sealed
	Owner         Owner
}

// Payee is who a disbursement goes to: its own account, or that of its
// payment's payer.
func (d Disbursement) Payee(p *Payment) Payee {
	if d.Account != "" || p == nil || d.Kind == KindPayout {
		return Payee{d.Account, d.AccountName, d.ID.Owner()}
	}
	return p.Payer()
}

// Live tells whether the disbursement still counts against what may be
// refunded: it did not fail, and did not come back.
func (d Disbursement) Live() bool {
	return d.State != Failed && d.State != Canceled && d.State != Returned
}

// May tells whether the disbursement can become next.
func (d Disbursement) May(next State) bool { return slices.Contains(moves[d.State], next) }

// Holds tells whether the disbursement's money is held.
func (d Disbursement) Holds() bool {
	return d.State == Accepted || d.State == Sent || (d.State == Waiting && d.WaitingFor != WaitFunding)
}

// source and sink are the two accounts that all its transfers lie between.
func (d Disbursement) source() ledger.AccountID {
	return BalanceAccount(d.Merchant, d.Amount.Currency)
}

func (d Disbursement) sink() ledger.AccountID {
	return ClearingAccount(d.Merchant, d.Rail, d.Amount.Currency)
}
