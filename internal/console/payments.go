package console

import (
	"encoding/json"
	"slices"
	"strings"

	"remit"
	"remit/dialect"
	"remit/internal/node"
	"remit/internal/requestlog"
	"remit/money"
)

// paymentAct is something that an operator can record of a payment's money.
type paymentAct struct {
	To                 remit.PaymentState
	Label, Asks, Hint  string
	Danger, NamesPayer bool
}

// paymentActs are all of them.
var paymentActs = []paymentAct{
	{To: remit.PaymentFunded, Label: "The money has come", Asks: "What shows that it came", Hint: "The balance has it, and refunds that wait for it go on."},
	{To: remit.PaymentFailed, Label: "It will never come", Asks: "What shows that it will not", Hint: "Refunds that wait for it fail.", Danger: true},
	{To: remit.PaymentReversed, Label: "It was taken back", Asks: "What shows that it was", Hint: "The balance gives it back, and lacks it where it is spent.", Danger: true},
}

// movesOf are those that a payment allows.
func movesOf(p remit.Payment) (acts []paymentAct) {
	for _, a := range paymentActs {
		if !p.May(a.To) && !(a.To == remit.PaymentFunded && p.State == remit.PaymentOpened && p.Amount.Minor > 0) {
			continue
		}
		a.NamesPayer = a.To == remit.PaymentFunded && p.PayerAccount == ""
		acts = append(acts, a)
	}
	return acts
}

// stagers are the dialects of which payments can be recorded.
func (v *visit) stagers() []string {
	return slices.DeleteFunc(v.dialects(), func(in string) bool {
		_, ok := v.c.o.Node.Dialects[in].(dialect.Stager)
		return !ok
	})
}

// text is what a form says, without the spaces around it.
func (v *visit) text(name string) string { return strings.TrimSpace(v.PostFormValue(name)) }

// shows is what an operator has seen, which is kept as the evidence.
func (v *visit) shows() (string, error) {
	shows := v.text("evidence")
	if shows == "" || len(shows) > evidenceBytesMax {
		return "", remit.Errorf(remit.Invalid, "", "write down in short what shows it")
	}
	return requestlog.Accounts(shows), nil
}

// recordPayment makes a payment known that came in elsewhere.
func (c *Console) recordPayment(v *visit) (outcome, error) {
	out := outcome{to: v.path("payments")}
	amount, err := money.ParseMajor(v.text("amount"), money.Currency(strings.ToUpper(v.text("currency"))))
	if err != nil || amount.Minor <= 0 {
		return out, remit.Errorf(remit.Invalid, remit.ReasonAmount, "that is no amount: write it as 1204.50, with a currency such as EUR")
	}
	shows, err := v.shows()
	if err != nil {
		return out, err
	}
	spec := dialect.Spec{
		Amount: amount, State: remit.PaymentState(v.text("state")), ExternalID: v.text("name"), OrderReference: v.text("order"), More: map[string]json.RawMessage{},
	}
	if spec.State != remit.PaymentFunded && spec.State != remit.PaymentAuthorized {
		return out, remit.Errorf(remit.Invalid, "", "a payment's money is here, or on its way")
	}
	if spec.Payer, err = node.Payer(v.text("iban"), v.text("holder")); err != nil {
		return out, err
	}
	if more := v.text("attributes"); more != "" {
		if err := json.Unmarshal([]byte(more), &spec.More); err != nil {
			return out, remit.Errorf(remit.Invalid, "", `what only this API knows is one JSON object, such as {"payment_method":"paypal"}`)
		}
	}
	p, err := c.o.Node.RecordPayment(v.Context(), v.head(shows), v.text("dialect"), spec)
	if err != nil {
		return out, err
	}
	return outcome{to: v.path("payments", string(p.ID)), message: "The payment is recorded as " + p.ExternalID + "."}, nil
}

// movePayment records what came of a payment's money.
func (c *Console) movePayment(v *visit) (outcome, error) {
	id := v.PathValue("id")
	out := outcome{to: v.path("payments", id)}
	to := remit.PaymentState(v.text("to"))
	if !slices.ContainsFunc(paymentActs, func(a paymentAct) bool { return a.To == to }) {
		return out, remit.Errorf(remit.Invalid, "", "no payment is taken to %q here", string(to))
	}
	shows, err := v.shows()
	if err != nil {
		return out, err
	}
	who, err := node.Payer(v.text("iban"), v.text("holder"))
	if err != nil {
		return out, err
	}
	if _, err := c.o.Node.MovePayment(v.Context(), v.head(shows), remit.PaymentID(id), to, who); err != nil {
		return out, err
	}
	out.message = "It is recorded: the payment is " + string(to) + "."
	return out, nil
}
