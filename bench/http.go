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
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"remit/internal/p521"
)

// trustlyOverHTTP measures signed refunds through the server, against what this
// machine's RSA alone can do: one verification and one signature each, on all
// cores.
func trustlyOverHTTP(ctx context.Context, o options) (string, error) {
	var bare, accepted, settled seen
	for round := range o.rounds {
		if err := bare.add(verifyAndSign(ctx, o.seconds)); err != nil {
			return "", err
		}
		n := int(bare.rate[round] * o.seconds.Seconds())
		if err := accepted.add(signedRefunds(ctx, o, speaksTrustly, fmt.Sprint("trustly-accepted-", round), n, false)); err != nil {
			return "", err
		}
		if err := settled.add(signedRefunds(ctx, o, speaksTrustly, fmt.Sprint("trustly-settled-", round), n, true)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf(`### Signed Trustly refunds over HTTP

SQLite; %d callers on the same machine; the bank in the server's process settles at once. %s

| row | a second | of bare | CPU, µs | the load's, µs | by CPU: of bare |
|---|---|---|---|---|---|
%s%s%s`, callers, aboutCPU,
		bare.row("RSA-2048 verify + sign, SHA-1, bare, all cores", bare),
		accepted.row("accepted: signed answer on the wire", bare),
		settled.row("whole life: accepted, sent, settled, all of them", bare)), nil
}

// aboutCPU explains the last columns.
const aboutCPU = "CPU time is each one's, of all cores. What other work on the machine takes shows less in it than in rates: " +
	"the last columns are what a rate would be of the bare one if nothing ever waited."

// trueLayerOverHTTP measures signed refunds through the server, against what
// verifying alone can do on all cores: our own, and the standard library's.
func trueLayerOverHTTP(ctx context.Context, o options) (string, error) {
	var standard, ours, ceiling, accepted seen
	for round := range o.rounds {
		if err := standard.add(verifying(ctx, o.seconds, nil)); err != nil {
			return "", err
		}
		if err := ours.add(verifying(ctx, o.seconds, p521.New())); err != nil {
			return "", err
		}
		n := int(2 * standard.rate[round] * o.seconds.Seconds())
		if err := ceiling.add(verifyingOverHTTP(ctx, 4*n)); err != nil {
			return "", err
		}
		if err := accepted.add(signedRefunds(ctx, o, speaksTrueLayer, fmt.Sprint("truelayer-", round), n, false)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf(`### Signed TrueLayer refunds over HTTP

SQLite; %d callers on the same machine. %s

| row | a second | of crypto/ecdsa | of ours | CPU, µs | the load's, µs | by CPU: of crypto/ecdsa | of ours |
|---|---|---|---|---|---|---|---|
%s%s%s%s`, callers, aboutCPU,
		standard.row("P-521 verify, crypto/ecdsa, bare, all cores", standard, ours),
		ours.row("P-521 verify, ours, bare, all cores", standard, ours),
		ceiling.row("net/http that verifies one, ours, and answers: no more than that", standard, ours),
		accepted.row("accepted: answer on the wire", standard, ours)), nil
}

// figure is what one measurement saw.
type figure struct {
	rate      float64 // a second
	cpu, load float64 // time of all cores for each, in µs: of what does it, and of the load
}

// seen is one row's figures, one a round.
type seen struct{ rate, cpu, load series }

func (s *seen) add(f figure, err error) error {
	s.rate, s.cpu, s.load = append(s.rate, f.rate), append(s.cpu, f.cpu), append(s.load, f.load)
	return err
}

// row is the row of a table, beside some bare ones.
func (s seen) row(what string, bare ...seen) string {
	all := make(series, len(s.cpu))
	for i := range all {
		all[i] = s.cpu[i] + s.load[i]
	}
	line := "| " + what + " | " + s.rate.String()
	for _, b := range bare {
		line += " | " + s.rate.ratio(b.rate)
	}
	line += fmt.Sprintf(" | %s | %s", s.cpu, s.load)
	for _, b := range bare {
		line += " | " + b.cpu.ratio(all)
	}
	return line + " |\n"
}

// verifyAndSign is how many pairs of both all cores make in a second.
func verifyAndSign(ctx context.Context, d time.Duration) (figure, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return figure{}, err
	}
	sum := sha1.Sum([]byte("a request"))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:])
	if err != nil {
		return figure{}, err
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
func verifying(ctx context.Context, d time.Duration, v *p521.Verifier) (figure, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return figure{}, err
	}
	sum := sha512.Sum512([]byte("a request"))
	signature, err := signP521(key, sum[:])
	if err != nil {
		return figure{}, err
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
			return figure{}, err
		}
	}
	n.Store(0)
	return during(ctx, d, runtime.GOMAXPROCS(0), verify, &n)
}

// verifyingOverHTTP is what n requests cost that a plain net/http server
// verifies and answers, and of which it keeps nothing: no refund can cost less.
// The server is in the load's process, so its CPU time is that of both.
func verifyingOverHTTP(ctx context.Context, n int) (figure, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return figure{}, err
	}
	body := []byte(`{"amount_in_minor":1,"reference":"A"}`)
	sum := sha512.Sum512(body)
	signature, err := signP521(key, sum[:])
	if err != nil {
		return figure{}, err
	}
	v := p521.New()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		sum := sha512.Sum512(got)
		if err != nil || !v.Verify(&key.PublicKey, sum[:], signature) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"id":"dfb531ca-8e25-4753-bc23-0c7eeb8d4f29"}`)
	}))
	defer s.Close()
	send := func(n int) error {
		return ask(ctx, s.Listener.Addr().String(), slices.Repeat([][]byte{post("/", "", body)}, n), speaksTrueLayer.accepted)
	}
	if err := send(verifiedBefore); err != nil {
		return figure{}, err
	}
	before, err1 := used(os.Getpid())
	start := time.Now()
	err = send(n)
	took := time.Since(start)
	after, err2 := used(os.Getpid())
	return figure{rate: float64(n) / took.Seconds(), cpu: float64((after - before).Microseconds()) / float64(n)}, errors.Join(err, err1, err2)
}

// verifiedBefore is how many signatures of a key are verified before the clock
// starts: its table is there by then.
const verifiedBefore = 200

// during repeats f in some goroutines for a while, and answers how often it
// was done in a second.
func during(ctx context.Context, d time.Duration, workers int, f func() error, n *atomic.Int64) (figure, error) {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	var wg sync.WaitGroup
	failed := make(chan error, workers)
	before, err := used(os.Getpid())
	if err != nil {
		return figure{}, err
	}
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
	after, err := used(os.Getpid())
	close(failed)
	if err := errors.Join(err, <-failed); err != nil {
		return figure{}, err
	}
	done := float64(n.Load())
	return figure{rate: done / took.Seconds(), cpu: float64((after - before).Microseconds()) / done}, nil
}

// signedRefunds has a server take n refunds: accepted, or settled.
func signedRefunds(ctx context.Context, o options, in tongue, dir string, n int, life bool) (figure, error) {
	i, err := prepare(ctx, in, filepath.Join(o.dir, dir), n, life)
	if err != nil {
		return figure{}, err
	}
	s, err := i.serve(ctx, o.binary)
	if err != nil {
		return figure{}, err
	}
	defer s.stop()
	if err := i.warm(ctx, s.address); err != nil {
		return figure{}, err
	}
	server, load := s.cmd.Process.Pid, os.Getpid()
	serverBefore, err1 := used(server)
	loadBefore, err2 := used(load)
	start := time.Now()
	err = i.send(ctx, s.address)
	if err == nil && life {
		err = i.settled(ctx)
	}
	took := time.Since(start)
	serverAfter, err3 := used(server)
	loadAfter, err4 := used(load)
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	return figure{float64(n) / took.Seconds(), each(serverAfter - serverBefore), each(loadAfter - loadBefore)}, errors.Join(err, err1, err2, err3, err4)
}
