package dialect

import (
	"slices"

	"remit"
)

// Private names what of a request is not kept as it came, wherever it stands:
// members of JSON, fields of forms and queries, headers. Names are compared
// without their case. What stands below a member of these is hidden as it is.
type Private struct {
	// Secrets are hidden whole: passwords, tokens, dates of birth.
	Secrets []string
	// Accounts are numbers of accounts: their last digits stay.
	Accounts []string
	// Personal are names of people, and where they can be reached: the first
	// letter stays.
	Personal []string
	// Signatures are made over the secrets too: their beginning stays, which
	// tells two of them apart, and is no use to who would guess a secret.
	Signatures []string
	// Headers are those that are kept beside the ones that every API has. One
	// that holds a secret is none of them.
	Headers []string
}

// Stage is how far a request has come, in the order of Call's methods.
type Stage string

// The stages. The last is the engine's.
const (
	StageClaim  Stage = "claim"
	StageVerify Stage = "verify"
	StageDecode Stage = "decode"
	StageDecide Stage = "decide"
)

// Check is one thing that a request is checked for.
type Check struct {
	Stage   Stage
	Name    string         // what is looked at, or what must be so: signature, merchant enabled
	Reasons []remit.Reason // for which it refuses; the last one of a stage may name none, and has the rest
}

// Refusing is the place of the check that refused at a stage for a reason; -1
// if there is none.
func Refusing(all []Check, at Stage, reason remit.Reason) int {
	rest := -1
	for i, c := range all {
		if c.Stage != at {
			continue
		}
		if slices.Contains(c.Reasons, reason) {
			return i
		}
		if len(c.Reasons) == 0 {
			rest = i
		}
	}
	return rest
}
