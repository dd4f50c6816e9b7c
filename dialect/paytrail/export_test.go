package paytrail

import "remit/dialect"

// SignMerchant puts a merchant's proof into a request to the Merchant API.
func SignMerchant(r *dialect.Request, merchant, secret string) {
	r.Header.Set("Content-MD5", contentMD5(r.Body))
	r.Header.Set("Authorization", scheme+" "+merchant+":")
	r.Header.Set("Authorization", scheme+" "+merchant+":"+merchantSignature(secret, r.Method, r.Path, readAuthorization(r.Header)))
}

// SignPayment puts a merchant's proof into a request to the Payment API.
func SignPayment(r *dialect.Request, secret string) {
	r.Header.Set(headerSignature, signedHeaders(r.Header).sign(secret, r.Body))
}
