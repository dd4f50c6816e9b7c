package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"remit/internal/p521"
)

// trustlyOverHTTP measures signed refunds through the server, against what this
// machine's RSA alone can do: one verification and one signature each, on all
// cores.
func trustlyOverHTTP(ctx context.Context, o options) (string, error) {
	var bare series
	var accepted, settled taken
	for round := range o.rounds {
		rate, err := verifyAndSign(ctx, o.seconds)
		if err != nil {
			return "", err
		}
		bare = append(bare, rate)
		n := int(rate * o.seconds.Seconds())
		for _, life := range []bool{false, true} {
			rows := &accepted
			if life {
				rows = &settled
			}
			if err := rows.measure(ctx, o, speaksTrustly, filepath.Join(o.dir, fmt.Sprintf("trustly-%d-%t", round, life)), n, life); err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf(`### Signed Trustly refunds over HTTP

SQLite; %d callers on the same machine; the bank in the server's process settles at once. %s

| row | refunds/s | of bare | server's CPU, µs | load's CPU, µs |
|---|---|---|---|---|
| RSA-2048 verify + sign, SHA-1, bare, all cores | %s | 1 | | |
| accepted: signed answer on the wire | %s | %s | %s | %s |
| whole life: accepted, sent, settled, all of them | %s | %s | %s | %s |
`, callers, aboutCPU, bare,
		accepted.rate, accepted.rate.ratio(bare), accepted.server, accepted.load,
		settled.rate, settled.rate.ratio(bare), settled.server, settled.load), nil
}

// aboutCPU explains two columns.
const aboutCPU = "CPU time is of all cores, for each refund: other work on the machine hardly shows in it."

// trueLayerOverHTTP measures signed refunds through the server, against what
// verifying alone can do on all cores: our own, and the standard library's.
func trueLayerOverHTTP(ctx context.Context, o options) (string, error) {
	var ours, standard series
	var accepted taken
	for round := range o.rounds {
		for _, v := range []struct {
			with *p521.Verifier
			rate *series
		}{{p521.New(), &ours}, {nil, &standard}} {
			rate, err := verifying(ctx, o.seconds, v.with)
			if err != nil {
				return "", err
			}
			*v.rate = append(*v.rate, rate)
		}
		n := int(2 * standard[round] * o.seconds.Seconds())
		if err := accepted.measure(ctx, o, speaksTrueLayer, filepath.Join(o.dir, fmt.Sprintf("truelayer-%d", round)), n, false); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf(`### Signed TrueLayer refunds over HTTP

SQLite; %d callers on the same machine. %s

| row | a second | of crypto/ecdsa | of ours | server's CPU, µs | load's CPU, µs |
|---|---|---|---|---|---|
| P-521 verify, crypto/ecdsa, bare, all cores | %s | 1 | %s | | |
| P-521 verify, ours, bare, all cores | %s | %s | 1 | | |
| accepted: answer on the wire | %s | %s | %s | %s | %s |
`, callers, aboutCPU, standard, standard.ratio(ours), ours, ours.ratio(standard),
		accepted.rate, accepted.rate.ratio(standard), accepted.rate.ratio(ours), accepted.server, accepted.load), nil
}

// verifyAndSign is how many pairs of both all cores make in a second.
func verifyAndSign(ctx context.Context, d time.Duration) (float64, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, err
	}
	sum := sha1.Sum([]byte("a request"))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:])
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	return during(ctx, d, runtime.GOMAXPROCS(0), func() error {
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA1, sum[:], signature); err != nil {
			return err
		}
		_, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:])
		n.Add(1)
		return err
	}, &n)
}

// verifying is how many signatures of one key all cores verify in a second,
// once a verifier has its tables.
func verifying(ctx context.Context, d time.Duration, v *p521.Verifier) (float64, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return 0, err
	}
	sum := sha512.Sum512([]byte("a request"))
	signature, err := signP521(key, sum[:])
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	verify := func() error {
		n.Add(1)
		if !v.Verify(&key.PublicKey, sum[:], signature) {
			return errors.New("a signature does not verify")
		}
		return nil
	}
	for range verifiedBefore {
		if err := verify(); err != nil {
			return 0, err
		}
	}
	n.Store(0)
	return during(ctx, d, runtime.GOMAXPROCS(0), verify, &n)
}

// verifiedBefore is how many signatures of a key are verified before the clock
// starts: its table is there by then.
const verifiedBefore = 200

// during repeats f in some goroutines for a while, and answers how often it
// was done in a second.
func during(ctx context.Context, d time.Duration, workers int, f func() error, n *atomic.Int64) (float64, error) {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	var wg sync.WaitGroup
	failed := make(chan error, workers)
	start := time.Now()
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := f(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(n.Load()) / took.Seconds(), nil
	}
}

// taken is what was seen of refunds that a server took.
type taken struct {
	rate         series // refunds a second: accepted, or settled
	server, load series // CPU time for each, in µs
}

// measure has a server take n refunds: accepted, or settled.
func (t *taken) measure(ctx context.Context, o options, in tongue, dir string, n int, life bool) error {
	i, err := prepare(ctx, in, dir, n, life)
	if err != nil {
		return err
	}
	s, err := i.serve(ctx, o.binary)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := i.warm(ctx, s.address); err != nil {
		return err
	}
	pids := [2]int{s.cmd.Process.Pid, os.Getpid()}
	var before, after [2]time.Duration
	if before, err = used(pids); err != nil {
		return err
	}
	start := time.Now()
	if err := i.send(ctx, s.address); err != nil {
		return err
	}
	if life {
		if err := i.settled(ctx); err != nil {
			return err
		}
	}
	t.rate = append(t.rate, float64(n)/time.Since(start).Seconds())
	if after, err = used(pids); err != nil {
		return err
	}
	each := func(k int) float64 { return float64((after[k] - before[k]).Microseconds()) / float64(n) }
	t.server, t.load = append(t.server, each(0)), append(t.load, each(1))
	return nil
}
