package sandbox

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	randv2 "math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/engine"
	"remit/internal/vault"
)

// The files of a sandbox's folder, beside the store and the bank's journal.
const (
	announcement  = "sandbox.json" // only while it serves
	stateFile     = "state.json"
	masterKeyFile = "master.key"
	lockFile      = "lock"
	keysDir       = "keys"
)

const (
	dirMode     = 0o700
	privateMode = 0o600
	publicMode  = 0o644
	scriptMode  = 0o700
)

// state is what a sandbox must remember beside the store: what it was started
// with, and what nobody else keeps.
type state struct {
	Seed        *int64                                              `json:"seed,omitempty"`
	Start       time.Time                                           `json:"start"`     // at which a clock that stands still was made
	Offset      time.Duration                                       `json:"offset_ns"` // of the clock, ahead of real time or of Start
	Starts      int                                                 `json:"starts"`    // how often it was started
	Bases       []string                                            `json:"bases"`     // URLs at which it answered, the newest last
	Credentials map[remit.MerchantID]map[string]dialect.Credentials `json:"credentials"`
}

// home is a sandbox's folder.
type home struct {
	dir       string
	masterKey []byte
	lock      *os.File

	mu    sync.Mutex
	state state
}

// ErrInUse means that another process has the folder.
var ErrInUse = errors.New("another sandbox uses this folder")

// ErrSeed means that a folder was made with another seed, or with none.
var ErrSeed = errors.New("this folder was made with another seed: use the same, or another folder")

// openHome opens a folder, or makes a new one there. A nil seed goes on as
// the folder was made.
func openHome(dir string, seed *int64) (_ *home, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	h := &home{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, keysDir), dirMode); err != nil {
		return nil, err
	}
	if h.lock, err = os.OpenFile(h.path(lockFile), os.O_CREATE|os.O_RDWR, privateMode); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if err := syscall.Flock(int(h.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, ErrInUse
	}
	if err := h.withdraw(); err != nil {
		return nil, err
	}
	if err := h.load(seed); err != nil {
		return nil, err
	}
	h.state.Starts++
	return h, h.save()
}

func (h *home) load(seed *int64) error {
	text, err := os.ReadFile(h.path(stateFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		h.state = state{Seed: seed, Start: time.Now().UTC().Truncate(time.Second)}
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(text, &h.state); err != nil {
			return fmt.Errorf("%s: %w", h.path(stateFile), err)
		}
		if seed != nil && (h.state.Seed == nil || *seed != *h.state.Seed) {
			return ErrSeed
		}
	}
	if h.state.Credentials == nil {
		h.state.Credentials = map[remit.MerchantID]map[string]dialect.Credentials{}
	}
	return h.loadMasterKey()
}

// loadMasterKey reads the master key, or makes one. It is written as every
// other command of the program reads it.
func (h *home) loadMasterKey() error {
	text, err := os.ReadFile(h.path(masterKeyFile))
	if err == nil {
		h.masterKey, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
		return err
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	h.masterKey = make([]byte, vault.MasterKeyBytes)
	if _, err := io.ReadFull(h.rand("master key"), h.masterKey); err != nil {
		return err
	}
	return h.write(masterKeyFile, []byte(base64.StdEncoding.EncodeToString(h.masterKey)+"\n"), privateMode)
}

func (h *home) close() error { return h.lock.Close() }

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

// frozen tells whether the clock stands still between two moves.
func (h *home) frozen() bool { return h.state.Seed != nil }

// real is what the clock runs ahead of.
func (h *home) real() func() time.Time {
	if h.frozen() {
		start := h.state.Start
		return func() time.Time { return start }
	}
	return time.Now
}

// startApart is how far one start is from the next for leases: further than any
// of them reaches. There is one process at a time: what an earlier one had
// leased when it was killed is free.
const startApart = time.Hour

// leaseTime is the real clock as leases see it.
func (h *home) leaseTime() func() time.Time {
	ahead := time.Duration(h.state.Starts) * startApart
	return func() time.Time { return time.Now().Add(ahead) }
}

func (h *home) offset() time.Duration { return h.state.Offset }

func (h *home) keepOffset(d time.Duration) error {
	h.mu.Lock()
	h.state.Offset = d
	h.mu.Unlock()
	return h.save()
}

func (h *home) credentials(m remit.MerchantID, in string) (dialect.Credentials, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.state.Credentials[m][in]
	return c, ok
}

// keepCredentials keeps what a merchant was issued, and its keys as files.
func (h *home) keepCredentials(m remit.MerchantID, in string, c dialect.Credentials) error {
	for name, text := range c.Private {
		if err := h.write(keyFile(m, in, name, "private"), []byte(text), privateMode); err != nil {
			return err
		}
	}
	for name, text := range c.Public {
		if err := h.write(keyFile(m, in, name, "public"), []byte(text), publicMode); err != nil {
			return err
		}
	}
	h.mu.Lock()
	if h.state.Credentials[m] == nil {
		h.state.Credentials[m] = map[string]dialect.Credentials{}
	}
	h.state.Credentials[m][in] = c
	h.mu.Unlock()
	return h.save()
}

// basesMax is how many addresses of earlier starts are remembered.
const basesMax = 100

// moveIn remembers where the sandbox answers from now on.
func (h *home) moveIn(base string) error {
	h.mu.Lock()
	h.state.Bases = append(slices.DeleteFunc(h.state.Bases, func(b string) bool { return b == base }), base)
	h.state.Bases = h.state.Bases[max(0, len(h.state.Bases)-basesMax):]
	h.mu.Unlock()
	return h.save()
}

// Listen listens at an address. Where any port will do it takes the one that
// the folder's sandbox had before, if that is free: whoever knew it finds it
// again.
func Listen(dir, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && port == "0" {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, lastPort(dir))); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", address)
}

// lastPort is the port of a folder's last sandbox, or any.
func lastPort(dir string) string {
	var last state
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil || json.Unmarshal(text, &last) != nil || len(last.Bases) == 0 {
		return "0"
	}
	u, err := url.Parse(last.Bases[len(last.Bases)-1])
	if err != nil {
		return "0"
	}
	return u.Port()
}

// moved calls the inbox where it is now, also for who was given the address
// that it had before the last start.
type moved struct {
	engine.Caller
	home *home
	base string
}

func (m moved) Send(ctx context.Context, target string, out dialect.Outgoing) (dialect.Reply, time.Duration, error) {
	m.home.mu.Lock()
	bases := m.home.state.Bases
	m.home.mu.Unlock()
	for _, b := range bases {
		path, ok := strings.CutPrefix(target, b)
		if ok && (below(path, inboxPath) || strings.HasPrefix(path, inboxPath+"?")) {
			target = m.base + path
		}
	}
	return m.Caller.Send(ctx, target, out)
}

// keyFile is where a merchant's key is, as acme-trustly-merchant-private.pem.
func keyFile(m remit.MerchantID, in, name, half string) string {
	return filepath.Join(keysDir, strings.Join([]string{string(m), in, name, half}, "-")+".pem")
}

func serverKeyFile(in string) string {
	return filepath.Join(keysDir, in+"-server-public.pem")
}

// save writes the state down.
func (h *home) save() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, err := json.MarshalIndent(h.state, "", "  ")
	if err != nil {
		return err
	}
	return h.write(stateFile, text, privateMode)
}

// write replaces a file: a reader finds the old one or the new one, whole.
func (h *home) write(name string, text []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(h.dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(text))
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), h.path(name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// announce says that the sandbox is ready to serve, and withdraw that it is
// not.
func (h *home) announce(what any) error {
	text, err := json.MarshalIndent(what, "", "  ")
	if err != nil {
		return err
	}
	return h.write(announcement, append(text, '\n'), privateMode)
}

func (h *home) withdraw() error {
	if err := os.Remove(h.path(announcement)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// rand is where randomness for a purpose comes from: with a seed, always the
// same.
func (h *home) rand(purpose ...string) io.Reader {
	if h.state.Seed == nil {
		return rand.Reader
	}
	var seed [32]byte
	copy(seed[:], derive(*h.state.Seed, purpose...))
	return randv2.NewChaCha8(seed)
}

func derive(seed int64, purpose ...string) []byte {
	k, err := hkdf.Key(sha256.New, []byte(strconv.FormatInt(seed, 10)), nil, fmt.Sprintf("remit sandbox %q", purpose), sha256.Size)
	if err != nil {
		panic("sandbox: " + err.Error()) // only for a length that HKDF cannot make
	}
	return k
}

// idDigits is the length of an id, in digits of base 36.
const idDigits = 19

// newID mints ids. With a seed they come from the seed, the merchant, and how
// many there were before since this start; a second start of the same folder
// makes others, so that none comes twice.
func (h *home) newID(free func(remit.MerchantID) string) func(remit.MerchantID) string {
	if !h.frozen() {
		return free
	}
	var mu sync.Mutex
	count := map[remit.MerchantID]int{}
	return func(m remit.MerchantID) string {
		mu.Lock()
		defer mu.Unlock()
		count[m]++
		return fmt.Sprintf("%019s", new(big.Int).SetBytes(h.derive("id", string(m), count[m])).Text(36))[:idDigits]
	}
}

// traceBytes is the length of a request's name, in bytes before they are
// written in hexadecimal.
const traceBytes = 8

// newTrace names requests, where there is a seed, as newID does.
func (h *home) newTrace() func() string {
	if !h.frozen() {
		return nil
	}
	var count atomic.Int64
	return func() string { return hex.EncodeToString(h.derive("trace", "", int(count.Add(1)))[:traceBytes]) }
}

// derive makes the n-th of what a merchant has of a kind since this start.
func (h *home) derive(kind, merchant string, n int) []byte {
	return derive(*h.state.Seed, kind, merchant, strconv.Itoa(h.state.Starts), strconv.Itoa(n))
}
