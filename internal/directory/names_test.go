package directory_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/directory"
	"remit/internal/vault"
	"remit/store"
	"remit/store/sqlite"
	"remit/store/storetest"
)

// register is a directory with its store, in which credentials can be kept.
type register struct {
	store.Store
	*directory.Directory
}

// keep has the command decided and written, as the engine does it.
func (r register) keep(ctx context.Context, m remit.MerchantID, in string, c dialect.Credentials) error {
	cmd, err := r.Issuance(ctx, remit.Head{ID: "c", Merchant: m, Actor: "operator:ann"}, in, c)
	if err != nil {
		return err
	}
	ids := []remit.MerchantID{m}
	err = r.Update(ctx, store.Wants{Merchants: ids, Credentials: ids, Block: true}, func(h *store.Have) (*store.Writes, error) {
		change, err := cmd.Decide(remit.Facts{Now: time.Unix(2, 0).UTC(), Merchant: h.Merchants[m], Credentials: h.Credentials[m]})
		return &store.Writes{Credentials: change.Credentials}, err
	})
	r.Changed(m)
	return err
}

// people is a directory of two merchants.
func people(t *testing.T) register {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "remit.db"))
	must(t, err)
	t.Cleanup(func() { s.Close() })
	must(t, s.Migrate(t.Context()))
	v, err := vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	must(t, err)
	for _, m := range []remit.MerchantID{"acme", "globex"} {
		err = storetest.AddMerchant(t.Context(), s, remit.Merchant{ID: m, Created: time.Unix(1, 0)})
		must(t, err)
	}
	now := func() time.Time { return time.Unix(2, 0) }
	return register{s, directory.New(s, v, nil, rand.Reader, now, now)}
}

// TestNobodyIsKnownByAnothersWord asks for a merchant by its id, and then for
// principals that no merchant was issued.
func TestNobodyIsKnownByAnothersWord(t *testing.T) {
	r := people(t)
	must(t, r.keep(t.Context(), "acme", "some", dialect.Credentials{Principal: "one"}))
	if who, err := r.Merchant(t.Context(), "some", "acme"); err != nil || !who.Known {
		t.Fatalf("acme: %+v, %v", who, err)
	}
	for _, p := range []dialect.Principal{"acme", "merchant acme", ""} {
		if who, err := r.Caller(t.Context(), "some", p); err != nil || who.Known {
			t.Errorf("%q is known as %s: %v", p, who.Merchant, err)
		}
	}
}

// TestAMerchantIsFoundByEachOfItsNames keeps credentials with two names: both
// are the same merchant with the same secrets, and neither can become another
// merchant's.
func TestAMerchantIsFoundByEachOfItsNames(t *testing.T) {
	ctx := t.Context()
	d := people(t)
	must(t, d.keep(ctx, "acme", "some", dialect.Credentials{
		Principal: "merchant/1", Also: []dialect.Principal{"account/2"}, Secrets: map[string]string{"a": "x"}, Shared: map[string]string{"b": "y"},
	}))
	for _, name := range []dialect.Principal{"merchant/1", "account/2"} {
		c, err := d.Caller(ctx, "some", name)
		must(t, err)
		if c.Merchant != "acme" || !c.Secret("a", "x") || c.Shared["b"] != "y" {
			t.Errorf("%s is %+v", name, c)
		}
	}
	err := d.keep(ctx, "globex", "some", dialect.Credentials{Principal: "merchant/3", Also: []dialect.Principal{"account/2"}})
	if !errors.Is(err, directory.ErrTaken) {
		t.Errorf("got %v, want ErrTaken", err)
	}
	if !errors.Is(err, remit.Conflict) {
		t.Errorf("%v is no conflict", err)
	}
	if c, err := d.Caller(ctx, "some", "account/2"); err != nil || c.Merchant != "acme" {
		t.Errorf("the name is %s's now: %v", c.Merchant, err)
	}
}

// TestNewCredentialsEndTheOldOnes issues anew: the old names are nobody's, the
// new ones are the merchant's, also where it is asked for by its id.
func TestNewCredentialsEndTheOldOnes(t *testing.T) {
	ctx := t.Context()
	d := people(t)
	for _, n := range []string{"1", "0"} { // an older name may come first, or last
		must(t, d.keep(ctx, "acme", "some", dialect.Credentials{
			Principal: dialect.Principal("merchant/" + n), Also: []dialect.Principal{"account/2"}, Shared: map[string]string{"b": n},
		}))
		must(t, d.keep(ctx, "acme", "other", dialect.Credentials{Principal: "merchant/1"}))
		for name, want := range map[dialect.Principal]bool{"merchant/1": n == "1", "merchant/0": n == "0", "account/2": true} {
			c, err := d.Caller(ctx, "some", name)
			must(t, err)
			if c.Known != want {
				t.Errorf("of credentials %s, %s is known: %t", n, name, c.Known)
			}
		}
		if c, err := d.Merchant(ctx, "some", "acme"); err != nil || c.Shared["b"] != n {
			t.Errorf("acme's credentials are %v, %v; want those of %s", c.Shared, err, n)
		}
		if c, err := d.Caller(ctx, "other", "merchant/1"); err != nil || !c.Known {
			t.Errorf("what it has in another dialect has ended: %v", err)
		}
	}
	if _, _, err := d.Replacement(ctx, remit.Head{Merchant: "acme"}, "some", "k", "no key"); !errors.Is(err, directory.ErrPEM) {
		t.Errorf("got %v, want ErrPEM", err)
	}
}
