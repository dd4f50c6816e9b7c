package paytrail

import (
	"net/http"

	"remit"
)

// The reasons of this dialect alone: the Merchant API's own titles of errors.
// docs/spec/paytrail.md#a44-errors-of-this-call-s.
const (
	reasonSignature        remit.Reason = "invalid-signature"
	reasonAPIName          remit.Reason = "invalid-api-name"
	reasonInactive         remit.Reason = "merchant-inactive"
	reasonRefundsOff       remit.Reason = "refunds-not-enabled"
	reasonJSON             remit.Reason = "invalid-json"
	reasonMethod           remit.Reason = "method-not-allowed"
	reasonPath             remit.Reason = "not-found"
	reasonRows             remit.Reason = "invalid-refund-rows"
	reasonAmount           remit.Reason = "invalid-amount"
	reasonVAT              remit.Reason = "invalid-vat-percent"
	reasonDescription      remit.Reason = "invalid-description"
	reasonNotifyURL        remit.Reason = "invalid-notify-url"
	reasonKey              remit.Reason = "invalid-key"
	reasonNoEmail          remit.Reason = "missing-email"
	reasonEmail            remit.Reason = "invalid-email"
	reasonInterface        remit.Reason = "invalid-interface"
	reasonNonunique        remit.Reason = "nonunique-payment-identifier"
	reasonNoPayment        remit.Reason = "payment-not-found"
	reasonInterfaceType    remit.Reason = "payment-interface-type-does-not-support-refunding"
	reasonPaymentMethod    remit.Reason = "payment-method-does-not-support-refunding"
	reasonPaymentStatus    remit.Reason = "payment-status-does-not-support-refunding"
	reasonRefundToken      remit.Reason = "invalid-refund-token"
	reasonRefundStatus     remit.Reason = "refund-status-does-not-support-cancelling"
	reasonOrderNumber      remit.Reason = "invalid-order-number"
	reasonPaymentID        remit.Reason = "invalid-consumer-payment-id"
	reasonSettlement       remit.Reason = "invalid-settlement-id"
	reasonDateRange        remit.Reason = "invalid-date-range"
	reasonDateFormat       remit.Reason = "invalid-date-format"
	reasonUnavailable      remit.Reason = "service-unavailable"
	reasonPayload          remit.Reason = "payload"           // of the Payment API: what is wrong stands in meta
	reasonProviderRefunds  remit.Reason = "provider-refunds"  // the provider cannot refund as asked
	reasonProviderRefunded remit.Reason = "provider-refunded" // the provider no longer refunds this payment
)

// fault is what a problem is looked up by; a code without a reason stands for
// all of its reasons that have no line of their own.
type fault struct {
	code   remit.Code
	reason remit.Reason
}

// merchantProblem is an error in the words of the Merchant API.
type merchantProblem struct {
	status      int
	title       remit.Reason
	description string // "" is the error's own detail
	workaround  string
}

// merchantProblems is the wire form of every domain error in the Merchant API.
// docs/spec/paytrail.md#a3-general-http-responses-m-acc.
var merchantProblems = map[fault]merchantProblem{
	{remit.Internal, ""}:                  {http.StatusServiceUnavailable, reasonUnavailable, "The refund service cannot be used now", "Try again later"},
	{remit.Invalid, ""}:                   {http.StatusBadRequest, reasonJSON, "", "Send JSON as the documentation shows it"},
	{remit.Invalid, reasonJSON}:           {http.StatusBadRequest, reasonJSON, "", "Send JSON as the documentation shows it"},
	{remit.Invalid, reasonRows}:           {http.StatusBadRequest, reasonRows, "", "Send at least one and at most 500 refund rows"},
	{remit.Invalid, reasonAmount}:         {http.StatusBadRequest, reasonAmount, "", "Give every row a sum in cents, from 1 to 49999999"},
	{remit.Invalid, remit.ReasonAmount}:   {http.StatusBadRequest, reasonAmount, "", "Give every row a sum in cents, from 1 to 49999999"},
	{remit.Invalid, remit.ReasonCurrency}: {http.StatusBadRequest, reasonAmount, "", "Refunds are made in EUR"},
	{remit.Invalid, reasonVAT}:            {http.StatusBadRequest, reasonVAT, "", "Give vatPercent on every row of an order that had product rows, and on no other"},
	{remit.Invalid, reasonDescription}:    {http.StatusBadRequest, reasonDescription, "", "Shorten the description"},
	{remit.Invalid, reasonNotifyURL}:      {http.StatusBadRequest, reasonNotifyURL, "", "Check the notify URL"},
	{remit.Invalid, reasonKey}:            {http.StatusBadRequest, reasonKey, "", "Remove the keys that the documentation does not name"},
	{remit.Invalid, reasonNoEmail}:        {http.StatusBadRequest, reasonNoEmail, "", "Add the customer's email address to the refund"},
	{remit.Invalid, reasonEmail}:          {http.StatusBadRequest, reasonEmail, "", "Check the email address"},
	{remit.Invalid, reasonInterface}:      {http.StatusBadRequest, reasonInterface, "", "Use a newer payment interface, so that later payments can be refunded"},

	{remit.Unauthenticated, ""}:            {http.StatusForbidden, reasonSignature, "", "Check how the signature is calculated, and the merchant secret"},
	{remit.Unauthenticated, reasonAPIName}: {http.StatusForbidden, reasonAPIName, "", "Use PaytrailMerchantAPI as the API name"},
	{remit.Forbidden, ""}:                  {http.StatusForbidden, reasonInactive, "", "Ask customer service to activate the merchant"},
	{remit.Forbidden, reasonRefundsOff}:    {http.StatusForbidden, reasonRefundsOff, "", "Ask customer service to enable refunds"},

	{remit.NotFound, ""}:                     {http.StatusNotFound, reasonNoPayment, "No payment was found with the given identifier", "Check the identifier of the payment"},
	{remit.NotFound, reasonPath}:             {http.StatusNotFound, reasonPath, "", "Check the URL"},
	{remit.NotFound, reasonRefundToken}:      {http.StatusNotFound, reasonRefundToken, "No refund was found with the given token", "Check the refund token"},
	{remit.NotFound, reasonOrderNumber}:      {http.StatusNotFound, reasonOrderNumber, "No payment was found with the given order number", "Check the order number"},
	{remit.NotFound, reasonPaymentID}:        {http.StatusNotFound, reasonPaymentID, "No payment was found with the given payment id", "Check the payment id"},
	{remit.NotFound, reasonSettlement}:       {http.StatusNotFound, reasonSettlement, "", "Check the settlement id"},
	{remit.NotFound, reasonDateRange}:        {http.StatusNotFound, reasonDateRange, "", "Ask for at most two months, and not backwards"},
	{remit.NotFound, reasonDateFormat}:       {http.StatusNotFound, reasonDateFormat, "", "Write dates as YYYY-MM-DD"},
	{remit.Conflict, ""}:                     {http.StatusMethodNotAllowed, reasonPaymentStatus, "The payment is in a state that does not allow a refund", "Refund payments that were completed"},
	{remit.Conflict, remit.ReasonTerminal}:   {http.StatusMethodNotAllowed, reasonRefundStatus, "The refund can no longer be cancelled", "A refund can be cancelled before it is sent"},
	{remit.Conflict, remit.ReasonAmbiguous}:  {http.StatusBadRequest, reasonNonunique, "Several payments have the same order number", "Use unique order numbers, or the payment id"},
	{remit.Conflict, remit.ReasonDuplicate}:  {http.StatusMethodNotAllowed, reasonPaymentStatus, "An equal refund was made a moment ago", "Wait, or ask for another sum"},
	{remit.Unsupported, ""}:                  {http.StatusMethodNotAllowed, reasonPaymentMethod, "", "Refund it in another way"},
	{remit.Unsupported, reasonMethod}:        {http.StatusMethodNotAllowed, reasonMethod, "", "Use one of the methods in the header Allow"},
	{remit.Unsupported, reasonInterfaceType}: {http.StatusMethodNotAllowed, reasonInterfaceType, "", "Refund it where the payment was made"},
	{remit.Unsupported, reasonRefundStatus}:  {http.StatusMethodNotAllowed, reasonRefundStatus, "", "A refund to a card cannot be cancelled"},

	{remit.Exceeds, ""}:                  {http.StatusBadRequest, reasonAmount, "The payment has less than this left to refund", "Refund no more than is left of the payment, and of each VAT percent"},
	{remit.Exceeds, remit.ReasonPortion}: {http.StatusBadRequest, reasonAmount, "The payment has less than this left to refund under a VAT percent", "Refund no more than is left of each VAT percent"},
	{remit.KeyReused, ""}:                {http.StatusBadRequest, reasonKey, "The refund was asked for before", "Ask for each refund once"},      // cannot arise: this API has no keys
	{remit.InsufficientFunds, ""}:        {http.StatusMethodNotAllowed, reasonPaymentStatus, "The balance is too low", "Wait for more payments"}, // cannot arise: it fails later
	{remit.InFlight, ""}:                 {http.StatusServiceUnavailable, reasonUnavailable, "The refund service cannot be used now", "Try again later"},
	{remit.RateLimited, ""}:              {http.StatusServiceUnavailable, reasonUnavailable, "The refund service cannot be used now", "Try again later"},
	{remit.Unavailable, ""}:              {http.StatusServiceUnavailable, reasonUnavailable, "", "Try again later"},
}

// paymentProblem is an error in the words of the Payment API.
type paymentProblem struct {
	status  int
	message string // "" is the error's own detail
}

// paymentProblems is the wire form of every domain error in the Payment API.
// docs/spec/paytrail.md#b41-decision-table-assumption-where-unmarked.
var paymentProblems = map[fault]paymentProblem{
	{remit.Internal, ""}:                 {http.StatusInternalServerError, "Internal error"},
	{remit.Invalid, ""}:                  {http.StatusBadRequest, ""},
	{remit.Invalid, reasonPayload}:       {http.StatusBadRequest, "Invalid payload"},
	{remit.Unauthenticated, ""}:          {http.StatusUnauthorized, "Signature mismatch"},
	{remit.Forbidden, ""}:                {http.StatusUnauthorized, "The merchant has no access to this feature"},
	{remit.NotFound, ""}:                 {http.StatusNotFound, "Transaction not found"},
	{remit.NotFound, reasonPath}:         {http.StatusNotFound, "Not found"},
	{remit.Conflict, ""}:                 {http.StatusBadRequest, ""},
	{remit.KeyReused, ""}:                {http.StatusBadRequest, "refundStamp has been used"},
	{remit.InFlight, ""}:                 {http.StatusBadRequest, ""}, // cannot arise: nothing is answered so
	{remit.Exceeds, ""}:                  {http.StatusBadRequest, ""},
	{remit.Exceeds, remit.ReasonPortion}: {http.StatusBadRequest, "An item is unknown, or has less than this left to refund"},
	{remit.InsufficientFunds, ""}:        {http.StatusBadRequest, ""}, // cannot arise: it fails later
	{remit.Unsupported, ""}:              {http.StatusUnprocessableEntity, ""},
	{remit.Unsupported, reasonMethod}:    {http.StatusMethodNotAllowed, "Method not allowed"},
	{remit.RateLimited, ""}:              {http.StatusTooManyRequests, "Too many requests"},
	{remit.Unavailable, ""}:              {http.StatusServiceUnavailable, "Service unavailable"},
}

// problemOf looks an error up: by its reason, else by its code alone.
func problemOf[P any](table map[fault]P, e *remit.Error) P {
	if p, ok := table[fault{e.Code, e.Reason}]; ok {
		return p
	}
	return table[fault{e.Code, ""}]
}

func merchantProblemOf(e *remit.Error) merchantProblem { return problemOf(merchantProblems, e) }
func paymentProblemOf(e *remit.Error) paymentProblem   { return problemOf(paymentProblems, e) }
