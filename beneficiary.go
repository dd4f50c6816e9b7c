package remit

import "time"

// BeneficiaryID is a beneficiary's name in its dialect, unique within the
// merchant.
type BeneficiaryID string

// Beneficiary is who can be paid: an account that a merchant has registered.
type Beneficiary struct {
	Merchant MerchantID
	ID       BeneficiaryID
	Dialect  string
	Digest   string // keyed hash of the account's details: the same details are the same beneficiary
	Account  Sealed
	Holder   Sealed
	Details  string // what the dialect keeps for itself, as JSON; nobody else reads it
	Created  time.Time
}

// Register is a command that makes a beneficiary known. The same details give
// the same beneficiary again.
type Register struct {
	Head
	Keyed
	Naming  Naming
	Details string // see Beneficiary.Details
	Account Sealed
	Holder  Sealed
	// Same is the keyed hash of the account's details.
	Same string

	NotificationURL string // told of the account, where it is set
	OrderReference  string

	Faults []Fault
}

// Header is the command's head.
func (r Register) Header() Head { return r.Head }

// Needs is what the decision looks at.
func (r Register) Needs() Needs { return Needs{Keys: r.refs(), Details: r.Same, NoBooks: true} }

// Decide makes the beneficiary, or finds it.
func (r Register) Decide(f Facts) (Change, error) {
	return r.under(r.Head, f, func() (Change, error) { return r.decide(f) })
}

func (r Register) decide(f Facts) (Change, error) {
	if len(r.Faults) > 0 {
		return Change{}, r.Faults[0].Err
	}
	x := begin(f, r.Head)
	b := f.Beneficiary
	if b == nil {
		b = &Beneficiary{
			Merchant: r.Merchant, ID: BeneficiaryID(x.name(r.Naming)), Dialect: r.Dialect, Digest: r.Same,
			Account: r.Account, Holder: r.Holder, Details: r.Details, Created: f.Now,
		}
		x.c.Beneficiaries, x.c.Origin = []Beneficiary{*b}, r.Owner()
	}
	if len(x.c.Beneficiaries) > 0 || r.NotificationURL != "" {
		x.event(string(b.ID), KindRegistered)
	}
	x.c.Result.Beneficiary = b
	return x.c, nil
}
