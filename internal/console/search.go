package console

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"remit"
	"remit/money"
	"remit/store"
)

// search leads to what a text names, or lists what it may mean: what is named
// so first, and then what is of that amount.
func (c *Console) search(v *visit) error {
	text := strings.TrimSpace(v.FormValue("q"))
	if _, err := v.see(remit.MerchantID(v.FormValue("in"))); err != nil {
		return err
	}
	v.seeFirst()
	all, err := c.store.Merchants(v.Context()) // a name is looked for in the settings
	if err != nil {
		return err
	}
	for _, m := range all {
		if string(m.ID) == text || (text != "" && strings.EqualFold(m.Settings.Name, text)) {
			http.Redirect(v.w, v.Request, merchantPath(m.ID), http.StatusSeeOther)
			return nil
		}
	}
	named, sums, err := c.find(v.Context(), v.merchant.ID, text)
	if err != nil {
		return err
	}
	if all := append(named[:len(named):len(named)], sums...); len(all) == 1 {
		http.Redirect(v.w, v.Request, all[0].Link(), http.StatusSeeOther)
		return nil
	}
	var groups []hits
	for _, g := range []hits{{"Named so", named}, {"Of this amount", sums}} {
		if len(g.List) > 0 {
			groups = append(groups, g)
		}
	}
	v.render(200, "search", "", "Search", map[string]any{"Text": text, "Groups": groups, "Max": foundMax})
	return nil
}

// hits are what was found in one way.
type hits struct {
	Title string
	List  []hit
}

// hit is a payment, a disbursement or a request that was found.
type hit struct {
	Request      *asked
	Payment      *remit.Payment
	Disbursement *remit.Disbursement
}

// Link is where it is shown.
func (h hit) Link() string {
	if h.Request != nil {
		return merchantPath(h.Request.Merchant, "requests", h.Request.ID)
	}
	if h.Payment != nil {
		return merchantPath(h.Payment.Merchant, "payments", string(h.Payment.ID))
	}
	return merchantPath(h.Disbursement.Merchant, "out", string(h.Disbursement.ID))
}

// find looks at the shown merchant first, and where nothing is found at all of
// them. An end-to-end id says itself whose it is.
func (c *Console) find(ctx context.Context, shown remit.MerchantID, text string) (named, sums []hit, err error) {
	if text == "" {
		return nil, nil, nil
	}
	in := []remit.MerchantID{shown, ""}
	if m, id, ok := remit.ParseEndToEndID(text); ok && strings.HasPrefix(string(id), "d") {
		in, text = []remit.MerchantID{m}, string(id)
	}
	if sums, err = c.ofAmount(ctx, in[0], text); err != nil {
		return nil, nil, err
	}
	for _, m := range in {
		if named, err = c.named(ctx, m, text); err != nil || len(named) > 0 {
			return named, sums, err
		}
	}
	if len(sums) == 0 && len(in) > 1 {
		sums, err = c.ofAmount(ctx, in[1], text)
	}
	return nil, sums, err
}

// named finds what has a name, of one merchant, or of all for "".
func (c *Console) named(ctx context.Context, m remit.MerchantID, text string) (all []hit, err error) {
	if traceForm.MatchString(text) {
		list, err := c.store.Requests(ctx, store.RequestFilter{Merchant: m, ID: text, Max: 1})
		if err != nil {
			return nil, err
		}
		for _, r := range c.opened(list) {
			all = append(all, hit{Request: &r})
		}
	}
	ps, ds, err := c.store.Find(ctx, store.Search{Merchant: m, Text: text, Max: foundMax})
	return append(all, hitsOf(ps, ds)...), err
}

// ofAmount finds what is of a sum that a text may mean. The store compares minor
// units: of a text without a currency those are left out to whose currency they
// mean another sum.
func (c *Console) ofAmount(ctx context.Context, m remit.MerchantID, text string) (all []hit, err error) {
	sums, named := amounts(text)
	for _, a := range sums {
		s := store.Search{Merchant: m, Amount: a, Max: foundMax}
		if !named {
			s.Amount.Currency = ""
		}
		ps, ds, err := c.store.Find(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, h := range hitsOf(ps, ds) {
			if alike(h.amount().Currency, a.Currency) {
				all = append(all, h)
			}
		}
	}
	return all, nil
}

func hitsOf(ps []remit.Payment, ds []remit.Disbursement) (all []hit) {
	for _, d := range ds {
		all = append(all, hit{Disbursement: &d})
	}
	for _, p := range ps {
		all = append(all, hit{Payment: &p})
	}
	return all
}

// amount is that of a payment or a disbursement.
func (h hit) amount() money.Amount {
	if h.Payment != nil {
		return h.Payment.Amount
	}
	return h.Disbursement.Amount
}

// alike tells whether two currencies have as many decimals.
func alike(a, b money.Currency) bool {
	x, _ := a.Digits()
	y, _ := b.Digits()
	return x == y
}

var (
	// commaForm is an amount as much of Europe writes it: its decimals stand
	// behind a comma, and points or spaces may part its thousands.
	commaForm = regexp.MustCompile(`^([0-9]{1,3}(?:[. ]?[0-9]{3})*),([0-9]{2})( [A-Za-z]{3})?$`)
	// amountForm is one with a point, in which commas may part the thousands. What
	// begins with a zero is a name.
	amountForm = regexp.MustCompile(`^(?:0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]+)?(?: [A-Za-z]{3})?$`)
)

// anyUnit has a currency of each number of decimals, the most usual first.
var anyUnit = []money.Currency{"EUR", "JPY", "KWD", "CLF"}

// amounts are what a text may mean as a sum of money. "1,204.50 EUR" is one
// amount, and so is "1.204,50 EUR"; "30" is one in each currency, of which
// one of each number of decimals is answered, and named is false.
func amounts(text string) (all []money.Amount, named bool) {
	if m := commaForm.FindStringSubmatch(text); m != nil {
		text = strings.NewReplacer(".", "", " ", "").Replace(m[1]) + "." + m[2] + m[3]
	}
	if !amountForm.MatchString(text) {
		return nil, false
	}
	number, code, named := strings.Cut(strings.ReplaceAll(text, ",", ""), " ")
	in := anyUnit
	if named {
		in = []money.Currency{money.Currency(strings.ToUpper(code))}
	}
	for _, c := range in {
		if a, err := money.ParseMajor(number, c); err == nil && a.Minor > 0 {
			all = append(all, a)
		}
	}
	return all, named
}
