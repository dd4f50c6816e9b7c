package trustlyus

import (
	"cmp"
	"time"

	"remit"
)

// transaction is one, as every answer shows it.
// docs/spec/trustly-us.md#4-transaction-object.
type transaction struct {
	TransactionID     string          `json:"transactionId"`
	Original          string          `json:"originalTransactionId,omitempty"`
	Type              int             `json:"transactionType"`
	Payment           payment         `json:"payment"`
	Currency          string          `json:"currency"`
	Amount            string          `json:"amount"`
	Pending           string          `json:"pending"`
	Paid              string          `json:"paid"`
	Refunded          string          `json:"refunded"`
	Reversed          string          `json:"reversed"`
	Balance           string          `json:"balance"`
	Provider          providerMessage `json:"paymentProviderTransaction"`
	Status            int             `json:"status"`
	StatusMessage     string          `json:"statusMessage"`
	StatusCode        string          `json:"statusCode"`
	IP                string          `json:"ip"`
	CreatedAt         int64           `json:"createdAt"`
	ProcessedAt       int64           `json:"processedAt,omitempty"`
	CompletedAt       int64           `json:"completedAt,omitempty"`
	UpdatedAt         int64           `json:"updatedAt"`
	ExpiredAt         int64           `json:"expiredAt,omitempty"`
	PPTrxID           string          `json:"ppTrxId"`
	MerchantReference string          `json:"merchantReference"`
	RecordVersion     int64           `json:"recordVersion"`
	TimeZone          string          `json:"timeZone"`
	PreAuthorized     bool            `json:"preAuthorized"`
}

// providerMessage is what the bank network said.
// docs/spec/trustly-us.md#44-paymentprovidertransaction-oa.
type providerMessage struct {
	ID            string `json:"paymentProviderTransactionId"`
	Status        string `json:"status"`
	StatusMessage string `json:"statusMessage"`
}

// payment is what a transaction is part of.
// docs/spec/trustly-us.md#43-payment-subset-that-clients-read.
type payment struct {
	PaymentID         string       `json:"paymentId"`
	PaymentType       int          `json:"paymentType"`
	System            int          `json:"system"`
	Country           string       `json:"country"`
	Merchant          merchant     `json:"merchant"`
	MerchantReference string       `json:"merchantReference"`
	MerchantID        string       `json:"merchantId"`
	Fingerprint       string       `json:"fingerprint"`
	Verification      verification `json:"verification"`
	Account           account      `json:"account"`
	Description       string       `json:"description,omitempty"`
	Currency          string       `json:"currency"`
	Amount            string       `json:"amount"`
	Customer          customer     `json:"customer"`
	Provider          bank         `json:"paymentProvider"`
	AllowedProviders  []int        `json:"allowedPaymentProviderType"`
	Auth              auth         `json:"auth"`
	Authorization     string       `json:"authorization"`
	AuthStatus        int          `json:"authorizationStatus"`
	AuthMessage       string       `json:"authorizationStatusMessage"`
	ReturnURL         string       `json:"returnUrl,omitempty"`
	CancelURL         string       `json:"cancelUrl,omitempty"`
	Pending           string       `json:"pending"`
	Paid              string       `json:"paid"`
	Refunded          string       `json:"refunded"`
	Reversed          string       `json:"reversed"`
	Balance           string       `json:"balance"`
	CreatedAt         int64        `json:"createdAt"`
	UpdatedAt         int64        `json:"updatedAt"`
	RecordVersion     int64        `json:"recordVersion"`
	PaymentFlow       int          `json:"paymentFlow"`
}

type (
	merchant struct {
		MerchantID string `json:"merchantId"`
		Name       string `json:"name"`
	}
	verification struct {
		Status         int  `json:"status"`
		Mode           int  `json:"mode"`
		VerifyCustomer bool `json:"verifyCustomer"`
	}
	account struct {
		Name     string `json:"name"`
		Type     int    `json:"type"`
		Profile  int    `json:"profile"`
		LastFour string `json:"accountNumberLastFour,omitempty"`
		Verified bool   `json:"verified"`
	}
	auth struct {
		Token   string `json:"token"`
		Status  int    `json:"status"`
		Message string `json:"message"`
	}
)

// Values that are the same everywhere. (D11)
const (
	timeZone           = "Etc/UTC"
	systemOfAmericas   = 1
	flowOfAmericas     = 1
	accountChecking    = 2
	accountPersonal    = 1
	verifiedByItself   = 1
	unknownIP          = "0.0.0.0"
	accountDescription = "Bank account"
)

// sums are the amounts of a transaction, in cents. The identity
// balance = paid - reversed - refunded holds, and nothing is below zero.
// docs/spec/trustly-us.md#5-money-model-and-refund-bookkeeping.
type sums struct{ amount, pending, paid, refunded, reversed int64 }

func (s sums) balance() int64 { return max(0, s.paid-s.reversed-s.refunded) }

// version grows with each change of a record: how many milliseconds after its
// making it was changed last. (D11)
func version(created, updated time.Time) int64 { return updated.Sub(created).Milliseconds() }

// paymentSums are a payment's.
func paymentSums(p remit.Payment, d details, status int) sums {
	s := sums{amount: cmp.Or(p.Amount.Minor, d.Ceiling)}
	if d.Type == typeAuthorize || d.Type == typePreauth {
		return s
	}
	switch status {
	case statusPending, statusAuthorized:
		s.pending = s.amount
	case statusCompleted, statusPartly, statusRefunded:
		s.paid, s.refunded = s.amount, p.RefundedMinor
	case statusReversed:
		s.paid, s.reversed, s.refunded = s.amount, s.amount, p.RefundedMinor
	}
	return s
}

// disbursementSums are a refund's or a deposit's.
func disbursementSums(d remit.Disbursement) sums {
	s := sums{amount: d.Amount.Minor}
	switch d.State {
	case remit.Waiting, remit.Accepted, remit.Sent:
		s.pending = s.amount
	case remit.Settled:
		s.paid = s.amount
	case remit.Returned:
		s.paid, s.reversed = s.amount, s.amount
	}
	return s
}

// shop is who the merchant is.
type shop struct{ id, name string }

// fill writes the sums.
func (t *transaction) fill(s sums) {
	t.Amount, t.Pending, t.Paid = amountText(s.amount), amountText(s.pending), amountText(s.paid)
	t.Refunded, t.Reversed, t.Balance = amountText(s.refunded), amountText(s.reversed), amountText(s.balance())
}

// say writes the status in all its places.
func (t *transaction) say(code int) {
	s := statuses[code]
	t.Status, t.StatusMessage, t.StatusCode = code, s.message, s.bank
	t.Provider.Status, t.Provider.StatusMessage = s.bank, s.bank
}

// ofPayment shows an authorization, a capture or an instant payment.
func (w shop) ofPayment(p remit.Payment) transaction {
	d := detailsOf(p.Details)
	status := paymentStatus(p, d)
	s := paymentSums(p, d, status)
	t := transaction{
		TransactionID: p.ExternalID, Original: parentOf(p, d), Type: d.Type, Currency: string(p.Amount.Currency),
		IP: cmp.Or(d.IP, unknownIP), CreatedAt: millis(p.Opened), ProcessedAt: millis(p.Funded), CompletedAt: millis(p.Funded),
		UpdatedAt: millis(p.Updated), ExpiredAt: d.Expires, PPTrxID: string(p.ID), MerchantReference: p.OrderReference,
		RecordVersion: version(p.Opened, p.Updated), TimeZone: timeZone, PreAuthorized: d.Type == typePreauth,
		Provider: providerMessage{ID: string(p.ID)}, Payment: w.payment(p, d, s),
	}
	t.fill(s)
	t.say(status)
	return t
}

// ofDisbursement shows a refund of p, or a deposit, which is of no payment.
func (w shop) ofDisbursement(x remit.Disbursement, p *remit.Payment) transaction {
	d := detailsOf(x.Details)
	t := transaction{
		TransactionID: x.ExternalID, Original: d.Authorization, Type: typeDeposit, Currency: string(x.Amount.Currency),
		IP: cmp.Or(d.IP, unknownIP), CreatedAt: millis(x.Created), ProcessedAt: millis(x.Sent), CompletedAt: millis(x.Settled),
		UpdatedAt: millis(x.Updated), PPTrxID: string(x.ID), MerchantReference: x.Reference,
		RecordVersion: version(x.Created, x.Updated), TimeZone: timeZone, Provider: providerMessage{ID: string(x.ID)},
	}
	t.fill(disbursementSums(x))
	t.say(disbursementStatus(x))
	if p == nil {
		t.Payment = w.payee(x, d)
		return t
	}
	of := detailsOf(p.Details)
	t.Type, t.Original = typeRefund, p.ExternalID
	t.MerchantReference = cmp.Or(x.Reference, p.OrderReference)
	t.Payment = w.payment(*p, of, paymentSums(*p, of, paymentStatus(*p, of)))
	return t
}

// payment is the provider's payment of which p is a part. Its sums are those
// of p alone. (D11)
func (w shop) payment(p remit.Payment, d details, s sums) payment {
	x := w.known(d, nameIn(p, scopePayment), cmp.Or(nameIn(p, scopeAuthorization), d.Authorization, p.ExternalID))
	x.MerchantReference, x.Currency, x.Amount = cmp.Or(d.Reference, p.OrderReference), string(p.Amount.Currency), amountText(s.amount)
	x.Account.Verified = !p.Authorized.IsZero() // the payer has shown the bank whose it is
	x.CreatedAt, x.UpdatedAt, x.RecordVersion = millis(p.Opened), millis(p.Updated), version(p.Opened, p.Updated)
	x.Pending, x.Paid, x.Refunded = amountText(s.pending), amountText(s.paid), amountText(s.refunded)
	x.Reversed, x.Balance = amountText(s.reversed), amountText(s.balance())
	if d.Type == typeAuthorize && p.Authorized.IsZero() {
		x.authorized(statusNew)
	}
	return x
}

// payee is the payment under whose authorization a deposit was made.
func (w shop) payee(x remit.Disbursement, d details) payment {
	y := w.known(d, d.Payment, d.Authorization)
	y.MerchantReference, y.Currency, y.Amount = d.Reference, string(x.Amount.Currency), amountText(d.Ceiling)
	none := amountText(0)
	y.Pending, y.Paid, y.Refunded, y.Reversed, y.Balance = none, none, none, none, none
	y.CreatedAt, y.UpdatedAt = d.Opened, d.Opened
	return y
}

// known is what is known of a payment by its details.
func (w shop) known(d details, id, authorization string) payment {
	x := payment{
		PaymentID: id, PaymentType: d.PaymentType, System: systemOfAmericas, Country: "US",
		Merchant: merchant{w.id, w.name}, MerchantID: w.id, Fingerprint: fingerprint(remit.MerchantID(w.id), id),
		Verification: verification{Status: verifiedByItself, Mode: verifiedByItself},
		Account:      account{Name: accountDescription, Type: accountChecking, Profile: accountPersonal, LastFour: d.LastFour},
		Description:  d.Description, Provider: *cmp.Or(d.Bank, unknownBank), AllowedProviders: []int{},
		Auth: auth{Token: authorization}, Authorization: authorization,
		ReturnURL: d.ReturnURL, CancelURL: d.CancelURL, PaymentFlow: flowOfAmericas,
	}
	x.Customer = d.Customer
	x.Customer.CustomerID = cmp.Or(d.Customer.CustomerID, id) // a client in use cannot do without (D11)
	x.authorized(statusAuthorized)
	return x
}

func (p *payment) authorized(code int) {
	p.AuthStatus, p.AuthMessage = code, statuses[code].message
	p.Auth.Status, p.Auth.Message = p.AuthStatus, p.AuthMessage
}

// shopOf is the merchant as its payments name it.
func shopOf(m remit.MerchantID, s remit.Settings) shop {
	return shop{id: string(m), name: cmp.Or(s.Name, string(m))}
}
