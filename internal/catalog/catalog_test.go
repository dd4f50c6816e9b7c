package catalog_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"remit/internal/catalog"
	"remit/internal/server"
)

// TestTheDialectsShareOneServer mounts all of them: two that listen at one
// path would panic.
func TestTheDialectsShareOneServer(t *testing.T) {
	names := map[string]bool{}
	for _, d := range catalog.Dialects() {
		if names[d.Name()] {
			t.Errorf("two dialects are named %s", d.Name())
		}
		names[d.Name()] = true
	}
	var _ http.Handler = server.New(server.Options{Dialects: catalog.Dialects()})
}

// TestAStoreIsNamedByItsDSN opens what a text names, and refuses what names
// nothing.
func TestAStoreIsNamedByItsDSN(t *testing.T) {
	file := filepath.Join(t.TempDir(), "remit.db")
	for _, x := range []struct {
		dsn string
		ok  bool
	}{
		{"sqlite:" + file, true}, {"postgres://remit@127.0.0.1:1/remit", true}, {"postgresql://remit@127.0.0.1:1/remit", true},
		{"postgres:host=127.0.0.1 dbname=remit", true}, // connected when it is used
		{"", false}, {file, false}, {"sqlite:", false}, {"postgres:", false}, {"postgres", false}, {"mysql://remit@127.0.0.1/remit", false},
	} {
		s, err := catalog.OpenStore(t.Context(), x.dsn, nil)
		if x.ok != (err == nil) || (!x.ok && !errors.Is(err, catalog.ErrStore)) {
			t.Errorf("%q: %v", x.dsn, err)
		}
		if err == nil {
			if err := s.Close(); err != nil {
				t.Errorf("%q: %v", x.dsn, err)
			}
		}
	}
}

// TestARailIsNamedInOneWay opens the simulated bank here and elsewhere, and
// refuses both at once, and neither.
func TestARailIsNamedInOneWay(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "bank.journal")
	for _, x := range []struct {
		c  catalog.Simulated
		ok bool
	}{
		{catalog.Simulated{Journal: journal}, true},
		{catalog.Simulated{URL: "http://127.0.0.1:1", Token: "t"}, true},
		{catalog.Simulated{URL: "http://127.0.0.1:1"}, false},
		{catalog.Simulated{Journal: journal, URL: "http://127.0.0.1:1", Token: "t"}, false},
		{catalog.Simulated{}, false},
	} {
		rails, done, err := catalog.OpenRails(x.c)
		if x.ok != (err == nil) || (!x.ok && !errors.Is(err, catalog.ErrRails)) {
			t.Errorf("%+v: %v", x.c, err)
		}
		if err != nil {
			continue
		}
		if len(rails) != 1 || rails[0].Name() != catalog.SimulatorName {
			t.Errorf("%+v: %v", x.c, rails)
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	}
}
