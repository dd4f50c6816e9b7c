package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"remit"
	"remit/dialect"
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
