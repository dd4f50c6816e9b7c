package truelayer

import (
	"cmp"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/dialect"
)

// scopePayments is what every call of this API needs; scopes are all that can
// be had. The last is an older product's, for which the Rust SDK's tests ask
// too. docs/spec/truelayer.md#2-authentication-post-connecttoken.
const scopePayments = "payments"

var scopes = []string{scopePayments, "recurring_payments:sweeping", "recurring_payments:commercial", "signupplus", "paydirect"}

// token is what a bearer shows. It is signed by us, and holds all that is
// asked of it: no store is read beyond what is known of every caller. It ends
// with the secrets under which it was made.
type token struct {
	client   string
	issued   string // of those secrets: see dialect.Caller
	scopes   []string
	resource string // the payment that it is for; "" is an access token
	expires  time.Time
}

// Purposes of marks.
const (
	markAccess   = "access token"
	markResource = "resource token"
)

func (t token) write(key []byte) string {
	end := strconv.FormatInt(t.expires.Unix(), 10)
	if t.resource != "" {
		return dialect.Mark(key, markResource, t.client, t.resource, end, t.issued)
	}
	return dialect.Mark(key, markAccess, t.client, strings.Join(t.scopes, " "), end, t.issued)
}

func readToken(key []byte, text string) (t token, ok bool) {
	parts, access := dialect.ReadMark(key, markAccess, text)
	if !access {
		parts, _ = dialect.ReadMark(key, markResource, text)
	}
	if len(parts) != 4 {
		return t, false
	}
	if access {
		t.scopes = strings.Fields(parts[1])
	} else {
		t.resource = parts[1]
	}
	end, err := strconv.ParseInt(parts[2], 10, 64)
	t.client, t.expires, t.issued = parts[0], time.Unix(end, 0), parts[3]
	return t, err == nil
}

// claimSecret reads who asks, and what for. Both encodings are in use.
// docs/spec/truelayer.md#2-authentication-post-connecttoken, 2.1.
func (c *call) claimSecret() (dialect.Principal, error) {
	form, err := c.tokenForm()
	if err != nil {
		return "", err
	}
	c.client, c.secret, c.grant = form.Get("client_id"), form.Get("client_secret"), form.Get("grant_type")
	c.token.scopes = strings.Fields(form.Get("scope"))
	if c.client == "" {
		return "", remit.Errorf(remit.Invalid, "", "client_id is required")
	}
	return dialect.Principal(c.client), nil
}

// tokenForm reads the members of a request for a token. One that is no text is
// an error: a scope that cannot be read must not pass for none, which is all.
func (c *call) tokenForm() (url.Values, error) {
	if media, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); media == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(c.r.Body))
		if err != nil {
			return nil, remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "the form cannot be read")
		}
		return form, nil
	}
	o, form := c.readBody(), url.Values{}
	for _, name := range []string{"client_id", "client_secret", "grant_type", "scope"} {
		form.Set(name, o.text(name))
	}
	return form, o.first()
}

// verifySecret answers an unknown client and a wrong secret alike.
func (c *call) verifySecret(who dialect.Caller) error {
	same := who.Secret != nil && who.Secret(secretName, c.secret)
	switch {
	case !same || !who.Known:
		return remit.Errorf(remit.Unauthenticated, remit.ReasonSecret, "the client_id or the client_secret is wrong")
	case who.Settings.Disabled:
		return remit.Errorf(remit.Forbidden, remit.ReasonDisabled, "the client is disabled")
	case !who.Admitted:
		return remit.Errorf(remit.Forbidden, remit.ReasonAddress, "the client may not call from this address")
	}
	return nil
}

// decodeToken checks what is asked for. Who names no scope gets all of them.
// docs/spec/truelayer.md#2-authentication-post-connecttoken, 2.1.
func decodeToken(c *call) (dialect.Operation, error) {
	if c.grant != "client_credentials" {
		return dialect.Operation{}, remit.Errorf(remit.Invalid, reasonGrant, "only client_credentials is granted")
	}
	if len(c.token.scopes) == 0 {
		c.token.scopes = scopes
	}
	for _, s := range c.token.scopes {
		if !slices.Contains(scopes, s) {
			return dialect.Operation{}, remit.Errorf(remit.Invalid, reasonScope, "there is no scope of that name")
		}
	}
	return dialect.Operation{}, nil
}

// answerToken hands out a token. docs/spec/truelayer.md#2-authentication-post-connecttoken, 2.2.
func answerToken(c *call, _ dialect.Signer, _ remit.Result) dialect.Response {
	c.token.client, c.token.issued, c.token.expires = c.client, c.who.Issued, c.r.At.Add(tokenLife)
	return c.json(http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		TokenType   string `json:"token_type"`
		Scope       string `json:"scope"`
	}{c.token.write(c.r.Key), int(tokenLife / time.Second), "Bearer", strings.Join(c.token.scopes, " ")})
}

// oauth are the words of RFC 6749 for errors of the token call.
// docs/spec/truelayer.md#2-authentication-post-connecttoken, 2.3.
var oauth = map[fault]string{
	{remit.Invalid, reasonGrant}: "unsupported_grant_type",
	{remit.Invalid, reasonScope}: "invalid_scope",
	{remit.Unauthenticated, ""}:  "invalid_client",
	{remit.Forbidden, ""}:        "unauthorized_client",
	{remit.Internal, ""}:         "server_error",
	{remit.RateLimited, ""}:      "temporarily_unavailable",
	{remit.Unavailable, ""}:      "temporarily_unavailable",
}

// refuseToken answers in the older form of errors.
func refuseToken(c *call, e *remit.Error) dialect.Response {
	word := cmp.Or(oauth[fault{e.Code, e.Reason}], oauth[fault{e.Code, ""}], "invalid_request")
	status := http.StatusBadRequest
	if p := problemOf(e); p.status >= http.StatusTooManyRequests || p.status == http.StatusMethodNotAllowed {
		status = p.status
	}
	res := c.json(status, map[string]string{"error": word})
	res.Code = word
	if status == http.StatusMethodNotAllowed {
		res.Header.Set("Allow", c.allow)
	}
	return res
}
