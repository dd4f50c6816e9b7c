package directory_test

import (
	"crypto/rand"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/directory"
	"remit/internal/vault"
	"remit/store/sqlite"
)

// TestAMerchantIsFoundByEachOfItsNames keeps credentials with two names: both
// are the same merchant with the same secrets, and neither can become another
// merchant's.
func TestAMerchantIsFoundByEachOfItsNames(t *testing.T) {
	ctx := t.Context()
	s, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "remit.db"))
	must(t, err)
	defer s.Close()
	must(t, s.Migrate(ctx))
	v, err := vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	must(t, err)
	for _, m := range []remit.MerchantID{"acme", "globex"} {
		_, err = s.AddMerchant(ctx, remit.Merchant{ID: m, Created: time.Unix(1, 0)})
		must(t, err)
	}
	now := func() time.Time { return time.Unix(2, 0) }
	d := directory.New(s, v, nil, rand.Reader, now, now)
	must(t, d.Put(ctx, "acme", "some", dialect.Credentials{
		Principal: "merchant/1", Also: []dialect.Principal{"account/2"}, Secrets: map[string]string{"a": "x"}, Shared: map[string]string{"b": "y"},
	}))
	for _, name := range []dialect.Principal{"merchant/1", "account/2"} {
		c, err := d.Caller(ctx, "some", name)
		must(t, err)
		if c.Merchant != "acme" || !c.Secret("a", "x") || c.Shared["b"] != "y" {
			t.Errorf("%s is %+v", name, c)
		}
	}
	err = d.Put(ctx, "globex", "some", dialect.Credentials{Principal: "merchant/3", Also: []dialect.Principal{"account/2"}})
	if !errors.Is(err, directory.ErrTaken) {
		t.Errorf("got %v, want ErrTaken", err)
	}
	if c, err := d.Caller(ctx, "some", "account/2"); err != nil || c.Merchant != "acme" {
		t.Errorf("the name is %s's now: %v", c.Merchant, err)
	}
}
