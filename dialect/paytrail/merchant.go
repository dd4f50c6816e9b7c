package paytrail

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"remit"
	"remit/dialect"
)

// route is one function of the Merchant API. Each has a file of its own.
type route struct {
	method  string
	path    string       // below merchantPath; "*" stands for one piece of it
	status  int          // of an answer
	missing remit.Reason // of what is named and not there
	decode  func(*merchantCall) (dialect.Operation, error)
	answer  func(*merchantCall, remit.Result) (body any, err error) // nil where the answer has no body
}

// routes are all of them. docs/spec/paytrail.md#a1-service.
var routes = []route{
	{http.MethodPost, "payments/*/refunds", http.StatusAccepted, reasonNoPayment, decodeMerchantRefund, nil},
	{http.MethodGet, "refunds/*", http.StatusOK, reasonRefundToken, decodeRefundDetails, answerRefundDetails},
	{http.MethodDelete, "refunds/*", http.StatusNoContent, reasonRefundToken, decodeRefundCancel, nil},
	{http.MethodGet, "payments", http.StatusOK, reasonOrderNumber, decodePaymentsByOrder, answerPaymentsByOrder},
	{http.MethodGet, "payments/*", http.StatusOK, reasonPaymentID, decodePaymentDetails, answerPaymentDetails},
	{http.MethodGet, "settlements", http.StatusOK, reasonSettlement, decodeSettlements, answerSettlements},
	{http.MethodGet, "settlements/*", http.StatusOK, reasonSettlement, decodeSettlement, answerSettlement},
}

// merchantCall is one request to the Merchant API.
type merchantCall struct {
	r     dialect.Request
	auth  authorization
	route *route
	piece string // of the path, that the route leaves open
	wrong bool   // the path is there, and the method is not
	who   dialect.Caller
}

func readMerchant(r dialect.Request) dialect.Call {
	c := &merchantCall{r: r, auth: readAuthorization(r.Header)}
	pieces := strings.Split(strings.TrimPrefix(r.Path, merchantPath), "/")
	for i := range routes {
		open, ok := fits(strings.Split(routes[i].path, "/"), pieces)
		if !ok {
			continue
		}
		if routes[i].method != r.Method {
			c.wrong = true
			continue
		}
		c.route, c.wrong, c.piece = &routes[i], false, open
		break
	}
	return c
}

// fits tells whether the pieces of a path are those of a route, and what
// stands where the route leaves one open.
func fits(route, pieces []string) (open string, ok bool) {
	if len(route) != len(pieces) {
		return "", false
	}
	for i, want := range route {
		text, err := url.PathUnescape(pieces[i])
		switch {
		case err != nil:
			return "", false
		case want == "*":
			open = text
		case want != text:
			return "", false
		}
	}
	return open, true
}

// Claim reads the merchant id.
func (c *merchantCall) Claim() (dialect.Principal, error) {
	switch {
	case c.r.TooLarge:
		return "", remit.Errorf(remit.Invalid, reasonJSON, "the body is larger than %d bytes", bodyBytesMax)
	case c.auth.scheme != scheme:
		return "", remit.Errorf(remit.Unauthenticated, reasonAPIName, "the API name is not known")
	}
	return dialect.Principal(principalMerchant + c.auth.merchant), nil
}

// Verify asks about the caller in the order that the spec suggests; an unknown
// merchant is answered as a wrong signature is.
// docs/spec/paytrail.md#a2-authentication-m-accmsdkex-paytrailexamples.
func (c *merchantCall) Verify(who dialect.Caller) error {
	c.who = who
	switch held := c.auth.holds(c.r, who.Shared[sharedMerchant]); {
	case !who.Known || !held || !c.auth.fresh(c.r.At, who.Settings):
		return remit.Errorf(remit.Unauthenticated, reasonSignature, "the signature does not match the request")
	case who.Settings.Disabled || !who.Admitted || !who.Settings.MayCall(functionMerchantAPI):
		return remit.Errorf(remit.Forbidden, reasonInactive, "the merchant is not active")
	case c.route != nil && c.route.method != http.MethodGet && !who.Settings.MayCall(functionRefunds):
		return remit.Errorf(remit.Forbidden, reasonRefundsOff, "refunds are not enabled for the merchant")
	}
	return nil
}

// Decode turns the call into an operation.
func (c *merchantCall) Decode() (dialect.Operation, error) {
	switch {
	case c.wrong:
		return dialect.Operation{}, remit.Errorf(remit.Unsupported, reasonMethod, "the method is not allowed here")
	case c.route == nil:
		return dialect.Operation{}, remit.Errorf(remit.NotFound, reasonPath, "there is nothing at this path")
	}
	return c.route.decode(c)
}

// Encode answers. An error has a body with all three texts, whatever it is:
// a client in use fails on any other.
// docs/spec/paytrail.md#a3-general-http-responses-m-acc.
func (c *merchantCall) Encode(_ dialect.Signer, res remit.Result, err error) dialect.Response {
	if err != nil {
		return c.refuse(err)
	}
	out := dialect.Response{Status: c.route.status, Header: http.Header{}}
	if c.route.answer != nil {
		body, err := c.route.answer(c, res)
		if err != nil {
			return c.refuse(err)
		}
		out.Header.Set("Content-Type", "application/json")
		out.Body, _ = json.Marshal(body) // texts and numbers cannot fail
	}
	if out.Status == http.StatusAccepted {
		// The token is what stands behind the last slash.
		// docs/spec/paytrail.md#a42-success.
		out.Header.Set("Location", c.r.Origin+merchantPath+"refunds/"+res.Disbursement.ExternalID)
	}
	return out
}

func (c *merchantCall) refuse(err error) dialect.Response {
	e := remit.AsError(err)
	if e.Code == remit.NotFound && e.Reason == "" && c.route != nil {
		e = remit.Errorf(e.Code, c.route.missing, "%s", e.Detail)
	}
	p := merchantProblemOf(e)
	body, _ := json.Marshal(map[string]any{"error": struct {
		Title       remit.Reason `json:"title"`
		Description string       `json:"description"`
		Workaround  string       `json:"workaround"`
	}{p.title, cmp.Or(p.description, sentence(e.Detail)), p.workaround}})
	out := dialect.Response{Status: p.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Code: string(p.title)}
	if c.wrong {
		out.Header.Set("Allow", strings.Join(allowed(c.r.Path), ", "))
	}
	if c.r.TooLarge {
		out.Header.Set("Connection", "close")
	}
	return out
}

// allowed are the methods that a path knows.
func allowed(path string) (all []string) {
	pieces := strings.Split(strings.TrimPrefix(path, merchantPath), "/")
	for _, r := range routes {
		if _, ok := fits(strings.Split(r.path, "/"), pieces); ok {
			all = append(all, r.method)
		}
	}
	return all
}

// sentence begins with a capital.
func sentence(s string) string {
	if s == "" {
		return "The request was refused"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
