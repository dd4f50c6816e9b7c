package remit

import (
	"time"

	"remit/money"
)

// PaymentState is where a payment stands.
type PaymentState string

// The states of a payment.
const (
	PaymentOpened     PaymentState = "opened"     // the payer has not agreed yet
	PaymentAuthorized PaymentState = "authorized" // the payer has agreed; the money is on its way
	PaymentFunded     PaymentState = "funded"     // we truly have the money
	PaymentFailed     PaymentState = "failed"     // the money will never come
	PaymentCanceled   PaymentState = "canceled"   // the payer or the merchant gave it up
	PaymentReversed   PaymentState = "reversed"   // the money came, and was taken back
)

// PaymentStates are all of them.
func PaymentStates() []PaymentState {
	return []PaymentState{PaymentOpened, PaymentAuthorized, PaymentFunded, PaymentFailed, PaymentCanceled, PaymentReversed}
}

// paymentMoves is the whole life of a payment. What is not here cannot happen.
var paymentMoves = map[PaymentState][]PaymentState{
	PaymentOpened:     {PaymentAuthorized, PaymentFailed, PaymentCanceled},
	PaymentAuthorized: {PaymentFunded, PaymentFailed, PaymentCanceled},
	PaymentFunded:     {PaymentReversed},
	PaymentFailed:     {}, PaymentCanceled: {}, PaymentReversed: {},
}

// Payment is money that came in, from a payer: what a refund gives back.
type Payment struct {
	ID         PaymentID
	Merchant   MerchantID
	Dialect    string // in which it was made
	ExternalID string // its name in that dialect; unique within the merchant
	Names      []Name // further ones
	Amount     money.Amount
	State      PaymentState
	Reason     Reason // of PaymentFailed, where we know it

	// What was given back, kept in step with the disbursements by the
	// transaction that changes them.
	RefundedMinor  int64 // accepted or waiting, and neither failed, canceled nor returned
	RefundsLive    int64 // how many such refunds
	RefundsWaiting int64 // how many of them wait for the payment's money
	Portions       []Portion

	Funding         string // the transfer that brought the money in, of PaymentFunded
	NotificationURL string
	OrderReference  string // the merchant's own name for it
	PayerAccount    Sealed // where a refund goes; empty if not known
	PayerName       Sealed
	Attributes      PaymentAttributes
	Details         string // what the dialect keeps for itself, as JSON; nobody else reads it

	Opened     time.Time
	Updated    time.Time
	Authorized time.Time // zero until it was
	Funded     time.Time // zero until it was
	Ended      time.Time // when it failed, was canceled or reversed
}

// PaymentAttributes are what some dialects know of a payment and others do
// not.
type PaymentAttributes struct {
	EndUserID    string `json:"end_user_id,omitempty"`   // the merchant's own id of the payer
	SingleRefund bool   `json:"single_refund,omitempty"` // only one refund can be made of it
	Lapses       bool   `json:"lapses,omitempty"`        // it expires even after the payer has agreed, until its money is there
	LateMicros   int64  `json:"late_micros,omitempty"`   // how long after the payer has agreed its money is said to be late, in microseconds; 0 is never
}

// late is when the payment's money is late, where that is ever said.
func (p Payment) late() (at time.Time, ever bool) {
	return p.Authorized.Add(time.Duration(p.Attributes.LateMicros) * time.Microsecond), p.State == PaymentAuthorized && p.Attributes.LateMicros > 0
}

// Payer is who paid, as who can be paid.
func (p Payment) Payer() Payee { return Payee{p.PayerAccount, p.PayerName, p.ID.Owner()} }

// Left is what may still be refunded, in minor units.
func (p Payment) Left() int64 { return p.Amount.Minor - p.RefundedMinor }

// unfinished tells whether the payment is one that ends when its time is up.
func (p Payment) unfinished() bool {
	return p.State == PaymentOpened || (p.State == PaymentAuthorized && p.Attributes.Lapses)
}

// gone tells whether the payment's money will never be ours.
func (p Payment) gone() bool {
	return p.State == PaymentFailed || p.State == PaymentCanceled || p.State == PaymentReversed
}
