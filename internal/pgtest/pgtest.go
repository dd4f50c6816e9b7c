// Package pgtest gives tests a real PostgreSQL: a private server of the
// binaries on this machine, one per test process, gone when the process is.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The environment that decides where the server comes from, and whether a
// test may go without one.
const (
	envDSN     = "REMIT_TEST_PG_DSN" // of a server that runs already
	envRequire = "REMIT_REQUIRE_ALL" // "1" fails what would be skipped
	startLimit = 60 * time.Second    // for a server to answer
	debianBin  = "/usr/lib/postgresql/*/bin"
)

// watchdog runs the server until its own input ends, which it does when the
// test process is gone, in whatever way; then it clears up.
const watchdog = `dir=$1; shift; "$@" & pid=$!; read -r _; kill -INT $pid; wait $pid; rm -rf "$dir"`

var (
	once      sync.Once
	server    string // its DSN
	errServer error
	running   *exec.Cmd // the watchdog: its input ends with this process
	databases atomic.Int64
)

// DSN makes a fresh database for one test. It is dropped when the test ends.
// Without a server the test is skipped, or fails where REMIT_REQUIRE_ALL=1.
func DSN(t testing.TB) string {
	t.Helper()
	once.Do(start)
	if errServer != nil {
		if os.Getenv(envRequire) == "1" {
			t.Fatalf("there is no PostgreSQL: %v", errServer)
		}
		t.Skipf("there is no PostgreSQL: %v", errServer)
	}
	name := fmt.Sprintf("remit_%d_%d", os.Getpid(), databases.Add(1))
	if err := administer("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := administer("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return within(server, name)
}

// within is the DSN of another database on the same server.
func within(dsn, database string) string {
	if u, err := url.Parse(dsn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		u.Path = "/" + database
		return u.String()
	}
	return dsn + " dbname=" + database
}

func administer(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, text)
	return errors.Join(err, c.Close(ctx))
}

// start finds a server, or makes one.
func start() {
	if server = os.Getenv(envDSN); server == "" {
		server, errServer = launch()
	}
	if errServer == nil {
		errServer = await()
	}
}

// launch makes a cluster in a folder of its own and runs it on a socket in
// there. PostgreSQL refuses to run as root: its own user, or nobody, then
// does it.
func launch() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	as, err := unprivileged()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return "", err
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return "", err
		}
	}
	attr := &syscall.SysProcAttr{Credential: as, Setpgid: true}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, attr
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(dir))
	}
	dog := exec.Command("sh", "-c", watchdog, "watchdog", dir, filepath.Join(bin, "postgres"), "-D", data, "-k", dir,
		"-c", "listen_addresses=", "-c", "fsync=on", "-c", "max_connections=200", "-c", "shared_buffers=128MB")
	dog.Dir, dog.SysProcAttr = dir, attr
	if _, err := dog.StdinPipe(); err != nil {
		return "", err
	}
	running = dog
	return "host=" + dir + " user=postgres dbname=postgres", running.Start()
}

// await waits until the server answers.
func await() error {
	for deadline := time.Now().Add(startLimit); ; time.Sleep(50 * time.Millisecond) {
		err := administer("SELECT 1")
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// binaries is the folder of the newest server binaries on this machine.
func binaries() (string, error) {
	if p, err := exec.LookPath("postgres"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil && exists(filepath.Join(filepath.Dir(p), "initdb")) {
			return filepath.Dir(p), nil
		}
	}
	found, err := filepath.Glob(filepath.Join(debianBin, "initdb"))
	if err != nil || len(found) == 0 {
		return "", errors.Join(errors.New("initdb is neither in PATH nor in "+debianBin), err)
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// unprivileged is whom the server runs as, nil for ourselves.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
