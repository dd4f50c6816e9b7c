package paytrail

import (
	"encoding/json"
	"strconv"
	"time"

	"remit"
	"remit/dialect"
)

// Limits of a refund. docs/spec/paytrail.md#b4-post-paymentstransactionidrefund-p-docp-yaml.
const (
	textRunesMax     = 200 // of stamps and references, in characters
	callbackBytesMax = 3_000
	itemMinorMax     = 99_999_998 // cents
	totalMinorMax    = 99_999_999
	itemsMax         = 10_000
)

// Limits of some providers. docs/spec/paytrail.md#b43-provider-limits-p-prov.
const refundedWithin = 13 * 7 * 24 * time.Hour

// stampRemembered is how long a refundStamp is refused, where the merchant
// wants that.
const stampRemembered = 400 * 24 * time.Hour

func itoa(n int) string { return strconv.Itoa(n) }

// decodeRefund gives back all or part of a payment.
func decodeRefund(c *paymentsCall) dialect.Operation { return c.refund(false) }

// decodeEmailRefund is the older way, in which the customer names an account
// by mail. Where the provider can refund by itself, that is what happens.
// docs/spec/paytrail.md#b5-post-paymentstransactionidrefundemail-deprecated-p-docp-yaml.
func decodeEmailRefund(c *paymentsCall) dialect.Operation { return c.refund(true) }

func (c *paymentsCall) refund(byMail bool) dialect.Operation {
	m := c.body()
	d := disbursement{
		Origin: c.r.Origin, Account: c.signed[headerAccount], Algorithm: c.signed[headerAlgorithm],
		Email: readText(m["email"]).is,
		Stamp: c.short(m["refundStamp"], "refundStamp", textRunesMax), Reference: c.short(m["refundReference"], "refundReference", textRunesMax),
		Callbacks: c.urls(m["callbackUrls"], "callbackUrls", true),
	}
	c.complain(d.Email != "" && !address(d.Email), "email is an address")
	c.complain(byMail && d.Email == "", "email is required")
	r := remit.Refund{
		Naming: remit.UUID, Payment: remit.Name{Text: c.id}, Reference: d.Reference, Shielded: true,
		WhenUnfunded: remit.Refuse, WhenShort: remit.FailLater, WhenNowhere: remit.FailLater,
		Portions: c.items(m["items"]), Details: keep(d), Judge: c.judge(d.Email),
	}
	if d.Email != "" {
		r.WhenNowhere = remit.Wait
	}
	r.Amount.Minor = c.total(m["amount"], r.Portions)
	r.Faults = c.faults()
	if d.Stamp != "" && setting(c.who.Settings, settingRefundStamp) == "reject" {
		// No two requests are the same: the second under a stamp is refused.
		r.Keyed = remit.Keyed{Key: "refundStamp/" + d.Stamp, Remember: stampRemembered}
	}
	c.answer = func(res remit.Result) any { return c.refunded(res, byMail) }
	return dialect.Operation{Refund: &dialect.Refund{Refund: r, Content: []byte(c.r.Trace)}}
}

// total is what is asked for: the amount, or what the items add up to. A
// client in use writes 0 for an amount that it does not give.
// docs/spec/paytrail.md#b9-traps-in-part-b, 16.
func (c *paymentsCall) total(v json.RawMessage, items []remit.Portion) (minor int64) {
	sum := int64(0)
	for _, i := range items {
		sum += i.Minor
	}
	absent := v == nil || isNull(v) || string(v) == "0"
	if absent && len(items) > 0 {
		return sum
	}
	minor = readWhole(v)
	c.complain(minor < 1 || minor > totalMinorMax, "amount must be a positive integer")
	c.complain(len(items) > 0 && minor != sum, "amount and items do not agree")
	return minor
}

// items are the shares of the items that are given back; none is the same as
// no items.
func (c *paymentsCall) items(v json.RawMessage) (all []remit.Portion) {
	if v == nil || isNull(v) {
		return nil
	}
	var list []struct {
		Amount json.RawMessage `json:"amount"`
		Stamp  json.RawMessage `json:"stamp"`
	}
	if json.Unmarshal(v, &list) != nil || len(list) > itemsMax {
		c.complain(true, "items is a list of objects")
		return nil
	}
	for _, i := range list {
		amount, stamp := readWhole(i.Amount), c.short(i.Stamp, "items.stamp", textRunesMax)
		c.complain(amount < 1 || amount > itemMinorMax, "items.amount must be a positive integer")
		c.complain(stamp == "", "items.stamp is required")
		all = share(all, portionItem+stamp, amount)
	}
	return all
}

// judge says what keeps the payment from being refunded so.
// docs/spec/paytrail.md#b41-decision-table-assumption-where-unmarked.
func (c *paymentsCall) judge(email string) func(remit.Payment) *remit.Error {
	at := c.r.At
	return func(p remit.Payment) *remit.Error {
		by := providerOf(kept[payment](p.Details).Provider)
		if err := refundable(p); err != nil {
			return err
		}
		switch {
		case by.mailOnly && email == "":
			return remit.Errorf(remit.Unsupported, reasonProviderRefunds, "the provider refunds by email only, and no email was given")
		case by.single && p.RefundsLive > 0:
			return remit.Errorf(remit.Conflict, reasonProviderRefunded, "the provider refunds a payment once")
		case by.single && at.Sub(p.Funded) > refundedWithin:
			return remit.Errorf(remit.Conflict, reasonProviderRefunded, "the payment is too old for the provider to refund it")
		}
		return nil
	}
}

// The states of a refund, and of a payment, in the Payment API.
const (
	statusOK      = "ok"
	statusPending = "pending"
	statusFail    = "fail"
	statusNew     = "new"
)

// refunded is the answer: the refund's own id. What fails later is told by
// the callback alone.
func (c *paymentsCall) refunded(res remit.Result, byMail bool) any {
	by := providerOf(kept[payment](res.Payment.Details).Provider)
	status := statusOK
	switch {
	case byMail && setting(c.who.Settings, settingEmailStatus) != statusOK:
		status = statusPending
	case by.mailOnly || res.Disbursement.State == remit.Waiting:
		status = statusPending
	}
	return struct {
		TransactionID string `json:"transactionId"`
		Provider      string `json:"provider"`
		Status        string `json:"status"`
	}{res.Disbursement.ExternalID, by.id, status}
}
