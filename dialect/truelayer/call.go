package truelayer

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/p521"
)

// call is one request, taken apart once.
type call struct {
	r        dialect.Request
	e        endpoint
	segments map[string]string
	plain    string // its path, as a fingerprint has it
	allow    string // the methods of its path, where it has another
	fault    error  // what is wrong before anybody is known
	keys     *p521.Verifier
	trace    string // the name of the request that the answer carries
	body     object // of JSON bodies, once decoded

	token  token  // of the caller
	client string // of a request for a token, with what comes with it
	secret string
	grant  string
	who    dialect.Caller
	link   link   // of a payer's page
	after  string // the action of an authorization flow that was done
}

// Read takes a request apart.
func (d Dialect) Read(r dialect.Request) dialect.Call {
	c := &call{r: r, keys: d.keys, trace: traceID(r.Trace)}
	c.e, c.segments, c.plain, c.allow, c.fault = find(r.Method, r.Path)
	if r.TooLarge {
		c.fault = remit.Errorf(remit.Invalid, remit.ReasonTooLarge, "The body is larger than %d bytes.", bodyBytesMax)
	}
	return c
}

// traceDigits is the length of a trace_id, in hexadecimal digits.
// docs/spec/truelayer.md#9-errors, 9.1.
const traceDigits = 32

// traceID is our name of the request with zeros before it. (D16)
func traceID(trace string) string {
	return strings.Repeat("0", max(0, traceDigits-len(trace))) + trace
}

var (
	errNoToken = remit.Errorf(remit.Unauthenticated, reasonToken, "A Bearer token must be provided in the Authorization header.")
	errToken   = remit.Errorf(remit.Unauthenticated, reasonToken, "The access token is invalid or has expired.")
	errScope   = remit.Errorf(remit.Forbidden, reasonScope, "The token used for Authorization is not authorized to perform the request.")
)

// Claim reads who holds the token. That we wrote it ourselves is shown by its
// mark: nothing is looked up.
func (c *call) Claim() (dialect.Principal, error) {
	if c.fault != nil {
		return "", c.fault
	}
	switch c.e.who {
	case byAnybody:
		return "", nil
	case bySecret:
		return c.claimSecret()
	}
	text, ok := bearer(c.r.Header)
	if !ok {
		return "", errNoToken
	}
	if c.token, ok = readToken(c.r.Key, text); !ok || !c.r.At.Before(c.token.expires) || c.token.client == "" {
		return "", errToken
	}
	return dialect.Principal(c.token.client), nil
}

// Verify asks the questions about the caller in this order: the token, its
// scope, the signature. What is cheap comes first.
// docs/spec/truelayer.md#3-request-signing-tl-signature, 3.8.
func (c *call) Verify(who dialect.Caller) error {
	c.who = who
	if c.e.who == bySecret {
		return c.verifySecret(who)
	}
	switch {
	case !who.Known, c.token.issued != who.Issued:
		return errToken
	case who.Settings.Disabled:
		return remit.Errorf(remit.Forbidden, remit.ReasonDisabled, "The client is disabled.")
	case !who.Admitted:
		return remit.Errorf(remit.Forbidden, remit.ReasonAddress, "The client may not call from this address.")
	case c.token.resource != "" && (c.e.who != byResource || c.token.resource != c.segments["id"]):
		return errScope
	case c.token.resource == "" && !slices.Contains(c.token.scopes, scopePayments):
		return errScope
	}
	if !c.e.signed || c.token.resource != "" {
		return nil
	}
	keys := c.keys
	if who.Settings.On(switchStandardECC) {
		keys = nil
	}
	return c.verifySignature(who.PublicKeys, keys)
}

// Decode turns the call into an operation.
func (c *call) Decode() (dialect.Operation, error) {
	if c.e.keyed && c.token.resource == "" {
		if key := c.r.Header.Get(headerKey); !wellFormedKey(key) {
			return dialect.Operation{}, field(headerKey, "A value of 1 to %d visible characters is required.", keyBytesMax)
		}
	}
	return c.e.decode(c)
}

// The request's headers that have a meaning.
const (
	headerKey       = "Idempotency-Key"
	headerSignature = "Tl-Signature"
)

// wellFormedKey lets any visible text of a bounded length through: clients in
// use send more than UUIDs. docs/spec/truelayer.md#10-idempotency, 10.2.
func wellFormedKey(key string) bool {
	return key != "" && len(key) <= keyBytesMax && strings.IndexFunc(key, func(r rune) bool { return r < '!' || r > '~' }) < 0
}

// keyed binds the answer to the request's Idempotency-Key. What tells requests
// apart is the method, the path without its version, and the body's bytes; the
// trace of the first one is kept, since its answer carries it. Where the answer
// has links the origin is kept behind it.
// docs/spec/truelayer.md#10-idempotency.
func (c *call) keyed() (remit.Keyed, []byte) {
	k := remit.Keyed{Form: c.trace}
	if c.token.resource == "" {
		k = remit.Keyed{Key: c.r.Header.Get(headerKey), Form: c.trace, Remember: keyRemembered, RefusalsBind: true, Alone: true}
	}
	content := make([]byte, 0, len(c.r.Method)+len(c.plain)+len(c.r.Body)+len(" \n"))
	content = append(append(append(append(content, c.r.Method...), ' '), c.plain...), '\n')
	return k, append(content, c.r.Body...)
}

// Encode answers what was asked, or says why not.
func (c *call) Encode(s dialect.Signer, r remit.Result, err error) dialect.Response {
	if r.Form != "" {
		var origin string
		if c.trace, origin, _ = strings.Cut(r.Form, " "); origin != "" {
			c.r.Origin = origin
		}
	}
	switch {
	case err != nil:
	case r.Refusal != nil:
		err = r.Refusal
	case c.fault != nil:
		err = c.fault
	default:
		return c.e.answer(c, s, r)
	}
	if c.e.refuse != nil {
		return c.e.refuse(c, remit.AsError(err))
	}
	return c.refuse(remit.AsError(err))
}

// header is that of every answer: where the official clients look for the
// request's name. docs/spec/truelayer.md#9-errors, 9.4.
func (c *call) header(contentType string) http.Header {
	h := http.Header{"Tl-Trace-Id": {c.trace}, "X-Tl-Correlation-Id": {c.trace}, "Cache-Control": {"no-store"}}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return h
}

// json answers with a value.
func (c *call) json(status int, v any) dialect.Response {
	body, err := json.Marshal(v)
	if err != nil {
		panic("truelayer: " + err.Error()) // only what can be written is ever answered
	}
	return dialect.Response{Status: status, Header: c.header("application/json"), Body: body}
}

// stamp writes a time: RFC 3339 in UTC, to the microsecond. (D15)
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// stampIf writes a time that may not have come.
func stampIf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}
