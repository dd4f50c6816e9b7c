package simulator

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"remit/rail"
)

// The outcomes that an order can name.
const (
	outcomeSettle  = "settle"
	outcomeRefuse  = "refuse"
	outcomeReturn  = "return"
	outcomeStall   = "stall"
	outcomeUnknown = "unknown"
)

// reasons are the words that an order may give for an ISO 20022 code.
var reasons = map[string]string{
	"account_closed":  "AC04",
	"account_unknown": "AC01",
	"account_blocked": "AC06",
	"refused_by_bank": "MS03",
}

// reasonCode is the shape of the codes of ISO 20022's external status and
// return reasons.
var reasonCode = regexp.MustCompile(`^[A-Z]{2}[A-Z0-9]{2}$`)

// code is the ISO 20022 code of an order's reason; refused_by_bank if it
// gives none.
func code(reason string) (string, error) {
	if reason == "" {
		return reasons["refused_by_bank"], nil
	}
	if c, ok := reasons[reason]; ok {
		return c, nil
	}
	if reasonCode.MatchString(reason) {
		return reason, nil
	}
	return "", fmt.Errorf("%w: %q is no reason", rail.ErrOrder, reason)
}

// step is something that the bank will do by itself.
type step struct {
	Do     factKind  `json:"do"` // settled, refused or returned
	Due    time.Time `json:"due"`
	Reason string    `json:"reason,omitempty"`
}

// plan is all that the bank will still do with an instruction. Without steps
// the instruction stays as it is.
type plan struct {
	Steps  []step `json:"steps,omitempty"`  // in the order of their dues
	Silent bool   `json:"silent,omitempty"` // paid, and nobody is told
}

// check tells whether the bank understands an order: nil, or rail.ErrOrder.
func check(o rail.Order) error {
	_, err := planned(o, time.Time{}, time.Time{})
	return err
}

// planned turns an order into a plan. It counts from a time: the order's, or
// the hand-over's if that is later. settle is when the instruction would be
// paid without the order.
func planned(o rail.Order, from, settle time.Time) (plan, error) {
	reason, err := code(o.Reason)
	if err != nil {
		return plan{}, err
	}
	if o.After < 0 {
		return plan{}, fmt.Errorf("%w: after is below zero", rail.ErrOrder)
	}
	due := from.Add(o.After)
	switch o.Outcome {
	case outcomeSettle:
		return plan{Steps: []step{{Do: factSettled, Due: due}}}, nil
	case outcomeUnknown:
		return plan{Steps: []step{{Do: factSettled, Due: due}}, Silent: true}, nil
	case outcomeRefuse:
		return plan{Steps: []step{{Do: factRefused, Due: due, Reason: reason}}}, nil
	case outcomeReturn:
		if due.Before(settle) {
			settle = due
		}
		return plan{Steps: []step{{Do: factSettled, Due: settle}, {Do: factReturned, Due: due, Reason: reason}}}, nil
	case outcomeStall:
		if o.After > 0 {
			return plan{}, fmt.Errorf("%w: a stall cannot be put off", rail.ErrOrder)
		}
		return plan{}, nil
	}
	return plan{}, fmt.Errorf("%w: %q is no outcome", rail.ErrOrder, o.Outcome)
}

// Magic is a value in an instruction that orders an outcome by itself.
type Magic struct {
	Minor int64  // of any currency
	Text  string // in the remittance information, as a word of its own
	Order rail.Order
	Tells string // what happens, for people
}

// returnAfter is how long after the hand-over a magic return comes back: six
// days, as a slow beneficiary's bank takes.
const returnAfter = 144 * time.Hour

// MagicValues lists the amounts and the texts that order an outcome. A text
// may carry another reason or another time than the one listed.
func MagicValues() []Magic {
	return []Magic{
		{9_990_001, "remit:refuse=AC04", rail.Order{Outcome: outcomeRefuse, Reason: "AC04"}, "refused: the account is closed"},
		{9_990_002, "remit:refuse=AC01", rail.Order{Outcome: outcomeRefuse, Reason: "AC01"}, "refused: there is no such account"},
		{9_990_003, "remit:refuse=AC06", rail.Order{Outcome: outcomeRefuse, Reason: "AC06"}, "refused: the account is blocked"},
		{9_990_004, "remit:refuse=MS03", rail.Order{Outcome: outcomeRefuse, Reason: "MS03"}, "refused: the bank gives no reason"},
		{9_990_005, "remit:return=144h", rail.Order{Outcome: outcomeReturn, After: returnAfter}, "paid, and sent back 144 hours after the hand-over"},
		{9_990_006, "remit:stall", rail.Order{Outcome: outcomeStall}, "stays pending until it is ordered otherwise"},
		{9_990_007, "remit:unknown", rail.Order{Outcome: outcomeUnknown}, "paid at once, but the bank does not answer, and tells from the third look-up on"},
		{9_990_008, "remit:settle=0s", rail.Order{Outcome: outcomeSettle}, "paid at once"},
	}
}

// magicPrefix begins every text that orders an outcome.
const magicPrefix = "remit:"

// magic is the order that an instruction carries in itself, if any. A text
// that the bank does not understand is only a text.
func magic(i rail.Instruction) (rail.Order, bool) {
	for _, word := range strings.Fields(i.Remittance) {
		text, ok := strings.CutPrefix(word, magicPrefix)
		if !ok {
			continue
		}
		if o, ok := parseMagic(text); ok {
			return o, true
		}
	}
	for _, m := range MagicValues() {
		if m.Minor == i.Amount.Minor {
			return m.Order, true
		}
	}
	return rail.Order{}, false
}

// parseMagic reads "outcome" or "outcome=value": of refuse the value is a
// reason, of the others a time.
func parseMagic(text string) (rail.Order, bool) {
	outcome, value, given := strings.Cut(text, "=")
	o := rail.Order{Outcome: outcome}
	if outcome == outcomeRefuse {
		o.Reason = value
	} else if given {
		after, err := time.ParseDuration(value)
		if err != nil {
			return rail.Order{}, false
		}
		o.After = after
	}
	return o, check(o) == nil
}

// handedOver is the plan of an instruction that the bank has just been given:
// what somebody ordered before, or what it orders itself, or to be paid after
// the bank's delay. A refusal that the instruction asks for takes as long.
func handedOver(i rail.Instruction, before *rail.Order, now time.Time, delay time.Duration) (plan, error) {
	o, ok := magic(i)
	switch {
	case before != nil:
		o = *before
	case !ok:
		o = rail.Order{Outcome: outcomeSettle, After: delay}
	case o.Outcome == outcomeRefuse:
		o.After = delay
	}
	return planned(o, now, now.Add(delay))
}
