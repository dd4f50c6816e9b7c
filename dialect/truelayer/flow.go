package truelayer

import (
	"net/http"
	"slices"

	"remit"
	"remit/dialect"
	"remit/money"
)

// flow is how far the authorization of a payment has come. Its steps are
// settled when it begins: what a call answers follows from them alone.
// docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.4.
type flow struct {
	Steps  []string `json:"steps"`
	Done   int      `json:"done"`
	Return string   `json:"return_uri,omitempty"`
}

// The steps, by their names as next actions.
const (
	stepProvider = "provider_selection"
	stepConsent  = "consent"
	stepRedirect = "redirect"
	stepForm     = "form"
	stepWait     = "wait"
)

// flow reads what the client can show its payer, and settles the steps. Any
// subset may come, and null is none.
// docs/spec/truelayer.md#14-traps-with-file-references, 10.
func (c *call) flow(o object, d paymentDetails) *flow {
	f := &flow{}
	if d.Method.Selection.Type == userSelected {
		f.Steps = append(f.Steps, stepProvider)
	}
	if o.has("consent") {
		f.Steps = append(f.Steps, stepConsent)
	}
	switch {
	case o.has("redirect"):
		f.Return = returnURI(o.within("redirect"), "return_uri")
		f.Steps = append(f.Steps, stepRedirect)
	case o.has("form") && !d.external():
		f.Steps = append(f.Steps, stepForm, stepWait)
	default:
		o.fault(field(o.at("redirect"), "A redirect or a form is required."))
	}
	return f
}

// payable tells whether anybody can pay here: only a sandbox has a bank of its
// own that payers can be sent to.
func (c *call) payable() error {
	if !c.who.Settings.On(remit.SwitchSandbox) {
		return remit.Errorf(remit.Unavailable, reasonNoProvider, "no provider is connected")
	}
	return nil
}

// errStep is about a call that is not the next one.
// docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.4: a wrong step is invalid-state.
var errStep = remit.Errorf(remit.Conflict, remit.ReasonTerminal, "this is not the next action")

// decodeFlow starts the authorization.
func decodeFlow(c *call) (dialect.Operation, error) {
	if err := c.payable(); err != nil {
		return dialect.Operation{}, err
	}
	o := c.readBody()
	m := c.move("")
	m.Amend = func(p remit.Payment) (string, *remit.Error) {
		d := paymentDetailsOf(p)
		f := c.flow(o, d)
		switch {
		case len(*o.faults) > 0:
			return "", (*o.faults)[0]
		case p.State != remit.PaymentOpened || d.Flow != nil:
			return "", errStep
		}
		d.Flow = f
		return details(d), nil
	}
	return dialect.Operation{Move: m}, nil
}

// act is an action of the payer's: what was wrong in its body, the step that
// must be next, what it changes, and to which state it takes the payment.
func (c *call) act(wrong []*remit.Error, step string, to remit.PaymentState, change func(*paymentDetails, remit.Payment) *remit.Error) (dialect.Operation, error) {
	if err := c.payable(); err != nil {
		return dialect.Operation{}, err
	}
	m := c.move(to)
	m.Amend = func(p remit.Payment) (string, *remit.Error) {
		if len(wrong) > 0 {
			return "", wrong[0]
		}
		d := paymentDetailsOf(p)
		if p.State != remit.PaymentOpened || d.Flow == nil || d.Flow.Done >= len(d.Flow.Steps) || d.Flow.Steps[d.Flow.Done] != step {
			return "", errStep
		}
		d.Flow.Done++
		if err := change(&d, p); err != nil {
			return "", err
		}
		return details(d), nil
	}
	if to == remit.PaymentFunded {
		m.Payer = mockPayer
	}
	c.after = step
	return dialect.Operation{Move: m}, nil
}

func decodeProvider(c *call) (dialect.Operation, error) {
	o := c.readBody()
	chosen := o.needed("provider_id")
	return c.act(*o.faults, stepProvider, "", func(d *paymentDetails, p remit.Payment) *remit.Error {
		if chosen != mockBanks[p.Amount.Currency].ID {
			return field("provider_id", "There is no such provider for the payment.")
		}
		d.choose(p.Amount.Currency)
		return nil
	})
}

// choose makes the sandbox's bank of a currency the payment's provider.
func (d *paymentDetails) choose(currency money.Currency) {
	d.Method.Selection.Provider, d.Method.Selection.Scheme = mockBanks[currency].ID, schemes[currency]
}

func unchanged(*paymentDetails, remit.Payment) *remit.Error { return nil }

func decodeConsent(c *call) (dialect.Operation, error) { return c.act(nil, stepConsent, "", unchanged) }

// decodeForm takes a payer's inputs, of which the sandbox's bank asks one, and
// pays.
func decodeForm(c *call) (dialect.Operation, error) {
	o := c.readBody()
	o.within("inputs").needed(formInput)
	return c.act(*o.faults, stepForm, remit.PaymentFunded, unchanged)
}

// answerFlow says what is next.
func answerFlow(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	p := *r.Payment
	d := paymentDetailsOf(p)
	next := 0
	if c.after != "" {
		next = slices.Index(d.Flow.Steps, c.after) + 1
	}
	return c.json(http.StatusOK, map[string]any{"status": stageAuthorizing, "authorization_flow": c.flowJSON(p, d, next)})
}

type (
	nextJSON struct {
		Type      string      `json:"type"`
		Providers []bankJSON  `json:"providers,omitempty"`
		URI       string      `json:"uri,omitempty"`
		Hint      string      `json:"subsequent_action_hint,omitempty"`
		Inputs    []inputJSON `json:"inputs,omitempty"`
	}
	bankJSON struct {
		ID      string `json:"id"`
		Name    string `json:"display_name"`
		Icon    string `json:"icon_uri"`
		Logo    string `json:"logo_uri"`
		Color   string `json:"bg_color"`
		Country string `json:"country_code"`
	}
	inputJSON struct {
		ID        string            `json:"id"`
		Type      string            `json:"type"`
		Mandatory bool              `json:"mandatory"`
		Text      map[string]string `json:"display_text"`
		Format    string            `json:"format"`
		Sensitive bool              `json:"sensitive"`
		Min       int               `json:"min_length"`
		Max       int               `json:"max_length"`
	}
)

// formInput is the one input of the sandbox's bank.
const formInput = "psu-id"

// flowJSON is the flow with a step of it as its next action.
func (c *call) flowJSON(p remit.Payment, d paymentDetails, step int) any {
	n := nextJSON{Type: d.Flow.Steps[min(step, len(d.Flow.Steps)-1)]}
	switch n.Type {
	case stepProvider:
		n.Providers = []bankJSON{c.bank(p.Amount.Currency)}
	case stepRedirect:
		n.URI = c.bankLink(p, d.Flow.Return)
	case stepConsent:
		n.Hint = stepForm
		if d.Flow.Return != "" {
			n.Hint = stepRedirect
		}
	case stepForm:
		n.Inputs = []inputJSON{{
			ID: formInput, Type: "text", Mandatory: true, Format: "any", Min: 1, Max: 100,
			Text: map[string]string{"key": "psu-id.display_text", "default": "User name"},
		}}
	}
	return map[string]any{"actions": map[string]any{"next": n}, "configuration": d.Flow.configuration()}
}

// configuration is what the client said that it can show.
func (f flow) configuration() any {
	supported := func(is bool) string {
		if is {
			return "supported"
		}
		return "not_supported"
	}
	redirect := map[string]string{"status": supported(f.Return != "")}
	if f.Return != "" {
		redirect["return_uri"] = f.Return
	}
	return map[string]any{
		stepProvider: map[string]string{"status": supported(slices.Contains(f.Steps, stepProvider))}, stepRedirect: redirect,
	}
}

// mockBanks are the sandbox's providers.
// docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.6.
var mockBanks = map[money.Currency]bankJSON{
	"GBP": {ID: "mock-payments-gb-redirect", Name: "Mock UK Payments", Color: "#FFFFFF", Country: "GB"},
	"EUR": {ID: "mock-payments-de-redirect", Name: "Mock Germany Payments", Color: "#FFFFFF", Country: "DE"},
	"PLN": {ID: "mock-payments-pl-redirect", Name: "Mock Poland Payments", Color: "#FFFFFF", Country: "PL"},
	"NOK": {ID: "mock-payments-no-redirect", Name: "Mock Norway Payments", Color: "#FFFFFF", Country: "NO"},
}

// bank is a provider as the client lists it. It has no pictures: its links are
// those of a page of ours.
func (c *call) bank(currency money.Currency) bankJSON {
	b := mockBanks[currency]
	b.Icon, b.Logo = c.r.Origin+"/", c.r.Origin+"/"
	return b
}
