package remit

// RefundChecks are what a refund is checked for when it is decided, in the
// order of the decision. Dialects differ in when they look at a value, before
// the payment is looked up or after it: both are one check here.
func RefundChecks() []string {
	return []string{
		"merchant still enabled", "key", "values, and the payment they name", "payment's state",
		"what is left of the payment", "no equal refund a moment ago", "payment's money has come, or may be waited for", "balance",
	}
}

// RefundCheck is the place of the check that refuses with a code and a reason.
func RefundCheck(c Code, r Reason) int {
	switch {
	case c == Forbidden && r == ReasonDisabled:
		return 0
	case c == KeyReused || c == InFlight:
		return 1
	case c == Conflict && (r == ReasonPaymentFailed || r == ReasonSingleRefund || r == ReasonRefundWaiting):
		return 3
	case c == Exceeds:
		return 4
	case c == Conflict && r == ReasonDuplicate:
		return 5
	case c == Conflict && r == ReasonNotFunded:
		return 6
	case c == InsufficientFunds:
		return 7
	}
	return 2
}
