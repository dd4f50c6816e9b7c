package trustlyus

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"strings"

	"remit"
	"remit/dialect"
)

// endpoint is one thing that can be asked. Each has a file of its own.
type endpoint struct {
	// decode puts a verified call into our words.
	decode func(*call) (dialect.Operation, error)
	// answer is what goes back where that was carried out.
	answer func(*call, remit.Result) any
}

// endpoints are those of the API, by method and path; * is a transaction's
// id. docs/spec/trustly-us.md#1-transport.
var endpoints = map[string]endpoint{
	"GET transactions":                    {decodeList, answerList},
	"GET transactions/*":                  {decodeGet, answerOne},
	"POST transactions/*/refund":          {decodeRefund, answerOne},
	"POST transactions/*/cancel":          {decodeCancel, answerOne},
	"POST transactions/*/capture":         {decodeCapture, answerOne},
	"POST transactions/*/capture/preAuth": {decodePreauth, answerOne},
	"POST transactions/*/deposit":         {decodeDeposit, answerOne},
	"POST transactions/*/reclaim":         {decodeReclaim, answerOne},
	"POST transactions/*/refresh":         {decodeRefresh, answerOne},
	"POST establish":                      {decodeEstablish, answerEstablish},
}

// call is one request, taken apart once.
type call struct {
	r        dialect.Request
	endpoint endpoint
	known    bool   // there is such an endpoint
	function string // what it is called in a merchant's settings: the last word of its path
	id       string // of the transaction in the path
	body     fields
	fault    *remit.Error // what is wrong with the body
	access   string       // the access id
	key      string       // the access key
	list     list
	verdict  *remit.Error // what the answer is once the transaction was found
	who      dialect.Caller
}

// Read takes a request apart.
func (Dialect) Read(r dialect.Request) dialect.Call {
	if mark, ok := strings.CutPrefix(r.Path, base+"/establish/"); ok {
		return newVisit(r, mark)
	}
	c := &call{r: r}
	c.endpoint, c.id, c.known = find(r.Method, strings.TrimPrefix(r.Path, base+"/"))
	c.function = path.Base(r.Path)
	c.access, c.key = credentials(r.Header.Get("Authorization"))
	switch {
	case r.TooLarge:
		c.fault = remit.Errorf(remit.Invalid, remit.ReasonTooLarge, "Request body is too large")
	case r.Method == http.MethodPost:
		c.body, c.fault = readFields(r.Header.Get("Content-Type"), r.Body)
	}
	return c
}

// find looks for an endpoint.
func find(method, where string) (e endpoint, id string, ok bool) {
	parts := strings.Split(where, "/")
	if len(parts) > 1 && parts[0] == "transactions" {
		id, parts[1] = parts[1], "*"
	}
	e, ok = endpoints[method+" "+strings.Join(parts, "/")]
	return e, id, ok
}

// credentials are those of HTTP's Basic scheme.
// docs/spec/trustly-us.md#2-authentication-of-api-calls.
func credentials(header string) (id, key string) {
	scheme, text, _ := strings.Cut(header, " ")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || !strings.EqualFold(scheme, "Basic") {
		return "", ""
	}
	id, key, _ = strings.Cut(string(raw), ":")
	return id, key
}

// errAccess answers everybody alike who may not ask.
var errAccess = remit.Errorf(remit.Unauthenticated, remit.ReasonSecret, "Access not authorized")

// Claim reads the access id.
func (c *call) Claim() (dialect.Principal, error) {
	if c.access == "" {
		return "", errAccess
	}
	return dialect.Principal(c.access), nil
}

// Verify compares the access key, and holds the merchant's settings against
// the call.
func (c *call) Verify(who dialect.Caller) error {
	same := who.Secret != nil && who.Secret(accessKey, c.key)
	switch {
	case !same || !who.Known:
		return errAccess
	case who.Settings.Disabled:
		return remit.Errorf(remit.Forbidden, remit.ReasonDisabled, "the merchant is disabled")
	case !who.Admitted:
		return remit.Errorf(remit.Forbidden, remit.ReasonAddress, "the address is not on the merchant's list")
	case !who.Settings.MayCall(c.function):
		return remit.Errorf(remit.Forbidden, remit.ReasonFunction, "the merchant may not call this")
	}
	c.who = who
	return nil
}

// Decode turns the call into an operation.
func (c *call) Decode() (dialect.Operation, error) {
	switch {
	case !c.known:
		return dialect.Operation{}, remit.Errorf(remit.Unsupported, remit.ReasonUnknownMethod, "Endpoint not supported")
	case c.fault != nil:
		return dialect.Operation{}, c.fault
	}
	return c.endpoint.decode(c)
}

// shop is who asks.
func (c *call) shop() shop { return shopOf(c.who.Merchant, c.who.Settings) }

// setting is one of the merchant's settings of this dialect.
func (c *call) setting(name string) string { return c.who.Settings.Config[Name+"."+name] }

// reference reads the merchant's own name of a transaction.
func (c *call) reference() (string, *remit.Error) {
	return c.textOf("merchantReference", referenceRunesMax)
}

// textOf reads a text of limited length.
func (c *call) textOf(name string, runesMax int) (string, *remit.Error) {
	v := c.body[name]
	if v.odd || len([]rune(v.text)) > runesMax {
		return "", invalid(name, "Invalid "+name)
	}
	return v.text, nil
}

// ip is the caller's address, as the transaction keeps it.
func (c *call) ip() string {
	if !c.r.From.IsValid() {
		return ""
	}
	return c.r.From.String()
}

// Encode answers. docs/spec/trustly-us.md#6-errors.
func (c *call) Encode(_ dialect.Signer, r remit.Result, err error) dialect.Response {
	switch {
	case err != nil:
		return c.refuse(err)
	case !c.known:
		return c.refuse(remit.Unsupported)
	case c.verdict != nil:
		return c.refuse(c.verdict)
	case r.More:
		return c.refuse(errTooMany)
	}
	return jsonResponse(http.StatusOK, c.endpoint.answer(c, r))
}

// answerOne is one transaction, wrapped as every known client expects it.
// docs/spec/trustly-us.md#11-traps-what-clients-send-read-or-choke-on T1.
func answerOne(c *call, r remit.Result) any {
	var t transaction
	switch {
	case r.Disbursement != nil:
		t = c.shop().ofDisbursement(*r.Disbursement, r.Payment)
	case r.Payment != nil:
		t = c.shop().ofPayment(*r.Payment)
	}
	return map[string]transaction{"transaction": t}
}

// failure is an error as every answer tells it.
// docs/spec/trustly-us.md#61-envelope-d-errae.
type failure struct {
	Domain     string `json:"domain"`
	Code       int    `json:"code"`
	Message    string `json:"message"`
	Location   string `json:"location,omitempty"`
	OccurredAt int64  `json:"occurredAt"`
}

// overBalance is the setting that names another code for an amount that is
// more than is left. docs/spec/trustly-us.md#14-open-questions.
const overBalance = "over_balance_code"

func (c *call) refuse(err error) dialect.Response {
	p, e := problemOf(err)
	f := failure{Code: p.code, Message: p.message, Location: e.Field, OccurredAt: c.r.At.UnixMilli()}
	switch {
	case e.Code == remit.NotFound:
		f.Message, f.Location = "Could not find a transaction using Id "+c.id, "transactionId"
	case e.Code == remit.Exceeds && c.setting(overBalance) == "331":
		f.Code = codeNotEnough
	}
	f.Domain = domainOf(f.Code)
	res := jsonResponse(p.status, map[string][]failure{"errors": {f}})
	res.Code = strconv.Itoa(f.Code)
	if p.status == http.StatusUnauthorized {
		res.Header.Set("WWW-Authenticate", `Basic realm="Trustly"`)
	}
	return res
}

// jsonResponse is an answer in JSON.
func jsonResponse(status int, v any) dialect.Response {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // plain values cannot fail
	return dialect.Response{
		Status: status, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: bytes.TrimSuffix(b.Bytes(), []byte("\n")),
	}
}
