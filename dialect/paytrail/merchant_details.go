package paytrail

import (
	"time"

	"remit"
	"remit/dialect"
)

// The states of a refund in the Merchant API. Clients ignore others: there are
// none. docs/spec/paytrail.md#a8-status-notifications-m-not.
const (
	refundCreated   = "created"
	refundCompleted = "completed"
	refundCancelled = "cancelled"
)

// refundStatus is a disbursement's state in the Merchant API's words.
func refundStatus(s remit.State) string {
	switch s {
	case remit.Settled:
		return refundCompleted
	case remit.Failed, remit.Canceled, remit.Returned:
		return refundCancelled
	}
	return refundCreated
}

// refundDetails is one refund. docs/spec/paytrail.md#a6-refund-details-m-det.
type refundDetails struct {
	ID             string       `json:"id"`
	CreatedAt      string       `json:"createdAt"`
	Status         string       `json:"status"`
	PaymentID      string       `json:"paymentId"`
	UpdatedAt      string       `json:"updatedAt"`
	OriginalAmount int64        `json:"originalAmount"` // below zero
	SettledAmount  int64        `json:"settledAmount"`  // with the fee
	MerchantFees   merchantFees `json:"merchantFees"`
	Currency       string       `json:"currency"`
	SettlementID   *string      `json:"settlementId"`
}

type merchantFees struct {
	Transaction int64 `json:"transactionFee"`
}

func detailsOf(d remit.Disbursement, p remit.Payment, at time.Time) refundDetails {
	return refundDetails{
		ID: d.ExternalID, CreatedAt: seconds(d.Created), Status: refundStatus(d.State), PaymentID: named(p, scopePayment),
		UpdatedAt: seconds(d.Updated), OriginalAmount: -d.Amount.Minor, SettledAmount: -d.Amount.Minor,
		Currency: string(d.Amount.Currency), SettlementID: settlementOf(d.Settled, at),
	}
}

func decodeRefundDetails(c *merchantCall) (dialect.Operation, error) {
	if c.piece == "" {
		return dialect.Operation{}, remit.Errorf(remit.NotFound, "", "no refund is named")
	}
	return dialect.Operation{Query: &dialect.Query{Disbursement: c.piece}}, nil
}

func answerRefundDetails(c *merchantCall, res remit.Result) (any, error) {
	return detailsOf(*res.Disbursement, *res.Payment, c.r.At), nil
}

// decodeRefundCancel calls a refund back, unless it goes to a card.
// docs/spec/paytrail.md#a7-cancel-refund-m-can.
func decodeRefundCancel(c *merchantCall) (dialect.Operation, error) {
	if c.piece == "" {
		return dialect.Operation{}, remit.Errorf(remit.NotFound, "", "no refund is named")
	}
	return dialect.Operation{Cancel: &remit.Cancel{
		Disbursed: c.piece, Reason: remit.ReasonAborted,
		Judge: func(_ remit.Disbursement, p *remit.Payment) *remit.Error {
			if p != nil && providerOf(kept[payment](p.Details).Provider).card {
				return remit.Errorf(remit.Unsupported, reasonRefundStatus, "a refund to a card cannot be cancelled")
			}
			return nil
		},
	}}, nil
}

// paymentSummary is one payment of a list.
// docs/spec/paytrail.md#get-merchantv1paymentsorder_numberx-m-ordmsdk.
type paymentSummary struct {
	ID              string `json:"id"`
	ReferenceNumber string `json:"referenceNumber"`
	OrderNumber     string `json:"orderNumber"`
	CreatedAt       string `json:"createdAt"`
	Status          string `json:"status"`
	PaymentMethodID int    `json:"paymentMethodId"`
}

// paymentStatus is a payment's state in the Merchant API's words.
func paymentStatus(s remit.PaymentState) string {
	switch s {
	case remit.PaymentFunded, remit.PaymentReversed:
		return "paid"
	case remit.PaymentAuthorized:
		return "waiting acceptance"
	case remit.PaymentFailed, remit.PaymentCanceled:
		return "cancelled"
	}
	return "waiting payment"
}

func summary(p remit.Payment) paymentSummary {
	d := kept[payment](p.Details)
	return paymentSummary{
		ID: named(p, scopePayment), ReferenceNumber: d.Reference, OrderNumber: named(p, scopeOrder),
		CreatedAt: seconds(p.Opened), Status: paymentStatus(p.State), PaymentMethodID: providerOf(d.Provider).number,
	}
}

func decodePaymentsByOrder(c *merchantCall) (dialect.Operation, error) {
	number := query(c.r.Query).Get("order_number")
	if number == "" {
		return dialect.Operation{}, remit.Errorf(remit.NotFound, reasonOrderNumber, "no order number is given")
	}
	return dialect.Operation{Query: &dialect.Query{Payment: remit.Name{Scope: scopeOrder, Text: number}}}, nil
}

func answerPaymentsByOrder(_ *merchantCall, res remit.Result) (any, error) {
	list := []paymentSummary{}
	for _, p := range res.Payments {
		list = append(list, summary(p))
	}
	return list, nil
}

// paymentDetails is one payment with its refunds.
// docs/spec/paytrail.md#get-merchantv1paymentsid-m-pay.
type paymentDetails struct {
	paymentSummary
	PayerName    string          `json:"payerName,omitempty"` // of banks alone
	Amounts      amounts         `json:"amounts"`
	ConsumerFees consumerFees    `json:"consumerFees"`
	MerchantFees paymentFees     `json:"merchantFees"`
	Provider     string          `json:"paymentServiceProvider"`
	ServiceType  string          `json:"paymentServiceType"`
	SettlementID *string         `json:"settlementId"`
	Refunds      []refundDetails `json:"refunds"`
}

type (
	amounts struct {
		Original int64  `json:"original"`
		Charged  int64  `json:"charged"`
		Settled  int64  `json:"settled"`
		Currency string `json:"currency"`
	}
	consumerFees struct {
		PaymentMethod int64  `json:"paymentMethod"`
		Currency      string `json:"currency"`
	}
	paymentFees struct {
		Transaction int64  `json:"transaction"`
		Provision   int64  `json:"provision"`
		Currency    string `json:"currency"`
	}
)

func decodePaymentDetails(c *merchantCall) (dialect.Operation, error) {
	if c.piece == "" {
		return dialect.Operation{}, remit.Errorf(remit.NotFound, "", "no payment is named")
	}
	return dialect.Operation{Query: &dialect.Query{Payment: remit.Name{Scope: scopePayment, Text: c.piece}, Refunds: true, Accounts: true}}, nil
}

func answerPaymentDetails(c *merchantCall, res remit.Result) (any, error) {
	p := *res.Payment
	d, unit := kept[payment](p.Details), string(p.Amount.Currency)
	body := paymentDetails{
		paymentSummary: summary(p), Amounts: amounts{Original: p.Amount.Minor, Charged: p.Amount.Minor, Currency: unit},
		ConsumerFees: consumerFees{Currency: unit}, MerchantFees: paymentFees{Currency: unit},
		Provider: "Paytrail", ServiceType: "collecting", SettlementID: settlementOf(p.Funded, c.r.At), Refunds: []refundDetails{},
	}
	if d.Interface == interfaceThirdParty {
		body.ServiceType = "direct"
	}
	if providerOf(d.Provider).group == "bank" {
		body.PayerName = res.Accounts[p.PayerName]
	}
	if body.SettlementID != nil {
		body.Amounts.Settled = p.Amount.Minor
	}
	for _, x := range res.Disbursements {
		body.Refunds = append(body.Refunds, detailsOf(x, p, c.r.At))
	}
	return body, nil
}
