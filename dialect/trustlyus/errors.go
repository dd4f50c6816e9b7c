package trustlyus

import (
	"net/http"

	"remit"
)

// problem is an error in the provider's words.
type problem struct {
	status  int
	code    int
	message string // "" says what the error itself does
}

// fault is what a problem is looked up by; a code without a reason stands for
// all of its reasons that have no line of their own.
type fault struct {
	code   remit.Code
	reason remit.Reason
}

// Codes. docs/spec/trustly-us.md#62-error-codes-d-err.
const (
	codeInternal   = 100
	codeInvalid    = 200
	codeDuplicate  = 210
	codeSecurity   = 300
	codeAccount    = 330
	codeNotEnough  = 331
	codeAccess     = 375
	msgNotComplete = "Transaction is not completed"
)

// problems is the wire form of every domain error.
// docs/spec/trustly-us.md#36-validation-order-and-errors-codes-from-d-err-the-mapping-to-refund-faults-is-assumption-unless-marked.
var problems = map[fault]problem{
	{remit.Internal, ""}:                          {http.StatusInternalServerError, codeInternal, "Internal error"},
	{remit.Invalid, ""}:                           {http.StatusBadRequest, codeInvalid, ""},
	{remit.Unauthenticated, ""}:                   {http.StatusUnauthorized, codeAccess, "Access not authorized"},
	{remit.Forbidden, ""}:                         {http.StatusUnauthorized, codeAccess, "Access not authorized"},
	{remit.Forbidden, remit.ReasonFunction}:       {http.StatusUnauthorized, codeSecurity, "Security error"},
	{remit.NotFound, ""}:                          {http.StatusBadRequest, codeInvalid, ""},
	{remit.Conflict, ""}:                          {http.StatusBadRequest, codeInvalid, ""},
	{remit.Conflict, remit.ReasonNotFunded}:       {http.StatusBadRequest, codeInvalid, msgNotComplete},
	{remit.Conflict, remit.ReasonPaymentFailed}:   {http.StatusBadRequest, codeInvalid, msgNotComplete},
	{remit.Conflict, remit.ReasonTerminal}:        {http.StatusBadRequest, codeInvalid, "Transaction can no longer be canceled"},
	{remit.Conflict, remit.ReasonDuplicate}:       {http.StatusBadRequest, codeDuplicate, "Duplicate request"},
	{remit.KeyReused, ""}:                         {http.StatusBadRequest, codeDuplicate, "Duplicate merchantReference"},
	{remit.InFlight, ""}:                          {http.StatusBadRequest, codeDuplicate, "Duplicate request"},
	{remit.Exceeds, ""}:                           {http.StatusBadRequest, codeInvalid, "Amount exceeds the balance"},
	{remit.InsufficientFunds, ""}:                 {http.StatusBadRequest, codeInvalid, "The merchant's balance is too low"},
	{remit.Unsupported, ""}:                       {http.StatusNotFound, codeInvalid, "Endpoint not supported"},
	{remit.RateLimited, ""}:                       {http.StatusServiceUnavailable, codeInternal, "Service unavailable"},
	{remit.Unavailable, remit.ReasonShuttingDown}: {http.StatusServiceUnavailable, codeInternal, "Service unavailable"},
	{remit.Unavailable, remit.ReasonQueueFull}:    {http.StatusServiceUnavailable, codeInternal, "Service unavailable"},
	// Whatever else keeps us from answering may have come after the commit. A
	// client in use sends anything again that is answered with 503: a refund
	// would be made twice. docs/spec/trustly-us.md#11-traps-what-clients-send-read-or-choke-on T5.
	{remit.Unavailable, ""}: {http.StatusInternalServerError, codeInternal, "Internal error"},
}

// problemOf is what an error is in the provider's words.
func problemOf(err error) (problem, *remit.Error) {
	e := remit.AsError(err)
	p, ok := problems[fault{e.Code, e.Reason}]
	if !ok {
		p = problems[fault{e.Code, ""}]
	}
	if p.message == "" {
		p.message = e.Detail
	}
	return p, e
}

// exceptions is the folder of the provider's exceptions, of which an error
// names one.
const exceptions = "com.paywithmybank.merchantgateway.v1.exception."

// domains are the exceptions that are known, and one for all others. (D12)
var domains = map[int]string{
	codeInvalid: exceptions + "InvalidParameterException",
	codeAccess:  exceptions + "AccessControlException",
}

func domainOf(code int) string {
	if d, ok := domains[code]; ok {
		return d
	}
	return exceptions + "ApiException"
}
