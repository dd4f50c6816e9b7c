package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"remit"
	"remit/store"
	"remit/store/relational"
)

// Opener opens the store at a place, which is a path or a DSN. It does not
// migrate.
type Opener func(ctx context.Context, place string, o relational.Options) (store.Store, error)

// envChild tells a test binary to be a writing process: what to do, and
// where.
const (
	envChild = "REMIT_STORETEST_CHILD"
	envPlace = "REMIT_STORETEST_PLACE"
)

const taskMigrate = "migrate"

// Main runs a package's tests, or, in a process that Processes has started,
// one of its tasks.
func Main(m *testing.M, open Opener) {
	task := os.Getenv(envChild)
	if task == "" {
		os.Exit(m.Run())
	}
	if err := child(task, open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child makes steps, and prints each one's number once it is acknowledged.
// Its task is how many, or the point at which to die in the third, or to
// migrate.
func child(task string, open Opener) error {
	ctx := context.Background()
	if task == taskMigrate {
		s, err := open(ctx, os.Getenv(envPlace), relational.Options{})
		if err != nil {
			return err
		}
		return errors.Join(s.Migrate(ctx), s.Close())
	}
	steps, err := strconv.Atoi(task)
	o := relational.Options{}
	if err != nil {
		steps = 3
		n := 0
		o.Hook = func(p relational.Point) error {
			if string(p) != task {
				return nil
			}
			if n++; n == steps {
				return syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
			return nil
		}
	}
	s, err := open(ctx, os.Getenv(envPlace), o)
	if err != nil {
		return err
	}
	for i := range steps {
		if err := step(ctx, s, acme, globex); err != nil {
			return err
		}
		fmt.Println(i + 1)
	}
	return s.Close()
}

// spawn starts a process with a task.
func spawn(t *testing.T, place, task string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), envChild+"="+task, envPlace+"="+place)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	return c, bufio.NewScanner(out)
}

// acknowledged reads what a process says that it has done, until it ends.
func acknowledged(lines *bufio.Scanner) (n int64) {
	for lines.Scan() {
		n++
	}
	return n
}

// at is an opener that closes what it opened when the test ends.
type at func(t *testing.T, place string, o relational.Options) store.Store

func opened(open Opener) at {
	return func(t *testing.T, place string, o relational.Options) store.Store {
		t.Helper()
		s, err := open(t.Context(), place, o)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return s
	}
}

// Processes holds a store to what it promises when processes die, and when
// several share it. place gives a fresh place for a test. The package's
// TestMain must call Main.
func Processes(t *testing.T, place func(t *testing.T) string, open Opener) {
	at := opened(open)
	founded := func(t *testing.T) string {
		t.Helper()
		p := place(t)
		s := at(t, p, relational.Options{})
		if err := s.Ready(t.Context()); !errors.Is(err, store.ErrSchema) {
			t.Fatalf("a store without a schema is ready: %v", err)
		}
		must(t, s.Migrate(t.Context()))
		must(t, found(t.Context(), s, acme, globex))
		return p
	}
	for _, p := range []relational.Point{relational.Locked, relational.Read, relational.BeforeCommit, relational.AfterCommit} {
		kept := p == relational.AfterCommit
		t.Run("an error at "+string(p), func(t *testing.T) {
			t.Parallel()
			failsAt(t, at, founded(t), p, kept)
		})
		t.Run("death at "+string(p), func(t *testing.T) {
			t.Parallel()
			place := founded(t)
			c, lines := spawn(t, place, string(p))
			acked := acknowledged(lines)
			if err := c.Wait(); err == nil || acked != 2 {
				t.Fatalf("the process ended with %v after %d steps, want it killed in the third", err, acked)
			}
			if kept {
				acked++
			}
			wantSteps(t, at(t, place, relational.Options{}), acked, acme, globex)
		})
	}
	t.Run("death at any moment", func(t *testing.T) {
		t.Parallel()
		diesAnywhere(t, at, founded(t))
	})
	for n := range 3 {
		t.Run(fmt.Sprint("many that migrate, ", n), func(t *testing.T) {
			t.Parallel()
			manyMigrate(t, at, place(t))
		})
	}
	t.Run("two processes", func(t *testing.T) {
		t.Parallel()
		twoProcesses(t, at, founded(t))
	})
}

var errHook = errors.New("failed here")

// failsAt fails a group at one point: nothing of it is kept, but after the
// commit, where nobody can say so.
func failsAt(t *testing.T, at at, place string, p relational.Point, kept bool) {
	s := at(t, place, relational.Options{Hook: func(now relational.Point) error {
		if now == p {
			return errHook
		}
		return nil
	}})
	err := step(t.Context(), s, acme, globex)
	if !errors.Is(err, errHook) || errors.Is(err, store.ErrUnclear) != kept {
		t.Errorf("got %v, want %v, unclear: %t", err, errHook, kept)
	}
	want := int64(0)
	if kept {
		want = 1
	}
	wantSteps(t, s, want, acme, globex)
	other := at(t, place, relational.Options{}) // the locks are gone too
	must(t, step(t.Context(), other, acme, globex))
	wantSteps(t, other, want+1, acme, globex)
}

// diesAnywhere kills a writing process after a random time, again and again
// on the same place. What was acknowledged must be there, whole, and at most
// the one group whose answer was lost with it.
func diesAnywhere(t *testing.T, at at, place string) {
	const lives = 6
	const longest = 150 * time.Millisecond
	var acked int64
	for life := range lives {
		c, lines := spawn(t, place, "1000000")
		if !lines.Scan() {
			t.Fatal("the process never acknowledged anything")
		}
		timer := time.AfterFunc(time.Duration(rand.Int64N(int64(longest))), func() { _ = c.Process.Kill() })
		acked += 1 + acknowledged(lines)
		if err := c.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the process ended by itself: %v", err)
		}
		timer.Stop()
		s := at(t, place, relational.Options{})
		// A server may still be at work on the last group of the dead: its
		// lock comes free when it has ended it.
		must(t, tryUpdate(t.Context(), s, locked(acme, globex), &store.Writes{}))
		got, err := count(t.Context(), s)
		must(t, err)
		if n := got[acme]; n != got[globex] || n < acked || n > acked+1 {
			t.Fatalf("life %d: %d steps were acknowledged, found %v", life, acked, got)
		}
		acked = got[acme]
	}
}

// manyMigrate lets processes open a place that is new and migrate it at once:
// each finds the schema there in the end, whoever made it.
func manyMigrate(t *testing.T, at at, place string) {
	var wg sync.WaitGroup
	for range 6 {
		c, lines := spawn(t, place, taskMigrate)
		wg.Go(func() {
			acknowledged(lines)
			if err := c.Wait(); err != nil {
				t.Errorf("a process that migrates: %v", err)
			}
		})
	}
	wg.Wait()
	must(t, found(t.Context(), at(t, place, relational.Options{}), acme))
}

// twoProcesses lets two processes and this one step the same merchants at
// once: the sums are exact.
func twoProcesses(t *testing.T, at at, place string) {
	const each = 60
	var wg sync.WaitGroup
	for range 2 {
		c, lines := spawn(t, place, strconv.Itoa(each))
		wg.Go(func() {
			n := acknowledged(lines)
			if err := c.Wait(); err != nil || n != each {
				t.Errorf("a process made %d of %d steps: %v", n, each, err)
			}
		})
	}
	s := at(t, place, relational.Options{})
	for range each {
		must(t, step(t.Context(), s, globex, acme))
	}
	wg.Wait()
	wantSteps(t, s, 3*each, acme, globex)
}

// Shared holds a store that several writers use at once to what it promises
// of the merchants that another holds.
func Shared(t *testing.T, place func(t *testing.T) string, open Opener) {
	at := opened(open)
	for name, holds := range map[string]func(*testing.T, store.Store){
		"what another holds is missing":    heldIsMissing,
		"who waits for a lock can give up": waitingEnds,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := at(t, place(t), relational.Options{})
			must(t, s.Migrate(t.Context()))
			holds(t, s)
		})
	}
}

// waitingEnds lets the context of a group end that waits for a lock.
func waitingEnds(t *testing.T, s store.Store) {
	must(t, found(t.Context(), s, acme))
	whileHeld(t, s, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := step(ctx, s, acme); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnclear) {
			t.Errorf("got %v, want the deadline", err)
		}
	})
	must(t, step(t.Context(), s, acme))
	wantSteps(t, s, 1, acme)
}

// whileHeld calls f while another group holds acme.
func whileHeld(t *testing.T, s store.Store, f func()) {
	t.Helper()
	must(t, s.Update(t.Context(), locked(acme), func(*store.Have) (*store.Writes, error) { f(); return &store.Writes{}, nil }))
}

// waitMax is how long a group may take that should wait for nobody, before it
// is said to wait.
const waitMax = 20 * time.Second

// heldIsMissing asks, without waiting, for a merchant that is held and one
// that is not: of the first nothing is shown, its work neither, and nobody
// waits for it.
func heldIsMissing(t *testing.T, s store.Store) {
	must(t, found(t.Context(), s, globex))
	w := fullWrites()
	update(t, s, locked(acme), w)
	wants := everything(w)
	wants.Merchants = append(wants.Merchants, globex)
	holder := everything(w)
	holder.Block = true
	err := s.Update(t.Context(), holder, func(*store.Have) (*store.Writes, error) {
		ctx, cancel := context.WithTimeout(t.Context(), waitMax)
		defer cancel()
		err := s.Update(ctx, wants, func(h *store.Have) (*store.Writes, error) {
			_, ok := h.Merchants[globex]
			if len(h.Merchants) != 1 || !ok {
				t.Errorf("got merchants %v, want globex alone", h.Merchants)
			}
			if n := len(h.Payments) + len(h.Answers) + len(h.Books) + len(h.Disbursements) + len(h.Events) + len(h.Work) + len(h.Deliveries); n > 0 {
				t.Errorf("%d things of a merchant were shown whose lock another has", n)
			}
			return &store.Writes{}, nil
		})
		return &store.Writes{}, err
	})
	must(t, err)
	update(t, s, store.Wants{Merchants: []remit.MerchantID{acme}}, &store.Writes{}) // free again
}
