package truelayer

import (
	"net/http"
	"strings"

	"remit"
	"remit/dialect"
)

// endpoint is one thing that can be called.
type endpoint struct {
	method string
	path   string // without the version; {…} stands for one segment
	bare   bool   // it never has a version
	who    access
	signed bool   // Tl-Signature is required
	keyed  bool   // and so is Idempotency-Key, signed
	thing  string // what cannot be found, in words
	decode func(*call) (dialect.Operation, error)
	answer func(*call, dialect.Signer, remit.Result) dialect.Response
	// refuse, where it is set, puts an error into words; else it is a problem
	// document.
	refuse func(*call, *remit.Error) dialect.Response
}

// access is who may call an endpoint.
type access uint8

const (
	byToken    access = iota // who has an access token
	byResource               // or the payment's own token
	bySecret                 // who knows the client's secret
	byAnybody
)

// endpoints is the whole API. docs/spec/truelayer.md#1-environments-hosts-paths.
var endpoints = []endpoint{
	{method: "POST", path: "/connect/token", bare: true, who: bySecret, decode: decodeToken, answer: answerToken, refuse: refuseToken},
	{method: "POST", path: "/test-signature", signed: true, decode: nothing, answer: answerNoContent},
	{method: "GET", path: "/.well-known/jwks", bare: true, who: byAnybody, decode: nothing, answer: answerKeys},

	{method: "POST", path: "/payments", signed: true, keyed: true, decode: decodePayment, answer: answerPaymentCreated},
	{method: "GET", thing: "Payment", path: "/payments/{id}", who: byResource, decode: decodePaymentQuery, answer: answerPayment},
	{method: "POST", thing: "Payment", path: "/payments/{id}/authorization-flow", who: byResource, signed: true, keyed: true, decode: decodeFlow, answer: answerFlow},
	{method: "POST", thing: "Payment", path: "/payments/{id}/authorization-flow/actions/provider-selection", who: byResource, signed: true, keyed: true, decode: decodeProvider, answer: answerFlow},
	{method: "POST", thing: "Payment", path: "/payments/{id}/authorization-flow/actions/consent", who: byResource, signed: true, keyed: true, decode: decodeConsent, answer: answerFlow},
	{method: "POST", thing: "Payment", path: "/payments/{id}/authorization-flow/actions/form", who: byResource, signed: true, keyed: true, decode: decodeForm, answer: answerFlow},
	{method: "POST", thing: "Payment", path: "/payments/{id}/actions/cancel", signed: true, keyed: true, decode: decodeCancel, answer: answerCancel},

	{method: "POST", thing: "Payment", path: "/payments/{id}/refunds", signed: true, keyed: true, decode: decodeRefund, answer: answerRefundCreated},
	{method: "GET", thing: "Payment", path: "/payments/{id}/refunds", decode: decodeRefundsQuery, answer: answerRefunds},
	{method: "GET", path: "/payments/{id}/refunds/{refund}", thing: "Refund", decode: decodeRefundQuery, answer: answerRefund},

	{method: "GET", path: "/merchant-accounts", decode: decodeAccounts, answer: answerAccounts},
	{method: "GET", thing: "Merchant account", path: "/merchant-accounts/{id}", decode: decodeAccounts, answer: answerAccount},
	{method: "GET", thing: "Merchant account", path: "/merchant-accounts/{id}/transactions", decode: decodeTransactions, answer: answerTransactions},
	{method: "GET", thing: "Merchant account", path: "/merchant-accounts/{id}/payment-sources", decode: decodeSources, answer: answerSources, refuse: refuseSources},

	{method: "POST", path: "/payouts", signed: true, keyed: true, decode: decodePayout, answer: answerPayoutCreated},
	{method: "GET", thing: "Payout", path: "/payouts/{id}", decode: decodePayoutQuery, answer: answerPayout},

	// What follows is the payer's side.
	{method: "POST", path: "/payments-provider-return", who: byAnybody, decode: decodeReturn, answer: answerReturn},
	{method: "POST", path: "/spa/payments-provider-return", who: byAnybody, decode: decodeReturn, answer: answerReturn},
	{method: "POST", path: "/spa/submit-provider-return-parameters", who: byAnybody, decode: decodeReturn, answer: answerReturn},
	{method: "GET", path: bankPath + "{link}", bare: true, who: byAnybody, decode: decodeBankPage, answer: answerBankPage, refuse: refusePage},
	{method: "POST", path: bankPath + "{link}", bare: true, who: byAnybody, decode: decodeBankForm, answer: answerBankForm, refuse: refusePage},
	{method: "POST", path: "/api/single-immediate-payments/{link}/action", bare: true, who: byAnybody, decode: decodeBankAction, answer: answerBankAction},
}

const version = "/v3"

func (e endpoint) prefixes() []string {
	if e.bare {
		return []string{""}
	}
	return []string{version, ""}
}

// find tells which endpoint a request is for, and what stands in the variable
// segments of its path. plain is the path without the version and the slash
// at its end, by which the same request is known again.
// docs/spec/truelayer.md#10-idempotency, 10.8. An endpoint that takes another
// method comes with the fault: it has the words for it.
func find(method, path string) (e endpoint, segments map[string]string, plain, allow string, fault error) {
	plain = strings.TrimSuffix(path, "/")
	bare := plain
	if rest, ok := strings.CutPrefix(plain, version); ok && strings.HasPrefix(rest, "/") {
		plain = rest
	}
	fault = errNothing
	var other endpoint
	for i := range endpoints {
		e, p := &endpoints[i], plain
		if e.bare {
			p = bare
		}
		switch ok := fits(e.path, p); {
		case ok && (method == e.method || (method == http.MethodHead && e.method == http.MethodGet)):
			return *e, variables(e.path, p), p, "", nil
		case ok:
			other, fault, allow = *e, errMethod, strings.TrimPrefix(allow+", "+e.method, ", ")
		}
	}
	return other, nil, plain, allow, fault
}

// errNothing is about what is not there.
var errNothing = remit.Errorf(remit.NotFound, reasonNothing, "There is nothing here.")

// fits compares a path with a pattern, segment by segment.
func fits(pattern, path string) bool {
	for more := true; more; {
		want, have, again := "", "", false
		want, pattern, more = strings.Cut(pattern, "/")
		have, path, again = strings.Cut(path, "/")
		if more != again || (want != have && (have == "" || !strings.HasPrefix(want, "{"))) {
			return false
		}
	}
	return true
}

// variables are the variable segments of a path that fits.
func variables(pattern, path string) map[string]string {
	all, have := map[string]string{}, strings.Split(path, "/")
	for i, want := range strings.Split(pattern, "/") {
		if name, ok := strings.CutPrefix(want, "{"); ok {
			all[strings.TrimSuffix(name, "}")] = have[i]
		}
	}
	return all
}

func nothing(*call) (dialect.Operation, error) { return dialect.Operation{}, nil }

func answerNoContent(c *call, _ dialect.Signer, _ remit.Result) dialect.Response {
	return dialect.Response{Status: http.StatusNoContent, Header: c.header("")}
}
