package trustly

import (
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"remit"
)

// Limits of what a request may say. The provider publishes none. (D19)
const (
	orderIDDigitsMax = 19    // what fits 64 bits, in which two clients keep it (D18)
	textRunesMax     = 255   // of a text, in characters
	urlBytesMax      = 2_048 // of a URL
	uuidRemembered   = 30 * 24 * time.Hour
)

// faults are what is wrong with a call's data, each with the stage at which
// the provider complains of it. docs/spec/trustly-eu.md#62-order-of-checks.
type faults []remit.Fault

func (f *faults) at(s remit.Stage, err *remit.Error) {
	if err != nil {
		*f = append(*f, remit.Fault{Stage: s, Err: err})
	}
}

// first is the fault that is reported of a question, which looks nothing up
// before all of it is right.
func (f faults) first() *remit.Error {
	if len(f) == 0 {
		return nil
	}
	return f[0].Err
}

// keyed binds the answer to the request's UUID. The provider publishes no time
// for how long. (D3)
func (c *call) keyed() remit.Keyed {
	return remit.Keyed{Key: strings.ToLower(c.uuid), Form: c.alg.name, Remember: uuidRemembered, RefusalsBind: true}
}

// digits tells whether a text can be the number of an order or an account.
func digits(s string) bool {
	return len(s) <= orderIDDigitsMax && strings.Trim(s, "0123456789") == ""
}

// number reads the number of an order or an account: absent it is 623, and
// what can be nobody's is 620, once it is looked up.
func (c *call) number(name string, f *faults) string {
	s, given := c.data.get(name).scalar()
	switch {
	case !given || s == "":
		f.at(remit.BeforeLookup, remit.Errorf(remit.Invalid, "", "%s is required", name))
	case !digits(s):
		f.at(remit.AtLookup, remit.Errorf(remit.NotFound, remit.ReasonMalformedID, "%s has digits only", name))
	default:
		return s
	}
	return ""
}

// plainText tells whether a text is short enough and can be printed.
func plainText(s string) bool {
	return utf8.RuneCountInString(s) <= textRunesMax && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// terms are what every method has that begins an order.
type terms struct {
	message string // the merchant's own name of the order
	endUser string // the merchant's own name of who pays or is paid
	notify  string
}

// terms reads them, and says what is wrong in the provider's order: what is
// null before what is malformed. docs/spec/trustly-eu.md#62-order-of-checks.
func (c *call) terms(f *faults) terms {
	endUser, noEndUser, badEndUser := c.called("EndUserID", reasonEndUserNull, reasonEndUser)
	message, noMessage, badMessage := c.called("MessageID", reasonMessageNull, reasonMessage)
	notify := c.data.get("NotificationURL")
	for _, err := range []*remit.Error{noEndUser, noMessage, badMessage, badEndUser, c.callable(notify)} {
		f.at(remit.BeforeLookup, err)
	}
	return terms{message, endUser, notify.text}
}

// endUser reads who pays or is paid, where there is no order.
func (c *call) endUser(f *faults) {
	_, missing, malformed := c.called("EndUserID", reasonEndUserNull, reasonEndUser)
	f.at(remit.BeforeLookup, missing)
	f.at(remit.BeforeLookup, malformed)
}

// called reads a name that the merchant gave, and says that it is missing, or
// what is wrong with it.
func (c *call) called(name string, absent, form remit.Reason) (s string, missing, malformed *remit.Error) {
	v := c.data.get(name)
	s, ok := v.scalar()
	if v.kind == null {
		missing = remit.Errorf(remit.Invalid, absent, "%s is required", name)
	}
	if !ok || s == "" || !plainText(s) {
		malformed = remit.Errorf(remit.Invalid, form, "%s is a text of 1 to %d characters", name, textRunesMax)
	}
	return s, missing, malformed
}

// callable says what is wrong with a NotificationURL. Plain http is for this
// machine, and for a sandbox. docs/spec/trustly-eu.md#63-formats.
func (c *call) callable(v value) *remit.Error {
	u, err := url.Parse(v.text)
	switch {
	case v.kind != text || err != nil || len(v.text) > urlBytesMax || !strings.Contains(v.text, "://"):
	case u.Scheme == "http" && !(c.settings.On(remit.SwitchSandbox) && loopback(u.Hostname())):
		return remit.Errorf(remit.Invalid, reasonNotSecure, "NotificationURL must be https")
	case u.Scheme != "https" && u.Scheme != "http":
	case u.Hostname() == "" || u.ForceQuery || u.RawQuery != "":
	default:
		return nil
	}
	return remit.Errorf(remit.Invalid, reasonNotification, "NotificationURL is an https address without a question mark")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
