package paytrail

import (
	"net/http"
	"net/url"
	"testing"

	"remit/dialect"
)

// TestPublishedRequestsOfTheMerchantAPIAreBelieved verifies the worked
// requests of docs/spec/paytrail.md#a21-test-vectors-secret-6pkf4jkv97zmqbj3zl8guw5dft2nmq-merchant-13466-the-public-demo-credentials-m-cred,
// and none of them once a byte is another.
func TestPublishedRequestsOfTheMerchantAPIAreBelieved(t *testing.T) {
	const none = "1B2M2Y8AsgTpgAmY7PhCfg=="
	for name, v := range map[string]struct{ method, path, query, timestamp, body, md5, signature string }{
		"V1": {"POST", "/merchant/v1/payments/102402728626/refunds", "", "2020-05-01T12:00:00+0300",
			`{"rows":[{"amount":1000,"description":"Test Product","vatPercent":2400}],"email":"customer@email.com","notifyUrl":"https:\/\/url.to.shop\/apiNotification\/"}`,
			"nYDNvmvsxI4ZxJL8OghRTw==", "tc51Vrg3HuLvwE1v0vul95Ux2hIE+COC3kT4EohrqTI="},
		"V2": {"POST", "/merchant/v1/payments/103118840027/refunds", "", "2026-03-02T09:15:30+02:00",
			`{"rows":[{"amount":1250,"description":"Blue mug","vatPercent":2550},{"amount":499,"description":"Postage","vatPercent":2550}],"email":"maija@example.net","notifyUrl":"https://shop.example.net/hooks/paytrail"}`,
			"zxXL5cWfZulC9GqcnLPmqQ==", "DY5fcwWZ127Ba/SChC957ys+8dTwZ439gHiONTckYvs="},
		"V3": {"POST", "/merchant/v1/payments/WEB-20417/refunds", "", "2026-03-02T09:19:00+02:00", `{"rows":[{"amount":1000}]}`,
			"lk4gTbkmg4gzixBsiJxL1w==", "4r54iptmYCq7zT/UMDTL4UJ/aX2meslgZpuJKrJqAF8="},
		"V4": {"GET", "/merchant/v1/refunds/Q7mZ2kT9xLw4VbN8sRyH3pJcE6dGfA1uYtKo", "", "2026-03-02T09:16:00+02:00", "", none,
			"pJxL415c7ho/AonKif/+0+VxYXX1IGwCQ+ZNDZ652PM="},
		"V5": {"DELETE", "/merchant/v1/refunds/Q7mZ2kT9xLw4VbN8sRyH3pJcE6dGfA1uYtKo", "", "2026-03-02T09:17:00+02:00", "", none,
			"Fcew+Xnrr8alqY8fmv5cyB4GMUZ6JlbcMQk6NrVtNSM="},
		"V6": {"GET", "/merchant/v1/payments", "order_number=WEB-20417", "2026-03-02T09:18:00+02:00", "", none,
			"uceLDf2TAhOR/pcRkdg5Jur0iGuo/N1QG4OukAueRmU="},
	} {
		request := func(space string) dialect.Request {
			return dialect.Request{Method: v.method, Path: v.path, Query: v.query, Body: []byte(v.body), Header: http.Header{
				"Timestamp": {v.timestamp}, "Content-Md5": {v.md5}, "Authorization": {scheme + " " + demoMerchant + ":" + space + v.signature},
			}}
		}
		holds := func(r dialect.Request) bool { return readAuthorization(r.Header).holds(r, demoMerchantSecret) }
		if !holds(request("")) || !holds(request(" ")) {
			t.Errorf("%s is not believed", name)
		}
		for what, change := range map[string]func(*dialect.Request){
			"method":    func(r *dialect.Request) { r.Method = "PUT" },
			"path":      func(r *dialect.Request) { r.Path += "x" },
			"query":     func(r *dialect.Request) { r.Query += "x=1" },
			"timestamp": func(r *dialect.Request) { r.Header.Set("Timestamp", "2026-03-02T07:15:30Z") },
			"body":      func(r *dialect.Request) { r.Body = append(r.Body, ' ') },
			"merchant":  func(r *dialect.Request) { r.Header.Set("Authorization", scheme+" 13467:"+v.signature) },
			"signature": func(r *dialect.Request) {
				r.Header.Set("Authorization", scheme+" "+demoMerchant+":"+v.signature[1:]+"A")
			},
		} {
			r := request("")
			if change(&r); holds(r) {
				t.Errorf("%s is believed with another %s", name, what)
			}
		}
	}
}

// TestAnOrderNumberMayBeSignedAsItIs: the PHP library signs it, and encodes it
// afterwards. docs/spec/paytrail.md#a11-traps-in-part-a, 5.
func TestAnOrderNumberMayBeSignedAsItIs(t *testing.T) {
	a := authorization{scheme: scheme, merchant: demoMerchant, timestamp: "2026-03-02T09:18:00+02:00", md5: contentMD5(nil)}
	a.signature = merchantSignature(demoMerchantSecret, "GET", "/merchant/v1/payments?order_number=Tilaus 7ä", a)
	r := dialect.Request{Method: "GET", Path: "/merchant/v1/payments", Query: "order_number=Tilaus%207%C3%A4"}
	if !a.holds(r, demoMerchantSecret) {
		t.Error("it is not believed")
	}
}

// TestStatusNotificationsAreHashedAsPublished makes the two worked hashes.
func TestStatusNotificationsAreHashedAsPublished(t *testing.T) {
	for to, want := range map[string]string{
		refundCompleted: "b713b561ff833a30896a34b0bdc96d0f3eccb2f879681f000cb24549d2ffee2e",
		refundCancelled: "7f67763a175d1aacc4559b6bbb2067769ee971e15dbcea8e6e96f3e84a56e0db",
	} {
		s := statusChange{Token: "Q7mZ2kT9xLw4VbN8sRyH3pJcE6dGfA1uYtKo", Old: refundCreated, New: to}
		if got := s.hash(demoMerchantSecret); got != want {
			t.Errorf("created -> %s: %s", to, got)
		}
	}
}

const (
	createBody = `{"stamp":"unique-identifier-for-merchant","reference":"3759170","amount":1525,"currency":"EUR","language":"FI","items":[{"unitPrice":1525,"units":1,"vatPercentage":25.5,"productCode":"#1234","deliveryDate":"2018-09-01"}],"customer":{"email":"test.customer@example.com"},"redirectUrls":{"success":"https://ecom.example.com/cart/success","cancel":"https://ecom.example.com/cart/cancel"}}`
	refundBody = `{"amount":590,"email":"maija@example.net","refundStamp":"rf-2026-000431","refundReference":"RMA-88","callbackUrls":{"success":"https://shop.example.net/pt/refund/ok","cancel":"https://shop.example.net/pt/refund/ko"}}`
)

// TestSignaturesOfThePaymentAPIAreThePublishedOnes makes the worked signatures
// of docs/spec/paytrail.md#b21-vectors-calc: of requests and of answers.
func TestSignaturesOfThePaymentAPIAreThePublishedOnes(t *testing.T) {
	base := func(algorithm, method, nonce, timestamp, id string) fields {
		f := fields{headerAccount: demoAccount, headerAlgorithm: algorithm, headerMethod: method, headerNonce: nonce, headerTimestamp: timestamp}
		f.some(headerTransaction, id)
		return f
	}
	const id, nonce = "0f6c1e52-3a7d-4b0e-9c1f-7d2a8e5b4c10", "9d8c7b6a-5f4e-4d3c-8b2a-1f0e9d8c7b6a"
	refund := func(algorithm string) fields {
		return base(algorithm, "POST", "5c1f2f64-2f0d-4a3b-9f57-0a6b8f9e1d22", "2026-03-02T07:15:30.123Z", id)
	}
	js := base("sha256", "GET", "123456", "2018-07-05T11:19:25.950Z", "")
	answer := base("sha256", "POST", nonce, "2026-03-02T07:15:30.321Z", id)
	for name, v := range map[string]struct {
		f          fields
		body, want string
	}{
		"C1":        {base("sha256", "POST", "564635208570151", "2018-07-06T10:01:31.904Z", ""), createBody, "9a4a7735279de4c99268e4566a5526ae887e73e6e58f2918cb2309ccac366129"},
		"C2":        {base("sha256", "GET", "87ac41e1-e6e6-4789-b8e0-c83930cfc447", "2019-11-01T08:48:50.832Z", "681538c4-fc84-11e9-83bc-2ffcef4c3453"), "", "4d84e3aedaa847b23e672ff3bc9c57ae5d1c1e84aec251ce39914eaf250bb8b2"},
		"C3":        {js, "", "e2070810cb0d8795534cf0c2b983a3dee0858990cd073869ce23437c59f98776"},
		"C3 body":   {js, `{"data":"test"}`, "73b1e55ebcf42dab90507f7dd53cddb7d2076ebcc61f67f27c9b9f4c94471a67"},
		"C4":        {refund("sha256"), refundBody, "e687c247d0fcb306485607f812eca925b6d4c8e2e8a6c312d9a086f1e99e8843"},
		"C4 sha512": {refund("sha512"), refundBody, "c95763d48f00cf8d49997afc7a3921a70d42c85ffeb61117fd4ed5fe77d8c81d2c3a749978bcc50ed5e820c8c3446cf1c6f822c8360a5baa3de94de5949b09a6"},
		"C5":        {base("sha256", "GET", "n-1", "2026-03-02T07:20:00.000Z", id), "", "19b839b3dd22dcfc26d853be19d3d42cf7ae6dafd4a82eb3d94da4a7f2893add"},
		"C6":        {answer, `{"transactionId":"b8a3f9d0-61c4-4e7b-8f25-2c9d7e1a0b34","provider":"osuuspankki","status":"ok"}`, "6effdd9252f0a868495bc77493fda6b18466ccf35e70c853f9310aa911a94d45"},
		"C7":        {answer, `{"status":"error","message":"Invalid payload","meta":["amount must be a positive integer"]}`, "5751d4be5c2050b4d9a7d91d219d7c396bae1b70bc83f7d57cab5a4cce80dccd"},
	} {
		if got := v.f.sign(demoAccountSecret, []byte(v.body)); got != v.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestCallbacksAreSignedAsPublished makes the worked callbacks, and reads them
// back as a merchant does. docs/spec/paytrail.md#b6-callbacks-p-doc.
func TestCallbacksAreSignedAsPublished(t *testing.T) {
	refund := fields{
		headerAccount: demoAccount, headerAlgorithm: "sha256", "checkout-amount": "590", "checkout-stamp": "rf-2026-000431",
		"checkout-reference": "RMA-88", "checkout-status": "ok", "checkout-provider": "osuuspankki",
		headerTransaction: "b8a3f9d0-61c4-4e7b-8f25-2c9d7e1a0b34",
	}
	failed := fields{}
	for name, value := range refund {
		failed[name] = value
	}
	failed["checkout-status"] = "fail"
	delete(failed, headerTransaction)
	for name, v := range map[string]struct {
		f    fields
		want string
	}{
		"C8": {refund, "38740d035df62fb2856949759965ad883a65d3edce96e52c84650f9bf327f4a1"},
		"C9": {failed, "1e2c2abc8b1bf11d2afbd8f11bcd6f2f8d81187896727ab8c9c3d7db9a8f2bd1"},
		"C10": {fields{
			headerAccount: demoAccount, headerAlgorithm: "sha256", "checkout-amount": "2964", "checkout-stamp": "15336332710015",
			"checkout-reference": "192387192837195", headerTransaction: "4b300af6-9a22-11e8-9184-abb6de7fd2d0",
			"checkout-status": "ok", "checkout-provider": "nordea",
		}, "b2d3ecdda2c04563a4638fcade3d4e77dfdc58829b429ad2c2cb422d0fc64080"},
	} {
		u, err := url.Parse(v.f.signedURL("https://shop.example/ok?order=7", demoAccountSecret))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get("signature") != v.want || q.Get("order") != "7" {
			t.Errorf("%s: %s", name, u)
		}
		if !signedQuery(q).holds(q.Get("signature"), demoAccountSecret, nil) {
			t.Errorf("%s is not believed by who reads it", name)
		}
	}
}
