package main

import (
	"time"

	"remit"
	"remit/internal/catalog"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// What listings print for programs. The names are those of the sandbox's
// control API where it shows the same, and stay when our own fields change.

// disbursementView is a disbursement without the account that it goes to.
type disbursementView struct {
	ID              remit.DisbursementID `json:"id"`
	Merchant        remit.MerchantID     `json:"merchant"`
	Kind            remit.Kind           `json:"kind"`
	State           remit.State          `json:"state"`
	WaitingFor      remit.WaitReason     `json:"waiting_for"`
	Reason          remit.Reason         `json:"reason"`
	Stuck           bool                 `json:"stuck"`
	AmountMinor     int64                `json:"amount_minor"`
	Currency        money.Currency       `json:"currency"`
	Payment         remit.PaymentID      `json:"payment_id"`
	Dialect         string               `json:"dialect"`
	ExternalID      string               `json:"external_id"`
	Reference       string               `json:"reference"`
	OrderReference  string               `json:"order_reference"`
	NotificationURL string               `json:"notification_url"`
	Rail            string               `json:"rail"`
	EndToEndID      string               `json:"end_to_end_id"`
	Created         time.Time            `json:"created"`
	Sent            time.Time            `json:"sent,omitzero"`
	Settled         time.Time            `json:"settled,omitzero"`
	Ended           time.Time            `json:"ended,omitzero"`
}

func viewDisbursement(d remit.Disbursement) disbursementView {
	return disbursementView{
		ID: d.ID, Merchant: d.Merchant, Kind: d.Kind, State: d.State, WaitingFor: d.WaitingFor, Reason: d.Reason, Stuck: d.Stuck,
		AmountMinor: d.Amount.Minor, Currency: d.Amount.Currency, Payment: d.Payment, Dialect: d.Dialect, ExternalID: d.ExternalID,
		Reference: d.Reference, OrderReference: d.OrderReference, NotificationURL: d.NotificationURL, Rail: d.Rail,
		EndToEndID: d.EndToEndID(), Created: d.Created, Sent: d.Sent, Settled: d.Settled, Ended: d.Ended,
	}
}

// paymentView is a payment without who paid it.
type paymentView struct {
	ID              remit.PaymentID    `json:"payment_id"`
	Merchant        remit.MerchantID   `json:"merchant"`
	Dialect         string             `json:"dialect"`
	ExternalID      string             `json:"external_id"`
	State           remit.PaymentState `json:"state"`
	Reason          remit.Reason       `json:"reason"`
	AmountMinor     int64              `json:"amount_minor"`
	RefundedMinor   int64              `json:"refunded_minor"`
	Currency        money.Currency     `json:"currency"`
	OrderReference  string             `json:"order_reference"`
	NotificationURL string             `json:"notification_url"`
	Opened          time.Time          `json:"opened"`
	Authorized      time.Time          `json:"authorized,omitzero"`
	Funded          time.Time          `json:"funded,omitzero"`
	Ended           time.Time          `json:"ended,omitzero"`
}

func viewPayment(p remit.Payment) paymentView {
	return paymentView{
		ID: p.ID, Merchant: p.Merchant, Dialect: p.Dialect, ExternalID: p.ExternalID, State: p.State, Reason: p.Reason, AmountMinor: p.Amount.Minor,
		RefundedMinor: p.RefundedMinor, Currency: p.Amount.Currency, OrderReference: p.OrderReference, NotificationURL: p.NotificationURL,
		Opened: p.Opened, Authorized: p.Authorized, Funded: p.Funded, Ended: p.Ended,
	}
}

// eventView is one thing that happened to a disbursement.
type eventView struct {
	Seq       int64          `json:"seq"`
	At        time.Time      `json:"at"`
	Kind      string         `json:"kind"`
	Actor     string         `json:"actor"`
	Evidence  string         `json:"evidence"`
	Transfers []transferView `json:"transfers"`
	Link      string         `json:"link"`
}

type transferView struct {
	ID          string           `json:"id"`
	Step        ledger.Step      `json:"step"`
	From        ledger.AccountID `json:"from"`
	To          ledger.AccountID `json:"to"`
	AmountMinor int64            `json:"amount_minor"`
	Currency    money.Currency   `json:"currency"`
	Cites       string           `json:"cites"`
}

func viewEvent(e remit.Event) eventView {
	v := eventView{Seq: e.Seq, At: e.At, Kind: e.Kind, Actor: e.Actor, Evidence: e.Evidence, Transfers: []transferView{}, Link: e.Link}
	for _, t := range e.Transfers {
		v.Transfers = append(v.Transfers, transferView{t.ID, t.Step, t.From, t.To, t.Amount.Minor, t.Amount.Currency, t.Cites})
	}
	return v
}

// deliveryView is a notification with its tries. ID is what remit delivery
// replay takes.
type deliveryView struct {
	ID      string              `json:"id"`
	Dialect string              `json:"dialect"`
	Kind    string              `json:"kind"`
	Subject string              `json:"subject"`
	URL     string              `json:"url"`
	State   remit.DeliveryState `json:"state"`
	Created time.Time           `json:"created"`
	Tries   []tryView           `json:"tries"`
}

type tryView struct {
	At       time.Time `json:"at"`
	TookMS   int64     `json:"took_ms"`
	Status   int64     `json:"status"`
	Problem  string    `json:"problem"`
	Response string    `json:"response"`
}

func viewDelivery(d store.Delivered) deliveryView {
	v := deliveryView{
		ID: d.ID.String(), Dialect: d.Dialect, Kind: d.Notice.Kind, Subject: d.Subject, URL: d.Notice.URL, State: d.State,
		Created: d.Created, Tries: []tryView{},
	}
	for _, t := range d.Log {
		v.Tries = append(v.Tries, tryView{t.At, t.Took.Milliseconds(), t.Status, t.Problem, t.Response})
	}
	return v
}

// views are all of a list as programs see them; an empty list if there are
// none.
func views[T, V any](all []T, view func(T) V) []V {
	out := make([]V, 0, len(all))
	for _, x := range all {
		out = append(out, view(x))
	}
	return out
}

// magicView is a value that chooses an outcome. Its order is what the control
// API takes for the same.
type magicView struct {
	AmountMinor int64     `json:"amount_minor"`
	Text        string    `json:"text"`
	Order       orderView `json:"order"`
	Tells       string    `json:"tells"`
}

type orderView struct {
	Outcome string `json:"outcome"`
	After   string `json:"after,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// viewMagic are all of them, in their order.
func viewMagic() (all []magicView) {
	for _, m := range catalog.MagicValues() {
		o := orderView{Outcome: m.Order.Outcome, Reason: m.Order.Reason}
		if m.Order.After > 0 {
			o.After = m.Order.After.String()
		}
		all = append(all, magicView{m.Minor, m.Text, o, m.Tells})
	}
	return all
}
