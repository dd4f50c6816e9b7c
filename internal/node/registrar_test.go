package node_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/dialect/trustly"
	"remit/internal/clock"
	"remit/internal/node"
	"remit/internal/vault"
	"remit/rail"
	"remit/store"
	"remit/store/sqlite"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// idle is a rail that is never used.
type idle struct{ rail.Rail }

func (idle) Name() string { return "idle" }

// pair are two processes over one store, whose real clock a test moves.
type pair struct {
	store store.Store
	nodes [2]*node.Node
	real  atomic.Int64 // ns since 1970
}

func begin(t *testing.T) *pair {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "remit.db"))
	must(t, err)
	t.Cleanup(func() { s.Close() })
	must(t, s.Migrate(t.Context()))
	p := &pair{store: s}
	p.real.Store(time.Now().UnixNano())
	var ids atomic.Int64
	for i := range p.nodes {
		real := func() time.Time { return time.Unix(0, p.real.Load()) }
		n, err := node.Start(context.Background(), node.Config{
			Store: s, MasterKey: make([]byte, vault.MasterKeyBytes), Dialects: []dialect.Dialect{trustly.Dialect{}}, Rails: []rail.Rail{idle{}},
			Clock: clock.New(real, 0, false), Real: real, Rand: rand.Reader, NewID: func(remit.MerchantID) string { return fmt.Sprintf("%019d", ids.Add(1)) },
		})
		must(t, err)
		t.Cleanup(n.Close)
		p.nodes[i] = n
	}
	return p
}

func head(n *node.Node) remit.Head { return n.Engine.Head("acme", "operator:ann", "test") }

// TestWhatIsRevokedIsRefused revokes credentials in one process: it refuses
// them at once, another that had just seen them within a second of real time.
func TestWhatIsRevokedIsRefused(t *testing.T) {
	p, ctx := begin(t), t.Context()
	here, there := p.nodes[0], p.nodes[1]
	known := func(n *node.Node) bool {
		who, err := n.Directory.Caller(ctx, trustly.Name, "acme")
		must(t, err)
		return who.Known
	}
	must(t, here.AddMerchant(ctx, head(here), remit.Settings{}))
	_, err := here.Issue(ctx, head(here), trustly.Name)
	must(t, err)
	if !known(here) || !known(there) {
		t.Fatal("what was issued is not known")
	}
	must(t, here.Revoke(ctx, head(here), trustly.Name))
	if known(here) {
		t.Error("this process still believes it")
	}
	p.real.Add(int64(time.Second))
	if known(there) {
		t.Error("after a second another process still believes it")
	}
	if err := there.Revoke(ctx, head(there), trustly.Name); !errors.Is(err, remit.NotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	_, err = there.Issue(ctx, head(there), trustly.Name)
	must(t, err)
	if !known(there) {
		t.Error("what was issued again is not known")
	}
}

// TestTheRegistrarsActsAreEvents reads a merchant's own history: each act with
// who did it, none with a secret, all in the chain.
func TestTheRegistrarsActsAreEvents(t *testing.T) {
	p, ctx := begin(t), t.Context()
	n := p.nodes[0]
	must(t, n.AddMerchant(ctx, head(n), remit.Settings{Name: "Acme"}))
	if err := p.nodes[1].AddMerchant(ctx, head(n), remit.Settings{}); !errors.Is(err, remit.Conflict) {
		t.Errorf("made twice: %v", err)
	}
	made, err := n.Issue(ctx, head(n), trustly.Name)
	must(t, err)
	for name, text := range made.Public {
		found, err := n.SetPublicKey(ctx, head(n), trustly.Name, name, text)
		must(t, err)
		if !found {
			t.Error("the merchant has no keys")
		}
	}
	must(t, n.Revoke(ctx, head(n), trustly.Name))
	events, err := p.store.Events(ctx, "acme", "")
	must(t, err)
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Kind)
		if e.Actor != "operator:ann" || !strings.HasPrefix(e.Evidence, "test; ") {
			t.Errorf("got %+v", e)
		}
		for _, secrets := range []map[string]string{made.Secrets, made.Private, made.Public} {
			for name, text := range secrets {
				if strings.Contains(e.Evidence, text) {
					t.Errorf("event %d holds %s", e.Seq, name)
				}
			}
		}
	}
	if got := strings.Join(kinds, " "); got != "created issued key_replaced revoked" {
		t.Errorf("the history is %s", got)
	}
	if r, err := n.Check(ctx); err != nil || !r.OK {
		t.Errorf("the check says %v, %v", r.Broken, err)
	}
}

// TestNobodyIsMadeByARefusal: an id that is none leaves no row, and a merchant
// that two processes make at once is made by one of them.
func TestNobodyIsMadeByARefusal(t *testing.T) {
	p, ctx := begin(t), t.Context()
	h := head(p.nodes[0])
	h.Merchant = "No One"
	if err := p.nodes[0].AddMerchant(ctx, h, remit.Settings{}); !errors.Is(err, remit.Invalid) {
		t.Errorf("got %v", err)
	}
	done := make(chan error)
	for _, n := range p.nodes {
		go func() { done <- n.AddMerchant(ctx, head(n), remit.Settings{}) }()
	}
	first, second := <-done, <-done
	if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), remit.Conflict) {
		t.Errorf("two at once: %v and %v", first, second)
	}
	all, err := p.store.Merchants(ctx)
	must(t, err)
	if len(all) != 1 || all[0].ID != "acme" || all[0].Seq != 1 {
		t.Errorf("there are %+v", all)
	}
}
