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
		{Stage: dialect.StageClaim, Name: "access id given"},
		{Stage: dialect.StageVerify, Name: "access id and key", Reasons: []remit.Reason{remit.ReasonSecret}},
		{Stage: dialect.StageVerify, Name: "merchant enabled", Reasons: []remit.Reason{remit.ReasonDisabled}},
		{Stage: dialect.StageVerify, Name: "address allowed", Reasons: []remit.Reason{remit.ReasonAddress}},
		{Stage: dialect.StageVerify, Name: "endpoint allowed", Reasons: []remit.Reason{remit.ReasonFunction}},
		{Stage: dialect.StageDecode, Name: "endpoint", Reasons: []remit.Reason{remit.ReasonUnknownMethod}},
		{Stage: dialect.StageDecode, Name: "body", Reasons: []remit.Reason{remit.ReasonTooLarge, remit.ReasonEnvelope}},
		{Stage: dialect.StageDecode, Name: "form of each value"},
	}
}
