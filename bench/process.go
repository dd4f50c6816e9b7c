package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"remit/store/relational"
	"remit/store/sqlite"
)

// weigh measures how soon a process is ready, what it holds, and what a refund
// takes on disk.
func weigh(ctx context.Context, o options) (string, error) {
	var fresh, again, idle series
	for round := range o.rounds {
		dir := filepath.Join(o.dir, fmt.Sprintf("sandbox-%d", round))
		for i := range 2 {
			took, held, err := sandbox(ctx, o.binary, dir)
			if err != nil {
				return "", err
			}
			if i == 0 {
				fresh = append(fresh, float64(took.Milliseconds()))
			} else {
				again, idle = append(again, float64(took.Milliseconds())), append(idle, float64(held)/(1<<20))
			}
		}
	}
	in, err := prepare(ctx, speaksTrustly, filepath.Join(o.dir, "weigh"), o.refunds, true)
	if err != nil {
		return "", err
	}
	before, _, err := in.weigh(ctx)
	if err != nil {
		return "", err
	}
	s, err := in.serve(ctx, o.binary)
	if err != nil {
		return "", err
	}
	defer s.stop()
	if err := errors.Join(in.send(ctx, s.address), in.settled(ctx)); err != nil {
		return "", err
	}
	held, err := resident(s.cmd.Process.Pid)
	if err != nil {
		return "", err
	}
	s.stop()
	after, logged, err := in.weigh(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`### A process

| what | seen |
|---|---|
| sandbox ready on a fresh folder, ms | %s |
| sandbox ready on existing data, ms | %s |
| sandbox, idle, MiB resident | %s |
| server after %d refunds, settled, with the simulated bank, which forgets none, MiB resident | %d |
| on disk for each refund, settled, with its events and chain (SQLite), bytes | %.0f |
| and for its request, in the request log, bytes | %.0f |
`, fresh, again, idle, o.refunds, held>>20, float64(after-before-logged)/float64(o.refunds), float64(logged)/float64(o.refunds)), nil
}

// weigh is how much of an installation's database rows and indexes take, and
// how much of that is the request log's, in bytes. What stands free in the
// file for rows to come is not counted.
func (in *installation) weigh(ctx context.Context) (all, requests int64, err error) {
	d, err := sqlite.Driver(ctx, filepath.Join(in.dir, "remit.db"))
	if err != nil {
		return 0, 0, err
	}
	tx := d.Read()
	err = tx.Commit(ctx, []relational.Statement{{
		Text: `SELECT SUM(pgsize), SUM(CASE WHEN name LIKE 'requests%' OR name LIKE 'sqlite_autoindex_requests%' THEN pgsize ELSE 0 END) FROM dbstat`,
		Row:  func(r relational.Row) error { return r.Scan(&all, &requests) },
	}})
	tx.Close()
	return all, requests, errors.Join(err, d.Close())
}

// idleFor is how long a sandbox is left alone before it is weighed.
const idleFor = 3 * time.Second

// sandbox starts a sandbox on a folder, and tells how soon it was ready and
// what it holds when idle, in bytes.
func sandbox(ctx context.Context, binary, dir string) (ready time.Duration, held int64, err error) {
	cmd := exec.CommandContext(ctx, binary, "sandbox", "--listen", "127.0.0.1:0", "--data", dir)
	var said strings.Builder
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	from := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	for {
		if _, err := os.Stat(filepath.Join(dir, "sandbox.json")); err == nil {
			ready = time.Since(from)
			break
		}
		if time.Since(from) > time.Minute {
			return 0, 0, fmt.Errorf("the sandbox is not ready: %s", &said)
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(idleFor)
	held, err = resident(cmd.Process.Pid)
	return ready, held, err
}

// ticksPerSecond is in what the system tells a process's CPU time.
const ticksPerSecond = 100

// used is the CPU time that a process has used so far, its own and the
// system's for it.
func used(pid int) (took time.Duration, err error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	_, behind, _ := strings.Cut(string(text), ") ")   // the name of the process can hold anything else
	for _, f := range strings.Fields(behind)[11:13] { // utime and stime of proc(5)
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		took += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	return took, nil
}
