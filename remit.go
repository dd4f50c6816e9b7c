// Package remit is the vocabulary of the engine, and its decisions.
//
// A Payment is money that came in. A Disbursement is money on its way out: a
// refund of one payment, or a payout to a beneficiary. A Merchant owns
// everything else. A command is decided by a pure function that looks at
// Facts and answers with a Change: all that is to be written, in one
// transaction, or not at all. Nothing here reads a clock, a file or a
// database.
package remit

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Identifiers. Each is unique within its merchant, which every key of the
// store starts with.
type (
	MerchantID     string // 1 to 14 of [a-z0-9]
	PaymentID      string // "p" and 19 more of [0-9a-z]
	DisbursementID string // "d" and 19 more of [0-9a-z]
)

// merchantIDBytesMax is the longest merchant id, in bytes: with a
// disbursement's 20 and a dash it makes the 35 that SEPA allows an
// end-to-end id.
const merchantIDBytesMax = 14

// Valid tells whether the id may name a merchant.
func (m MerchantID) Valid() bool {
	if len(m) == 0 || len(m) > merchantIDBytesMax {
		return false
	}
	for _, c := range []byte(m) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// EndToEndID is our name for one disbursement towards banks: the same on
// every attempt, for ever. It carries the merchant, since a bank's statement
// names nothing else.
func (d Disbursement) EndToEndID() string { return string(d.Merchant) + "-" + string(d.ID) }

// ParseEndToEndID takes an end-to-end id apart.
func ParseEndToEndID(s string) (MerchantID, DisbursementID, bool) {
	m, d, ok := strings.Cut(s, "-")
	return MerchantID(m), DisbursementID(d), ok && MerchantID(m).Valid() && d != ""
}

// Sealed is a text under the installation's master key: an account number, a
// secret. It is safe to store, and useless to who reads the database.
type Sealed string

// Owner is what a sealed text belongs to within its merchant. Of anything else
// it does not open.
type Owner string

// Owner is the payment, as what its sealed texts belong to.
func (id PaymentID) Owner() Owner { return Owner(id) }

// Owner is the disbursement, as what its sealed texts belong to.
func (id DisbursementID) Owner() Owner { return Owner(id) }

// Owner is the beneficiary, as what its sealed texts belong to.
func (id BeneficiaryID) Owner() Owner { return Owner(beneficiaryMark + id) }

// Owner is the command, as what the sealed texts belong to that it brings to
// something that is there already, or that has no name yet.
func (h Head) Owner() Owner { return Owner(h.ID) }

// Merchant is who asks us. Its row is what every writer of its money locks.
type Merchant struct {
	ID       MerchantID
	Settings Settings
	Created  time.Time

	Seq     int64  // of the newest event
	Head    string // of the hash chain, at Seq
	Numbers int64  // how many ten-digit numbers were given out
}

// Settings are a merchant's switches. The zero value is a merchant that may
// do everything, from anywhere, at once.
type Settings struct {
	Name             string            `json:"name,omitempty"`
	Disabled         bool              `json:"disabled,omitempty"`
	Functions        map[string]bool   `json:"functions,omitempty"`         // a provider's function → allowed; absent is allowed
	IPAllow          []string          `json:"ip_allow,omitzero"`           // addresses or CIDR ranges; nil lets every address in
	EndUsersBlocked  []string          `json:"end_users_blocked,omitempty"` // the merchant's own ids of them
	Switches         map[string]bool   `json:"switches,omitempty"`          // optional powers, by name
	SendWindowMicros int64             `json:"send_window_us,omitempty"`    // how long an accepted disbursement can still be called back, in µs
	Shield           Shield            `json:"shield,omitempty"`            // against equal refunds, in dialects without keys
	ShieldMicros     int64             `json:"shield_us,omitempty"`         // how long it remembers, in µs; 0 is shieldWindowDefault
	Config           map[string]string `json:"config,omitempty"`            // a dialect's own settings, by "dialect.name"
	KeysWithdrawn    map[string]bool   `json:"keys_withdrawn,omitempty"`    // dialect → its public keys are not to be used
}

// Switches that the engine or more than one dialect know.
const (
	SwitchPayoutConfirmation = "payout_confirmation" // notify when the bank confirmed
	SwitchPayoutFailed       = "payout_failed"       // notify failures by a message of their own too
	// SwitchSandbox says that nothing is real: whoever has the link to a
	// payer's page pays there with made-up money, and notifications may go over
	// plain http to this machine.
	SwitchSandbox = "sandbox"
)

// On tells whether a switch is on.
func (s Settings) On(name string) bool { return s.Switches[name] }

// MayCall tells whether the merchant may call a provider's function.
func (s Settings) MayCall(function string) bool {
	allowed, named := s.Functions[function]
	return allowed || !named
}

// SendWindow is how long an accepted disbursement waits before it is sent.
func (s Settings) SendWindow() time.Duration {
	return time.Duration(s.SendWindowMicros) * time.Microsecond
}

// ShieldWindow is how long the shield remembers a refund.
func (s Settings) ShieldWindow() time.Duration {
	if s.ShieldMicros == 0 {
		return shieldWindowDefault
	}
	return time.Duration(s.ShieldMicros) * time.Microsecond
}

// Blocked tells whether the merchant's end user is blocked.
func (s Settings) Blocked(endUser string) bool { return slices.Contains(s.EndUsersBlocked, endUser) }

// clone makes a copy that shares no map and no slice.
func (s Settings) clone() Settings {
	s.Functions, s.Switches, s.KeysWithdrawn = maps.Clone(s.Functions), maps.Clone(s.Switches), maps.Clone(s.KeysWithdrawn)
	s.Config = maps.Clone(s.Config)
	s.IPAllow, s.EndUsersBlocked = slices.Clone(s.IPAllow), slices.Clone(s.EndUsersBlocked)
	return s
}
