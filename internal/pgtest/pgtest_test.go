package pgtest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const envChild = "REMIT_PGTEST_CHILD"

// TestTheServerGoesWithItsProcess kills a test process that has a server: the
// server's folder, and so the server, is gone soon after.
func TestTheServerGoesWithItsProcess(t *testing.T) {
	if os.Getenv(envChild) != "" {
		fmt.Println(DSN(t))
		time.Sleep(startLimit)
		return
	}
	if os.Getenv(envDSN) != "" {
		t.Skip("the server is not ours: " + envDSN + " is set")
	}
	DSN(t) // skips where there can be no server
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), envChild+"=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		if host, ok := strings.CutPrefix(lines.Text(), "host="); ok {
			dir, _, _ = strings.Cut(host, " ")
		}
	}
	if !exists(dir) {
		t.Fatalf("the child has no server in %q", dir)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	for deadline := time.Now().Add(startLimit); exists(dir); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server in %s has outlived its process", dir)
		}
	}
}

// TestEachTestHasItsOwnDatabase makes the same table twice, on a server that
// keeps its promises to the disk.
func TestEachTestHasItsOwnDatabase(t *testing.T) {
	for range 2 {
		c, err := pgx.Connect(t.Context(), DSN(t))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if _, err := c.Exec(t.Context(), "CREATE TABLE t (id BIGINT)"); err != nil {
			t.Error(err)
		}
		var fsync string
		if err := c.QueryRow(t.Context(), "SHOW fsync").Scan(&fsync); err != nil || fsync != "on" {
			t.Errorf("got fsync %q %v, want on", fsync, err)
		}
	}
}
