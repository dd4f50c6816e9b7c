package trustlyus

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the provider's default, in an HMAC
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"strings"
)

// Names of the algorithms, as a signature's prefix has them.
const (
	hmacSHA1   = "HmacSHA1"
	hmacSHA512 = "HmacSHA512"
)

// sign makes a signature. The default algorithm is written without its name.
// docs/spec/trustly-us.md#74-notification-signature-d-nsig.
func sign(key, message, algorithm string) string {
	if algorithm == hmacSHA512 {
		return hmacSHA512 + ":" + mac(sha512.New, key, message)
	}
	return mac(sha1.New, key, message)
}

func mac(h func() hash.Hash, key, message string) string {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(message))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// signedBy tells whether a signature is the key's, in the algorithm that it
// names.
func signedBy(key, signature, message string) bool {
	algorithm, rest, named := strings.Cut(signature, ":")
	switch {
	case !named:
		return hmac.Equal([]byte(signature), []byte(sign(key, message, hmacSHA1)))
	case algorithm == hmacSHA1:
		return hmac.Equal([]byte(rest), []byte(sign(key, message, hmacSHA1)))
	}
	return hmac.Equal([]byte(signature), []byte(sign(key, message, algorithm)))
}

// signedNames are the fields that an establishing request signs, in their
// order. docs/spec/trustly-us.md#8-request-signature-for-establish-data-d-rsignestint.
var signedNames = []string{
	"accessId", "merchantId", "description", "currency", "amount", "displayAmount", "minimumBalance", "merchantReference",
	"paymentType", "timeZone",
	"recurrence.startDate", "recurrence.endDate", "recurrence.frequency", "recurrence.frequencyUnit",
	"recurrence.frequencyUnitType", "recurrence.recurringAmount", "recurrence.automaticCapture",
	"verification.status", "verification.verifyCustomer",
	"customer.customerId", "customer.externalId", "customer.name", "customer.vip", "customer.taxId",
	"customer.driverLicense.number", "customer.driverLicense.state",
	"customer.address.address1", "customer.address.address2", "customer.address.city", "customer.address.state",
	"customer.address.zip", "customer.address.country",
	"customer.phone", "customer.email", "customer.balance", "customer.currency", "customer.enrollDate",
	"customer.externalTier", "customer.dateOfBirth",
	"account.nameOnAccount", "account.name", "account.type", "account.profile", "account.accountNumber",
	"account.routingNumber", "transactionId", "onlinePPSubtype",
}

// youngNames are those that a client in use does not know of.
var youngNames = map[string]bool{"customer.externalTier": true, "customer.dateOfBirth": true, "onlinePPSubtype": true}

// signable are the readings of "which fields are signed", by who reads so: the
// documents, the vendor's sample, and a client in use.
var signable = []func(name string, v field) bool{
	func(_ string, v field) bool { return !v.odd },
	func(_ string, v field) bool { return !v.odd && !v.falsy },
	func(name string, v field) bool { return !v.odd && !v.null && !youngNames[name] },
}

// requestText is what a request signs, in one of those readings.
func requestText(f fields, signs func(string, field) bool) string {
	var parts []string
	for _, name := range signedNames {
		v, ok := f[name]
		if !ok || !signs(name, v) {
			continue
		}
		if v.null {
			v.text = "null"
		}
		parts = append(parts, name+"="+v.text)
	}
	return strings.Join(parts, "&")
}

// requestSigned tells whether the request's signature holds, in any reading.
func requestSigned(key string, f fields) bool {
	for _, signs := range signable {
		if signedBy(key, f.text("requestSignature"), requestText(f, signs)) {
			return true
		}
	}
	return false
}
