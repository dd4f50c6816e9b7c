package console

import (
	"cmp"
	"maps"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/requestlog"
	"remit/money"
	"remit/store"
)

// merchantsMax is how many merchants one page shows with their balances.
const merchantsMax = 100

// merchantRow is a merchant with what it has.
type merchantRow struct {
	remit.Merchant
	Balances []balance
}

// merchants lists all, a page at a time, and makes new ones.
func (c *Console) merchants(v *visit) error {
	some, _, err := c.store.SomeMerchants(v.Context(), remit.MerchantID(v.FormValue("after")), merchantsMax+1)
	if err != nil {
		return err
	}
	last := ""
	if len(some) > merchantsMax {
		some = some[:merchantsMax]
		last = string(some[merchantsMax-1].ID)
	}
	var rows []merchantRow
	for _, m := range some {
		balances, err := c.balances(v.Context(), m.ID)
		if err != nil {
			return err
		}
		rows = append(rows, merchantRow{m, balances})
	}
	v.seeFirst()
	v.render(200, "merchants", "merchants", "Merchants", map[string]any{"Rows": rows, "Count": v.count, "Last": last})
	return nil
}

// addMerchant makes a merchant that can do nothing yet: it has no credentials.
func (c *Console) addMerchant(v *visit) (outcome, error) {
	id, name := remit.MerchantID(strings.TrimSpace(v.PostFormValue("id"))), strings.TrimSpace(v.PostFormValue("name"))
	out := outcome{to: Path + "/merchants"}
	head := c.o.Node.Engine.Head(id, v.operator, "console:merchants")
	if err := c.o.Node.AddMerchant(v.Context(), head, remit.Settings{Name: cmp.Or(name, string(id))}); err != nil {
		return out, err
	}
	return outcome{to: merchantPath(id, "settings"), message: "The merchant is there. Issue its credentials next."}, nil
}

// switches are the optional powers that can be switched here.
var switches = []struct{ Name, Label, Hint string }{
	{remit.SwitchPayoutConfirmation, "Tell of confirmed payouts", "A notification when the bank has confirmed."},
	{remit.SwitchPayoutFailed, "Tell of failed payouts", "A notification of its own for each failure too."},
}

// settings shows what a merchant may do, what it has, and by what it is known.
func (c *Console) settings(v *visit) error {
	balances, err := c.balances(v.Context(), v.merchant.ID)
	if err != nil {
		return err
	}
	credentials, err := c.store.Credentials(v.Context(), v.merchant.ID)
	if err != nil {
		return err
	}
	known := map[string]*identity{}
	for _, x := range credentials {
		known[x.Dialect] = known[x.Dialect].with(x)
	}
	ours := map[string]string{}
	for _, in := range v.dialects() {
		if ours[in], err = c.ourKey(in); err != nil {
			return err
		}
	}
	events, below, err := c.history(v)
	if err != nil {
		return err
	}
	v.render(200, "settings", "settings", cmp.Or(v.merchant.Settings.Name, string(v.merchant.ID)), map[string]any{
		"Settings": v.merchant.Settings, "Balances": balances, "Credentials": known, "Dialects": v.dialects(), "Switches": switches,
		"Window": v.merchant.Settings.SendWindow().String(), "Addresses": addressText(v.merchant.Settings.IPAllow),
		"Forbidden": strings.Join(forbidden(v.merchant.Settings), ", "), "Blocked": strings.Join(v.merchant.Settings.EndUsersBlocked, "\n"), "Ours": ours,
		"Shields": []remit.Shield{remit.ShieldOff, remit.ShieldWarn, remit.ShieldHold, remit.ShieldReject},
		"History": events, "Below": below, "Whole": v.FormValue("below") == "",
	})
	return nil
}

// identity is what a merchant is, or was, known by in a dialect.
type identity struct {
	All    []remit.Credential
	Live   bool
	Issued time.Time // when those that are good were
}

func (i *identity) with(c remit.Credential) *identity {
	if i == nil {
		i = &identity{}
	}
	i.All = append(i.All, c)
	if c.Live() {
		i.Live, i.Issued = true, c.Created
	}
	return i
}

// historyMax is how much of a merchant's own history a page shows.
const historyMax = 20

// happening is one event of the merchant itself: what was done, and what
// became of what.
type happening struct {
	remit.Event
	From  string   // where it was done
	Facts []string // what the decision wrote down
}

// history lists what was done to the merchant itself, newest first, and where
// the next page begins: 0 at the end.
func (c *Console) history(v *visit) (list []happening, below int64, err error) {
	if text := v.FormValue("below"); text != "" {
		if below, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, 0, remit.Errorf(remit.Invalid, "", "This is no page of the history.")
		}
	}
	events, err := c.store.Recent(v.Context(), store.Newest{Merchant: v.merchant.ID, Own: true, Below: below, Max: historyMax + 1})
	below = 0
	if len(events) > historyMax {
		events = events[:historyMax]
		below = events[historyMax-1].Seq
	}
	for _, e := range events {
		from, facts := remit.EvidenceParts(e.Evidence)
		list = append(list, happening{e, from, facts})
	}
	return list, below, err
}

// topUp moves a merchant's money by hand.
func (c *Console) topUp(v *visit) (outcome, error) {
	out := outcome{to: v.path("settings")}
	digits, takes := strings.CutPrefix(strings.TrimSpace(v.PostFormValue("amount")), "-")
	amount, err := money.ParseMajor(digits, money.Currency(strings.ToUpper(strings.TrimSpace(v.PostFormValue("currency")))))
	if err != nil || amount.Minor == 0 {
		return out, remit.Errorf(remit.Invalid, remit.ReasonAmount, "that is no amount: write it as 1204.50, with a currency such as EUR")
	}
	shows := strings.TrimSpace(v.PostFormValue("evidence"))
	if shows == "" || len(shows) > evidenceBytesMax {
		return out, remit.Errorf(remit.Invalid, "", "write down in short what shows that the money came or went")
	}
	out.message = amount.String() + " were put into the balance."
	if takes {
		out.message = amount.String() + " were taken out of the balance."
		amount.Minor = -amount.Minor
	}
	_, err = c.o.Node.Engine.Do(v.Context(), remit.TopUp{Head: v.head(requestlog.Accounts(shows)), Amount: amount})
	return out, err
}

// change writes the switches as the form has them.
func (c *Console) change(v *visit) (outcome, error) {
	out := outcome{to: v.path("settings")}
	window, err := time.ParseDuration(cmp.Or(strings.TrimSpace(v.PostFormValue("window")), "0s"))
	if err != nil || window < 0 {
		return out, remit.Errorf(remit.Invalid, "", "the send window is a time such as 30s or 5m")
	}
	addresses, err := addressList(v.PostFormValue("addresses"))
	if err != nil {
		return out, err
	}
	functions, err := functionList(v.PostFormValue("functions"))
	if err != nil {
		return out, err
	}
	var named remit.Settings
	forbid(&named, functions)
	if err := dialect.Misnamed(maps.Values(c.o.Node.Dialects), named); err != nil {
		return out, err
	}
	blocked, err := endUserList(v.PostFormValue("blocked"))
	if err != nil {
		return out, err
	}
	name, on := strings.TrimSpace(v.PostFormValue("name")), func(field string) bool { return v.PostFormValue(field) != "" }
	shield := remit.Shield(v.PostFormValue("shield"))
	flags := map[string]bool{}
	for _, s := range switches {
		flags[s.Name] = on("switch_" + s.Name)
	}
	disabled := on("disabled")
	_, err = c.o.Node.Engine.Do(v.Context(), remit.ChangeSettings{Head: v.head("settings"), Change: func(s *remit.Settings) {
		s.Name, s.Disabled, s.SendWindowMicros, s.IPAllow, s.Shield = cmp.Or(name, s.Name), disabled, window.Microseconds(), addresses, shield
		if s.Switches == nil {
			s.Switches = map[string]bool{}
		}
		maps.Copy(s.Switches, flags)
		forbid(s, functions)
		s.EndUsersBlocked = blocked
	}})
	out.message = "The switches are as you set them, in every process within a second."
	return out, err
}

// Words for who may ask: everybody, and nobody.
const (
	addressAny  = "any"
	addressNone = "none"
)

// addressText writes who may ask for a merchant.
func addressText(list []string) string {
	switch {
	case list == nil:
		return addressAny
	case len(list) == 0:
		return addressNone
	}
	return strings.Join(list, ", ")
}

// wordsOf parts a text at its commas and its blanks.
func wordsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \r\n\t", r) })
}

// addressList reads what addressText wrote: nil is anybody.
func addressList(text string) ([]string, error) {
	list := wordsOf(text)
	switch {
	case len(list) == 0:
		return nil, remit.Errorf(remit.Invalid, "", "write who may ask: addresses, ranges, %s or %s", addressAny, addressNone)
	case len(list) == 1 && list[0] == addressAny:
		return nil, nil
	case len(list) == 1 && list[0] == addressNone:
		return []string{}, nil
	}
	for _, line := range list {
		_, single := netip.ParseAddr(line)
		_, ranged := netip.ParsePrefix(line)
		if single != nil && ranged != nil {
			return nil, remit.Errorf(remit.Invalid, "", "%q is neither an address nor a range", line)
		}
	}
	return list, nil
}

// forbidden are the functions that a merchant may not call.
func forbidden(s remit.Settings) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Functions)) {
		if !s.MayCall(name) {
			names = append(names, name)
		}
	}
	return names
}

// forbid makes some functions those that a merchant may not call. What it was
// said to be allowed, and is not among them, it stays allowed.
func forbid(s *remit.Settings, names []string) {
	if s.Functions == nil {
		s.Functions = map[string]bool{}
	}
	maps.DeleteFunc(s.Functions, func(_ string, allowed bool) bool { return !allowed })
	for _, name := range names {
		s.Functions[name] = false
	}
}

// Limits of what a merchant's settings name.
const (
	functionsMax     = 100   // functions
	functionBytesMax = 64    // of one function's name
	endUsersMax      = 1_000 // blocked end users
	endUserBytesMax  = 255   // of one end user's id
)

// functionName is what providers call their functions. Which there are only
// their dialects know.
var functionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// functionList reads the names of functions, with commas between them.
func functionList(text string) ([]string, error) {
	list := wordsOf(text)
	if len(list) > functionsMax {
		return nil, remit.Errorf(remit.Invalid, "", "these are more than %d functions", functionsMax)
	}
	for _, name := range list {
		if len(name) > functionBytesMax || !functionName.MatchString(name) {
			return nil, remit.Errorf(remit.Invalid, "", "%.80q is no function's name: write them with commas between", name)
		}
	}
	return list, nil
}

// endUserList reads the ids of end users, one a line.
func endUserList(text string) (list []string, err error) {
	for _, id := range listed(text, "\n") {
		if len(id) > endUserBytesMax {
			return nil, remit.Errorf(remit.Invalid, "", "an end user's id has at most %d bytes", endUserBytesMax)
		}
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	if len(list) > endUsersMax {
		return nil, remit.Errorf(remit.Invalid, "", "these are more than %d end users", endUsersMax)
	}
	return list, nil
}

// ourKey is the public key by which merchants know us in a dialect, in PEM; ""
// where the provider signs nothing.
func (c *Console) ourKey(in string) (string, error) {
	if c.o.Node.Directory.KeyVersion(in) == 0 {
		return "", nil
	}
	return c.o.Node.Directory.PublicKeyPEM(in)
}

// secret is one of the texts that a merchant is shown once.
type secret struct{ Name, Text string }

// issue makes a merchant's credentials, and shows them this once.
func (c *Console) issue(v *visit) (out outcome, err error) {
	in := v.PathValue("where")
	out = outcome{to: v.path("settings"), message: "The credentials were issued, and shown once. If they are lost, issue new ones."}
	if !slices.Contains(v.dialects(), in) {
		return out, remit.Errorf(remit.NotFound, "", "no dialect %q is spoken here", in)
	}
	ours, err := c.ourKey(in)
	if err != nil {
		return out, err
	}
	made, err := c.o.Node.Issue(v.Context(), v.head("credentials"), in)
	if err != nil {
		return out, err
	}
	out.page = func() error {
		v.render(http.StatusOK, "credentials", "settings", "New credentials", map[string]any{"Dialect": in, "Principal": made.Principal, "Secrets": secrets(made), "Ours": ours})
		return nil
	}
	return out, nil
}

// revoke ends a merchant's credentials in a dialect.
func (c *Console) revoke(v *visit) (outcome, error) {
	in := v.PathValue("where")
	out := outcome{to: v.path("settings"), message: "The credentials for " + dialectName(in) + " have ended, in every process within a second."}
	return out, c.o.Node.Revoke(v.Context(), v.head("credentials"), in)
}

// secrets lists what credentials hold.
func secrets(c dialect.Credentials) (all []secret) {
	for _, kind := range []struct {
		what string
		of   map[string]string
	}{{"", c.Secrets}, {"", c.Shared}, {"private key ", c.Private}, {"public key ", c.Public}} {
		for _, name := range slices.Sorted(maps.Keys(kind.of)) {
			all = append(all, secret{kind.what + words(name), kind.of[name]})
		}
	}
	return all
}
