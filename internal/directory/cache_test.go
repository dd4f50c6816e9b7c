package directory_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/dialect/trustly"
	"remit/internal/directory"
	"remit/internal/vault"
	"remit/store"
	"remit/store/sqlite"
	"remit/store/storetest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// slow is a store whose next reading of a merchant takes its time once it has
// read.
type slow struct {
	store.Store
	settings   remit.Settings
	read, goOn chan struct{}
}

func (s *slow) Read(ctx context.Context, w store.Wants) (*store.Have, error) {
	have, err := s.Store.Read(ctx, w)
	if err != nil {
		return nil, err
	}
	for id, m := range have.Merchants {
		m.Settings = s.settings
		have.Merchants[id] = m
	}
	if s.read != nil {
		close(s.read)
		s.read = nil
		<-s.goOn
	}
	return have, nil
}

// TestWhatWasReadBeforeAChangeIsNotKept changes a merchant's settings while
// they are being read: who reads may still see the old ones, who asks after
// the change may not.
func TestWhatWasReadBeforeAChangeIsNotKept(t *testing.T) {
	ctx := t.Context()
	real, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "remit.db"))
	must(t, err)
	defer real.Close()
	must(t, real.Migrate(ctx))
	err = storetest.AddMerchant(ctx, real, remit.Merchant{ID: "acme", Created: time.Unix(1, 0)})
	must(t, err)
	v, err := vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	must(t, err)
	read := make(chan struct{})
	s := &slow{Store: real, read: read, goOn: make(chan struct{})}
	now := func() time.Time { return time.Unix(1000, 0) }
	d := directory.New(s, v, map[string]dialect.Dialect{"trustly": trustly.Dialect{}}, rand.Reader, now, now)
	c, err := d.Make("acme", "trustly")
	must(t, err)
	must(t, register{real, d}.keep(ctx, "acme", "trustly", c))

	done := make(chan error)
	go func() {
		_, err := d.Caller(ctx, "trustly", "acme")
		done <- err
	}()
	<-read
	s.settings.Disabled = true
	d.Changed("acme")
	close(s.goOn)
	must(t, <-done)
	who, err := d.Caller(ctx, "trustly", "acme")
	must(t, err)
	if !who.Settings.Disabled {
		t.Error("after the change the merchant is as it was before")
	}
}
