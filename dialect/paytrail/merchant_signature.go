package paytrail

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"remit"
	"remit/dialect"
)

// scheme is what a request to the Merchant API is authorized by.
// docs/spec/paytrail.md#a2-authentication-m-accmsdkex-paytrailexamples.
const scheme = "PaytrailMerchantAPI"

// authorization is the proof of a request to the Merchant API.
type authorization struct {
	scheme, merchant, signature string
	timestamp, md5              string // as they were sent: they are signed so
}

// readAuthorization takes the headers apart. White space behind the colon is
// let through: a published sample has it.
func readAuthorization(h http.Header) authorization {
	word, rest, _ := strings.Cut(strings.TrimSpace(h.Get("Authorization")), " ")
	merchant, signature, _ := strings.Cut(strings.TrimSpace(rest), ":")
	return authorization{
		scheme: word, merchant: merchant, signature: strings.TrimSpace(signature),
		timestamp: h.Get("Timestamp"), md5: h.Get("Content-MD5"),
	}
}

// merchantSignature signs five lines. The location is the path with its
// query, without a host.
func merchantSignature(secret, method, location string, a authorization) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{method, location, scheme + " " + a.merchant, a.timestamp, a.md5}, "\n")))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// contentMD5 is that of the bytes of a body, as they came.
func contentMD5(body []byte) string {
	sum := md5.Sum(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// holds tells whether the proof is that of the request. Where it is not, the
// location is tried once more without its percent signs: the PHP library signs
// an order number as it is, and then encodes it.
// docs/spec/paytrail.md#a11-traps-in-part-a, 5.
func (a authorization) holds(r dialect.Request, secret string) bool {
	location := r.Path
	if r.Query != "" {
		location += "?" + r.Query
	}
	same := hmac.Equal([]byte(a.md5), []byte(contentMD5(r.Body)))
	signed := hmac.Equal([]byte(a.signature), []byte(merchantSignature(secret, r.Method, location, a)))
	if plain, err := url.PathUnescape(location); !signed && err == nil && plain != location {
		signed = hmac.Equal([]byte(a.signature), []byte(merchantSignature(secret, r.Method, plain, a)))
	}
	return same && signed && secret != "" && a.timestamp != ""
}

// fresh holds the timestamp against a window, where the merchant has set one.
// The provider documents none. (D2)
func (a authorization) fresh(at time.Time, s remit.Settings) bool {
	window := setting(s, settingTimestampWindow)
	if window == "" {
		return true
	}
	most, err := time.ParseDuration(window)
	if err != nil {
		return false
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, a.timestamp); err == nil {
			return at.Sub(t).Abs() <= most
		}
	}
	return false
}
