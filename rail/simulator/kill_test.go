package simulator_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"remit/rail"
	"remit/rail/simulator"
)

// Environment of a bank that is a process of its own: this test's binary,
// run again.
const (
	bankJournal = "REMIT_TEST_BANK_JOURNAL"
	bankListen  = "REMIT_TEST_BANK_LISTEN"
	bankDies    = "REMIT_TEST_BANK_DIES" // "7 after journal, before answer": at the seventh
)

const bankDelay = time.Millisecond

func TestMain(m *testing.M) {
	if path := os.Getenv(bankJournal); path != "" {
		fmt.Fprintln(os.Stderr, beBank(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// beBank is the process of a bank. It says where it listens, and serves until
// it is killed.
func beBank(path string) error {
	at, point, _ := strings.Cut(os.Getenv(bankDies), " ")
	var mu sync.Mutex
	calls := 0
	b, err := simulator.Open(path, simulator.Options{Delay: bankDelay, Hook: func(p string) error {
		mu.Lock()
		defer mu.Unlock()
		if p != point {
			return nil
		}
		if calls++; fmt.Sprint(calls) == at {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				return err
			}
			return errors.Join(self.Kill(), context.Canceled)
		}
		return nil
	}})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", os.Getenv(bankListen))
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() { _ = b.Keep(context.Background(), 5*time.Millisecond) }()
	return http.Serve(l, simulator.Handler(b, token))
}

// process is a running bank.
type process struct {
	cmd     *exec.Cmd
	address string
}

// start runs a bank and waits until it listens. dies is when it kills itself,
// or "".
func start(t *testing.T, journal, address, dies string) process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), bankJournal+"="+journal, bankListen+"="+address, bankDies+"="+dies)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the bank did not start: %v", err)
	}
	return process{cmd, strings.TrimSpace(line)}
}

// end kills the bank, as kill -9 does, if it has not done that itself.
func (p process) end() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// handOver does with an instruction what an engine does, until the bank has
// said that it has it: it submits, asks when it got no answer, and submits
// again only what was certainly not sent.
func handOver(ctx context.Context, r rail.Rail, i rail.Instruction) error {
	out, err := r.Submit(ctx, i)
	for err != nil || out.Status == rail.Unknown {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
		if out, err = r.Lookup(ctx, i.EndToEndID); errors.Is(err, rail.ErrNotSent) {
			out, err = r.Submit(ctx, i)
		}
	}
	return nil
}

// checkBank asserts that the bank has each instruction once, and paid it
// once, and that its statement says the same.
func checkBank(t *testing.T, journal string, ids []string) {
	t.Helper()
	later := func() time.Time { return time.Now().Add(time.Hour) }
	b, err := simulator.Open(journal, simulator.Options{Now: later})
	must(t, err)
	defer b.Close()
	all, err := b.Booked(t.Context())
	must(t, err)
	paid, told := map[string]int{}, map[string]int{}
	for _, i := range all {
		paid[i.EndToEndID] += i.Paid
	}
	for line, err := range b.Statements(t.Context(), "") {
		must(t, err)
		told[line.EndToEndID]++
	}
	if len(all) != len(ids) {
		t.Errorf("the journal has %d instructions, want %d", len(all), len(ids))
	}
	for _, id := range ids {
		if paid[id] != 1 || told[id] != 1 {
			t.Errorf("%s was paid %d times, and told of %d times", id, paid[id], told[id])
		}
	}
}

// TestABankKilledAtRandomPaysEverythingOnce kills a bank's process at random
// moments, again and again, while clients hand instructions over without a
// pause. When all have their answers, each instruction is in the journal, and
// paid once.
func TestABankKilledAtRandomPaysEverythingOnce(t *testing.T) {
	const clients, kills = 6, 10
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	journal := filepath.Join(t.TempDir(), "bank.journal")
	p := start(t, journal, "127.0.0.1:0", "")
	defer func() { p.end() }()
	r := simulator.Dial("simulator", "http://"+p.address, token, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	var all sync.WaitGroup
	var enough atomic.Bool
	answered := make([][]string, clients)
	for c := range clients {
		all.Go(func() {
			for n := 0; !enough.Load(); n++ {
				id := fmt.Sprintf("c%d-%d", c, n)
				if err := handOver(ctx, r, pay(id)); err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				answered[c] = append(answered[c], id)
			}
		})
	}
	for range kills {
		time.Sleep(time.Duration(5+rnd.IntN(40)) * time.Millisecond)
		p.end()
		p = start(t, journal, p.address, "")
	}
	enough.Store(true)
	all.Wait()
	p.end()
	ids := slices.Concat(answered...)
	t.Logf("%d instructions", len(ids))
	checkBank(t, journal, ids)
}

// TestABankKilledAroundItsJournalPaysOnce kills it right before a submission
// is written, and right after, before it is answered.
func TestABankKilledAroundItsJournalPaysOnce(t *testing.T) {
	for _, point := range []string{simulator.BeforeJournal, simulator.AfterJournal} {
		for _, nth := range []int{1, 3} {
			t.Run(fmt.Sprint(nth, " ", point), func(t *testing.T) {
				journal := filepath.Join(t.TempDir(), "bank.journal")
				p := start(t, journal, "127.0.0.1:0", fmt.Sprint(nth, " ", point))
				defer func() { p.end() }()
				r := simulator.Dial("simulator", "http://"+p.address, token, nil)
				ids := []string{"a", "b", "c", "d"}
				for n, id := range ids {
					out, err := r.Submit(t.Context(), pay(id))
					if died := n+1 == nth; died != (err != nil) {
						t.Fatalf("submission %d: %+v, %v", n+1, out, err)
					} else if died {
						if errors.Is(err, rail.ErrNotSent) {
							t.Errorf("the bank died with the instruction in its hands, and Submit says %v", err)
						}
						p.end()
						p = start(t, journal, p.address, "")
						_, err = r.Lookup(t.Context(), id)
						if had := point == simulator.AfterJournal; had != (err == nil) || had == errors.Is(err, rail.ErrNotSent) {
							t.Errorf("Lookup: %v", err)
						}
						must(t, handOver(t.Context(), r, pay(id)))
					}
				}
				p.end()
				checkBank(t, journal, ids)
			})
		}
	}
}

// TestABankKeepsItsOwnTime: a bank that is a process of its own writes into
// its journal what falls due, without being asked, until it is told to end.
func TestABankKeepsItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "bank.journal")
		b, err := simulator.Open(path, simulator.Options{})
		must(t, err)
		defer b.Close()
		_, err = b.Submit(t.Context(), pay("a"))
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Keep(ctx, time.Second) }()
		settled := func() bool {
			time.Sleep(5*time.Second + time.Millisecond)
			text, err := os.ReadFile(path)
			must(t, err)
			return strings.Contains(string(text), `"kind":"settled"`)
		}
		if settled() {
			t.Error("settled after five seconds")
		}
		if !settled() {
			t.Error("not settled after ten seconds")
		}
		stop()
		must(t, <-ended)
	})
}
