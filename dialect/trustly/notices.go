package trustly

import (
	"strings"

	"remit"
	"remit/dialect"
)

// The notifications, by the provider's names of them.
// docs/spec/trustly-eu.md#53-types.
const (
	noticePending            = "pending"
	noticeCredit             = "credit"
	noticeDebit              = "debit"
	noticeCancel             = "cancel"
	noticeAccount            = "account"
	noticePayoutConfirmation = "payoutconfirmation"
	noticePayoutFailed       = "payoutfailed"
	noticeKYC                = "kyc"
)

// configDepositAccount is a merchant's setting: "on" has it told of the payer's
// account of each deposit, so that it can be paid.
const configDepositAccount = Name + ".deposit_account"

// Why a withdrawal ended, beside what a rail can say.
const (
	reasonNotDebited remit.Reason = "not_debited" // the merchant answered FAILED to the debit
	reasonDenied     remit.Reason = "denied"      // the merchant denied it afterwards
)

// Notices are the notifications that an event owes the merchant.
func (Dialect) Notices(o dialect.Occurrence) []remit.Notice {
	a := about(o)
	if a.url == "" {
		return nil
	}
	var all []remit.Notice
	for _, kind := range kinds(o) {
		all = append(all, a.notice(kind, o))
	}
	return all
}

// kinds are what an event is told by.
func kinds(o dialect.Occurrence) []string {
	switch d, p := o.Disbursement, o.Payment; {
	case o.Register != nil:
		return []string{noticeAccount}
	case d != nil && o.Event.Subject == string(d.ID):
		return disbursementKinds(o)
	case p != nil && o.Event.Subject == string(p.ID):
		return paymentKinds(o)
	}
	return nil
}

// disbursementKinds tell of money on its way out.
// docs/spec/trustly-eu.md#56-which-notifications-for-refund-and-accountpayout, D13, D22.
func disbursementKinds(o dialect.Occurrence) []string {
	d, on := *o.Disbursement, o.Merchant.Settings.On
	withdrawal := detailsOf(d.Details).Method == methodWithdraw
	failed := []string{noticeCredit}
	if on(remit.SwitchPayoutFailed) {
		failed = []string{noticePayoutFailed, noticeCredit}
	}
	switch remit.State(o.Event.Kind) {
	case remit.Waiting:
		if withdrawal && d.WaitingFor == remit.WaitApproval {
			return []string{noticeDebit}
		}
	case remit.Settled:
		if on(remit.SwitchPayoutConfirmation) {
			return []string{noticePayoutConfirmation}
		}
	case remit.Failed, remit.Returned:
		switch {
		case d.Reason == remit.ReasonPaymentGone:
			return nil // the deposit's own notifications tell of it
		case withdrawal && d.Reason == remit.ReasonShort:
			return []string{noticeCancel} // it was not debited
		case withdrawal:
			return append(failed, noticeCancel)
		}
		return failed
	case remit.Canceled:
		switch {
		case d.Kind == remit.KindRefund:
			return []string{noticeCredit}
		case withdrawal && d.Reason != reasonNotDebited:
			return []string{noticeCancel, noticeCredit}
		}
		return []string{noticeCancel}
	}
	return nil
}

// paymentKinds tell of money on its way in, where it was asked for by this
// API: whoever makes a deposit by hand knows of it. (D23)
func paymentKinds(o dialect.Occurrence) []string {
	asked := detailsOf(o.Payment.Details).Method
	if asked == "" {
		return nil
	}
	switch remit.PaymentState(o.Event.Kind) {
	case remit.KindAmended:
		if detailsOf(o.Payment.Details).Leads != "" {
			return []string{noticeKYC}
		}
	case remit.PaymentAuthorized:
		switch {
		case asked == methodDeposit && o.Merchant.Settings.Config[configDepositAccount] == "on":
			return []string{noticePending, noticeAccount}
		case asked == methodDeposit:
			return []string{noticePending}
		case asked == methodSelectAccount:
			return []string{noticeAccount}
		}
	case remit.PaymentFunded:
		return []string{noticeCredit}
	case remit.PaymentReversed:
		return []string{noticeDebit}
	case remit.PaymentFailed, remit.PaymentCanceled:
		if detailsOf(o.Payment.Details).Abort != "" {
			return []string{noticeKYC, noticeCancel}
		}
		return []string{noticeCancel}
	}
	return nil
}

// told is what a notification tells of: an order in the merchant's words.
type told struct {
	url     string
	amount  string
	cur     string
	message string
	order   string
	endUser string
	why     remit.Reason
	account string // its number
	details details
}

// about finds out of which order an event is. A refund is told as its
// deposit's: to the same URL, under the same names. (D13)
func about(o dialect.Occurrence) told {
	d, p := o.Disbursement, o.Payment
	if r := o.Register; r != nil && o.Beneficiary != nil {
		return told{url: r.NotificationURL, message: r.OrderReference, account: string(o.Beneficiary.ID), details: detailsOf(o.Beneficiary.Details)}
	}
	var t told
	switch {
	case d != nil && d.Kind == remit.KindPayout:
		t = told{url: d.NotificationURL, message: d.OrderReference, order: d.ExternalID, endUser: detailsOf(d.Details).EndUser}
	case p != nil:
		t = told{url: p.NotificationURL, message: p.OrderReference, order: p.ExternalID, endUser: p.Attributes.EndUserID,
			account: accountNumber(*p), details: detailsOf(p.Details)}
		t.amount, t.cur = amountText(p.Amount), string(p.Amount.Currency)
	}
	if d != nil {
		t.amount, t.cur, t.why = amountText(d.Amount), string(d.Amount.Currency), d.Reason
	}
	return t
}

// accountNumber is the number by which a payment's payer can be paid.
func accountNumber(p remit.Payment) string {
	for _, n := range p.Names {
		if n.Scope == scopeAccount {
			return n.Text
		}
	}
	return ""
}

// timestampLayout leaves trailing zeros out, and has a blank where ISO 8601
// has a T: a client in use would make a date of that before it verifies.
// docs/spec/trustly-eu.md#8-traps D1.
const timestampLayout = "2006-01-02 15:04:05.999999-07"

// bankErrors are the words of payoutfailed for why a payment out failed. Only
// the first is documented. (D9)
var bankErrors = map[remit.Reason]string{
	remit.ReasonAccountUnknown: "incorrect_account_number",
}

// notice freezes one notification. All members of its kind are always there,
// since two clients verify over the members that they expect, and no other.
// docs/spec/trustly-eu.md#8-traps N1, N2.
func (t told) notice(kind string, o dialect.Occurrence) remit.Notice {
	if kind == noticeKYC {
		return t.identity(o)
	}
	var data []member
	if kind != noticeCancel && kind != noticeAccount {
		data = append(data, member{"amount", str(t.amount)}, member{"currency", str(t.cur)})
	}
	data = append(data, member{"messageid", str(t.message)}, member{"orderid", str(t.order)})
	if kind != noticeAccount {
		data = append(data, member{"enduserid", str(t.endUser)})
	}
	data = append(data, member{"notificationid", str(o.Number())})
	switch kind {
	case noticeAccount:
		data = append(data, t.selected()...)
	case noticePayoutFailed:
		code, ok := bankErrors[t.why]
		if !ok {
			code = string(t.why)
		}
		data = append(data, stamp(o), member{"errorcode", str(code)}, member{"errormessage", str(code)})
	default:
		data = append(data, stamp(o))
	}
	content := value{kind: object, members: []member{
		{"uuid", str(o.UUID())}, {"data", value{kind: object, members: data}},
	}}
	return remit.Notice{Kind: kind, URL: t.url, Content: string(appendJSON(nil, content)), KeyVersion: o.KeyVersion}
}

// identity tells who pays, or that nobody can say. What its deposit then comes
// to is kept beside what is told. docs/spec/trustly-eu.md#53-types.
func (t told) identity(o dialect.Occurrence) remit.Notice {
	data := []member{
		{"orderid", str(t.order)}, {"messageid", str(t.message)}, {"kycentityid", str(o.UUID())}, {"notificationid", str(o.Number())},
	}
	if t.details.Abort != "" {
		data = append(data, member{"abort", str("1")}, member{"abortmessage", str(t.details.Abort)})
	} else {
		data = append(data, member{"attributes", demoPerson})
	}
	content := value{kind: object, members: []member{
		{"uuid", str(o.UUID())}, {"data", value{kind: object, members: data}}, {"leads", str(t.details.Leads)},
	}}
	return remit.Notice{Kind: noticeKYC, URL: t.url, Content: string(appendJSON(nil, content)), KeyVersion: o.KeyVersion}
}

func stamp(o dialect.Occurrence) member {
	return member{"timestamp", str(at(o.Event.At))}
}

// selected is what tells of an account. "verified" is whether a bank has said
// whose it is: an account that a payer has chosen at it.
func (t told) selected() []member {
	verified := "0"
	if t.order != "" {
		verified = "1"
	}
	attributes := []member{
		{"clearinghouse", str(t.details.House)}, {"bank", str(t.details.Bank)}, {"descriptor", str(t.details.Descriptor)},
		{"lastdigits", str(strings.TrimLeft(t.details.Descriptor, "*"))},
	}
	if t.details.Mandate != "" {
		attributes = append(attributes, member{"directdebitmandate", str(t.details.Mandate)})
	}
	return []member{{"accountid", str(t.account)}, {"verified", str(verified)}, {"attributes", value{kind: object, members: attributes}}}
}
