package paytrail

import (
	"remit"
	"remit/dialect"
)

// Private is what is hidden of a request before it is kept. The Merchant API's
// proof stands in a header that is not; of the Payments API's the beginning
// stays, since the same bytes may be sent again by whoever reads them.
func (Dialect) Private() dialect.Private {
	return dialect.Private{
		Secrets:    []string{"token", "socialSecurityNumber"},
		Accounts:   []string{"iban", "account", "accountNumber"},
		Personal:   []string{"email", "firstName", "lastName", "name", "payerName", "companyName", "phone", "streetAddress", "postalCode", "city", "county"},
		Signatures: []string{headerSignature},
		Headers: []string{
			headerSignature, headerAccount, headerAlgorithm, headerMethod, headerNonce, headerTimestamp, headerTransaction, "Timestamp", "Content-MD5", "Refund-Origin",
		},
	}
}

// Checks are those of both APIs' calls: each makes them in this order, and not
// all of them. docs/spec/paytrail.md#b2-request-signing-p-doc.
func (Dialect) Checks() []dialect.Check {
	return []dialect.Check{
		{Stage: dialect.StageClaim, Name: "size", Reasons: []remit.Reason{remit.ReasonTooLarge, reasonJSON}},
		{Stage: dialect.StageClaim, Name: "caller named"},
		{Stage: dialect.StageVerify, Name: "signature", Reasons: []remit.Reason{remit.ReasonSignature, reasonSignature}},
		{Stage: dialect.StageVerify, Name: "merchant enabled, address allowed", Reasons: []remit.Reason{remit.ReasonDisabled, reasonInactive}},
		{Stage: dialect.StageVerify, Name: "function allowed", Reasons: []remit.Reason{remit.ReasonFunction, reasonRefundsOff}},
		{Stage: dialect.StageDecode, Name: "path and method", Reasons: []remit.Reason{reasonMethod, reasonPath}},
		{Stage: dialect.StageDecode, Name: "message"},
	}
}
