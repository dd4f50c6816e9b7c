package paytrail

import (
	"strings"
	"testing"

	"remit/dialect"
	"remit/dialect/dialecttest"
)

// The provider's public demo credentials.
const (
	demoMerchant       = "13466"
	demoMerchantSecret = "6pKF4jkv97zmqBJ3ZL8gUw5DfT2NMQ"
	demoAccount        = "375917"
	demoAccountSecret  = "SAIPPUAKAUPPIAS"
)

func bench() dialecttest.Bench {
	return dialecttest.Bench{
		Dialect: Dialect{},
		Credentials: dialect.Credentials{
			Principal: principalMerchant + demoMerchant, Also: []dialect.Principal{principalAccount + demoAccount},
			Shared: map[string]string{sharedMerchant: demoMerchantSecret, sharedPayment: demoAccountSecret},
		},
		Prove: prove,
	}
}

// prove puts the merchant's proof where a request's headers ask for it: {md5}
// and {signed}.
func prove(_ testing.TB, r *dialect.Request) {
	r.Origin = "https://remit.example"
	h := r.Header
	if h.Get("Content-MD5") == "{md5}" {
		h.Set("Content-MD5", contentMD5(r.Body))
	}
	if h.Get(headerSignature) == "{signed}" {
		h.Set(headerSignature, signedHeaders(h).sign(demoAccountSecret, r.Body))
	}
	if proof := h.Get("Authorization"); strings.HasSuffix(proof, "{signed}") {
		location := r.Path
		if r.Query != "" {
			location += "?" + r.Query
		}
		h.Set("Authorization", strings.TrimSuffix(proof, "{signed}")+merchantSignature(demoMerchantSecret, r.Method, location, readAuthorization(h)))
	}
}

func TestGolden(t *testing.T) { dialecttest.Golden(t, bench()) }
func TestKept(t *testing.T)   { dialecttest.Kept(t, bench()) }

// samples are one request of each kind.
func samples() []dialect.Request {
	return []dialect.Request{
		{Method: "POST", Path: "/merchant/v1/payments/103118840027/refunds", Body: []byte(`{"rows":[{"amount":1}]}`)},
		{Method: "GET", Path: "/merchant/v1/nothing"},
		{Method: "POST", Path: "/payments/0f6c1e52-3a7d-4b0e-9c1f-7d2a8e5b4c10/refund", Body: []byte(`{"amount":1}`)},
		{Method: "GET", Path: "/paytrail/pay/nothing"},
	}
}

func TestTotal(t *testing.T) {
	for _, r := range samples() {
		dialecttest.Total(t, bench(), r)
	}
}
