// Package paytrail speaks both of Paytrail's APIs to merchants: the older
// Merchant API v1 at /merchant/v1, and the Payment API at /payments. They
// share a brand and nothing else: other credentials, ids, signatures and
// errors. Behind them are the same payments, each with one cap. What it must
// do is written down in docs/spec/paytrail.md; where it had to choose, the
// choice has a number in docs/reference/dialects/paytrail-divergences.md.
package paytrail

import (
	"net/http"
	"strings"
	"time"

	"remit"
	"remit/dialect"
)

// Name is the dialect's name.
const Name = "paytrail"

// bodyBytesMax is the largest request that is read, in bytes: room for 500
// rows with descriptions.
const bodyBytesMax = 1 << 20

// currency is that of every payment. docs/spec/paytrail.md#a1-service.
const currency = "EUR"

// Where the two APIs and the payers' pages are.
const (
	merchantPath = "/merchant/v1/"
	paymentsPath = "/payments"
	pagesPath    = "/paytrail/"
)

// Dialect is both of Paytrail's APIs. Its zero value is ready to use.
type Dialect struct{}

var (
	_ dialect.Dialect = Dialect{}
	_ dialect.Teller  = Dialect{}
)

// Name is the dialect's name.
func (Dialect) Name() string { return Name }

// Routes are whole trees, since the answer to what is not there is each API's
// own. docs/spec/paytrail.md#3-choosing-between-a-and-b-on-one-host.
func (Dialect) Routes() []dialect.Route {
	return []dialect.Route{{Path: strings.TrimSuffix(merchantPath, "/")}, {Path: merchantPath}, {Path: paymentsPath}, {Path: paymentsPath + "/"}, {Path: pagesPath}}
}

// BodyBytesMax is the largest request, in bytes.
func (Dialect) BodyBytesMax() int64 { return bodyBytesMax }

// Mine tells a caller of the Payment API by the header that each of its
// requests has, and one of the Merchant API by its scheme.
func (Dialect) Mine(h http.Header) bool {
	return h.Get(headerAccount) != "" || strings.HasPrefix(h.Get("Authorization"), scheme)
}

// Read takes a request apart.
func (Dialect) Read(r dialect.Request) dialect.Call {
	switch {
	case r.Path == paymentsPath || strings.HasPrefix(r.Path, paymentsPath+"/"):
		return readPayments(r)
	case strings.HasPrefix(r.Path, pagesPath):
		return readPage(r)
	}
	return readMerchant(r)
}

// setting is a merchant's own setting of this dialect, by its name.
func setting(s remit.Settings, name string) string { return s.Config[Name+"."+name] }

// The settings that a merchant can be given.
const (
	settingTimestampWindow = "timestamp_window"       // how far a Timestamp may be off: a duration; "" is any
	settingHashCase        = "notification_hash"      // "upper" writes it in capitals
	settingEmailStatus     = "email_refund_status"    // "ok" answers e-mail refunds so instead of "pending"
	settingRefundStamp     = "duplicate_refund_stamp" // "reject" refuses a refundStamp that was used
)

// isoSeconds and isoMillis are the two APIs' times.
const (
	isoSeconds = "2006-01-02T15:04:05-07:00"
	isoMillis  = "2006-01-02T15:04:05.000Z"
)

func seconds(t time.Time) string { return t.UTC().Format(isoSeconds) }
func millis(t time.Time) string  { return t.UTC().Format(isoMillis) }

// Settings are the names of a merchant's settings.
func (Dialect) Settings() dialect.Names {
	n := dialect.Names{Functions: []string{functionMerchantAPI, functionPaymentAPI, functionPayments, functionRefunds}}
	for _, name := range []string{settingTimestampWindow, settingHashCase, settingEmailStatus, settingRefundStamp} {
		n.Config = append(n.Config, Name+"."+name)
	}
	return n
}

// What a merchant can be kept from calling: an API, or some of it.
const (
	functionMerchantAPI = "merchant_api"
	functionPaymentAPI  = "payment_api"
	functionPayments    = "payments"
	functionRefunds     = "refunds"
)
