package paytrail

import (
	"remit"
	"remit/dialect"
)

// decodeStatus asks about one payment. docs/spec/paytrail.md#b7-neighbours.
func decodeStatus(c *paymentsCall) dialect.Operation {
	c.answer = c.status
	return dialect.Operation{Query: &dialect.Query{Payment: remit.Name{Text: c.id}}}
}

// checkoutStatus is a payment's state in the Payment API's words.
func checkoutStatus(s remit.PaymentState) string {
	switch s {
	case remit.PaymentFunded:
		return statusOK
	case remit.PaymentAuthorized:
		return statusPending
	case remit.PaymentOpened:
		return statusNew
	}
	return statusFail
}

// status is one payment. What was refunded of it is not told.
func (c *paymentsCall) status(res remit.Result) any {
	p := *res.Payment
	d := kept[payment](p.Details)
	body := struct {
		TransactionID string `json:"transactionId"`
		Status        string `json:"status"`
		Amount        int64  `json:"amount"`
		Currency      string `json:"currency"`
		Reference     string `json:"reference"`
		Stamp         string `json:"stamp"`
		CreatedAt     string `json:"createdAt"`
		Href          string `json:"href,omitempty"`
		Provider      string `json:"provider,omitempty"`
		PaidAt        string `json:"paidAt,omitempty"`
	}{
		TransactionID: p.ExternalID, Status: checkoutStatus(p.State), Amount: p.Amount.Minor, Currency: string(p.Amount.Currency),
		Reference: d.Reference, Stamp: d.Stamp, CreatedAt: millis(p.Opened), Provider: d.Provider,
	}
	if body.Status == statusNew {
		body.Href = c.href(p)
	}
	if !p.Funded.IsZero() {
		body.PaidAt = millis(p.Funded)
	}
	return body
}
