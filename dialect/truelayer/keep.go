package truelayer

import (
	"remit"
	"remit/dialect"
)

// Private is what is hidden of a request before it is kept.
func (Dialect) Private() dialect.Private {
	return dialect.Private{
		Secrets:  []string{"client_secret", "access_token", "refresh_token", "resource_token", "code", "inputs", "date_of_birth"},
		Accounts: []string{"iban", "bban", "nrb", "account_number", "sort_code"},
		Personal: []string{"name", "account_holder_name", "remitter_name", "email", "phone", "address"},
		Headers:  []string{headerSignature, "Tl-Agent"},
	}
}

// Checks are those of a call's methods, in their order.
// docs/spec/truelayer.md#3-request-signing-tl-signature, 3.8.
func (Dialect) Checks() []dialect.Check {
	return []dialect.Check{
		{Stage: dialect.StageClaim, Name: "size", Reasons: []remit.Reason{remit.ReasonTooLarge}},
		{Stage: dialect.StageClaim, Name: "endpoint", Reasons: []remit.Reason{reasonNothing, reasonMethod}},
		{Stage: dialect.StageClaim, Name: "access token, or for one the client id"},
		{Stage: dialect.StageVerify, Name: "whose the token is, or the client secret", Reasons: []remit.Reason{reasonToken, remit.ReasonSecret}},
		{Stage: dialect.StageVerify, Name: "client enabled", Reasons: []remit.Reason{remit.ReasonDisabled}},
		{Stage: dialect.StageVerify, Name: "address allowed", Reasons: []remit.Reason{remit.ReasonAddress}},
		{Stage: dialect.StageVerify, Name: "scope", Reasons: []remit.Reason{reasonScope}},
		{Stage: dialect.StageVerify, Name: "signature, where the endpoint wants one", Reasons: []remit.Reason{remit.ReasonSignature, remit.ReasonNoPublicKey}},
		{Stage: dialect.StageDecode, Name: "Idempotency-Key, where the endpoint wants one, and body"},
	}
}
