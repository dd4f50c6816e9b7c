package remit

import (
	"errors"
	"fmt"
)

// Code classes an error by what the caller can do about it.
type Code uint8

// The codes, in the order in which style and tests list them. Internal is the
// zero value: an error that says nothing is our fault.
const (
	Internal Code = iota // our fault; the caller learns nothing more
	Invalid
	Unauthenticated
	Forbidden
	NotFound
	Conflict
	KeyReused
	InFlight
	Exceeds
	InsufficientFunds
	Unsupported
	RateLimited
	Unavailable
	codes // one past the last
)

var codeNames = [codes]string{"internal", "invalid", "unauthenticated", "forbidden", "not_found", "conflict",
	"key_reused", "in_flight", "exceeds", "insufficient_funds", "unsupported", "rate_limited", "unavailable"}

func (c Code) String() string { return codeNames[c] }

// Error makes a bare Code usable with errors.Is.
func (c Code) Error() string { return c.String() }

// Codes lists every code, so that a table can be shown to miss none.
func Codes() []Code {
	all := make([]Code, codes)
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

// ParseCode reads what String wrote.
func ParseCode(s string) (Code, bool) {
	for i, name := range codeNames {
		if name == s {
			return Code(i), true
		}
	}
	return Internal, false
}

// Reason is a finer cause within a Code. A dialect may use it; none must.
type Reason string

// The reasons of refusals, that is, of errors before acceptance.
const (
	ReasonPaymentFailed  Reason = "payment_failed"  // Conflict: the payment's money never came
	ReasonSingleRefund   Reason = "single_refund"   // Conflict: this payment can be refunded once, and was
	ReasonRefundWaiting  Reason = "refund_waiting"  // Conflict: another refund of the payment waits
	ReasonRefundedWhole  Reason = "refunded_whole"  // Exceeds: one refund gave back the whole, and the whole is asked again
	ReasonNotFunded      Reason = "not_funded"      // Conflict: the payment's money has not come yet
	ReasonCurrency       Reason = "currency"        // Invalid: no such currency, or not the payment's
	ReasonAmount         Reason = "amount"          // Invalid: not an amount, or not above zero
	ReasonPortion        Reason = "portion"         // Exceeds: more than is left of a portion; Invalid: portions do not fit the payment
	ReasonAmbiguous      Reason = "ambiguous"       // Conflict: several payments have this name
	ReasonBeneficiary    Reason = "beneficiary"     // NotFound: no such account to pay to
	ReasonEndUser        Reason = "end_user"        // Forbidden: the merchant's end user is blocked
	ReasonOrderReference Reason = "order_reference" // KeyReused: the merchant's name of an order was used before
	ReasonDuplicate      Reason = "duplicate"       // Conflict: an equal refund was made a moment ago
	ReasonMalformedID    Reason = "malformed_id"    // NotFound: can be nobody's id
	ReasonSecret         Reason = "secret"          // Unauthenticated: unknown caller or wrong secret
	ReasonSignature      Reason = "signature"       // Unauthenticated: the signature does not hold
	ReasonNoPublicKey    Reason = "no_public_key"   // Unauthenticated: no key to check the signature with
	ReasonDisabled       Reason = "disabled"        // Forbidden: the merchant is switched off
	ReasonAddress        Reason = "address"         // Forbidden: the caller's address is not on the list
	ReasonFunction       Reason = "function"        // Forbidden: the merchant may not call this function
	ReasonEnvelope       Reason = "envelope"        // Invalid: the message cannot be read
	ReasonTooLarge       Reason = "too_large"       // Invalid: the message is above its limit in bytes
	ReasonUnknownMethod  Reason = "unknown_method"  // Unsupported: no such function in this API
	ReasonTerminal       Reason = "terminal"        // Conflict: the state no longer allows it
	ReasonShuttingDown   Reason = "shutting_down"   // Unavailable: this process is about to stop
	ReasonQueueFull      Reason = "queue_full"      // Unavailable: more commands wait than the limit
	ReasonOtherMerchants Reason = "other_merchant"  // never shown: the id is another merchant's
)

// Why a disbursement failed or came back, after it was accepted. Where a bank
// gives an ISO 20022 code, the event's evidence carries it too.
const (
	ReasonAccountClosed  Reason = "account_closed"  // AC04
	ReasonAccountUnknown Reason = "account_unknown" // AC01
	ReasonAccountBlocked Reason = "account_blocked" // AC06
	ReasonRefusedByBank  Reason = "refused_by_bank" // MS03
	ReasonNoBeneficiary  Reason = "no_beneficiary"  // we do not know the payer's account
	ReasonShort          Reason = "insufficient_funds"
	ReasonAborted        Reason = "aborted" // by us or an operator, before it was sent
	ReasonPaymentGone    Reason = "payment_failed"
)

// ReasonExpired is why a payment failed that nobody finished in time.
const ReasonExpired Reason = "expired"

// Error is the one error that crosses a package boundary on purpose.
type Error struct {
	Code   Code
	Reason Reason
	Field  string // the domain's name of the offending input, if one is
	Detail string // safe to show to the merchant
	Err    error  // the cause; logged, never shown
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

// Unwrap lets errors.Is find the code and the cause.
func (e *Error) Unwrap() []error { return []error{e.Code, e.Err} }

// Errorf makes an Error with a detail that is safe to show.
func Errorf(c Code, r Reason, format string, args ...any) *Error {
	return &Error{Code: c, Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// AsError gives any error its public face. What is not an *Error is Internal.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: Internal, Detail: "internal error", Err: err}
}

// Transient tells whether the same request may fare otherwise later for
// reasons that are ours. Such an error is never remembered under a key.
func (c Code) Transient() bool {
	return c == Internal || c == InFlight || c == RateLimited || c == Unavailable
}
