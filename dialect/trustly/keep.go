package trustly

import (
	"remit"
	"remit/dialect"
)

// Private is what is hidden of a request before it is kept. The signature is
// made over the password. docs/spec/trustly-eu.md#21-request.
func (Dialect) Private() dialect.Private {
	return dialect.Private{
		Secrets:    []string{"Password", "DateOfBirth", "NationalIdentificationNumber"},
		Accounts:   []string{"AccountNumber", "BankNumber", "IBAN"},
		Personal:   []string{"Firstname", "Lastname", "Name", "Email", "MobilePhone", "Phone", "IP", "Address", "AddressLine1", "AddressLine2", "AddressCity", "AddressPostalCode"},
		Signatures: []string{"Signature"},
	}
}

// Checks are those of a call's methods, in their order.
// docs/spec/trustly-eu.md#62-order-of-checks.
func (Dialect) Checks() []dialect.Check {
	return []dialect.Check{
		{Stage: dialect.StageClaim, Name: "envelope", Reasons: []remit.Reason{remit.ReasonTooLarge, remit.ReasonEnvelope}},
		{Stage: dialect.StageClaim, Name: "method", Reasons: []remit.Reason{remit.ReasonUnknownMethod}},
		{Stage: dialect.StageClaim, Name: "username given"},
		{Stage: dialect.StageVerify, Name: "username and password", Reasons: []remit.Reason{remit.ReasonSecret}},
		{Stage: dialect.StageVerify, Name: "merchant enabled", Reasons: []remit.Reason{remit.ReasonDisabled}},
		{Stage: dialect.StageVerify, Name: "address allowed", Reasons: []remit.Reason{remit.ReasonAddress}},
		{Stage: dialect.StageVerify, Name: "public key known", Reasons: []remit.Reason{remit.ReasonNoPublicKey}},
		{Stage: dialect.StageVerify, Name: "signature", Reasons: []remit.Reason{remit.ReasonSignature}},
		{Stage: dialect.StageDecode, Name: "method allowed", Reasons: []remit.Reason{remit.ReasonFunction}},
		{Stage: dialect.StageDecode, Name: "UUID"},
	}
}
