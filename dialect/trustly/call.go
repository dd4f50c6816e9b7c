package trustly

import (
	"net/http"
	"regexp"
	"slices"

	"remit"
	"remit/dialect"
)

// method is one function of the API. Each has a file of its own.
type method struct {
	// params are the names of its data: a client in use signs those that are
	// null without sending them. docs/spec/trustly-eu.md#35-null-handling-per-client-what-the-server-must-absorb.
	params []string
	// decode puts a verified call into our words.
	decode func(*call) dialect.Operation
	// answer is the data of the reply to a call that was accepted, or what keeps
	// it from being given.
	answer func(*call, remit.Result) (value, *remit.Error)
	// words are for errors that have others in this method.
	words map[fault]problem
	// rejects are the errors that are a result of this method, and rejected is
	// the data of such a result.
	rejects  map[fault]string
	rejected func(why string) value
	// hosted says that money comes in, or that somebody must act on a page: there
	// is nobody to do so but in a sandbox. (D28)
	hosted bool
}

var methods = map[string]method{
	"AccountLedger":                     accountLedger,
	"AccountPayout":                     accountPayout,
	"ApproveWithdrawal":                 approveWithdrawal,
	"Balance":                           balance,
	"CancelCharge":                      cancelCharge,
	"Charge":                            charge,
	"DenyWithdrawal":                    denyWithdrawal,
	"Deposit":                           deposit,
	"GetWithdrawals":                    getWithdrawals,
	"MerchantSettlement":                merchantSettlement,
	"Refund":                            refund,
	"RegisterAccount":                   registerAccount,
	"RegisterAccountPayout":             registerAccountPayout,
	"SelectAccount":                     selectAccount,
	"ViewAutomaticSettlementDetailsCSV": settlementReport,
	"Withdraw":                          withdraw,
}

// call is one request, taken apart once.
type call struct {
	refused    bool  // not a POST
	unreadable bool  // the body, so that what follows on the connection is not to be trusted
	fault      error // what is wrong with the envelope
	request    dialect.Request
	merchant   remit.MerchantID // once it is known, …
	settings   remit.Settings   // … with its settings
	name       string           // of the method
	uuid       string
	signature  string
	data       value
	method     method
	denied     *remit.Error // the merchant may not call the method
	alg        algorithm    // in which the request is signed, and will be answered
}

// Read takes a request apart.
func (Dialect) Read(r dialect.Request) dialect.Call {
	if r.Path == checkoutPath {
		return readVisit(r)
	}
	c := &call{request: r, alg: plain}
	if r.Method != http.MethodPost {
		c.refused, c.fault = true, remit.Errorf(remit.Unsupported, remit.ReasonUnknownMethod, "only POST is answered")
		return c
	}
	if r.TooLarge {
		c.unreadable, c.fault = true, remit.Errorf(remit.Invalid, remit.ReasonTooLarge, "the body is too large")
		return c
	}
	v, err := parse(r.Body)
	if err != nil {
		c.unreadable, c.fault = true, remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "%v", err)
		return c
	}
	c.open(v)
	return c
}

// open reads as much of the envelope as there is, so that even the answer to
// a broken one can name the request. docs/spec/trustly-eu.md#21-request.
func (c *call) open(v value) {
	params := v.get("params")
	if m := v.get("method"); m.kind == text {
		c.name = m.text
	}
	if u := params.get("UUID"); u.kind == text {
		c.uuid = u.text
	}
	if s := params.get("Signature"); s.kind == text {
		c.signature = s.text
		c.alg = prefixed(s.text)
	}
	c.data = params.get("Data")
	version, _ := v.get("version").scalar()
	if version != "1.1" || c.name == "" || c.data.kind != object {
		c.fault = remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "version 1.1, method, params and Data are required")
		return
	}
	known := false
	if c.method, known = methods[c.name]; !known {
		c.fault = remit.Errorf(remit.Unsupported, remit.ReasonUnknownMethod, "there is no such method")
	}
}

// errSecret answers an unknown name and a wrong password alike.
var errSecret = remit.Errorf(remit.Unauthenticated, remit.ReasonSecret, "the username or the password is wrong")

// Claim reads the username.
func (c *call) Claim() (dialect.Principal, error) {
	if c.fault != nil {
		return "", c.fault
	}
	name, ok := c.data.get("Username").scalar()
	if !ok || name == "" {
		return "", errSecret
	}
	return dialect.Principal(name), nil
}

// Verify asks the questions about the caller in the provider's order.
// docs/spec/trustly-eu.md#62-order-of-checks.
func (c *call) Verify(who dialect.Caller) error {
	c.merchant, c.settings = who.Merchant, who.Settings
	password, _ := c.data.get("Password").scalar()
	same := who.Secret != nil && who.Secret(secretName, password)
	key := usable(who.PublicKeys)
	switch {
	case !same || !who.Known:
		return errSecret
	case who.Settings.Disabled:
		return remit.Errorf(remit.Forbidden, remit.ReasonDisabled, "the merchant is disabled")
	case !who.Admitted:
		return remit.Errorf(remit.Forbidden, remit.ReasonAddress, "the address is not on the merchant's list")
	case key == nil:
		return remit.Errorf(remit.Unauthenticated, remit.ReasonNoPublicKey, "there is no public key of the merchant to verify with")
	case !verify(key, c.signature, c.name, c.uuid, c.data, c.withNulls()):
		return remit.Errorf(remit.Unauthenticated, remit.ReasonSignature, "the signature does not hold")
	case !who.Settings.MayCall(c.name) || (c.method.hosted && !who.Settings.On(remit.SwitchSandbox)):
		c.denied = remit.Errorf(remit.Forbidden, remit.ReasonFunction, "the merchant may not call this method")
	}
	return nil
}

// withNulls is the data with null for every parameter that was not sent.
func (c *call) withNulls() value {
	v := value{kind: object, members: slices.Clip(c.data.members)}
	for _, name := range c.method.params {
		if !v.has(name) {
			v.members = append(v.members, member{name: name})
		}
	}
	return v
}

// wellFormed is a UUID by its shape alone: neither version nor variant are
// looked at. docs/spec/trustly-eu.md#63-formats.
var wellFormed = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// Decode turns the call into an operation. A merchant who may not call the
// method is told so before anything else, and has used the UUID up: the
// request was his. (D3)
func (c *call) Decode() (dialect.Operation, error) {
	if !wellFormed.MatchString(c.uuid) {
		if c.denied != nil {
			return dialect.Operation{}, c.denied
		}
		return dialect.Operation{}, remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "the UUID is not one")
	}
	op := c.method.decode(c)
	switch {
	case c.denied == nil:
		return op, nil
	case op.Query != nil:
		return dialect.Operation{}, c.denied // a question uses nothing up (D24)
	}
	return c.refuse(c.denied), nil
}

// refuse answers a request that is not looked into any further. Its UUID is
// used up.
func (c *call) refuse(err *remit.Error) dialect.Operation {
	return dialect.Operation{SpendKey: &dialect.SpendKey{SpendKey: remit.SpendKey{Keyed: c.keyed(), Err: err}, Content: c.content()}}
}

// content is what makes the request this one: spacing, order and signature do
// not count. docs/spec/trustly-eu.md#63-formats.
func (c *call) content() []byte { return message(c.name, "", c.data, bytewise) }

// contentType is that of every answer. docs/spec/trustly-eu.md#12-response-side.
const contentType = "application/json; charset=UTF-8"

// Encode answers with status 200 whatever can be said as JSON-RPC, since two
// official clients lose the body of anything else. (D1)
func (c *call) Encode(s dialect.Signer, r remit.Result, err error) dialect.Response {
	if c.refused {
		return dialect.Response{
			Status: http.StatusMethodNotAllowed,
			Header: http.Header{"Allow": {http.MethodPost}, "Content-Type": {"text/plain; charset=utf-8"}},
			Body:   []byte("only POST is answered\n"),
		}
	}
	switch {
	case err != nil:
	case r.Refusal != nil:
		err = r.Refusal
	case c.fault != nil:
		err = c.fault
	}
	alg := c.alg
	if r.Form != "" {
		alg = named(r.Form)
	}
	body, code, failed := c.body(s, alg, r, err)
	res := dialect.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Body: body, Code: code}
	if failed != nil {
		// Without a signature nothing can be said that a client would believe.
		// A 500 tells it to send the same UUID again. (D15)
		p := problemOf(remit.Internal, nil)
		res.Status = http.StatusInternalServerError
		res.Body, res.Code = appendJSON(nil, envelope("error", failure(p, value{}))), p.code
	}
	if c.unreadable {
		// The JavaScript client announces too few bytes for text outside of
		// ASCII: the rest must not be taken for another request.
		// docs/spec/trustly-eu.md#8-traps E6.
		res.Header.Set("Connection", "close")
	}
	return res
}

// body is the answer, signed, and the code of an error.
// docs/spec/trustly-eu.md#2-envelopes.
func (c *call) body(s dialect.Signer, alg algorithm, r remit.Result, err error) (body []byte, code string, _ error) {
	if err == nil {
		data, refused := c.method.answer(c, r)
		if refused == nil {
			signed, err := signed(s, alg, r.KeyVersion, c.name, c.uuid, data)
			return appendJSON(nil, envelope("result", signed)), "", err
		}
		err = refused
	}
	if why, ok := c.rejection(err); ok {
		signed, err := signed(s, alg, r.KeyVersion, c.name, c.uuid, c.method.rejected(why))
		return appendJSON(nil, envelope("result", signed)), why, err
	}
	p := problemOf(err, c.method.words)
	name, uuid := c.echo()
	inner, err := signed(s, alg, r.KeyVersion, name, uuid, value{kind: object, members: []member{
		{"code", value{kind: number, text: p.code}},
		{"message", str(p.name)},
	}})
	return appendJSON(nil, envelope("error", failure(p, inner))), p.code, err
}

// rejection tells whether an error is a result of the method.
func (c *call) rejection(err error) (string, bool) {
	e := remit.AsError(err)
	why, ok := c.method.rejects[fault{e.Code, e.Reason}]
	return why, ok
}

func envelope(what string, v value) value {
	return value{kind: object, members: []member{{"version", str("1.1")}, {what, v}}}
}

func failure(p problem, signed value) value {
	v := value{kind: object, members: []member{
		{"name", str("JSONRPCError")},
		{"code", value{kind: number, text: p.code}},
		{"message", str(p.name)},
	}}
	if signed.kind == object {
		v.members = append(v.members, member{"error", signed})
	}
	return v
}

// signed is the part of an answer that bears the signature.
func signed(s dialect.Signer, alg algorithm, version int64, name, uuid string, data value) (value, error) {
	signature, err := alg.seal(s, version, name, uuid, data)
	return value{kind: object, members: []member{
		{"signature", str(signature)}, {"uuid", orNull(uuid)}, {"method", orNull(name)}, {"data", data},
	}}, err
}

func orNull(s string) value {
	if s == "" {
		return value{}
	}
	return str(s)
}

var (
	methodName = regexp.MustCompile(`^[A-Z][0-9A-Za-z]{0,63}$`)
	uuidLike   = regexp.MustCompile(`^[0-9A-Za-z-]{1,36}$`)
)

// echo is as much of the request's method and UUID as an error may repeat.
// An error is signed for anybody, with the key that signs notifications to
// everybody, over texts without separators: whoever could have us sign a
// method or a UUID of his choice could have us sign a notification. Theirs
// begin with small letters; what we repeat does not. (D7)
func (c *call) echo() (name, uuid string) {
	if methodName.MatchString(c.name) {
		name = c.name
	}
	if wellFormed.MatchString(c.uuid) || (name != "" && uuidLike.MatchString(c.uuid)) {
		uuid = c.uuid
	}
	return name, uuid
}
