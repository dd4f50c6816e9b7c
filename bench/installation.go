package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/clock"
	"remit/internal/engine"
	"remit/internal/node"
	"remit/internal/vault"
	"remit/internal/webhook"
	"remit/money"
	"remit/rail"
	"remit/store"
	"remit/store/sqlite"
)

// merchantsOverHTTP is how many merchants share the load of a run.
const merchantsOverHTTP = 20

// installation is a store with merchants and payments, and the signed requests
// that will be sent.
type installation struct {
	tongue   tongue
	dir      string
	master   []byte
	store    store.Store
	early    [][]byte // before the clock starts
	requests [][]byte
}

// prepare makes an installation for n refunds. Where life is false nothing is
// sent to the bank while it is measured.
func prepare(ctx context.Context, t tongue, dir string, n int, life bool) (*installation, error) {
	in := &installation{tongue: t, dir: dir, master: make([]byte, vault.MasterKeyBytes)}
	if err := errors.Join(os.MkdirAll(dir, 0o700), fill(in.master)); err != nil {
		return nil, err
	}
	s, err := sqlite.Open(ctx, filepath.Join(dir, "remit.db"))
	if err != nil {
		return nil, err
	}
	in.store = s
	if err := s.Migrate(ctx); err != nil {
		return nil, err
	}
	nd, err := start(ctx, s, in.master)
	if err != nil {
		return nil, err
	}
	defer nd.Close()
	settings := remit.Settings{}
	if !life {
		settings.SendWindowMicros = time.Hour.Microseconds()
	}
	early := t.early * merchantsOverHTTP
	all, err := in.sign(ctx, nd, early+n, settings)
	if err != nil {
		return nil, err
	}
	in.early, in.requests = all[:early], all[early:]
	return in, nil
}

func fill(b []byte) error { _, err := rand.Read(b); return err }

// start makes an engine of our own on a store.
func start(ctx context.Context, s store.Store, master []byte) (*node.Node, error) {
	return node.Start(ctx, node.Config{
		Store: s, MasterKey: master, Dialects: []dialect.Dialect{speaksTrustly.dialect, speaksTrueLayer.dialect}, Rails: []rail.Rail{nowhere{}},
		Clock: clock.New(time.Now, 0, false), Real: time.Now, Rand: rand.Reader, NewID: newID, Caller: webhook.New(webhook.Options{}),
	})
}

func newID(remit.MerchantID) string { return strings.ToLower(rand.Text())[:19] }

// nowhere is a rail that is never used.
type nowhere struct{}

func (nowhere) Name() string { return "simulator" }
func (nowhere) Submit(context.Context, rail.Instruction) (rail.Outcome, error) {
	return rail.Outcome{}, rail.ErrNotSent
}
func (nowhere) Lookup(context.Context, string) (rail.Outcome, error) {
	return rail.Outcome{}, rail.ErrNotSent
}

// sign makes the merchants, their payments, and n requests.
func (in *installation) sign(ctx context.Context, nd *node.Node, n int, settings remit.Settings) ([][]byte, error) {
	clients, names := make([]client, merchantsOverHTTP), make([][]string, merchantsOverHTTP)
	each := n/merchantsOverHTTP + 1
	for i := range clients {
		m := remit.MerchantID(fmt.Sprintf("m%d", i))
		head := func() remit.Head { return nd.Engine.Head(m, "operator:bench", "bench") }
		if err := nd.AddMerchant(ctx, head(), settings); err != nil {
			return nil, err
		}
		c, err := nd.Issue(ctx, head(), in.tongue.dialect.Name())
		if err != nil {
			return nil, err
		}
		if clients[i], err = in.tongue.client(ctx, nd, c); err != nil {
			return nil, err
		}
		if names[i], err = payments(ctx, nd, in.tongue, m, each/refundsOfOne+1); err != nil {
			return nil, err
		}
	}
	requests, errs := make([][]byte, n), make([]error, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				m, k := i%merchantsOverHTTP, i/merchantsOverHTTP
				requests[i], errs[w] = clients[m](i, names[m][k/refundsOfOne])
			}
		})
	}
	wg.Wait()
	return requests, errors.Join(errs...)
}

// refundsOfOne is how many refunds of 0.01 EUR are made of each payment.
const refundsOfOne = 4

// payments makes n funded payments of a merchant, and answers their names.
func payments(ctx context.Context, nd *node.Node, t tongue, m remit.MerchantID, n int) (names []string, err error) {
	open, err := t.dialect.Stage(dialect.Spec{Amount: money.Amount{Minor: 1_000_000, Currency: "EUR"}, State: remit.PaymentFunded})
	if err != nil {
		return nil, err
	}
	open.Dialect = t.dialect.Name()
	var wg sync.WaitGroup
	names, errs := make([]string, n), make([]error, n)
	for i := range n {
		one := open
		one.Head = nd.Engine.Head(m, "operator:bench", "")
		wg.Go(func() {
			var err error
			if one.PayerAccount, err = nd.Vault.Seal("FI2112345600000785", engine.AccountBinding(m, one.PaymentID().Owner())); err != nil {
				errs[i] = err
				return
			}
			res, err := nd.Engine.Do(ctx, one)
			if errs[i] = err; err == nil {
				names[i] = res.Payment.ExternalID
			}
		})
	}
	wg.Wait()
	return names, errors.Join(errs...)
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

// process serves an installation.
type process struct {
	cmd     *exec.Cmd
	address string
	ready   time.Duration // from its start to its first word that it listens
}

// serve starts a server on the installation.
func (in *installation) serve(ctx context.Context, binary string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &process{address: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, err
	}
	s.cmd = exec.CommandContext(ctx, binary, "serve")
	s.cmd.Env = append(os.Environ(),
		"REMIT_STORE=sqlite:"+filepath.Join(in.dir, "remit.db"), "REMIT_MASTER_KEY="+base64.StdEncoding.EncodeToString(in.master),
		"REMIT_LISTEN="+s.address, "REMIT_ADMIN_LISTEN=127.0.0.1:0", "REMIT_RAILS_SIMULATOR_JOURNAL="+filepath.Join(in.dir, "bank.journal"),
		"REMIT_RAILS_SIMULATOR_DELAY=1ms", "REMIT_LOG_LEVEL=error", "REMIT_STOP_NOTICE=1ms")
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	from := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for time.Since(from) < time.Minute {
		if c, err := net.Dial("tcp", s.address); err == nil {
			s.ready = time.Since(from)
			return s, c.Close()
		}
		time.Sleep(time.Millisecond)
	}
	return nil, errors.Join(errors.New("the server does not listen"), s.cmd.Process.Kill())
}

func (s *process) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// resident is the memory that a process holds, in bytes.
func resident(pid int) (int64, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("the system does not say what a process holds")
}
