package truelayer

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"remit"
	"remit/dialect"
	"remit/money"
)

// paymentDetails are kept with a payment.
type paymentDetails struct {
	Method   method            `json:"payment_method"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Related  json.RawMessage   `json:"sub_merchants,omitempty"`
	Flow     *flow             `json:"flow,omitempty"` // once it was started
	Hosted   string            `json:"hosted,omitempty"`
	Stage    string            `json:"stage,omitempty"`   // at which it failed, where it is known
	Failure  string            `json:"failure,omitempty"` // and why
	Issued   string            `json:"issued,omitempty"`  // of the secrets under which its own token was made
}

func paymentDetailsOf(p remit.Payment) (x paymentDetails) {
	_ = json.Unmarshal([]byte(p.Details), &x) // we wrote it ourselves
	return x
}

// method is how a payment is made, as it is shown again. A remitter's account
// is not kept. (D11)
type method struct {
	Type        string      `json:"type"`
	Selection   selection   `json:"provider_selection"`
	Beneficiary beneficiary `json:"beneficiary"`
}

type selection struct {
	Type     string          `json:"type"`
	Filter   json.RawMessage `json:"filter,omitempty"`
	Provider string          `json:"provider_id,omitempty"`
	Scheme   string          `json:"scheme_id,omitempty"`
	Schemes  json.RawMessage `json:"scheme_selection,omitempty"`
}

type beneficiary struct {
	Type      string `json:"type"`
	AccountID string `json:"merchant_account_id,omitempty"`
	Holder    string `json:"account_holder_name,omitempty"`
	Reference string `json:"reference,omitempty"`
	Statement string `json:"statement_reference,omitempty"`
}

const (
	userSelected = "user_selected"
	preselected  = "preselected"

	toMerchant = "merchant_account"
	toExternal = "external_account" // somebody else's: it ends executed, and its money is never ours
)

// external tells whether a payment goes past the merchant accounts.
func (d paymentDetails) external() bool { return d.Method.Beneficiary.Type == toExternal }

// decodePayment opens a payment into a merchant account.
// docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.1.
func decodePayment(c *call) (dialect.Operation, error) {
	o := c.readBody()
	p := &dialect.Open{OpenPayment: remit.OpenPayment{
		State: remit.PaymentOpened, Naming: remit.UUID, Further: []remit.NewName{{Scope: scopeSource, Naming: remit.UUID}},
		Expires: authorizeWithin,
	}}
	p.Keyed, p.Content = c.keyed()
	p.Form += " " + c.r.Origin
	minor, given := o.minor("amount_in_minor")
	switch {
	case !given:
		o.required("amount_in_minor")
	case minor <= 0:
		o.fault(field("amount_in_minor", "Value must be above zero."))
	}
	currency := money.Currency(o.needed("currency"))
	if !slices.Contains(currencies, currency) {
		o.fault(field("currency", "Value is not supported."))
	}
	p.Amount = money.Amount{Minor: minor, Currency: currency}
	d := paymentDetails{Method: c.method(o.within("payment_method"), currency), Metadata: o.pairs("metadata"), Related: o.raw("sub_merchants"), Issued: c.who.Issued}
	if user := o.within("user").name("id"); user != "" {
		p.Names = []remit.Name{{Scope: scopeUser, Text: user}}
	} else {
		p.Further = append(p.Further, remit.NewName{Scope: scopeUser, Naming: remit.UUID})
	}
	if o.has("authorization_flow") {
		d.Flow = c.flow(o.within("authorization_flow"), d)
	}
	if o.has("hosted_page") {
		d.Hosted = returnURI(o.within("hosted_page"), "return_uri")
	}
	if err := c.payable(); err != nil && (d.Flow != nil || d.Hosted != "") {
		return dialect.Operation{}, err
	}
	if !d.external() {
		p.Attributes.LateMicros = stalledAfter.Microseconds()
	}
	p.Details, p.Faults = details(d), o.attach(remit.AtLookup)
	return dialect.Operation{Open: p}, nil
}

// method reads how a payment is to be made.
func (c *call) method(o object, currency money.Currency) method {
	m := method{Type: o.needed("type")}
	if m.Type != "" && m.Type != "bank_transfer" {
		o.fault(field(o.at("type"), "Value is not supported: only bank_transfer is.")) // D3
	}
	s := o.within("provider_selection")
	m.Selection = selection{
		Type: s.needed("type"), Filter: s.raw("filter"), Provider: s.text("provider_id"), Scheme: s.text("scheme_id"), Schemes: s.raw("scheme_selection"),
	}
	switch m.Selection.Type {
	case userSelected, "":
		m.Selection.Provider, m.Selection.Scheme = "", ""
	case preselected:
		s.needed("provider_id")
		if m.Selection.Scheme == "" { // a client in use reads the answer by it: docs/spec/truelayer.md#14-traps-with-file-references, 12
			m.Selection.Scheme = schemes[currency]
		}
	default:
		s.fault(field(s.at("type"), "Value is not supported."))
	}
	m.Beneficiary = c.beneficiary(o.within("beneficiary"), currency)
	return m
}

// beneficiary reads where a payment goes. An account of somebody else's is
// looked at, and not kept. (D11)
func (c *call) beneficiary(o object, currency money.Currency) beneficiary {
	b := beneficiary{
		Type: o.needed("type"), Holder: o.text("account_holder_name"), Reference: o.text("reference"), Statement: o.text("statement_reference"),
	}
	switch b.Type {
	case toMerchant:
		b.AccountID = o.needed("merchant_account_id")
		switch in := c.currencyOf(b.AccountID); {
		case in == "":
			o.fault(field(o.at("merchant_account_id"), "There is no such merchant account."))
		case in != currency:
			o.fault(field(o.at("merchant_account_id"), "The merchant account is of another currency."))
		}
	case toExternal:
		o.needed("account_holder_name")
		o.needed("reference")
		account(o.within("account_identifier"))
	case "":
	default:
		o.fault(field(o.at("type"), "Value is not supported."))
	}
	return b
}

// host is what a host may be made of: it ends up in a page's policy.
var host = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

// returnURI reads where a payer goes at the end.
func returnURI(o object, name string) string {
	s := o.needed(name)
	if u, err := url.Parse(s); s != "" && (err != nil || (u.Scheme != "https" && u.Scheme != "http") || !host.MatchString(u.Host)) {
		o.fault(field(o.at(name), "Value must be an absolute URL of http or https."))
	}
	return s
}

// uriJSON is a link.
type uriJSON struct {
	URI string `json:"uri"`
}

// createdJSON answers who opened a payment. All of it follows from what never
// changes, so that a replay is the same to the byte.
type createdJSON struct {
	ID     string   `json:"id"`
	User   userJSON `json:"user"`
	Token  string   `json:"resource_token"`
	Status string   `json:"status"`
	Flow   any      `json:"authorization_flow,omitempty"`
	Hosted *uriJSON `json:"hosted_page,omitempty"`
}

type userJSON struct {
	ID string `json:"id"`
}

// answerPaymentCreated names the payment, its user, and a token for the
// payer's browser. docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.2.
func answerPaymentCreated(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	p := *r.Payment
	d := paymentDetailsOf(p)
	res := createdJSON{
		ID: p.ExternalID, User: userJSON{nameIn(p, scopeUser)}, Status: "authorization_required",
		Token: token{client: c.token.client, issued: d.Issued, resource: p.ExternalID, expires: p.Opened.Add(resourceTokenLife)}.write(c.r.Key),
	}
	if c.body.has("authorization_flow") && d.Flow != nil {
		res.Status, res.Flow = stageAuthorizing, c.flowJSON(p, d, 0)
	}
	if d.Hosted != "" {
		res.Hosted = &uriJSON{c.bankLink(p, d.Hosted)}
	}
	return c.json(http.StatusCreated, res)
}

func decodePaymentQuery(c *call) (dialect.Operation, error) {
	return dialect.Operation{Query: &dialect.Query{Payment: remit.Name{Text: c.segments["id"]}, Accounts: true}}, nil
}

// paymentJSON is a payment as the API shows it.
// docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.3.
type paymentJSON struct {
	ID         string            `json:"id"`
	Amount     int64             `json:"amount_in_minor"`
	Currency   money.Currency    `json:"currency"`
	User       userJSON          `json:"user"`
	Method     method            `json:"payment_method"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Related    json.RawMessage   `json:"sub_merchants,omitempty"`
	Created    string            `json:"created_at"`
	Status     string            `json:"status"`
	Flow       any               `json:"authorization_flow,omitempty"`
	Source     *sourceJSON       `json:"payment_source,omitempty"`
	Executed   string            `json:"executed_at,omitempty"`
	Settled    string            `json:"settled_at,omitempty"`
	Creditable string            `json:"creditable_at,omitempty"`
	Failed     string            `json:"failed_at,omitempty"`
	Stage      string            `json:"failure_stage,omitempty"`
	Reason     string            `json:"failure_reason,omitempty"`
}

func answerPayment(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	p := *r.Payment
	d := paymentDetailsOf(p)
	res := paymentJSON{
		ID: p.ExternalID, Amount: p.Amount.Minor, Currency: p.Amount.Currency, User: userJSON{nameIn(p, scopeUser)}, Method: d.Method,
		Metadata: d.Metadata, Related: d.Related, Created: stamp(p.Opened), Status: paymentStatus(p, d),
	}
	if b := &res.Method.Beneficiary; b.Type == toMerchant && b.AccountID == "" { // what a sandbox's control API has made
		b.AccountID = c.accountID(p.Amount.Currency)
	}
	if !p.Authorized.IsZero() {
		s := sourceOf(p, r)
		res.Source = &s
	}
	switch {
	case d.Flow == nil:
	case p.State == remit.PaymentOpened:
		res.Flow = c.flowJSON(p, d, d.Flow.Done)
	default: // nothing is next any more
		res.Flow = map[string]any{"configuration": d.Flow.configuration()}
	}
	switch res.Status {
	case statusExecuted:
		res.Executed = stamp(p.Authorized)
	case "settled":
		res.Executed, res.Settled, res.Creditable = stamp(p.Funded), stamp(p.Funded), stamp(p.Funded)
		res.Source.User = nameIn(p, scopeUser)
	case statusFailed:
		res.Executed, res.Failed = stampIf(p.Funded), stamp(p.Ended)
		res.Stage, res.Reason = failedAt(p, d)
	}
	return c.json(http.StatusOK, res)
}

// paymentStatus is the provider's word for a payment's state. (D7)
func paymentStatus(p remit.Payment, d paymentDetails) string {
	switch p.State {
	case remit.PaymentOpened:
		if d.Flow != nil {
			return stageAuthorizing
		}
		return "authorization_required"
	case remit.PaymentAuthorized:
		if d.external() {
			return statusExecuted
		}
		return statusAuthorized
	case remit.PaymentFunded:
		return "settled"
	}
	return statusFailed
}

// stageAuthorizing is the status of a payment whose payer is on the way.
const stageAuthorizing = "authorizing"

// failedAt is the stage at which a payment failed, and why.
func failedAt(p remit.Payment, d paymentDetails) (stage, reason string) {
	switch {
	case !p.Authorized.IsZero():
		stage, reason = statusAuthorized, "provider_rejected"
	case d.Flow != nil:
		stage, reason = stageAuthorizing, "authorization_failed"
	default:
		stage, reason = "authorization_required", "authorization_failed"
	}
	switch {
	case d.Failure != "":
		stage, reason = d.Stage, d.Failure
	case p.Reason == remit.ReasonExpired:
		reason = "expired"
	case p.State == remit.PaymentCanceled:
		reason = "canceled"
	case p.State == remit.PaymentReversed:
		reason = "returned"
	}
	return stage, reason
}

// decodeCancel gives a payment up before it was authorized.
// docs/spec/truelayer.md#5-payments-into-a-merchant-account-the-things-refunds-hang-on, 5.7.
func decodeCancel(c *call) (dialect.Operation, error) {
	m := c.move(remit.PaymentCanceled)
	m.Amend = func(p remit.Payment) (string, *remit.Error) {
		if p.State != remit.PaymentOpened {
			return "", remit.Errorf(remit.Conflict, remit.ReasonTerminal, "the payment cannot be canceled any more")
		}
		return p.Details, nil
	}
	return dialect.Operation{Move: m}, nil
}

func answerCancel(c *call, _ dialect.Signer, _ remit.Result) dialect.Response {
	return dialect.Response{Status: http.StatusAccepted, Header: c.header("")}
}

// move is a keyed command about the payment of the path.
func (c *call) move(to remit.PaymentState) *dialect.Move {
	m := &dialect.Move{MovePayment: remit.MovePayment{Name: remit.Name{Text: c.segments["id"]}, To: to}}
	m.Keyed, m.Content = c.keyed()
	m.Form += " " + c.r.Origin
	return m
}

// Stage is the command that makes a payment as if a payer had paid it.
func (Dialect) Stage(s dialect.Spec) (remit.OpenPayment, error) {
	o := remit.OpenPayment{
		Naming: remit.UUID, Further: []remit.NewName{{Scope: scopeSource, Naming: remit.UUID}}, Amount: s.Amount, State: s.State,
		NotificationURL: s.NotificationURL, OrderReference: s.OrderReference,
		Attributes: remit.PaymentAttributes{EndUserID: s.EndUserID, SingleRefund: s.Single, LateMicros: stalledAfter.Microseconds()},
	}
	from := selection{Type: preselected}
	if s.Demo {
		from.Provider, from.Scheme = mockBanks[s.Amount.Currency].ID, schemes[s.Amount.Currency]
	}
	known := map[string]*string{"provider_id": &from.Provider, "scheme_id": &from.Scheme}
	if err := s.Only(Name, slices.Collect(maps.Keys(known))...); err != nil {
		return o, err
	}
	for name, v := range s.More {
		if err := json.Unmarshal(v, known[name]); err != nil {
			return o, remit.Errorf(remit.Invalid, "", "%s is a text", name)
		}
	}
	if !slices.Contains(currencies, s.Amount.Currency) {
		return o, remit.Errorf(remit.Invalid, remit.ReasonCurrency, "truelayer has no merchant account in %s", s.Amount.Currency)
	}
	if s.EndUserID != "" {
		o.Names = []remit.Name{{Scope: scopeUser, Text: s.EndUserID}}
	} else {
		o.Further = append(o.Further, remit.NewName{Scope: scopeUser, Naming: remit.UUID})
	}
	o.Details = details(paymentDetails{Method: method{
		Type:        "bank_transfer",
		Selection:   from,
		Beneficiary: beneficiary{Type: toMerchant},
	}})
	return o, nil
}

// Names are the payment's: its id.
func (d Dialect) Names(p remit.Payment) (string, map[string]string) {
	return p.ExternalID, map[string]string{d.Name(): p.ExternalID}
}
