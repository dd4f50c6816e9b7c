package paytrail

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"remit"
	"remit/dialect"
)

// languages are those of the payers' pages.
var languages = []string{"FI", "SV", "EN"}

// Limits of an item. docs/spec/paytrail.md#b7-neighbours.
const (
	unitsMax     = 10_000_000
	unitPriceMax = 99_999_999 // cents
)

// decodeCreate opens a payment, for a payer to pay on our page: where nothing
// is real. (D11) docs/spec/paytrail.md#b7-neighbours.
func decodeCreate(c *paymentsCall) dialect.Operation {
	m := c.body()
	customer, err := object(m["customer"])
	email := readText(customer["email"]).is
	c.complain(err != nil || !address(email), "customer.email is required")
	d := payment{
		Interface: interfaceE2, Email: email, Account: c.signed[headerAccount], Algorithm: c.signed[headerAlgorithm],
		Stamp: c.short(m["stamp"], "stamp", textRunesMax), Reference: c.short(m["reference"], "reference", textRunesMax),
		Redirects: c.urls(m["redirectUrls"], "redirectUrls", true), Callbacks: c.urls(m["callbackUrls"], "callbackUrls", false),
	}
	c.complain(d.Stamp == "", "stamp is required")
	c.complain(d.Reference == "", "reference is required")
	c.complain(readText(m["currency"]).is != currency, "currency is EUR")
	c.complain(!slices.Contains(languages, readText(m["language"]).is), "language is FI, SV or EN")
	o := opened(d, d.Reference)
	o.State, o.Amount.Currency = remit.PaymentOpened, currency
	o.Amount.Minor = readWhole(m["amount"])
	c.complain(o.Amount.Minor < 1 || o.Amount.Minor > totalMinorMax, "amount must be a positive integer")
	o.Portions = c.ordered(m["items"], o.Amount.Minor)
	if err := notHere(c.who.Settings); err != nil {
		o.Faults = []remit.Fault{{Err: err}}
	}
	if len(c.meta) > 0 {
		o.Faults = c.faults()
	}
	c.answer = c.created
	return dialect.Operation{Open: &dialect.Open{OpenPayment: o}}
}

// notHere refuses payments where they would be real: no bank is behind our
// page.
func notHere(s remit.Settings) *remit.Error {
	if s.On(remit.SwitchSandbox) {
		return nil
	}
	return remit.Errorf(remit.Forbidden, remit.ReasonFunction, "payments cannot be made here")
}

// item is one of an order, in cents with VAT.
type item struct {
	UnitPrice   json.RawMessage `json:"unitPrice"`
	Units       json.RawMessage `json:"units"`
	VAT         json.Number     `json:"vatPercentage"`
	ProductCode string          `json:"productCode"`
	Stamp       string          `json:"stamp"`
}

// ordered are the shares of an order: by rate of VAT, and by item where it
// has a stamp. Items with a negative price cannot be refunded by themselves.
func (c *paymentsCall) ordered(v json.RawMessage, total int64) (all []remit.Portion) {
	if v == nil || isNull(v) {
		return nil
	}
	var list []item
	if json.Unmarshal(v, &list) != nil || len(list) > itemsMax {
		c.complain(true, "items is a list of objects")
		return nil
	}
	sum := int64(0)
	for _, i := range list {
		price := readWhole(json.RawMessage(strings.TrimPrefix(string(i.UnitPrice), "-")))
		units := readWhole(i.Units)
		percent, ok := hundredths(i.VAT)
		c.complain(price < 0 || price > unitPriceMax, "items.unitPrice must be an integer")
		c.complain(units < 0 || units > unitsMax, "items.units must be an integer from 0")
		c.complain(!ok, "items.vatPercentage is from 0 to 100, with at most one decimal")
		c.complain(i.ProductCode == "" || len(i.ProductCode) > textRunesMax, "items.productCode is required")
		if price < 0 || units < 0 || units > unitsMax {
			return nil
		}
		minor := price * units
		if strings.HasPrefix(string(i.UnitPrice), "-") {
			minor = -minor
		}
		sum += minor
		all = share(all, rate(percent), minor)
		if i.Stamp != "" && minor > 0 {
			all = share(all, portionItem+i.Stamp, minor)
		}
	}
	c.complain(len(list) > 0 && sum != total, "amount and items do not agree")
	return all
}

// percentage is one with at most one decimal.
var percentage = regexp.MustCompile(`^([0-9]{1,3})(?:\.([0-9])0*)?$`)

// hundredths reads a percentage, in hundredths of a percent.
func hundredths(n json.Number) (int64, bool) {
	parts := percentage.FindStringSubmatch(n.String())
	if parts == nil {
		return 0, false
	}
	tenths, _ := strconv.ParseInt(parts[1]+cmp.Or(parts[2], "0"), 10, 64) // four digits fit
	return tenths * 10, tenths*10 <= vatMax
}

// terms is what a payer agrees to by paying here.
const terms = "Nothing is sold or paid here: this is a sandbox."

// group is a kind of provider, and offer one of them with what a form to it
// holds.
type (
	group struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Icon string `json:"icon"`
		SVG  string `json:"svg"`
	}
	offer struct {
		URL        string  `json:"url"`
		Icon       string  `json:"icon"`
		SVG        string  `json:"svg"`
		Group      string  `json:"group"`
		Name       string  `json:"name"`
		ID         string  `json:"id"`
		Parameters []field `json:"parameters"`
	}
	field struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

var groupNames = map[string]string{
	"mobile": "Mobile payment methods", "bank": "Bank payment methods", "creditcard": "Card payment methods", "credit": "Invoice and instalment payment methods",
}

// created is the answer: where the payer goes.
func (c *paymentsCall) created(res remit.Result) any {
	p := *res.Payment
	body := struct {
		TransactionID   string         `json:"transactionId"`
		Href            string         `json:"href"`
		Terms           string         `json:"terms"`
		Reference       string         `json:"reference"`
		Groups          []group        `json:"groups"`
		Providers       []offer        `json:"providers"`
		CustomProviders map[string]any `json:"customProviders"`
	}{
		TransactionID: p.ExternalID, Href: c.href(p), Terms: terms, Reference: kept[payment](p.Details).Reference,
		CustomProviders: map[string]any{},
	}
	for _, id := range []string{"mobile", "bank", "creditcard", "credit"} {
		body.Groups = append(body.Groups, group{ID: id, Name: groupNames[id]})
	}
	for _, x := range providers {
		body.Providers = append(body.Providers, offer{
			URL: body.Href, Group: x.group, Name: x.name, ID: x.id, Parameters: []field{{"choice", x.id}, {"do", doPay}},
		})
	}
	return body
}

// href is the payer's page of a payment.
func (c *paymentsCall) href(p remit.Payment) string {
	return c.r.Origin + payPath + dialect.Mark(c.r.Key, payPath, c.signed[headerAccount], p.ExternalID)
}
