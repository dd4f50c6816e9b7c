package trustlyus

import (
	"net/url"
	"strings"
	"testing"

	"remit"
	"remit/dialect"
)

// published is the string of vector R1, and the key that signed it.
// docs/spec/trustly-us.md#8-request-signature-for-establish-data-d-rsignestint.
const (
	publishedKey = "123456"
	published    = `accessId=1234&merchantId=1234&description=text&currency=USD&amount=1.00&displayAmount=1.00&merchantReference=ref123&paymentType=Recurring&recurrence.frequencyUnit=1&recurrence.frequencyUnitType=3&recurrence.recurringAmount=1.00&customer.externalId=1234&customer.name=John Doe&customer.taxId=123-45-6789&customer.driverLicense.number=1010&customer.driverLicense.state=CA&customer.address.address1=123 Main St&customer.address.city=San Francisco&customer.address.state=CA&customer.address.zip=94111&customer.address.country=US&customer.phone=123-456-7890&customer.email=john@ca.us&customer.enrollDate=1234567890&customer.dateOfBirth=1990-01-01&account.type=1`
)

// TestRequestSignatures are the vectors R1 and R2. The first is the body of
// the vendor's own test, which leaves out what is falsy.
func TestRequestSignatures(t *testing.T) {
	body := `{"merchantReference":"ref123","accessId":"1234","amount":"1.00","cancelUrl":"","currency":"USD","description":"text","displayAmount":"1.00",
"merchantId":"1234","paymentType":"Recurring","metadata":{"urlScheme":""},"returnUrl":"","transactionId":"","localUrl":"mySite",
"recurrence":{"automaticCapture":false,"frequencyUnit":1,"frequencyUnitType":3,"recurringAmount":"1.00"},
"verification":{"verifyCustomer":false,"status":0},
"customer":{"address":{"address1":"123 Main St","city":"San Francisco","country":"US","state":"CA","zip":"94111"},"dateOfBirth":"1990-01-01",
"driverLicense":{"number":"1010","state":"CA"},"email":"john@ca.us","enrollDate":1234567890,"externalId":"1234","name":"John Doe","phone":"123-456-7890",
"taxId":"123-45-6789","createdAt":0,"customerId":"","updatedAt":0},
"account":{"accountNumber":"","routingNumber":"","type":1,"country":"","name":"","nameOnAccount":"","profile":0}}`
	vendors := signable[1]
	f, err := jsonFields([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if got := requestText(f, vendors); got != published {
		t.Errorf("signed over %q", got)
	}
	for text, want := range map[string]string{
		published: "HrGQpg/NsPXmh+P9u37R121Rot0=",
		strings.Replace(published, "displayAmount=1.00&", "", 1): "L/tBy40/WKaWNH0dcdp9j09cMqs=",
	} {
		if got := sign(publishedKey, text, hmacSHA1); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	const own = `accessId=Zq4WmT8bLr2Xk6VnHs9C&merchantId=110000042&description=Order 20417&currency=USD&amount=25.00&merchantReference=WEB-20417&paymentType=Deferred&customer.externalId=cust-77&customer.name=Ada Smith`
	for algorithm, want := range map[string]string{
		hmacSHA1:   "U9FfzDly/vxkhkF72d9Kk3ihwUQ=",
		hmacSHA512: "HmacSHA512:SQ/drYBWOYdxGK0C8ijl3uTArYSiolq6hmXBQethKQDvyKm0XzB4BCx8RY96k4lNaOJMzYfu+yVduHahSj6O/Q==",
	} {
		if got := sign(testKey, own, algorithm); got != want {
			t.Errorf("%s: got %s, want %s", algorithm, got, want)
		}
		if !signedBy(testKey, want, own) || signedBy(testKey, want, own+"&") || signedBy(testKey+"x", want, own) {
			t.Errorf("%s: the wrong signatures hold", algorithm)
		}
	}
	if !signedBy(testKey, "HmacSHA1:U9FfzDly/vxkhkF72d9Kk3ihwUQ=", own) || signedBy(testKey, "HmacMD5:U9FfzDly/vxkhkF72d9Kk3ihwUQ=", own) {
		t.Error("an algorithm's name does not count")
	}
}

// TestASignatureHoldsInEachReading signs one request as the documents say, as
// the vendor's sample does and as a client in use does: each holds, and a
// fourth reading does not.
func TestASignatureHoldsInEachReading(t *testing.T) {
	f := fields{
		"accessId": {text: "a"}, "description": {falsy: true}, "amount": {text: "0", falsy: true}, "timeZone": {null: true, falsy: true},
		"customer.dateOfBirth": {text: "1990-01-01"}, "customer.name": {odd: true},
	}
	for text, want := range map[string]bool{
		"accessId=a&description=&amount=0&timeZone=null&customer.dateOfBirth=1990-01-01": true,
		"accessId=a&customer.dateOfBirth=1990-01-01":                                     true,
		"accessId=a&description=&amount=0":                                               true,
		"accessId=a&amount=0&customer.dateOfBirth=1990-01-01":                            false,
	} {
		f["requestSignature"] = field{text: sign(testKey, text, hmacSHA1)}
		if got := requestSigned(testKey, f); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestEventSignatures are the vectors N1 and N2: over the decoded body, with
// blanks as %20. docs/spec/trustly-us.md#74-notification-signature-d-nsig.
func TestEventSignatures(t *testing.T) {
	for message, want := range map[string]string{
		"": "8dTFZZxmnyVqPbIZ8LllSs6ro8o=", "two words": "JoPCSiPN633lKnV6kr5t8KTJl4M=",
	} {
		body := encode([][2]string{
			{"merchantId", "110000042"}, {"merchantReference", "RF-20417-1"}, {"paymentType", "2"}, {"transactionType", "4"},
			{"eventId", "1003300219"}, {"eventType", "Complete"}, {"objectId", "1003300187"}, {"objectType", "Transaction"},
			{"message", message}, {"parentObjectId", "1003299950"}, {"timeZone", "Etc/UTC"}, {"createdAt", "1772442930123"}, {"accessId", testID},
			{"paymentProviderTransaction.status", "AC118"}, {"paymentProviderTransaction.statusMessage", "AC118"},
			{"status", "4"}, {"statusMessage", "Completed"},
		})
		if strings.Contains(body, "+") || !strings.Contains(body, "timeZone=Etc%2FUTC") {
			t.Errorf("sent as %s", body)
		}
		if got := authorize(testID, testKey, body, ""); got != basic(testID, want) {
			t.Errorf("%q: got %s", message, got)
		}
		// A receiver that reads a plus as a blank sees the same text.
		if text, err := url.QueryUnescape(body); err != nil || !signedBy(testKey, want, text) {
			t.Errorf("%q does not hold: %v", text, err)
		}
	}
	const header = "Basic WnE0V21UOGJMcjJYazZWbkhzOUM6OGRURlpaeG1ueVZxUGJJWjhMbGxTczZybzhvPQ=="
	if got := basic(testID, "8dTFZZxmnyVqPbIZ8LllSs6ro8o="); got != header {
		t.Errorf("got %s", got)
	}
}

// TestCredentialsOfTheSpecification is the vector A1.
// docs/spec/trustly-us.md#2-authentication-of-api-calls.
func TestCredentialsOfTheSpecification(t *testing.T) {
	const header = "Basic WnE0V21UOGJMcjJYazZWbkhzOUM6azdQejN2UTlzWXcyWGJONHRSbTg="
	if got := basic(testID, testKey); got != header {
		t.Errorf("got %s", got)
	}
	if id, key := credentials(header); id != testID || key != testKey {
		t.Errorf("got %s, %s", id, key)
	}
}

// TestRedirectSignature is the vector D1, over the whole URL.
// docs/spec/trustly-us.md#81-redirect-signature-returnurl--cancelurl-d-redir.
func TestRedirectSignature(t *testing.T) {
	const before = "https://shop.example.net/trustly/return?transactionId=1003299950&transactionType=1&merchantReference=WEB-20417&status=2&payment.paymentType=2&payment.paymentProvider.type=1&payment.account.verified=true&panel=1"
	var opened remit.Payment
	opened.ExternalID, opened.OrderReference, opened.State = "1003299950", "WEB-20417", remit.PaymentAuthorized
	opened.Authorized = start
	opened.Details = details{Type: typeAuthorize, PaymentType: paymentDeferred, ReturnURL: "https://shop.example.net/trustly/return"}.text()
	v := visit{who: dialect.Caller{Shared: map[string]string{accessKey: testKey}}}
	got := v.back(shop{}.ofPayment(opened))
	if want := before + "&requestSignature=" + escape("1s9g4J8CXuaewVQ2/kXyS677mGw="); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
