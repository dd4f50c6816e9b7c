package trustly

import (
	"strings"

	"remit"
	"remit/dialect"
)

// registerAccount makes a bank account known, so that it can be paid by its
// number. docs/spec/trustly-eu.md#43-registeraccount--full.
var registerAccount = method{
	params: []string{"Username", "Password", "EndUserID", "ClearingHouse", "BankNumber", "AccountNumber", "Firstname", "Lastname", "Attributes"},
	decode: decodeRegisterAccount,
	answer: answerRegisterAccount,
}

func decodeRegisterAccount(c *call) dialect.Operation {
	var f faults
	c.endUser(&f)
	notify := c.data.get("NotificationURL")
	if notify.kind != null {
		f.at(remit.BeforeLookup, c.callable(notify))
	}
	bank, holder := c.bankAccount(&f)
	f.at(remit.AfterLookup, c.attributes().err)
	r := bank.register(holder)
	r.Keyed, r.Content = c.keyed(), c.content()
	r.NotificationURL = notify.text
	r.OrderReference, _ = c.data.get("MessageID").scalar()
	r.Faults = f
	return dialect.Operation{Register: &r}
}

// bankAccount reads an account with its holder. That the number is none is
// 624, and comes last. (D21)
func (c *call) bankAccount(f *faults) (account bankAccount, holder string) {
	text := func(name string, required bool) string {
		v := c.data.get(name)
		s, ok := v.scalar()
		if (!ok && v.kind != null) || !plainText(s) || (required && s == "") {
			f.at(remit.BeforeLookup, remit.Errorf(remit.Invalid, "", "%s is a text of at most %d characters", name, textRunesMax))
		}
		return s
	}
	first, last := text("Firstname", true), text("Lastname", false)
	account = bankAccount{house: text("ClearingHouse", true), bank: text("BankNumber", false), number: text("AccountNumber", true)}
	if _, ok := houses[account.house]; !ok && account.house != "" {
		f.at(remit.BeforeLookup, remit.Errorf(remit.Invalid, "", "there is no such clearing house"))
	}
	if !account.valid() {
		f.at(remit.AfterLookup, remit.Errorf(remit.Invalid, reasonBankAccount, "that is no account of the clearing house"))
	}
	return account, strings.TrimSpace(first + " " + last)
}

// register is the command that makes an account known. The same account of the
// same holder has the same number.
func (a bankAccount) register(holder string) dialect.Register {
	return dialect.Register{
		Register: remit.Register{Naming: remit.Number, Details: a.details().String()},
		Party:    dialect.Party{Account: a.local() + a.number, Name: holder},
		Same:     []byte(strings.Join([]string{a.house, a.local(), a.number, holder}, "\x00")),
	}
}

// answerRegisterAccount has all four members always: a client signs what is
// absent as if it were empty. docs/spec/trustly-eu.md#8-traps T2.
func answerRegisterAccount(_ *call, r remit.Result) (value, *remit.Error) {
	var id string
	var d details
	if b := r.Beneficiary; b != nil {
		id, d = string(b.ID), detailsOf(b.Details)
	}
	return value{kind: object, members: []member{
		{"accountid", str(id)}, {"clearinghouse", str(d.House)}, {"bank", str(d.Bank)}, {"descriptor", str(d.Descriptor)},
	}}, nil
}

// Account is the command that makes an account known which a sandbox was told
// of: an IBAN.
func (Dialect) Account(p dialect.Party) (dialect.Register, error) {
	a, ok := fromIBAN(p.Account)
	if !ok {
		return dialect.Register{}, remit.Errorf(remit.Invalid, reasonBankAccount, "that is no IBAN of a country that is served")
	}
	return a.register(p.Name), nil
}

var _ dialect.Registrar = Dialect{}
