package paytrail

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"remit"
	"remit/dialect"
)

// paymentsCall is one request to the Payment API.
type paymentsCall struct {
	r        dialect.Request
	signed   fields
	function *function
	id       string // of the transaction that the path names; "" names none
	wrong    bool   // the path is there, and the method is not
	who      dialect.Caller
	verified bool
	meta     []string // what is wrong with the body
	answer   func(remit.Result) any
}

// function is one of the Payment API. Each has a file of its own.
type function struct {
	method string
	path   string // below paymentsPath, "*" for the transaction id
	status int
	name   string // by which a merchant can be kept from it
	decode func(*paymentsCall) dialect.Operation
}

// functions are all of them. docs/spec/paytrail.md#b1-basics-p-doc.
var functions = []function{
	{http.MethodPost, "", http.StatusCreated, functionPayments, decodeCreate},
	{http.MethodGet, "/*", http.StatusOK, functionPayments, decodeStatus},
	{http.MethodPost, "/*/refund", http.StatusCreated, functionRefunds, decodeRefund},
	{http.MethodPost, "/*/refund/email", http.StatusCreated, functionRefunds, decodeEmailRefund},
}

// uuid is a transaction id by its shape alone: any RFC 4122 shape passes.
var uuid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

func readPayments(r dialect.Request) dialect.Call {
	c := &paymentsCall{r: r, signed: signedHeaders(r.Header)}
	pieces := strings.Split(strings.TrimPrefix(r.Path, paymentsPath), "/")
	for i, f := range functions {
		open, ok := fits(strings.Split(f.path, "/"), pieces)
		if !ok {
			continue
		}
		if f.method != r.Method {
			c.wrong = true
			continue
		}
		c.function, c.wrong, c.id = &functions[i], false, open
		break
	}
	return c
}

// Claim reads the account.
func (c *paymentsCall) Claim() (dialect.Principal, error) {
	if c.r.TooLarge {
		return "", remit.Errorf(remit.Invalid, remit.ReasonTooLarge, "the body is larger than %d bytes", bodyBytesMax)
	}
	account := c.signed[headerAccount]
	if account == "" {
		return "", remit.Errorf(remit.Unauthenticated, remit.ReasonSecret, "%s is missing", headerAccount)
	}
	return dialect.Principal(principalAccount + account), nil
}

// Verify asks about the caller; an unknown account is answered as a wrong
// signature is. What is signed must name the method: what we sign ourselves
// for a caller whom we do not believe does not, and is therefore no request.
// (D14) docs/spec/paytrail.md#b2-request-signing-p-doc.
func (c *paymentsCall) Verify(who dialect.Caller) error {
	c.who = who
	switch held := c.signed.holds(c.r.Header.Get(headerSignature), who.Shared[sharedPayment], c.r.Body); {
	case !who.Known || !held || c.signed[headerMethod] == "":
		return remit.Errorf(remit.Unauthenticated, remit.ReasonSignature, "the signature does not match the request")
	}
	c.verified = true
	switch {
	case who.Settings.Disabled || !who.Admitted || !who.Settings.MayCall(functionPaymentAPI):
		return remit.Errorf(remit.Forbidden, remit.ReasonDisabled, "the merchant may not use this service")
	case c.function != nil && !who.Settings.MayCall(c.function.name):
		return remit.Errorf(remit.Forbidden, remit.ReasonFunction, "the merchant may not use this function")
	}
	return nil
}

// Decode turns the call into an operation. The path is signed by a header
// alone: it must be there, and say the same.
func (c *paymentsCall) Decode() (dialect.Operation, error) {
	switch {
	case c.wrong:
		return dialect.Operation{}, remit.Errorf(remit.Unsupported, reasonMethod, "the method is not allowed here")
	case c.function == nil:
		return dialect.Operation{}, remit.Errorf(remit.NotFound, reasonPath, "there is nothing at this path")
	case c.signed[headerMethod] != c.r.Method:
		c.meta = []string{headerMethod + " is not the method of the request"}
	case strings.Contains(c.function.path, "*") && !uuid.MatchString(c.id):
		c.meta = []string{"transactionId is not a UUID"}
	case strings.Contains(c.function.path, "*") && !strings.EqualFold(c.signed[headerTransaction], c.id):
		c.meta = []string{headerTransaction + " is not the transaction of the path"}
	}
	if len(c.meta) > 0 {
		return dialect.Operation{}, errPayload
	}
	c.id = strings.ToLower(c.id)
	return c.function.decode(c), nil
}

// errPayload says that what is wrong stands in meta.
var errPayload = remit.Errorf(remit.Invalid, reasonPayload, "the payload is invalid")

// complain adds what is wrong with the body.
func (c *paymentsCall) complain(wrong bool, what string) {
	if wrong {
		c.meta = append(c.meta, what)
	}
}

// faults are what is wrong with the body, reported before the transaction is
// looked up. docs/spec/paytrail.md#b41-decision-table-assumption-where-unmarked.
func (c *paymentsCall) faults() []remit.Fault {
	if len(c.meta) == 0 {
		return nil
	}
	return []remit.Fault{{Stage: remit.BeforeLookup, Err: errPayload}}
}

// Encode answers, and signs. docs/spec/paytrail.md#b3-response-signing-p-doc.
func (c *paymentsCall) Encode(_ dialect.Signer, res remit.Result, err error) dialect.Response {
	var body any
	out := dialect.Response{Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
	if err == nil {
		out.Status, body = c.function.status, c.answer(res)
	} else {
		out.Status, body = c.refuse(err)
	}
	out.Body, _ = json.Marshal(body) // texts and numbers cannot fail
	c.sign(out)
	if c.r.TooLarge {
		out.Header.Set("Connection", "close")
	}
	return out
}

// refuse is an error. docs/spec/paytrail.md#b42-error-body-p-yaml.
func (c *paymentsCall) refuse(err error) (int, any) {
	e := remit.AsError(err)
	p := paymentProblemOf(e)
	body := struct {
		Status  string   `json:"status"`
		Message string   `json:"message"`
		Meta    []string `json:"meta,omitempty"`
	}{"error", p.message, nil}
	if body.Message == "" {
		body.Message = sentence(e.Detail)
	}
	if errors.Is(err, errPayload) {
		body.Meta = c.meta
	}
	return p.status, body
}

// sign adds the headers of an answer, in small letters: a client in use looks
// for no others. What a caller whom we do not believe has sent is not signed:
// it could be a request to us. (D14)
// docs/spec/paytrail.md#b9-traps-in-part-b, 5.
func (c *paymentsCall) sign(out dialect.Response) {
	out.Header[headerRequest] = []string{c.trace("request")}
	secret := c.who.Shared[sharedPayment]
	if !c.who.Known || secret == "" {
		return
	}
	f := fields{
		headerAccount: c.signed[headerAccount], headerAlgorithm: c.signed[headerAlgorithm],
		headerNonce: c.trace("nonce"), headerTimestamp: millis(c.r.At),
	}
	if _, ok := algorithms[f[headerAlgorithm]]; !ok {
		f[headerAlgorithm] = defaultAlgorithm
	}
	if c.verified {
		f[headerMethod] = c.signed[headerMethod]
		if id := c.signed[headerTransaction]; id != "" {
			f[headerTransaction] = id
		}
	}
	for name, value := range f {
		out.Header[name] = []string{value}
	}
	out.Header[headerSignature] = []string{f.sign(secret, out.Body)}
}

// trace is a name of this request for a purpose, in the shape of a UUID.
func (c *paymentsCall) trace(purpose string) string {
	mac := hmac.New(sha256.New, c.r.Key)
	mac.Write([]byte(purpose + "\x00" + c.r.Trace))
	raw := mac.Sum(nil)
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	h := hex.EncodeToString(raw)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:32]}, "-")
}

// body reads a JSON object; what cannot be read is complained of.
func (c *paymentsCall) body() map[string]json.RawMessage {
	members, err := object(c.r.Body)
	c.complain(err != nil, "the body is no JSON object")
	return members
}

// short reads a text of at most so many characters; null is absent.
func (c *paymentsCall) short(v json.RawMessage, name string, max int) string {
	t := readText(v)
	c.complain(t.wrong || len([]rune(t.is)) > max, name+" is a text of at most "+itoa(max)+" characters")
	return t.is
}

// urls reads a pair of URLs.
func (c *paymentsCall) urls(v json.RawMessage, name string, required bool) (u urls) {
	if v == nil || isNull(v) {
		c.complain(required, name+" is required")
		return u
	}
	members, err := object(v)
	if err != nil {
		c.complain(true, name+" is an object")
		return u
	}
	sandbox := c.who.Settings.On(remit.SwitchSandbox)
	for _, part := range []struct {
		name string
		into *string
	}{{"success", &u.Success}, {"cancel", &u.Cancel}} {
		*part.into = readText(members[part.name]).is
		c.complain(!callable(*part.into, callbackBytesMax, sandbox), name+"."+part.name+" is an https URL")
	}
	return u
}
