package trustlyus

import (
	"remit"
	"remit/dialect"
)

// Private is what is hidden of a request before it is kept. The proof stands in
// a header that is not.
func (Dialect) Private() dialect.Private {
	return dialect.Private{
		Secrets:    []string{"accessKey", "token", "splitToken", "taxId", "ssn", "dateOfBirth", "driverLicense"},
		Accounts:   []string{"accountNumber", "routingNumber", "iban"},
		Personal:   []string{"name", "nameOnAccount", "firstName", "lastName", "email", "phone", "ip", "ipAddress", "address"},
		Signatures: []string{"requestSignature"},
	}
}

// Checks are those of a call's methods, in their order.
func (Dialect) Checks() []dialect.Check {
	return []dialect.Check{
		{Stage: dialect.StageClaim, Name: "that there is an access id"},
		{Stage: dialect.StageVerify, Name: "the access id and its key", Reasons: []remit.Reason{remit.ReasonSecret}},
		{Stage: dialect.StageVerify, Name: "that the merchant is enabled", Reasons: []remit.Reason{remit.ReasonDisabled}},
		{Stage: dialect.StageVerify, Name: "the address", Reasons: []remit.Reason{remit.ReasonAddress}},
		{Stage: dialect.StageVerify, Name: "that the endpoint may be called", Reasons: []remit.Reason{remit.ReasonFunction}},
		{Stage: dialect.StageDecode, Name: "the endpoint", Reasons: []remit.Reason{remit.ReasonUnknownMethod}},
		{Stage: dialect.StageDecode, Name: "the body", Reasons: []remit.Reason{remit.ReasonTooLarge, remit.ReasonEnvelope}},
		{Stage: dialect.StageDecode, Name: "the form of each value"},
	}
}
