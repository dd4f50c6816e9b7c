package truelayer

import (
	"cmp"
	"net/http"

	"remit"
	"remit/dialect"
)

// problem is an error in the provider's words.
type problem struct {
	status int
	title  string
	anchor string // of its type
	detail string // "" is our own
	field  string // of errors, where the error names none
}

// fault is what a problem is looked up by; a code without a reason stands for
// all of its reasons that have no line of their own.
type fault struct {
	code   remit.Code
	reason remit.Reason
}

const errorTypes = "https://docs.truelayer.com/docs/error-types#"

// Reasons of our own, for what has a form of its own on the wire.
const (
	reasonMethod     remit.Reason = "method"
	reasonNothing    remit.Reason = "nothing_here"
	reasonToken      remit.Reason = "token"
	reasonGrant      remit.Reason = "grant"
	reasonScope      remit.Reason = "scope"
	reasonNoProvider remit.Reason = "no_provider"
)

// errMethod answers another method than the path has.
var errMethod = remit.Errorf(remit.Unsupported, reasonMethod, "This method is not supported at this path.")

func invalidState(detail string) problem {
	return problem{status: 400, title: "Invalid State", anchor: "invalid-state", detail: detail}
}

func invalid(field string) problem {
	return problem{status: 400, title: "Invalid Parameters", anchor: "invalid-parameters", field: field}
}

func unauthenticated() problem {
	return problem{status: 401, title: "Unauthenticated", anchor: "unauthenticated"}
}

// problems is the wire form of every domain error.
// docs/spec/truelayer.md#9-errors, 9.2.
var problems = map[fault]problem{
	{remit.Internal, ""}:                        {500, "Unknown Error", "unknown-error", "An error occurred. Please contact customer support.", ""},
	{remit.Invalid, ""}:                         invalid(""),
	{remit.Invalid, remit.ReasonAmount}:         invalid("amount_in_minor"),
	{remit.Invalid, remit.ReasonCurrency}:       invalid("currency"),
	{remit.Invalid, remit.ReasonTooLarge}:       {413, "Invalid Parameters", "invalid-parameters", "", ""},
	{remit.Unauthenticated, ""}:                 unauthenticated(),
	{remit.Forbidden, ""}:                       {403, "Forbidden", "forbidden", "", ""},
	{remit.NotFound, ""}:                        {404, "Not Found", "not-found", "", ""},
	{remit.NotFound, remit.ReasonBeneficiary}:   {400, "Invalid Parameters", "invalid-parameters", "", "beneficiary.payment_source_id"},
	{remit.Conflict, ""}:                        invalidState("The resource is in a state that does not allow this."),
	{remit.Conflict, remit.ReasonNotFunded}:     invalidState("The payment is in a state in which it cannot be refunded."),
	{remit.Conflict, remit.ReasonPaymentFailed}: invalidState("The payment has failed and cannot be refunded."),
	{remit.KeyReused, ""}:                       {422, "Idempotency-Key Reuse", "idempotency-key-reuse", "The Idempotency-Key value has already been used for a different request.", ""},
	{remit.InFlight, ""}:                        {409, "Idempotency-Key Concurrency Conflict", "idempotency-key-concurrency-conflict", "The Idempotency-Key value is being used for a concurrent request.", ""},
	{remit.Exceeds, ""}:                         invalid("amount_in_minor"), // D4
	{remit.InsufficientFunds, ""}:               invalidState("The merchant account does not hold enough."),
	{remit.Unsupported, ""}:                     invalid(""), // D3
	{remit.Unsupported, reasonMethod}:           {405, "Invalid Parameters", "invalid-parameters", "", ""},
	{remit.RateLimited, ""}:                     {429, "Rate Limit Exceeded", "rate-limit-exceeded", "", ""},
	{remit.Unavailable, ""}:                     {503, "Unknown Error", "unknown-error", "The service is unavailable. Please try again.", ""},
	{remit.Unavailable, reasonNoProvider}:       {502, "Provider Error", "provider-error", "Provider is temporarily unavailable, please retry.", ""},
}

// problemOf puts any error into the provider's words.
func problemOf(e *remit.Error) problem {
	if p, ok := problems[fault{e.Code, e.Reason}]; ok {
		return p
	}
	return problems[fault{e.Code, ""}]
}

// document is a problem document. docs/spec/truelayer.md#9-errors, 9.1: each of these
// members is there, since clients in use fail without.
type document struct {
	Type    string              `json:"type"`
	Title   string              `json:"title"`
	Status  int                 `json:"status"`
	Detail  string              `json:"detail"`
	TraceID string              `json:"trace_id"`
	Errors  map[string][]string `json:"errors,omitempty"`
}

// refuse answers with a problem document.
func (c *call) refuse(e *remit.Error) dialect.Response {
	p := problemOf(e)
	d := document{
		Type: errorTypes + p.anchor, Title: p.title, Status: p.status, TraceID: c.trace,
		Detail: cmp.Or(p.detail, e.Detail, p.title),
	}
	if e.Code == remit.NotFound && p.status == http.StatusNotFound && c.e.thing != "" {
		d.Detail = c.e.thing + " could not be found."
	}
	if field := cmp.Or(e.Field, p.field); field != "" && p.anchor == "invalid-parameters" {
		d.Detail, d.Errors = "The request was invalid.", map[string][]string{field: {cmp.Or(e.Detail, p.title)}}
	}
	res := c.json(p.status, d)
	res.Code = p.anchor
	res.Header.Set("Content-Type", "application/problem+json") // no other: a client in use looks for just this
	if p.status == http.StatusMethodNotAllowed {
		res.Header.Set("Allow", c.allow)
	}
	return res
}

// field is an error about one member of the body, by its path, or about a
// header.
func field(name, format string, args ...any) *remit.Error {
	e := remit.Errorf(remit.Invalid, "", format, args...)
	e.Field = name
	return e
}
