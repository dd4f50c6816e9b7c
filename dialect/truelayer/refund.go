package truelayer

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"remit"
	"remit/dialect"
	"remit/money"
)

// referenceMaxDefault is the longest reference of a refund or payout, in
// characters. docs/spec/truelayer.md#62-post-v3paymentspayment_idrefunds, 6.2.2.
const referenceMaxDefault = 18

// disbursementDetails are kept with a refund or a payout.
type disbursementDetails struct {
	Metadata    map[string]string `json:"metadata,omitempty"`
	AccountID   string            `json:"merchant_account_id,omitempty"` // of payouts
	Beneficiary *payee            `json:"beneficiary,omitempty"`         // of payouts
	Scheme      string            `json:"scheme_id,omitempty"`           // of payouts
}

func detailsOf(d remit.Disbursement) (x disbursementDetails) {
	_ = json.Unmarshal([]byte(d.Details), &x) // we wrote it ourselves
	return x
}

// details writes what is kept.
func details(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("truelayer: " + err.Error()) // only what can be written is ever kept
	}
	return string(text)
}

// reference reads the text for the payee's bank statement.
func (c *call) reference(o object) string {
	s := o.needed("reference")
	most, err := strconv.Atoi(c.who.Settings.Config[configReferenceMax])
	if err != nil || most <= 0 {
		most = referenceMaxDefault
	}
	if utf8.RuneCountInString(s) > most {
		o.fault(field(o.at("reference"), "Value must have at most %d characters.", most))
	}
	return s
}

// decodeRefund gives back all or part of a payment.
// docs/spec/truelayer.md#62-post-v3paymentspayment_idrefunds.
func decodeRefund(c *call) (dialect.Operation, error) {
	o := c.readBody()
	r := &dialect.Refund{Refund: remit.Refund{
		Naming: remit.UUID, Payment: remit.Name{Text: c.segments["id"]},
		WhenOmitted: remit.TakeWhole, WhenUnfunded: remit.Wait, WhenShort: remit.FailLater, WhenNowhere: remit.FailLater,
		Judge: judgeRefund,
	}}
	r.Keyed, r.Content = c.keyed()
	if c.who.Settings.On(switchSettledOnly) {
		r.WhenUnfunded = remit.Refuse
	}
	minor, given := o.minor("amount_in_minor")
	r.Amount, r.Omitted = money.Amount{Minor: minor}, !given || (minor == 0 && len(*o.faults) == 0 && c.zeroIsWhole())
	if r.Omitted {
		r.Amount = money.Amount{}
	}
	r.Reference = c.reference(o)
	r.Details = details(disbursementDetails{Metadata: o.pairs("metadata")})
	r.Faults = o.attach(remit.AfterLookup)
	return dialect.Operation{Refund: r}, nil
}

// zeroIsWhole tells whether an amount of 0 is the way in which the caller says
// none: the Java SDK has no other. From anybody else it is an error, and
// refunds nothing. (D5)
func (c *call) zeroIsWhole() bool {
	return strings.HasPrefix(c.r.Header.Get("TL-Agent"), "truelayer-java/") || c.who.Settings.On(switchZeroIsWhole)
}

// judgeRefund refuses a payment whose money never was with us. It is asked
// within the commit: of nearly all payments the word is not in the details, and
// they need not be read.
// docs/spec/truelayer.md#61-semantics.
func judgeRefund(p remit.Payment) *remit.Error {
	if strings.Contains(p.Details, toExternal) && paymentDetailsOf(p).external() {
		return remit.Errorf(remit.Conflict, remit.ReasonNotFunded, "the payment is not into a merchant account")
	}
	return nil
}

// answerRefundCreated names the refund, and nothing else.
func answerRefundCreated(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	return c.json(http.StatusAccepted, map[string]string{"id": r.Disbursement.ExternalID})
}

// refundJSON is a refund as the API shows it. What does not apply is left out.
// docs/spec/truelayer.md#63-refund-object.
type refundJSON struct {
	ID       string            `json:"id"`
	Amount   int64             `json:"amount_in_minor"`
	Currency money.Currency    `json:"currency"`
	Status   string            `json:"status"`
	Ref      string            `json:"reference"`
	Metadata map[string]string `json:"metadata,omitempty"`
	progress
}

// progress is how far a refund or a payout has come.
type progress struct {
	Created    string `json:"created_at"`
	Authorized string `json:"authorized_at,omitempty"`
	Executed   string `json:"executed_at,omitempty"`
	Failed     string `json:"failed_at,omitempty"`
	Reason     string `json:"failure_reason,omitempty"`
}

// The four statuses. docs/spec/truelayer.md#64-state-machine.
const (
	statusPending    = "pending"
	statusAuthorized = "authorized"
	statusExecuted   = "executed"
	statusFailed     = "failed"
)

// statuses are those of our states.
var statuses = map[remit.State]string{
	remit.Waiting: statusPending, remit.Accepted: statusPending, remit.Sent: statusAuthorized, remit.Settled: statusExecuted,
	remit.Failed: statusFailed, remit.Canceled: statusFailed, remit.Returned: statusFailed,
}

func progressOf(d remit.Disbursement) progress {
	p := progress{Created: stamp(d.Created), Authorized: stampIf(d.Sent), Executed: stampIf(d.Settled)}
	if statuses[d.State] == statusFailed {
		p.Failed, p.Reason = stamp(d.Ended), failureOf(d)
	}
	return p
}

// failures are the words for why a refund or payout failed.
// docs/spec/truelayer.md#65-failure_reason-values, D9.
var failures = map[remit.Reason]string{
	remit.ReasonShort: "insufficient_funds", remit.ReasonAccountUnknown: "invalid_iban", remit.ReasonAccountBlocked: "blocked",
	remit.ReasonAccountClosed: "scheme_error", remit.ReasonRefusedByBank: "scheme_error",
}

func failureOf(d remit.Disbursement) string {
	word, ok := failures[d.Reason]
	switch {
	case d.State == remit.Returned:
		return "returned"
	case ok:
		return word
	}
	return "unknown"
}

func refundOf(d remit.Disbursement) refundJSON {
	return refundJSON{
		ID: d.ExternalID, Amount: d.Amount.Minor, Currency: d.Amount.Currency, Status: statuses[d.State], Ref: d.Reference,
		Metadata: detailsOf(d).Metadata, progress: progressOf(d),
	}
}

func decodeRefundQuery(c *call) (dialect.Operation, error) {
	return dialect.Operation{Query: &dialect.Query{Disbursement: c.segments["refund"]}}, nil
}

// answerRefund shows one refund, if it is one of the payment that the path
// names. docs/spec/truelayer.md#63-refund-object, 6.3.1.
func answerRefund(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	d, p := r.Disbursement, r.Payment
	if d.Kind != remit.KindRefund || p == nil || p.ExternalID != c.segments["id"] {
		return c.refuse(errNothing)
	}
	return c.json(http.StatusOK, refundOf(*d))
}

func decodeRefundsQuery(c *call) (dialect.Operation, error) {
	return dialect.Operation{Query: &dialect.Query{Payment: remit.Name{Text: c.segments["id"]}, Refunds: true}}, nil
}

// answerRefunds lists all refunds of a payment, the oldest first.
func answerRefunds(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	items := []refundJSON{}
	for _, d := range r.Disbursements {
		items = append(items, refundOf(d))
	}
	return c.json(http.StatusOK, map[string]any{"items": items})
}
