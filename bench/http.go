package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"remit"
	"remit/internal/directory"
	"remit/internal/node"
)

// callers is how many requests are on their way at once.
const callers = 32

// overHTTP measures signed refunds through the server, against what this
// machine's RSA alone can do: one verification and one signature each, on all
// cores. Requests are signed before, and answers are not verified.
func overHTTP(ctx context.Context, o options) (string, error) {
	var bare, accepted, settled series
	for round := range o.rounds {
		rate, err := verifyAndSign(ctx, o.seconds)
		if err != nil {
			return "", err
		}
		bare = append(bare, rate)
		n := int(rate * o.seconds.Seconds())
		for _, life := range []bool{false, true} {
			rate, err := signedRefunds(ctx, o, filepath.Join(o.dir, fmt.Sprintf("http-%d-%t", round, life)), n, life)
			if err != nil {
				return "", err
			}
			if life {
				settled = append(settled, rate)
			} else {
				accepted = append(accepted, rate)
			}
		}
	}
	return fmt.Sprintf(`### Signed Trustly refunds over HTTP

SQLite; %d callers on the same machine; the bank in the server's process settles at once.

| row | refunds/s | of bare |
|---|---|---|
| RSA-2048 verify + sign, SHA-1, bare, all cores | %s | 1 |
| accepted: signed answer on the wire | %s | %s |
| whole life: accepted, sent, settled, all of them | %s | %s |
`, callers, bare, accepted, accepted.ratio(bare), settled, settled.ratio(bare)), nil
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

// signedRefunds has a server take n refunds, and answers how many it took a
// second: accepted, or settled.
func signedRefunds(ctx context.Context, o options, dir string, n int, life bool) (float64, error) {
	in, err := prepare(ctx, dir, n, life)
	if err != nil {
		return 0, err
	}
	s, err := in.serve(ctx, o.binary)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	start := time.Now()
	if err := in.send(ctx, s.address); err != nil {
		return 0, err
	}
	if life {
		if err := in.settled(ctx); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// send has all requests answered.
func (in *installation) send(ctx context.Context, address string) error {
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer h.CloseIdleConnections()
	queue := make(chan []byte, len(in.requests))
	for _, r := range in.requests {
		queue <- r
	}
	close(queue)
	var wg sync.WaitGroup
	failed := make(chan error, callers)
	for range callers {
		wg.Go(func() {
			for body := range queue {
				if err := accepted(ctx, h, address, body); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

func accepted(ctx context.Context, h *http.Client, address string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/1", bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := h.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && !bytes.Contains(text, []byte(`"result":"1"`)) {
		err = fmt.Errorf("a refund was refused: %s", text)
	}
	return err
}

// settled waits until every refund has come to its end.
func (in *installation) settled(ctx context.Context) error {
	for ctx.Err() == nil {
		b, err := in.store.Backlog(ctx, time.Now().Add(time.Hour))
		if err != nil || b.Send == 0 {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ctx.Err()
}

// sign makes the signed request for one refund of an order, of 0.01 EUR.
func sign(c client, n int, order string) ([]byte, error) {
	uuid := fmt.Sprintf("00000000-0000-4000-8000-%012x", n)
	plain := "Refund" + uuid + "Amount0.01CurrencyEUROrderID" + order + "Password" + c.password + "Username" + c.username
	sum := sha1.Sum([]byte(plain))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA1, sum[:])
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"method":"Refund","params":{"Signature":%q,"UUID":%q,"Data":{"Username":%q,"Password":%q,"OrderID":%q,"Amount":"0.01","Currency":"EUR"}},"version":"1.1"}`,
		base64.StdEncoding.EncodeToString(signature), uuid, c.username, c.password, order), nil
}

// merchantOf is what a merchant of the run needs to ask.
func merchantOf(ctx context.Context, n *node.Node, m remit.MerchantID, s remit.Settings) (client, error) {
	if _, err := n.AddMerchant(ctx, m, s); err != nil {
		return client{}, err
	}
	c, err := n.Directory.Issue(ctx, m, "trustly")
	if err != nil {
		return client{}, err
	}
	k, err := directory.ParsePrivateKey(c.Private["merchant"])
	if err != nil {
		return client{}, err
	}
	return client{username: string(c.Principal), password: c.Secrets["password"], key: k.(*rsa.PrivateKey)}, nil
}

// client is a merchant's name, password and key.
type client struct {
	username, password string
	key                *rsa.PrivateKey
}

func newID(remit.MerchantID) string { return strings.ToLower(rand.Text())[:19] }
