package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"remit"
	"remit/dialect"
	"remit/internal/directory"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// wanted is what a call asks a merchant to become. What is nil stays as it is.
type wanted struct {
	disabled  *bool
	balances  map[money.Currency]int64
	addresses *[]string // nil inside lets every address in
	functions map[string]bool
	blocked   *[]string
	switches  map[string]bool
	config    map[string]string
	shield    *remit.Shield
	key       *key
}

// key is what becomes of a merchant's public keys.
type key struct {
	withdrawn bool
	restored  bool
	pem       string // replaces those of its kind
}

func (s *Sandbox) showMerchant(ctx context.Context, c *call) (any, error) {
	if err := c.bare(); err != nil {
		return nil, err
	}
	m, err := named(c)
	if err != nil {
		return nil, err
	}
	return s.portrait(ctx, m)
}

// named is the merchant in a call's path.
func named(c *call) (remit.MerchantID, error) {
	m := remit.MerchantID(c.PathValue("merchant"))
	if !slices.Contains(merchants, m) {
		return "", remit.Errorf(remit.NotFound, "", "there is no merchant %q", string(m))
	}
	return m, nil
}

// changeMerchant puts a merchant into the state that is asked for. Nothing
// changes if anything is wrong with it.
func (s *Sandbox) changeMerchant(ctx context.Context, c *call) (any, error) {
	m, err := named(c)
	if err != nil {
		return nil, err
	}
	w, err := s.wanted(m, c.object())
	if err != nil {
		return nil, err
	}
	if err := s.changeKeys(ctx, m, w.key); err != nil {
		return nil, err
	}
	if _, err := s.node.Engine.Do(ctx, remit.ChangeSettings{Head: s.head(m, "merchants"), Change: s.apply(w)}); err != nil {
		return nil, err
	}
	for _, cur := range slices.Sorted(maps.Keys(w.balances)) {
		target := w.balances[cur]
		_, err := s.node.Engine.Do(ctx, remit.TopUp{Head: s.head(m, "merchants"), Amount: money.Amount{Currency: cur}, Target: &target})
		if err != nil {
			return nil, err
		}
	}
	return s.portrait(ctx, m)
}

// apply makes the change of a merchant's settings.
func (s *Sandbox) apply(w wanted) func(*remit.Settings) {
	return func(to *remit.Settings) {
		if w.disabled != nil {
			to.Disabled = *w.disabled
		}
		if w.addresses != nil {
			to.IPAllow = *w.addresses
		}
		if w.blocked != nil {
			to.EndUsersBlocked = *w.blocked
		}
		if w.shield != nil {
			to.Shield = *w.shield
		}
		to.Functions = merged(to.Functions, w.functions)
		to.Switches = merged(to.Switches, w.switches)
		to.Config = merged(to.Config, w.config)
		if w.key == nil {
			return
		}
		to.KeysWithdrawn = map[string]bool{}
		for _, d := range s.o.Dialects {
			if w.key.withdrawn {
				to.KeysWithdrawn[d.Name()] = true
			}
		}
	}
}

func merged[T any](into, from map[string]T) map[string]T {
	if into == nil {
		into = map[string]T{}
	}
	maps.Copy(into, from)
	return into
}

// wanted reads the body of a call, and checks all of it.
func (s *Sandbox) wanted(m remit.MerchantID, o *object) (w wanted, err error) {
	var disabled bool
	if take(o, "disabled", "true or false", &disabled) {
		w.disabled = &disabled
	}
	w.balances = balances(o)
	w.addresses = addresses(o)
	w.functions = o.flags("functions")
	if blocked, ok := o.texts("end_users_blocked"); ok {
		w.blocked = &blocked
	}
	w.switches = o.flags("switches")
	if in, ok := o.within("config"); ok {
		w.config = map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(in.members)) {
			var text string
			if !in.text(name, &text) || len(text) > textBytesMax {
				o.fail("config: %s must be a text of at most %d bytes", name, textBytesMax)
			}
			w.config[name] = text
		}
	}
	if err := dialect.Misnamed(maps.Values(s.node.Dialects), remit.Settings{Functions: w.functions, Switches: w.switches, Config: w.config}); err != nil {
		o.fail("%s", remit.AsError(err).Detail)
	}
	w.shield = shield(o)
	w.key = s.wantedKey(m, o)
	return w, o.done()
}

// shieldOff is what the control API calls remit.ShieldOff, which is no word.
const shieldOff = "off"

// shield reads what becomes of a refund that equals an earlier one.
func shield(o *object) *remit.Shield {
	var text string
	if !o.text("shield", &text) {
		return nil
	}
	if text == shieldOff {
		return new(remit.ShieldOff)
	}
	if !slices.Contains([]remit.Shield{remit.ShieldWarn, remit.ShieldHold, remit.ShieldReject}, remit.Shield(text)) {
		o.fail("shield must be off, warn, hold or reject")
	}
	return new(remit.Shield(text))
}

// balances reads balance_minor: for each currency the balance to reach.
func balances(o *object) map[money.Currency]int64 {
	in, ok := o.within("balance_minor")
	if !ok {
		return nil
	}
	all := map[money.Currency]int64{}
	for _, name := range slices.Sorted(maps.Keys(in.members)) {
		var minor int64
		if _, known := money.Currency(name).Digits(); !known {
			o.fail("there is no currency %q", name)
		}
		if !take(in, name, "a whole number of minor units", &minor) || minor < 0 || minor > amountMinorMax {
			o.fail("a balance must be from 0 to %d minor units", int64(amountMinorMax))
		}
		all[money.Currency(name)] = minor
	}
	return all
}

// addresses reads ip_allow. Null lets every address in.
func addresses(o *object) *[]string {
	if isNull(o.members["ip_allow"]) {
		o.raw("ip_allow")
		return new([]string)
	}
	list, ok := o.texts("ip_allow")
	if !ok {
		return nil
	}
	if len(list) == 0 {
		o.fail("ip_allow names at least one address, or is null")
	}
	for _, text := range list {
		_, single := netip.ParseAddr(text)
		_, ranged := netip.ParsePrefix(text)
		if single != nil && ranged != nil {
			o.fail("ip_allow: %q is neither an address nor a range", text)
		}
	}
	return &list
}

// wantedKey reads public_key.
func (s *Sandbox) wantedKey(m remit.MerchantID, o *object) *key {
	v, ok := o.raw("public_key")
	if !ok {
		return nil
	}
	var text string
	switch err := json.Unmarshal(v, &text); {
	case isNull(v):
		return &key{withdrawn: true}
	case err == nil && text == "restore":
		return &key{restored: true}
	case err == nil && len(s.replaceable(m, text)) > 0:
		return &key{pem: text}
	}
	o.fail(`public_key must be null, "restore", or a public key in PEM of the kind that the merchant has`)
	return nil
}

// keyName names one of a merchant's public keys.
type keyName struct{ dialect, name string }

// replaceable are the keys of a merchant that are of the same kind as the one
// in a PEM text.
func (s *Sandbox) replaceable(m remit.MerchantID, text string) (names []keyName) {
	other, err := directory.ParsePublicKey(text)
	if err != nil {
		return nil
	}
	for _, d := range s.o.Dialects {
		c, _ := s.home.credentials(m, d.Name())
		for _, name := range slices.Sorted(maps.Keys(c.Public)) {
			first, err := directory.ParsePublicKey(c.Public[name])
			if err == nil && reflect.TypeOf(first) == reflect.TypeOf(other) {
				names = append(names, keyName{d.Name(), name})
			}
		}
	}
	return names
}

// changeKeys replaces a merchant's public keys, or puts the first ones back.
func (s *Sandbox) changeKeys(ctx context.Context, m remit.MerchantID, k *key) error {
	if k == nil || k.withdrawn {
		return nil
	}
	if k.restored {
		for _, d := range s.o.Dialects {
			c, _ := s.home.credentials(m, d.Name())
			for _, name := range slices.Sorted(maps.Keys(c.Public)) {
				if _, err := s.node.SetPublicKey(ctx, s.head(m, "merchants"), d.Name(), name, c.Public[name]); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, n := range s.replaceable(m, k.pem) {
		if _, err := s.node.SetPublicKey(ctx, s.head(m, "merchants"), n.dialect, n.name, k.pem); err != nil {
			return err
		}
	}
	return nil
}

// balance is what a merchant has in one currency.
type balance struct {
	Currency       money.Currency `json:"currency"`
	BalanceMinor   int64          `json:"balance_minor"`
	AvailableMinor int64          `json:"available_minor"`
}

// rank puts the currencies first that a merchant begins with.
func (b balance) rank() int {
	if i := slices.Index(currencies, b.Currency); i >= 0 {
		return i
	}
	return len(currencies)
}

// portrait is a merchant as the control API shows it.
func (s *Sandbox) portrait(ctx context.Context, m remit.MerchantID) (any, error) {
	have, err := s.node.Store.Read(ctx, store.Wants{
		Merchants: []remit.MerchantID{m}, Accounts: []store.AccountsRef{{Merchant: m}},
	})
	if err != nil {
		return nil, err
	}
	list := []balance{}
	for _, a := range have.Books[m] {
		if a.ID == remit.BalanceAccount(m, a.Currency) {
			list = append(list, balance{a.Currency, a.Balance(), a.Available()})
		}
	}
	slices.SortFunc(list, func(a, b balance) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Currency, b.Currency))
	})
	x := have.Merchants[m].Settings
	return map[string]any{
		"merchant": m, "balances": list, "disabled": x.Disabled, "ip_allow": x.IPAllow, "functions": merged(nil, x.Functions),
		"end_users_blocked": append([]string{}, x.EndUsersBlocked...), "switches": merged(nil, x.Switches),
		"config": merged(nil, x.Config), "public_key_withdrawn": len(x.KeysWithdrawn) > 0, "shield": cmp.Or(string(x.Shield), shieldOff),
	}, nil
}

func (s *Sandbox) books(ctx context.Context, m remit.MerchantID) (ledger.Books, error) {
	have, err := s.node.Store.Read(ctx, store.Wants{Accounts: []store.AccountsRef{{Merchant: m}}})
	if err != nil {
		return nil, err
	}
	return have.Books[m], nil
}
