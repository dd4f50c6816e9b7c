package trustly

import "remit"

// problem is an error in the provider's words.
type problem struct {
	code string // its number
	name string
}

// Reasons of refusals that only this API tells apart.
const (
	reasonEndUserNull  remit.Reason = "end_user_null"
	reasonMessageNull  remit.Reason = "message_null"
	reasonMessage      remit.Reason = "message_malformed"
	reasonEndUser      remit.Reason = "end_user_malformed"
	reasonNotification remit.Reason = "notification_url"
	reasonNotSecure    remit.Reason = "notification_url_not_secure"
	reasonAttribute    remit.Reason = "attribute"
	reasonBankAccount  remit.Reason = "bank_account"
	reasonMandate      remit.Reason = "mandate"
	reasonEmail        remit.Reason = "email"
	reasonLocale       remit.Reason = "locale"
	reasonIP           remit.Reason = "ip"
	reasonSuccessURL   remit.Reason = "success_url"
	reasonFailURL      remit.Reason = "fail_url"
	reasonTemplateURL  remit.Reason = "template_url"
	reasonTarget       remit.Reason = "url_target"
	reasonCountry      remit.Reason = "country"
)

// fault is what a problem is looked up by; a code without a reason stands for
// all of its reasons that have no line of their own.
type fault struct {
	code   remit.Code
	reason remit.Reason
}

// problems is the wire form of every domain error.
// docs/spec/trustly-eu.md#61-error-codes-all-methods.
var problems = map[fault]problem{
	{remit.Internal, ""}:                             {"620", "ERROR_UNKNOWN"},
	{remit.Invalid, ""}:                              {"623", "ERROR_INVALID_PARAMETERS"},
	{remit.Invalid, remit.ReasonAmount}:              {"615", "ERROR_INVALID_AMOUNT"},
	{remit.Invalid, remit.ReasonCurrency}:            {"622", "ERROR_INVALID_CURRENCY_CODE"},
	{remit.Invalid, reasonBankAccount}:               {"624", "ERROR_INVALID_BANK_ACCOUNT_NUMBER"},
	{remit.Invalid, reasonEmail}:                     {"642", "ERROR_INVALID_EMAIL"},
	{remit.Invalid, reasonLocale}:                    {"645", "ERROR_INVALID_LOCALE"},
	{remit.Invalid, reasonIP}:                        {"698", "ERROR_INVALID_IP"},
	{remit.Invalid, reasonSuccessURL}:                {"700", "ERROR_MALFORMED_SUCCESSURL"},
	{remit.Invalid, reasonFailURL}:                   {"701", "ERROR_MALFORMED_FAILURL"},
	{remit.Invalid, reasonTemplateURL}:               {"702", "ERROR_MALFORMED_TEMPLATEURL"},
	{remit.Invalid, reasonTarget}:                    {"703", "ERROR_MALFORMED_URLTARGET"},
	{remit.Invalid, reasonCountry}:                   {"737", "ERROR_INVALID_COUNTRY"},
	{remit.Invalid, reasonEndUserNull}:               {"696", "ERROR_ENDUSERID_IS_NULL"},
	{remit.Invalid, reasonMessageNull}:               {"697", "ERROR_MESSAGEID_IS_NULL"},
	{remit.Invalid, reasonMessage}:                   {"704", "ERROR_MALFORMED_MESSAGEID"},
	{remit.Invalid, reasonNotification}:              {"705", "ERROR_MALFORMED_NOTIFICATIONURL"},
	{remit.Invalid, reasonEndUser}:                   {"706", "ERROR_MALFORMED_ENDUSERID"},
	{remit.Invalid, reasonAttribute}:                 {"717", "ERROR_INVALID_ORDER_ATTRIBUTE"},
	{remit.Invalid, reasonNotSecure}:                 {"734", "ERROR_NOT_SECURE_NOTIFICATIONURL"},
	{remit.Unauthenticated, ""}:                      {"616", "ERROR_INVALID_CREDENTIALS"},
	{remit.Unauthenticated, remit.ReasonSignature}:   {"636", "ERROR_UNABLE_TO_VERIFY_RSA_SIGNATURE"},
	{remit.Unauthenticated, remit.ReasonNoPublicKey}: {"639", "ERROR_NO_PUBLIC_KEY"},
	{remit.Forbidden, ""}:                            {"602", "ERROR_FUNCTION_ACCESS_DENIED"},
	{remit.Forbidden, remit.ReasonAddress}:           {"607", "ERROR_HOST_ACCESS_DENIED"},
	{remit.Forbidden, remit.ReasonDisabled}:          {"718", "ERROR_DISABLED_USER"},
	{remit.Forbidden, remit.ReasonEndUser}:           {"638", "ERROR_ENDUSER_IS_BLOCKED"},
	{remit.NotFound, ""}:                             {"655", "ERROR_INVALID_ORDER_ID"},
	{remit.NotFound, remit.ReasonMalformedID}:        {"620", "ERROR_UNKNOWN"},
	{remit.NotFound, remit.ReasonBeneficiary}:        {"624", "ERROR_INVALID_BANK_ACCOUNT_NUMBER"},
	{remit.Conflict, ""}:                             {"620", "ERROR_UNKNOWN"},
	{remit.Conflict, remit.ReasonPaymentFailed}:      {"671", "ERROR_DEPOSIT_NOT_CAPTURED_OR_SETTLED"},
	{remit.Conflict, remit.ReasonNotFunded}:          {"671", "ERROR_DEPOSIT_NOT_CAPTURED_OR_SETTLED"}, // D5
	{remit.Conflict, remit.ReasonSingleRefund}:       {"672", "ERROR_MULTIPLE_REFUND_ATTEMPT"},
	{remit.Conflict, remit.ReasonRefundWaiting}:      {"716", "ERROR_REFUND_PENDING"},
	{remit.KeyReused, ""}:                            {"688", "ERROR_DUPLICATE_UUID"},
	{remit.KeyReused, remit.ReasonOrderReference}:    {"637", "ERROR_DUPLICATE_MESSAGE_ID"},
	{remit.InFlight, ""}:                             {"620", "ERROR_UNKNOWN"},
	{remit.Exceeds, ""}:                              {"670", "ERROR_REFUND_EXCEED_DEPOSIT_VOLUME"},
	{remit.Exceeds, remit.ReasonRefundedWhole}:       {"604", "ERROR_DUPLICATE_BANK_WITHDRAWAL"}, // D4
	{remit.InsufficientFunds, ""}:                    {"603", "ERROR_INSUFFICIENT_FUNDS"},
	{remit.Unsupported, ""}:                          {"601", "ERROR_INVALID_FUNCTION"}, // D6
	{remit.RateLimited, ""}:                          {"620", "ERROR_UNKNOWN"},
	{remit.Unavailable, ""}:                          {"620", "ERROR_UNKNOWN"},
}

// problemOf puts any error into the provider's words: those of the method,
// where it has others.
func problemOf(err error, words map[fault]problem) problem {
	e := remit.AsError(err)
	for _, f := range []fault{{e.Code, e.Reason}, {e.Code, ""}} {
		if p, ok := words[f]; ok {
			return p
		}
		if p, ok := problems[f]; ok {
			return p
		}
	}
	return problems[fault{remit.Internal, ""}]
}
