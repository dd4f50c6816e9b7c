package sandbox_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"remit"
	"remit/internal/catalog"
	"remit/internal/node"
	"remit/internal/sandbox"
	"remit/internal/server"
	"remit/internal/webhook"
	"remit/store"
)

// config is a sandbox as the program makes it, on a free port.
func config(t *testing.T, dir string, seed *int64) sandbox.Options {
	t.Helper()
	l, err := sandbox.Listen(dir, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	sender := webhook.New(webhook.Options{AllowLoopback: true})
	t.Cleanup(sender.Close)
	var ids atomic.Int64
	return sandbox.Options{
		Dir: dir, Seed: seed, Listener: l, Dialects: catalog.Dialects(), Log: log, Caller: sender,
		NewID: func(remit.MerchantID) string { return fmt.Sprintf("%010x%09d", time.Now().UnixNano()>>24, ids.Add(1)) },
		OpenStore: func(ctx context.Context, path string) (store.Store, error) {
			return catalog.OpenStore(ctx, "sqlite:"+path, nil)
		},
		OpenBank: func(journal string, now func() time.Time) (sandbox.Bank, func() error, error) {
			rails, done, err := catalog.OpenRails(catalog.Simulated{Journal: journal, Now: now})
			if err != nil {
				return nil, nil, err
			}
			return rails[0].(sandbox.Bank), done, nil
		},
		Public: func(n *node.Node, newTrace func() string) (http.Handler, func()) { return public(n, newTrace, log) },
		Serve:  func(ctx context.Context, l net.Listener, h http.Handler) error { return server.Serve(ctx, l, h, log) },
	}
}

// public is what serve mounts, too.
func public(n *node.Node, newTrace func() string, log *slog.Logger) (http.Handler, func()) {
	if newTrace == nil {
		newTrace = func() string { return "0123456789abcdef" }
	}
	s := server.New(server.Options{
		Dialects: catalog.Dialects(), Directory: n.Directory, Engine: n.Engine, Now: n.Clock.Now, Real: time.Now,
		NewTrace: newTrace, Key: n.RequestKey, Requests: n.Requests, Log: log,
	})
	return s, s.Close
}

// client knows of a sandbox what sandbox.json says.
type client struct {
	*testing.T
	dir      string
	settings map[string]any
	stop     func()
}

// start starts a sandbox whose clock stands still: what is asked of it is
// carried out before the next thing is, and nothing else happens.
func start(t *testing.T) *client { return startAt(t, t.TempDir(), new(int64(7))) }

func startAt(t *testing.T, dir string, seed *int64) *client {
	t.Helper()
	return startWith(t, config(t, dir, seed))
}

func startWith(t *testing.T, o sandbox.Options) *client {
	t.Helper()
	dir := o.Dir
	s, err := sandbox.Open(t.Context(), o)
	if err != nil {
		t.Fatal(errors.Join(err, o.Listener.Close()))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- errors.Join(s.Run(ctx, func() { close(ready) }), s.Close()) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	c := &client{T: t, dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, "sandbox.json"))
	must(t, err)
	must(t, json.Unmarshal(text, &c.settings))
	stopped := false
	c.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		must(t, <-ended)
		http.DefaultClient.CloseIdleConnections()
		if _, err := os.Stat(filepath.Join(dir, "sandbox.json")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a sandbox that has stopped still says that it is ready: %v", err)
		}
	}
	t.Cleanup(c.stop)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// at reads a value out of JSON, by names and indexes.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			list, _ := v.([]any)
			if step < 0 {
				step += len(list)
			}
			if step < 0 || step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

// try makes a control call, and answers its status and what came back.
func (c *client) try(method, path, body string) (int, any) {
	c.Helper()
	req, err := http.NewRequest(method, c.settings["control_url"].(string)+path, strings.NewReader(body))
	must(c.T, err)
	res, err := http.DefaultClient.Do(req)
	must(c.T, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(c.T, err)
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		c.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return res.StatusCode, out
}

// do makes a control call that must succeed.
func (c *client) do(method, path, body string) any {
	c.Helper()
	status, out := c.try(method, path, body)
	if status != http.StatusOK {
		c.Fatalf("%s %s %s: got %d %v", method, path, body, status, out)
	}
	return out
}

// refused makes a control call that must be refused with a status.
func (c *client) refused(want int, method, path, body string) {
	c.Helper()
	status, out := c.try(method, path, body)
	code, _ := at(out, "error", "code").(string)
	message, _ := at(out, "error", "message").(string)
	if status != want || code == "" || message == "" {
		c.Errorf("%s %s %s: got %d %v, want %d and an error", method, path, body, status, out, want)
	}
}

// pay makes a payment of a hundred euros, and answers its name. more are
// further members.
func (c *client) pay(more string) string {
	c.Helper()
	out := c.do("POST", "/payments", `{"dialect":"trustly","amount_minor":10000,"currency":"EUR"`+more+`}`)
	return at(out, "external_id").(string)
}

func (c *client) advance(by string) {
	c.Helper()
	c.do("POST", "/clock/advance", `{"by":"`+by+`"}`)
}

// only is the one refund of a payment.
func (c *client) only(payment string) any {
	c.Helper()
	items := at(c.do("GET", "/disbursements?external_id="+payment, ""), "items").([]any)
	if len(items) != 1 {
		c.Fatalf("payment %s has %d refunds, want 1", payment, len(items))
	}
	return items[0]
}

func (c *client) wantState(payment, want string) any {
	c.Helper()
	d := c.only(payment)
	if got := at(d, "state"); got != want {
		c.Fatalf("the refund is %v, want %s: %v", got, want, d)
	}
	return d
}

func (c *client) inbox() []any {
	c.Helper()
	return at(c.do("GET", "/inbox?dialect=trustly", ""), "items").([]any)
}

// sound fails unless the books are.
func (c *client) sound() {
	c.Helper()
	if out := c.do("GET", "/ledger/check", ""); at(out, "ok") != true {
		c.Errorf("the books: %v", out)
	}
	for _, i := range at(c.do("GET", "/bank", ""), "instructions").([]any) {
		if at(i, "times_paid").(float64) > 1 {
			c.Errorf("paid twice: %v", i)
		}
	}
}

// section is a merchant's settings for Trustly.
func (c *client) section(merchant string) map[string]any {
	if merchant == c.settings["merchant"] {
		return c.settings["trustly"].(map[string]any)
	}
	for _, o := range c.settings["others"].([]any) {
		if at(o, "merchant") == merchant {
			return at(o, "trustly").(map[string]any)
		}
	}
	c.Fatalf("there is no merchant %s", merchant)
	return nil
}

func pemAt(t *testing.T, file any) []byte {
	t.Helper()
	text, err := os.ReadFile(file.(string))
	must(t, err)
	block, _ := pem.Decode(text)
	return block.Bytes
}

// flat writes an object as signatures want it. The values here are texts.
func flat(data map[string]any) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if v, ok := data[name].(float64); ok {
			data[name] = strconv.FormatInt(int64(v), 10)
		}
		fmt.Fprint(&b, name, data[name])
	}
	return b.String()
}

// refund is a signed request to refund.
func (c *client) refund(merchant, uuid, payment, amount string) []byte {
	c.Helper()
	s := c.section(merchant)
	key, err := x509.ParsePKCS1PrivateKey(pemAt(c.T, s["merchant_private_key"]))
	must(c.T, err)
	data := map[string]any{"Username": s["username"], "Password": s["password"], "OrderID": payment, "Amount": amount, "Currency": "EUR"}
	sum := sha1.Sum([]byte("Refund" + uuid + flat(data)))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:])
	must(c.T, err)
	body, err := json.Marshal(map[string]any{"method": "Refund", "version": "1.1", "params": map[string]any{
		"Signature": base64.StdEncoding.EncodeToString(signature), "UUID": uuid, "Data": data,
	}})
	must(c.T, err)
	return body
}

// send posts a request to Trustly's URL, and checks the answer's signature.
func (c *client) send(merchant string, body []byte) (raw []byte, result any, code int) {
	c.Helper()
	s := c.section(merchant)
	res, err := http.Post(s["url"].(string), "application/json", bytes.NewReader(body))
	must(c.T, err)
	defer res.Body.Close()
	raw, err = io.ReadAll(res.Body)
	must(c.T, err)
	var out map[string]any
	must(c.T, json.Unmarshal(raw, &out))
	signed := at(out, "result")
	if signed == nil {
		signed = at(out, "error", "error")
		code = int(at(out, "error", "code").(float64))
	}
	key, err := x509.ParsePKIXPublicKey(pemAt(c.T, s["server_public_key"]))
	must(c.T, err)
	signature, err := base64.StdEncoding.DecodeString(at(signed, "signature").(string))
	must(c.T, err)
	sum := sha1.Sum(fmt.Append(nil, at(signed, "method"), at(signed, "uuid"), flat(at(signed, "data").(map[string]any))))
	if err := rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA1, sum[:], signature); err != nil {
		c.Errorf("the answer's signature: %v: %s", err, raw)
	}
	return raw, at(signed, "data"), code
}

// accepted refunds, and fails unless that is accepted.
func (c *client) accepted(merchant, payment, amount string) {
	c.Helper()
	if _, result, code := c.send(merchant, c.refund(merchant, uuid(), payment, amount)); code != 0 || at(result, "result") != "1" {
		c.Fatalf("the refund: got %d %v, want it accepted", code, result)
	}
}

// wantCode refunds, and fails unless that is refused with Trustly's code.
func (c *client) wantCode(want int, merchant, payment, amount string) {
	c.Helper()
	if _, result, code := c.send(merchant, c.refund(merchant, uuid(), payment, amount)); code != want {
		c.Errorf("the refund: got %d %v, want %d", code, result, want)
	}
}

func uuid() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw)
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
}
