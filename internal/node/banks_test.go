package node_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/dialect/trustly"
	"remit/internal/clock"
	"remit/internal/node"
	"remit/internal/vault"
	"remit/rail"
	"remit/store/sqlite"
)

// called is a rail whose bank says who it is, after so many questions that it
// does not answer.
type called struct {
	idle
	id     string
	silent int
}

func (c *called) Identity(context.Context) (string, error) {
	if c.silent--; c.silent >= 0 {
		return "", errors.New("it is only just starting")
	}
	return c.id, nil
}

// TestAStoreIsUsedWithOneBank starts processes on one store at once, each with a
// bank of its own: one starts, the others are refused. Later only that one's bank
// is taken, also if it answers late.
func TestAStoreIsUsedWithOneBank(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "remit.db"))
	must(t, err)
	defer s.Close()
	must(t, s.Migrate(t.Context()))
	start := func(r rail.Rail) error {
		n, err := node.Start(t.Context(), node.Config{
			Store: s, MasterKey: make([]byte, vault.MasterKeyBytes), Dialects: []dialect.Dialect{trustly.Dialect{}}, Rails: []rail.Rail{r},
			Clock: clock.New(time.Now, 0, false), Real: time.Now, Rand: rand.Reader, NewID: func(remit.MerchantID) string { return rand.Text() },
		})
		if err == nil {
			n.Close()
		}
		return err
	}
	ids := []string{"a", "b", "c"}
	came := make([]error, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() { came[i] = start(&called{id: id}) })
	}
	all.Wait()
	first := ""
	for i, err := range came {
		switch {
		case err == nil && first == "":
			first = ids[i]
		case !errors.Is(err, node.ErrOtherBank):
			t.Errorf("%s: %v, beside %q", ids[i], err, first)
		}
	}
	for _, id := range ids {
		err := start(&called{id: id, silent: 1})
		if id == first && err != nil || id != first && !errors.Is(err, node.ErrOtherBank) {
			t.Errorf("%s came after %s: %v", id, first, err)
		}
	}
	must(t, start(idle{})) // who cannot say who he is
}
