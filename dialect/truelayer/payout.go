package truelayer

import (
	"cmp"
	"net/http"

	"remit"
	"remit/dialect"
	"remit/money"
)

// payee is who gets a payout, as it is kept: accounts and names are kept
// elsewhere, sealed.
type payee struct {
	Type   string `json:"type"`
	Source string `json:"payment_source_id,omitempty"`
	User   string `json:"user_id,omitempty"`
}

// The kinds of payees. docs/spec/truelayer.md#8-payouts, 8.1.
const (
	paySource   = "payment_source"
	payExternal = "external_account"
	payBusiness = "business_account"
)

// decodePayout pays out of a merchant account. docs/spec/truelayer.md#8-payouts.
func decodePayout(c *call) (dialect.Operation, error) {
	o := c.readBody()
	p := &dialect.Payout{Payout: remit.Payout{Naming: remit.UUID, WhenShort: remit.FailLater}}
	p.Keyed, p.Content = c.keyed()
	id := o.needed("merchant_account_id")
	minor, given := o.minor("amount_in_minor")
	switch {
	case !given:
		o.required("amount_in_minor")
	case minor <= 0:
		o.fault(field("amount_in_minor", "Value must be above zero."))
	}
	currency := money.Currency(o.needed("currency"))
	p.Amount = money.Amount{Minor: minor, Currency: currency}
	switch in := c.currencyOf(id); {
	case id != "" && in == "":
		o.fault(field("merchant_account_id", "There is no such merchant account."))
	case in != currency:
		o.fault(field("currency", "The merchant account is of another currency."))
	}
	b := o.within("beneficiary")
	p.Reference = c.reference(b)
	who := c.payee(b, p)
	p.Details = details(disbursementDetails{
		Metadata: o.pairs("metadata"), AccountID: id, Beneficiary: who, Scheme: scheme(o.within("scheme_selection"), currency),
	})
	p.Faults = o.attach(remit.BeforeLookup)
	return dialect.Operation{Payout: p}, nil
}

// payee reads who is paid.
func (c *call) payee(b object, p *dialect.Payout) *payee {
	who := &payee{Type: b.needed("type")}
	switch who.Type {
	case paySource:
		who.Source, who.User = b.needed("payment_source_id"), b.needed("user_id")
		p.Payer = remit.Name{Scope: scopeSource, Text: who.Source}
		p.Judge = func(of remit.Payment) *remit.Error {
			if of.State != remit.PaymentFunded || nameIn(of, scopeUser) != who.User || of.Amount.Currency != p.Amount.Currency {
				return remit.Errorf(remit.NotFound, remit.ReasonBeneficiary, "There is no such payment source of the user.")
			}
			return nil
		}
	case payExternal:
		p.Payee = dialect.Party{Name: b.needed("account_holder_name"), Account: account(b.within("account_identifier"))}
	case payBusiness:
		own := c.who.Settings.Config[configBusiness+string(p.Amount.Currency)]
		p.Payee = dialect.Party{Name: cmp.Or(c.who.Settings.Config[configBusinessName], c.who.Settings.Name), Account: own}
		if own == "" {
			b.fault(remit.Errorf(remit.Conflict, "", "no business account is configured"))
		}
	case "":
	default:
		b.fault(field(b.at("type"), "Value is not supported.")) // D3
	}
	return who
}

// scheme is how a payout will go. docs/spec/truelayer.md#8-payouts.
func scheme(o object, currency money.Currency) string {
	instant := schemes[currency]
	if currency == "EUR" {
		instant = "sepa_credit_transfer_instant"
	}
	switch o.text("type") {
	case "", "instant_only", "instant_preferred":
		return instant
	case "preselected":
		s := o.needed("scheme_id")
		if s != "" && s != schemes[currency] && s != instant {
			o.fault(field(o.at("scheme_id"), "Value is not a scheme of the currency."))
		}
		return s
	}
	o.fault(field(o.at("type"), "Value is not supported."))
	return ""
}

// answerPayoutCreated names the payout, and nothing else: a status would be
// another kind of answer. docs/spec/truelayer.md#8-payouts, 8.2.
func answerPayoutCreated(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	return c.json(http.StatusAccepted, map[string]string{"id": r.Disbursement.ExternalID})
}

func decodePayoutQuery(c *call) (dialect.Operation, error) {
	return dialect.Operation{Query: &dialect.Query{Disbursement: c.segments["id"], Accounts: true}}, nil
}

// payeeJSON is who gets a payout. An account is shown in a list and by itself:
// clients read one or the other.
type payeeJSON struct {
	Type      string       `json:"type"`
	Source    string       `json:"payment_source_id,omitempty"`
	User      string       `json:"user_id,omitempty"`
	Reference string       `json:"reference"`
	Holder    string       `json:"account_holder_name"`
	Account   *identifier  `json:"account_identifier,omitempty"`
	Accounts  []identifier `json:"account_identifiers"`
}

func payeeOf(d remit.Disbursement, r remit.Result) payeeJSON {
	x := payeeJSON{Reference: d.Reference, Holder: r.Accounts[d.AccountName], Accounts: identifiers(r.Accounts[d.Account])}
	if b := detailsOf(d).Beneficiary; b != nil {
		x.Type, x.Source, x.User = b.Type, b.Source, b.User
	}
	if x.Type != paySource && len(x.Accounts) > 0 {
		x.Account = &x.Accounts[0]
	}
	return x
}

// payoutJSON is a payout as the API shows it. docs/spec/truelayer.md#8-payouts, 8.3.
type payoutJSON struct {
	ID          string            `json:"id"`
	AccountID   string            `json:"merchant_account_id"`
	Amount      int64             `json:"amount_in_minor"`
	Currency    money.Currency    `json:"currency"`
	Beneficiary payeeJSON         `json:"beneficiary"`
	Scheme      string            `json:"scheme_id"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Status      string            `json:"status"`
	progress
}

func answerPayout(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	d := *r.Disbursement
	if d.Kind != remit.KindPayout {
		return c.refuse(errNothing)
	}
	x := detailsOf(d)
	return c.json(http.StatusOK, payoutJSON{
		ID: d.ExternalID, AccountID: x.AccountID, Amount: d.Amount.Minor, Currency: d.Amount.Currency, Beneficiary: payeeOf(d, r),
		Scheme: x.Scheme, Metadata: x.Metadata, Status: statuses[d.State], progress: progressOf(d),
	})
}
