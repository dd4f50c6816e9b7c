package remit

import (
	"slices"
	"testing"
)

// moveTable spells the life of a disbursement out once more. Read it as the
// table in docs/concepts/lifecycle.md.
//
// to:      waiting, accepted, sent, settled, failed, canceled, returned
var moveTable = map[State]string{
	"":       "++-----", // it begins as one of these
	Waiting:  "-+--++-",
	Accepted: "--+-++-",
	Sent:     "---++--",
	Settled:  "------+",
	Failed:   "-------",
	Canceled: "-------",
	Returned: "-------",
}

// paymentMoveTable is the same for payments.
//
// to:             opened, authorized, funded, failed, canceled, reversed
var paymentMoveTable = map[PaymentState]string{
	"":                "+-----",
	PaymentOpened:     "-+-++-",
	PaymentAuthorized: "--+++-",
	PaymentFunded:     "-----+",
	PaymentFailed:     "------",
	PaymentCanceled:   "------",
	PaymentReversed:   "------",
}

var paymentStates = []PaymentState{PaymentOpened, PaymentAuthorized, PaymentFunded, PaymentFailed, PaymentCanceled, PaymentReversed}

// moveMark is '+' where the table lets a disbursement go from one state to
// the other.
func moveMark(from, to State) byte { return moveTable[from][slices.Index(States(), to)] }

func paymentMoveMark(from, to PaymentState) byte {
	return paymentMoveTable[from][slices.Index(paymentStates, to)]
}

// TestEveryMoveIsDecided tries each of the 49 pairs of states.
func TestEveryMoveIsDecided(t *testing.T) {
	for _, from := range States() {
		for _, to := range States() {
			got := Disbursement{State: from}.May(to)
			if want := moveMark(from, to) == '+'; got != want {
				t.Errorf("%s -> %s: got %t, want %t", from, to, got, want)
			}
		}
	}
}

// TestEveryPaymentMoveIsDecided tries each of the 36 pairs of states.
func TestEveryPaymentMoveIsDecided(t *testing.T) {
	for _, from := range paymentStates {
		for _, to := range paymentStates {
			got := Payment{State: from}.May(to)
			if want := paymentMoveMark(from, to) == '+'; got != want {
				t.Errorf("%s -> %s: got %t, want %t", from, to, got, want)
			}
		}
	}
}

// TestOnlyWhatWillNotBePaidIsDead: a refund counts against its payment until
// it failed, was canceled, or came back.
func TestOnlyWhatWillNotBePaidIsDead(t *testing.T) {
	live := []State{Waiting, Accepted, Sent, Settled}
	for _, s := range States() {
		if got, want := (Disbursement{State: s}).Live(), slices.Contains(live, s); got != want {
			t.Errorf("%s: got live %t, want %t", s, got, want)
		}
	}
}
