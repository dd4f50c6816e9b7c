package console_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"remit"
	"remit/internal/catalog"
	"remit/internal/console"
	"remit/internal/directory"
	"remit/internal/engine"
	"remit/internal/node"
	"remit/internal/sandbox"
	"remit/internal/server"
	"remit/internal/webhook"
	"remit/money"
	"remit/store"
)

// world is a sandbox with its console, as the program makes it. Its clock
// stands still, so that pages are the same every time.
type world struct {
	*testing.T
	base string
	node *node.Node
	key  *rsa.PrivateKey // acme's, in Trustly's API
	name string
	word string // its password
	uuid int
	seen map[string]bool // requests that were looked at
}

func begin(t *testing.T) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &world{T: t, seen: map[string]bool{}}
	dir, log := t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	sender := webhook.New(webhook.Options{AllowLoopback: true})
	t.Cleanup(sender.Close)
	s, err := sandbox.Open(t.Context(), sandbox.Options{
		Dir: dir, Seed: new(int64(7)), Listener: l, Dialects: catalog.Dialects(), Log: log, Caller: sender,
		OpenStore: func(ctx context.Context, path string) (store.Store, error) {
			return catalog.OpenStore(ctx, "sqlite:"+path, nil)
		},
		OpenBank: func(path string, now func() time.Time) (sandbox.Bank, func() error, error) {
			rails, done, err := catalog.OpenRails(catalog.Simulated{Journal: path, Now: now})
			if err != nil {
				return nil, nil, err
			}
			return rails[0].(sandbox.Bank), done, nil
		},
		Public: func(n *node.Node, newTrace func() string) (http.Handler, func()) {
			w.node = n
			p := server.New(server.Options{Dialects: catalog.Dialects(), Directory: n.Directory, Engine: n.Engine, Now: n.Clock.Now, Real: time.Now,
				NewTrace: newTrace, Key: n.RequestKey, Requests: n.Requests, Log: log})
			return p, p.Close
		},
		Console: func(n *node.Node, whole http.Handler) http.Handler {
			c := console.New(console.Options{Node: n, Real: time.Now, Log: log, Operator: "operator:ann", Local: true, Sandbox: whole})
			known = c.Acts()
			return c
		},
		Serve: func(ctx context.Context, l net.Listener, h http.Handler) error { return server.Serve(ctx, l, h, log) },
	})
	if err != nil {
		t.Fatal(errors.Join(err, l.Close()))
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- errors.Join(s.Run(ctx, func() { close(ready) }), s.Close()) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); must(t, <-ended) })
	w.base = "http://" + l.Addr().String()
	w.learn(dir)
	return w
}

// learn reads acme's credentials.
func (w *world) learn(dir string) {
	text, err := os.ReadFile(filepath.Join(dir, "sandbox.json"))
	must(w, err)
	var settings struct {
		Trustly struct {
			Username, Password string
			Key                string `json:"merchant_private_key"`
		}
	}
	must(w, json.Unmarshal(text, &settings))
	pem, err := os.ReadFile(settings.Trustly.Key)
	must(w, err)
	k, err := directory.ParsePrivateKey(string(pem))
	must(w, err)
	w.key, w.name, w.word = k.(*rsa.PrivateKey), settings.Trustly.Username, settings.Trustly.Password
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// control makes a control call.
func (w *world) control(path, body string) map[string]any {
	w.Helper()
	res, err := http.Post(w.base+"/_sandbox/"+path, "application/json", bytes.NewReader([]byte(body)))
	must(w, err)
	defer res.Body.Close()
	var out map[string]any
	must(w, json.NewDecoder(res.Body).Decode(&out))
	if res.StatusCode != http.StatusOK {
		w.Fatalf("%s %s: %v", path, body, out)
	}
	return out
}

// pay makes a payment, and answers its name in its dialect and its id.
func (w *world) pay(in string, minor int64, state string) (name, id string) {
	w.Helper()
	out := w.control("payments", fmt.Sprintf(`{"dialect":%q,"amount_minor":%d,"currency":"EUR","state":%q}`, in, minor, state))
	return out["external_id"].(string), out["payment_id"].(string)
}

// ask asks for a refund in Trustly's API, under the last UUID, and answers what
// was said.
func (w *world) ask(order, amount, word string) []byte {
	w.Helper()
	uuid := fmt.Sprintf("00000000-0000-4000-8000-%012d", w.uuid)
	sum := sha1.Sum([]byte("Refund" + uuid + "Amount" + amount + "CurrencyEUROrderID" + order + "Password" + word + "Username" + w.name))
	signature, err := rsa.SignPKCS1v15(rand.Reader, w.key, crypto.SHA1, sum[:])
	must(w, err)
	body := fmt.Sprintf(`{"method":"Refund","version":"1.1","params":{"Signature":%q,"UUID":%q,"Data":{"Username":%q,"Password":%q,"OrderID":%q,"Amount":%q,"Currency":"EUR"}}}`,
		base64.StdEncoding.EncodeToString(signature), uuid, w.name, word, order, amount)
	res, err := http.Post(w.base+"/api/1", "application/json", bytes.NewReader([]byte(body)))
	must(w, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(w, err)
	return text
}

// refund asks for a refund, and answers its id.
func (w *world) refund(order, amount string) remit.DisbursementID {
	w.Helper()
	w.uuid++
	if text := w.ask(order, amount, w.word); !bytes.Contains(text, []byte(`"result":"1"`)) {
		w.Fatalf("the refund was refused: %s", text)
	}
	list, err := w.node.Store.Disbursements(w.Context(), store.Filter{Merchant: "acme", External: order, Max: 100})
	must(w, err)
	newest := list[0]
	for _, d := range list {
		events, err := w.node.Store.Events(w.Context(), "acme", string(d.ID))
		must(w, err)
		last, err := w.node.Store.Events(w.Context(), "acme", string(newest.ID))
		must(w, err)
		if events[0].Seq > last[0].Seq {
			newest = d
		}
	}
	return newest.ID
}

// payout pays somebody out of acme's balance, and answers its id.
func (w *world) payout(minor int64) remit.DisbursementID {
	w.Helper()
	head := w.node.Engine.Head("acme", "merchant", "request:1")
	account, err := w.node.Vault.Seal("FI2112345600000785", engine.AccountBinding("acme", head.DisbursementID().Owner()))
	must(w, err)
	res, err := w.node.Engine.Do(w.Context(), remit.Payout{
		Head: head, Keyed: remit.Keyed{Dialect: "trustly"}, Rail: "simulator",
		Account: account, Amount: money.Amount{Minor: minor, Currency: "EUR"},
	})
	must(w, err)
	return res.Disbursement.ID
}

// outcome has the bank do something with a refund.
func (w *world) outcome(id remit.DisbursementID, body string) {
	w.Helper()
	w.control("disbursements/"+string(id)+"/outcome", body)
}

// state is where a refund stands now.
func (w *world) state(id remit.DisbursementID) remit.Disbursement {
	w.Helper()
	ref := store.DisbursementRef{Merchant: "acme", ID: id}
	have, err := w.node.Store.Read(w.Context(), store.Wants{Disbursements: []store.DisbursementRef{ref}})
	must(w, err)
	return have.Disbursements[ref]
}

// furnished is what a world holds once everything that a page can show is
// there.
type furnished struct {
	payment                                              string
	settled, returned, waiting, accepted, stuck, unknown remit.DisbursementID
	dead                                                 string // a delivery
	refused, stranger                                    string // requests
}

// furnish makes at least one thing of every kind.
func (w *world) furnish() (f furnished) {
	w.Helper()
	order, id := w.pay("trustly", 120_450, "funded")
	f.payment = id
	f.settled = w.refund(order, "401.50")
	w.outcome(f.settled, `{"outcome":"settle"}`)
	f.returned = w.refund(order, "300.00")
	w.outcome(f.returned, `{"outcome":"return","reason":"account_closed"}`)
	second, _ := w.pay("trustly", 25_000, "funded")
	f.stuck = w.refund(second, "80.00")
	w.outcome(f.stuck, `{"outcome":"stall"}`)
	w.control("inbox/behaviour", `{"status":500,"times":1000000}`)
	w.pay("truelayer", 9_900, "funded")
	w.control("clock/advance", `{"by":"960h"}`)
	w.control("inbox/behaviour", `{"status":500,"times":0}`)
	dead, err := w.node.Store.Deliveries(w.Context(), store.DeliveryFilter{Merchant: "acme", State: remit.DeliveryDead, Max: 1})
	must(w, err)
	if len(dead) == 0 || !w.state(f.stuck).Stuck {
		w.Fatalf("%d dead letters, stuck: %v", len(dead), w.state(f.stuck).Stuck)
	}
	f.dead = dead[0].ID.String()
	third, _ := w.pay("trustly", 64_000, "funded")
	f.unknown = w.refund(third, "12.00")
	w.outcome(f.unknown, `{"outcome":"unknown"}`)
	failed := w.refund(third, "55.00")
	w.outcome(failed, `{"outcome":"refuse","reason":"account_closed"}`)
	fourth, _ := w.pay("trustly", 9_000, "authorized")
	f.waiting = w.refund(fourth, "90.00")
	f.accepted = w.refund(third, "21.00")
	w.ask(third, "21.00", w.word) // again, and answered as before
	w.uuid++
	w.ask(third, "9000.00", w.word)
	f.refused = w.lastRequest().ID
	w.uuid++
	w.ask(third, "1.00", "wrong")
	f.stranger = w.lastRequest().ID
	return f
}

// lastRequest is the newest that was refused.
func (w *world) lastRequest() store.Request {
	w.Helper()
	w.control("drain", "") // one thing at a time: what was asked is kept by then
	list, err := w.node.Store.Requests(w.Context(), store.RequestFilter{Merchant: "acme", Refused: true, Max: 100})
	must(w, err)
	for _, r := range list {
		if !w.seen[r.ID] {
			w.seen[r.ID] = true
			return r
		}
	}
	w.Fatal("no request was refused")
	return store.Request{}
}
