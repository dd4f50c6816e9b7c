package truelayer

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/dialect"
	"remit/money"
)

// accountJSON is a merchant account: the merchant's balance in one currency.
// docs/spec/truelayer.md#7-merchant-accounts.
type accountJSON struct {
	ID        string         `json:"id"`
	Currency  money.Currency `json:"currency"`
	Accounts  []identifier   `json:"account_identifiers"`
	Available int64          `json:"available_balance_in_minor"`
	Current   int64          `json:"current_balance_in_minor"`
	Holder    string         `json:"account_holder_name"`
}

// decodeAccounts asks for all balances, also where one is meant: an account
// that never had money has none.
func decodeAccounts(c *call) (dialect.Operation, error) {
	if id, one := c.segments["id"]; one && c.currencyOf(id) == "" {
		return dialect.Operation{}, errNothing
	}
	return dialect.Operation{Query: &dialect.Query{Balances: true}}, nil
}

// account is one merchant account. Nobody who reads it can take a balance
// below zero. docs/spec/truelayer.md#14-traps-with-file-references, 13.
func (c *call) account(currency money.Currency, balances []remit.Balance) (a accountJSON, used bool) {
	a = accountJSON{
		ID: c.accountID(currency), Currency: currency, Holder: c.who.Settings.Name,
		Accounts: identifiers(c.who.Settings.Config[configIBAN+string(currency)]),
	}
	for _, b := range balances {
		if b.Currency == currency {
			a.Available, a.Current, used = max(b.AvailableMinor, 0), max(b.Minor, 0), true
		}
	}
	return a, used
}

func answerAccounts(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	items := []accountJSON{}
	for _, currency := range currencies {
		if a, used := c.account(currency, r.Balances); used || slices.Contains(always, currency) {
			items = append(items, a)
		}
	}
	return c.json(http.StatusOK, map[string]any{"items": items})
}

func answerAccount(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	a, _ := c.account(c.currencyOf(c.segments["id"]), r.Balances)
	return c.json(http.StatusOK, a)
}

// timeLayouts are how clients in use write times in queries: RFC 3339, also
// with an offset without a colon.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"}

func queryTime(q url.Values, name string) (time.Time, *remit.Error) {
	text := q.Get(name)
	if text == "" {
		return time.Time{}, field(name, "Value is required.")
	}
	text = strings.ReplaceAll(text, " ", "+") // an offset's sign that was not escaped
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Truncate(time.Second), nil
		}
	}
	return time.Time{}, field(name, "Value is not a timestamp.")
}

// decodeTransactions asks for what changed a balance, in a time of which both
// ends count, to the second. docs/spec/truelayer.md#7-merchant-accounts, 7.3.
func decodeTransactions(c *call) (dialect.Operation, error) {
	currency := c.currencyOf(c.segments["id"])
	if currency == "" {
		return dialect.Operation{}, errNothing
	}
	q, err := url.ParseQuery(c.r.Query)
	if err != nil {
		return dialect.Operation{}, remit.Errorf(remit.Invalid, remit.ReasonEnvelope, "The query cannot be read.")
	}
	x := &dialect.Query{Entries: true, Currency: currency, Accounts: true}
	var wrong *remit.Error
	if x.From, wrong = queryTime(q, "from"); wrong != nil {
		return dialect.Operation{}, wrong
	}
	if x.To, wrong = queryTime(q, "to"); wrong != nil {
		return dialect.Operation{}, wrong
	}
	x.To = x.To.Add(time.Second)
	if kind := q.Get("type"); kind != "" && kind != "payment" && kind != "payout" {
		return dialect.Operation{}, field("type", "Value must be payment or payout.")
	}
	if q.Has("cursor") {
		after, err := base64.RawURLEncoding.DecodeString(q.Get("cursor"))
		if _, bad := strconv.ParseInt(string(after), 10, 64); err != nil || bad != nil {
			return dialect.Operation{}, field("cursor", "Value is not a cursor.")
		}
		x.After = string(after)
	}
	return dialect.Operation{Query: x}, nil
}

// transactionJSON is one change of a merchant account's balance, in whichever
// of its forms. docs/spec/truelayer.md#7-merchant-accounts, 7.3.
type transactionJSON struct {
	Type        string            `json:"type"`
	ID          string            `json:"id"`
	Currency    money.Currency    `json:"currency"`
	Amount      int64             `json:"amount_in_minor"`
	Status      string            `json:"status"`
	Created     string            `json:"created_at,omitempty"`
	Settled     string            `json:"settled_at,omitempty"`
	Executed    string            `json:"executed_at,omitempty"`
	Source      *sourceJSON       `json:"payment_source,omitempty"`
	Payment     string            `json:"payment_id,omitempty"`
	Refund      string            `json:"refund_id,omitempty"`
	Payout      string            `json:"payout_id,omitempty"`
	Beneficiary any               `json:"beneficiary,omitempty"`
	Context     string            `json:"context_code,omitempty"`
	Scheme      string            `json:"scheme_id,omitempty"`
	Remitter    *remitterJSON     `json:"remitter,omitempty"`
	ReturnFor   map[string]string `json:"return_for,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

// remitterJSON has its account in both forms that clients read.
type remitterJSON struct {
	Holder    string       `json:"account_holder_name"`
	Account   identifier   `json:"account_identifier"`
	Accounts  []identifier `json:"account_identifiers"`
	Reference string       `json:"reference"`
}

// isRust tells a client that fails on a list with an item of a kind that it
// does not know. docs/spec/truelayer.md#14-traps-with-file-references, 11.
func (c *call) isRust() bool {
	return strings.HasPrefix(c.r.Header.Get("User-Agent"), "truelayer-rust/")
}

func answerTransactions(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	query, _ := url.ParseQuery(c.r.Query) // read before
	want := query.Get("type")
	items := []transactionJSON{}
	for _, x := range r.Entries {
		t, ok := c.transaction(x, r)
		paidOut := t.Type == "payout" || t.Type == "refund"
		if ok && (want == "" || (want == "payout") == paidOut) {
			items = append(items, t)
		}
	}
	answer := map[string]any{"items": items}
	if r.More { // else the member must not be there: a client in use reads it as one more page
		last := strconv.FormatInt(r.Entries[len(r.Entries)-1].Seq, 10)
		answer["pagination"] = map[string]string{"next_cursor": base64.RawURLEncoding.EncodeToString([]byte(last))}
	}
	return c.json(http.StatusOK, answer)
}

// transaction shows one entry; false leaves it out. (D8)
func (c *call) transaction(x remit.Entry, r remit.Result) (t transactionJSON, ok bool) {
	t = transactionJSON{
		ID:       derived(c.r.Key, "transaction", string(c.who.Merchant), strconv.FormatInt(x.Seq, 10)),
		Currency: x.Amount.Currency, Amount: max(x.Amount.Minor, -x.Amount.Minor), Status: "settled",
	}
	switch d, p := x.Disbursement, x.Payment; {
	case d != nil && x.Amount.Minor < 0:
		return c.paidOut(t, *d, p, r)
	case d != nil: // it came back
		to := d.Payee(p)
		t.external(stamp(x.At), r.Accounts[to.Account], r.Accounts[to.Name], d.Reference)
		t.ReturnFor = map[string]string{"type": "identified", "returned_id": d.ExternalID}
	case p != nil && x.Amount.Minor > 0 && p.Dialect == Name:
		s := sourceOf(*p, r)
		s.User = nameIn(*p, scopeUser)
		t.Type, t.Settled, t.Source, t.Payment, t.Metadata = "merchant_account_payment", stamp(x.At), &s, p.ExternalID, paymentDetailsOf(*p).Metadata
	case x.Amount.Minor > 0:
		t.external(stamp(x.At), "", "", "")
	default:
		return t, false // taken back or taken out by hand: there is no word for it
	}
	return t, true
}

// paidOut is a refund or a payout that has left.
func (c *call) paidOut(t transactionJSON, d remit.Disbursement, p *remit.Payment, r remit.Result) (transactionJSON, bool) {
	if d.Dialect != Name {
		return t, false
	}
	x := detailsOf(d)
	t.ID, t.Status, t.Created, t.Executed, t.Metadata = d.ExternalID, statusExecuted, stamp(d.Created), stamp(d.Settled), x.Metadata
	t.Scheme, t.Context = schemes[d.Amount.Currency], "withdrawal"
	if d.Kind == remit.KindRefund && p != nil {
		s := sourceOf(*p, r)
		t.Type, t.Refund, t.Payment = "refund", d.ExternalID, p.ExternalID
		t.Beneficiary = refundPayeeJSON{"payment_source", s.ID, nameIn(*p, scopeUser), d.Reference, s.Holder, s.Accounts}
		return t, !c.isRust()
	}
	t.Type, t.Payout = "payout", d.ExternalID
	b := payeeOf(d, r)
	t.Beneficiary = b
	if x.Scheme != "" {
		t.Scheme = x.Scheme
	}
	return t, !c.isRust() || b.Type != payBusiness
}

// refundPayeeJSON is who got a refund.
type refundPayeeJSON struct {
	Type      string       `json:"type"`
	Source    string       `json:"payment_source_id"`
	User      string       `json:"user_id"`
	Reference string       `json:"reference"`
	Holder    string       `json:"account_holder_name"`
	Accounts  []identifier `json:"account_identifiers"`
}

// external makes it money that nobody asked for here.
func (t *transactionJSON) external(at, account, holder, reference string) {
	all := identifiers(account)
	if len(all) == 0 {
		all = []identifier{{Type: formBBAN, BBAN: "UNKNOWN"}} // a client in use fails without
	}
	t.Type, t.Settled, t.Remitter = "external_payment", at, &remitterJSON{Holder: holder, Account: all[0], Accounts: all, Reference: reference}
}

// decodeSources asks for the payments of a user.
// docs/spec/truelayer.md#7-merchant-accounts, 7.4.
func decodeSources(c *call) (dialect.Operation, error) {
	if c.currencyOf(c.segments["id"]) == "" {
		return dialect.Operation{}, errNothing
	}
	q, err := url.ParseQuery(c.r.Query)
	if err != nil || q.Get("user_id") == "" {
		return dialect.Operation{}, field("user_id", "Value is required.")
	}
	return dialect.Operation{Query: &dialect.Query{Payment: remit.Name{Scope: scopeUser, Text: q.Get("user_id")}, Accounts: true}}, nil
}

// refuseSources answers for a user whom nobody knows: no source is there.
func refuseSources(c *call, e *remit.Error) dialect.Response {
	if e.Code == remit.NotFound && e != errNothing {
		return answerSources(c, nil, remit.Result{})
	}
	return c.refuse(e)
}

// answerSources lists where a user's settled payments came from.
func answerSources(c *call, _ dialect.Signer, r remit.Result) dialect.Response {
	items := []sourceJSON{}
	for _, p := range r.Payments {
		if p.State == remit.PaymentFunded && p.Amount.Currency == c.currencyOf(c.segments["id"]) {
			items = append(items, sourceOf(p, r))
		}
	}
	return c.json(http.StatusOK, map[string]any{"items": items})
}
