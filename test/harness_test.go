package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/dialect/trustly"
	"remit/internal/clock"
	"remit/internal/directory"
	"remit/internal/engine"
	"remit/internal/node"
	"remit/internal/pgtest"
	"remit/internal/vault"
	"remit/internal/webhook"
	"remit/money"
	"remit/rail"
	"remit/rail/simulator"
	"remit/store"
	"remit/store/postgres"
	"remit/store/sqlite"
)

// binary is the program under test, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "remit-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "remit")
	out, err := exec.Command("go", "build", "-o", path, "remit/cmd/remit").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eachStore runs a test on both stores: with one server on SQLite, with two
// that share one PostgreSQL.
func eachStore(t *testing.T, f func(t *testing.T, dsn string, servers int)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, "sqlite:"+filepath.Join(t.TempDir(), "remit.db"), 1)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, "postgres:"+pgtest.DSN(t), 2)
	})
}

// Times of one installation under test.
const (
	bankDelay = 300 * time.Millisecond
	lease     = 2 * time.Second
	patience  = 90 * time.Second // for everything to come to its end
)

// installation is one store, one bank and some servers, each a process.
type installation struct {
	t       *testing.T
	dsn     string
	master  []byte
	journal string
	store   store.Store // our own window into it
	keys    map[remit.MerchantID]*client
	bank    *process
	servers []*process
}

// client is what a merchant needs to ask.
type client struct {
	username, password string
	key                *rsa.PrivateKey
}

// process is one of ours, which may be killed and started again at the same
// address.
type process struct {
	t       *testing.T
	args    []string
	env     []string
	address string

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	output *bytes.Buffer
}

// freeAddress finds a port on loopback.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// start starts the process with more in its environment, and waits until it
// listens.
func (p *process) start(more ...string) {
	p.t.Helper()
	path, err := binary()
	must(p.t, err)
	p.mu.Lock()
	p.cmd = exec.Command(path, p.args...)
	p.cmd.Env = append(append(os.Environ(), p.env...), more...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.output = &bytes.Buffer{}
	p.cmd.Stderr = p.output
	err = p.cmd.Start()
	cmd, exited := p.cmd, make(chan struct{})
	p.exited = exited
	p.mu.Unlock()
	must(p.t, err)
	go func() { cmd.Wait(); close(exited) }()
	for deadline := time.Now().Add(patience); ; {
		c, err := net.DialTimeout("tcp", p.address, time.Second)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-exited:
			if len(more) > 0 {
				return // it was told to die
			}
			p.t.Fatalf("%v ended by itself: %s", p.args, p.output)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%v does not listen: %s", p.args, p.output)
		}
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	cmd.Process.Kill()
	<-exited
}

func openStore(ctx context.Context, dsn string) (store.Store, error) {
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		return sqlite.Open(ctx, path)
	}
	return postgres.Open(ctx, strings.TrimPrefix(dsn, "postgres:"))
}

const bankToken = "a token for tests"

// install makes the store with merchants and their credentials, and starts
// the bank and the servers.
func install(t *testing.T, dsn string, servers int, merchants ...remit.MerchantID) *installation {
	t.Helper()
	in := &installation{t: t, dsn: dsn, master: make([]byte, vault.MasterKeyBytes), journal: filepath.Join(t.TempDir(), "bank.journal"), keys: map[remit.MerchantID]*client{}}
	_, err := rand.Read(in.master)
	must(t, err)
	in.store, err = openStore(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { in.store.Close() })
	must(t, in.store.Migrate(t.Context()))
	in.inside(func(n *node.Node) {
		for _, m := range merchants {
			err := n.AddMerchant(t.Context(), n.Engine.Head(m, "operator:test", "test"), remit.Settings{})
			must(t, err)
			c, err := n.Issue(t.Context(), n.Engine.Head(m, "operator:test", "test"), "trustly")
			must(t, err)
			k, err := directory.ParsePrivateKey(c.Private["merchant"])
			must(t, err)
			in.keys[m] = &client{username: string(c.Principal), password: c.Secrets["password"], key: k.(*rsa.PrivateKey)}
			must(t, do(t.Context(), n, remit.TopUp{Head: n.Engine.Head(m, "operator:test", ""), Amount: money.Amount{Minor: 1_000_000_00, Currency: "EUR"}}))
		}
	})
	in.bank = &process{t: t, address: freeAddress(t), env: []string{"REMIT_BANK_TOKEN=" + bankToken, "REMIT_CRASH_TESTS=1"}}
	in.bank.args = []string{"bank", "--journal", in.journal, "--listen", in.bank.address, "--delay", bankDelay.String()}
	in.bank.start()
	t.Cleanup(in.bank.kill)
	for range servers {
		p := &process{t: t, args: []string{"serve"}, address: freeAddress(t)}
		p.env = []string{
			"REMIT_STORE=" + dsn, "REMIT_MASTER_KEY=" + base64.StdEncoding.EncodeToString(in.master), "REMIT_LISTEN=" + p.address,
			"REMIT_ADMIN_LISTEN=127.0.0.1:0", "REMIT_RAILS_SIMULATOR_URL=http://" + in.bank.address, "REMIT_RAILS_SIMULATOR_TOKEN=" + bankToken,
			"REMIT_WORK_LEASE=" + lease.String(), "REMIT_CRASH_TESTS=1", "REMIT_LOG_LEVEL=warn",
		}
		p.start()
		t.Cleanup(p.kill)
		in.servers = append(in.servers, p)
	}
	return in
}

func do(ctx context.Context, n *node.Node, c remit.Command) error {
	_, err := n.Engine.Do(ctx, c)
	return err
}

// inside runs f with an engine of our own on the store.
func (in *installation) inside(f func(*node.Node)) {
	in.t.Helper()
	n, err := node.Start(in.t.Context(), node.Config{
		Store: in.store, MasterKey: in.master, Dialects: []dialect.Dialect{trustly.Dialect{}}, Rails: []rail.Rail{nowhere{}},
		Clock: clock.New(time.Now, 0, false), Real: time.Now, Rand: rand.Reader, Caller: webhook.New(webhook.Options{}),
		NewID: func(remit.MerchantID) string { return strings.ToLower(rand.Text())[:19] },
	})
	must(in.t, err)
	defer n.Close()
	f(n)
}

// nowhere is a rail that is never used.
type nowhere struct{}

func (nowhere) Name() string { return "simulator" }
func (nowhere) Submit(context.Context, rail.Instruction) (rail.Outcome, error) {
	return rail.Outcome{}, rail.ErrNotSent
}
func (nowhere) Lookup(context.Context, string) (rail.Outcome, error) {
	return rail.Outcome{}, errors.New("there is nothing to look up")
}

// deposits makes n funded payments of a merchant, and answers their order ids.
func (in *installation) deposits(m remit.MerchantID, n int, minor int64) (ids []string) {
	in.t.Helper()
	in.inside(func(nd *node.Node) {
		for range n {
			head := nd.Engine.Head(m, "operator:test", "")
			account, err := nd.Vault.Seal("FI2112345600000785", engine.AccountBinding(m, head.PaymentID().Owner()))
			must(in.t, err)
			res, err := nd.Engine.Do(in.t.Context(), remit.OpenPayment{
				Head: head, Keyed: remit.Keyed{Dialect: "trustly"}, State: remit.PaymentFunded,
				Amount: money.Amount{Minor: minor, Currency: "EUR"}, PayerAccount: account,
			})
			must(in.t, err)
			ids = append(ids, res.Payment.ExternalID)
		}
	})
	return ids
}

// abandoned opens n payments that nobody will pay, and that expire one after
// another, step apart.
func (in *installation) abandoned(m remit.MerchantID, n int, step time.Duration) (refs []store.PaymentRef) {
	in.t.Helper()
	in.inside(func(nd *node.Node) {
		for i := range n {
			res, err := nd.Engine.Do(in.t.Context(), remit.OpenPayment{
				Head: nd.Engine.Head(m, "operator:test", ""), Keyed: remit.Keyed{Dialect: "trustly"}, State: remit.PaymentOpened,
				Amount: money.Amount{Minor: 1, Currency: "EUR"}, Expires: time.Duration(i+1) * step,
			})
			must(in.t, err)
			refs = append(refs, store.PaymentRef{Merchant: m, ID: res.Payment.ID})
		}
	})
	return refs
}

// expired waits until payments have expired, and holds each to having done so
// once.
func (in *installation) expired(refs []store.PaymentRef) {
	in.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		have, err := in.store.Read(in.t.Context(), store.Wants{Payments: refs})
		must(in.t, err)
		open := 0
		for _, p := range have.Payments {
			if p.State == remit.PaymentOpened {
				open++
			}
		}
		if open == 0 {
			break
		}
		if time.Now().After(deadline) {
			in.t.Fatalf("%d of %d payments did not expire in %s", open, len(refs), patience)
		}
	}
	for _, ref := range refs {
		events, err := in.store.Events(in.t.Context(), ref.Merchant, string(ref.ID))
		must(in.t, err)
		if len(events) != 2 || events[1].Kind != string(remit.PaymentFailed) {
			in.t.Errorf("payment %s: %+v, want that it was opened and failed", ref.ID, events)
		}
	}
}

// come waits until nothing is on its way any more.
func (in *installation) come() []remit.Disbursement {
	in.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		var all []remit.Disbursement
		open := 0
		for m := range in.keys {
			ds, err := in.store.Disbursements(in.t.Context(), store.Filter{Merchant: m, Max: 1_000_000})
			must(in.t, err)
			for _, d := range ds {
				if d.State != remit.Settled {
					open++
				}
			}
			all = append(all, ds...)
		}
		if open == 0 {
			return all
		}
		if time.Now().After(deadline) {
			in.t.Fatalf("%d of %d refunds did not settle in %s", open, len(all), patience)
		}
	}
}

// booked stops the bank, and reads its own journal.
func (in *installation) booked() map[string]rail.BookedInstruction {
	in.t.Helper()
	in.bank.kill()
	b, err := simulator.Open(in.journal, simulator.Options{Now: time.Now})
	must(in.t, err)
	defer b.Close()
	all, err := b.Booked(in.t.Context())
	must(in.t, err)
	byID := map[string]rail.BookedInstruction{}
	for _, x := range all {
		byID[x.EndToEndID] = x
	}
	return byID
}

// check runs `remit ledger check` as an operator would.
func (in *installation) check() string {
	in.t.Helper()
	path, err := binary()
	must(in.t, err)
	cmd := exec.Command(path, "ledger", "check", "--json")
	cmd.Env = append(os.Environ(), "REMIT_STORE="+in.dsn, "REMIT_MASTER_KEY="+base64.StdEncoding.EncodeToString(in.master))
	out, err := cmd.Output()
	if err != nil {
		in.t.Fatalf("ledger check: %v\n%s", err, out)
	}
	return string(out)
}

// post sends one signed refund. What is answered is the provider's code: 1 is
// accepted; 0 with an error is no answer at all.
func post(ctx context.Context, h *http.Client, address string, body []byte) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/1", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	res, err := h.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := bufio.NewReader(res.Body).ReadString(0)
	if text == "" {
		return "", err
	}
	return text, nil
}
