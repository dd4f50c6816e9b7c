package trustlyus

import (
	"slices"

	"remit"
)

// Types of transactions. docs/spec/trustly-us.md#41-transactiontype-nestintoa.
const (
	typeAuthorize = 1
	typePay       = 2
	typeCapture   = 3
	typeRefund    = 4
	typeDeposit   = 6
	typeReclaim   = 7
	typePreauth   = 10
)

// Types of payments. docs/spec/trustly-us.md#43-payment-subset-that-clients-read.
const (
	paymentInstant  = 1
	paymentDeferred = 2
)

var paymentTypes = map[string]int{
	"Instant": paymentInstant, "Deferred": paymentDeferred, "Recurring": 3, "Disbursement": 4, "Verification": 5, "Retrieval": 6,
	"1": paymentInstant, "2": paymentDeferred, "3": 3, "4": 4, "5": 5, "6": 6,
}

// Statuses. docs/spec/trustly-us.md#42-status-nestint-oa-enum-has-the-same-members.
const (
	statusNew        = 0
	statusPending    = 1
	statusAuthorized = 2
	statusProcessed  = 3
	statusCompleted  = 4
	statusFailed     = 5
	statusExpired    = 6
	statusCanceled   = 7
	statusDenied     = 8
	statusReversed   = 10
	statusPartly     = 11
	statusRefunded   = 12
	statusVoided     = 13
	statusOnHold     = 14
)

// status is what a status is called, and the bank network's code beside it.
// docs/spec/trustly-us.md#64-payment-provider-status-codes-d-type.
type status struct{ message, bank string }

var statuses = map[int]status{
	statusNew:        {"New", "SW010"},
	statusPending:    {"Pending", "AC100"},
	statusAuthorized: {"Authorized", "AC100"},
	statusProcessed:  {"Processed", "AC105"},
	statusCompleted:  {"Completed", "AC118"},
	statusFailed:     {"Failed", "AC103"},
	statusExpired:    {"Expired", "AC117"},
	statusCanceled:   {"Canceled", "AC104"},
	statusDenied:     {"Denied", "AC101"},
	statusReversed:   {"Reversed", "AC115"},
	statusPartly:     {"Partially Refunded", "AC118"},
	statusRefunded:   {"Refunded", "AC118"},
	statusVoided:     {"Voided", "AC104"},
	statusOnHold:     {"On Hold", "AC108"},
}

// paymentStatus is where a payment stands, in the provider's words.
func paymentStatus(p remit.Payment, d details) int {
	switch p.State {
	case remit.PaymentAuthorized:
		return statusAuthorized
	case remit.PaymentFunded:
		switch {
		case p.RefundedMinor == 0:
			return statusCompleted
		case p.Left() > 0:
			return statusPartly
		}
		return statusRefunded
	case remit.PaymentFailed:
		if p.Reason == remit.ReasonExpired {
			return statusExpired
		}
		return statusDenied
	case remit.PaymentCanceled:
		if d.Type == typeAuthorize && !p.Authorized.IsZero() {
			return statusVoided
		}
		return statusCanceled
	case remit.PaymentReversed:
		return statusReversed
	}
	if d.Type == typeAuthorize {
		return statusNew
	}
	return statusPending
}

// denials are the failures in which the bank itself said no.
var denials = []remit.Reason{remit.ReasonAccountClosed, remit.ReasonAccountUnknown, remit.ReasonAccountBlocked, remit.ReasonRefusedByBank}

// disbursementStatus is where a refund or a deposit stands.
// docs/spec/trustly-us.md#5-money-model-and-refund-bookkeeping.
func disbursementStatus(d remit.Disbursement) int {
	switch d.State {
	case remit.Waiting:
		return statusOnHold
	case remit.Sent:
		return statusProcessed
	case remit.Settled:
		return statusCompleted
	case remit.Failed:
		if slices.Contains(denials, d.Reason) {
			return statusDenied
		}
		return statusFailed
	case remit.Canceled:
		return statusCanceled
	case remit.Returned:
		return statusReversed
	}
	return statusPending
}
