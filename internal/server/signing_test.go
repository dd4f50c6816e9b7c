package server_test

import (
	"crypto"
	"io"
	"runtime"
	"sync"
	"testing"

	"remit"
	"remit/dialect"
	"remit/internal/server"
)

// sealing is plainly with answers that are signed, if the path says so.
type sealing struct{ plainly }

func (sealing) Read(r dialect.Request) dialect.Call { return seals{say{r}} }

type seals struct{ say }

func (s seals) Encode(by dialect.Signer, r remit.Result, err error) dialect.Response {
	if s.r.Path == "/plainly/sign" {
		if k, failed := by.Key(0); failed == nil {
			_, _ = k.Sign(nil, nil, crypto.SHA256)
		}
	}
	return s.say.Encode(by, r, err)
}

// pen is a directory whose one key signs only when it is let.
type pen struct {
	server.Directory
	mu       sync.Mutex
	now, top int // how many sign at once, and did at most
	began    chan bool
	let      chan bool
}

func (p *pen) Signer(string) dialect.Signer     { return p }
func (p *pen) Key(int64) (crypto.Signer, error) { return p, nil }
func (p *pen) Public() crypto.PublicKey         { return nil }
func (p *pen) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	p.mu.Lock()
	p.now++
	p.top = max(p.top, p.now)
	p.mu.Unlock()
	p.began <- true
	<-p.let
	p.mu.Lock()
	p.now--
	p.mu.Unlock()
	return nil, nil
}

// TestNoMoreIsSignedAtOnceThanThereAreProcessors has more answers signed at once than there
// are cores: no more sign than that, and an answer without a signature does
// not wait for them.
func TestNoMoreIsSignedAtOnceThanThereAreProcessors(t *testing.T) {
	const more = 5
	cores := runtime.GOMAXPROCS(0)
	p := &pen{began: make(chan bool, cores+more), let: make(chan bool)}
	w := newWorld(t, func(o *server.Options) {
		p.Directory, o.Directory, o.Dialects = o.Directory, p, []dialect.Dialect{sealing{}}
	})
	var all sync.WaitGroup
	for range cores + more {
		all.Go(func() { w.post(t, "/plainly/sign", "no command") })
	}
	for range cores {
		<-p.began
	}
	if _, got := w.post(t, "/plainly", "order 1 EUR k"); got != "refunded" {
		t.Errorf("an answer without a signature: %q", got)
	}
	for range cores + more {
		p.let <- true
	}
	all.Wait()
	if p.top != cores {
		t.Errorf("%d signed at once, on %d cores", p.top, cores)
	}
}
