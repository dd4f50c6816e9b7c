package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/catalog"
	"remit/internal/clock"
	"remit/internal/directory"
	"remit/internal/engine"
	"remit/internal/node"
	"remit/internal/requestlog"
	"remit/internal/vault"
	"remit/store"
)

// openStore opens the store of a configuration, migrated or not.
func openStore(ctx context.Context, c config, hook func(string)) (store.Store, error) {
	if c.Store == "" {
		return nil, hinted{errors.New("there is no store: set store in the configuration, or REMIT_STORE"), "REMIT_STORE=sqlite:remit.db"}
	}
	s, err := catalog.OpenStore(ctx, c.Store, hook)
	if err != nil {
		return nil, fmt.Errorf("the store: %w", err)
	}
	return s, nil
}

// migrated says what to do about a schema that is not ours.
func migrated(err error) error {
	if errors.Is(err, store.ErrSchema) {
		return hinted{err, "remit migrate brings it up, unless it was made by a newer program"}
	}
	return err
}

// sameBank says what to do about a bank that is not the store's, another's, or
// not named.
func sameBank(err error) error {
	switch {
	case errors.Is(err, node.ErrOtherBank):
		return hinted{err, "set rails.simulator to the bank that the store was used with; a new bank needs a new store"}
	case errors.Is(err, catalog.ErrRails):
		return hinted{err, "set rails.simulator.journal, or rails.simulator.url and rails.simulator.token: what remit bank has in REMIT_BANK_TOKEN"}
	case errors.Is(err, catalog.ErrInUse):
		return hinted{err, "remit bank --journal FILE serves several processes, which name its URL in rails.simulator.url"}
	}
	return err
}

// desk is where an operator's commands work: the store, who is who, and the
// books' only writer. It serves nobody.
type desk struct {
	node.Registrar
	store store.Store
	vault *vault.Vault
	clock *clock.Clock
}

// openDesk opens what the configuration names.
func (a *app) openDesk(ctx context.Context) (*desk, error) {
	c, err := loadConfig(a.config, a.environ)
	if err != nil {
		return nil, err
	}
	key, err := masterKey(c, a.environ)
	if err != nil {
		return nil, err
	}
	v, err := vault.New(key, rand.Reader)
	if err != nil {
		return nil, err
	}
	s, err := openStore(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	d := &desk{store: s, vault: v, clock: clock.New(time.Now, 0, false)}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return d, nil
}

func (d *desk) open(ctx context.Context) error {
	if err := d.store.Ready(ctx); err != nil {
		return migrated(err)
	}
	dialects := map[string]dialect.Dialect{}
	for _, speaks := range catalog.Dialects() {
		dialects[speaks.Name()] = speaks
	}
	d.Directory = directory.New(d.store, d.vault, dialects, rand.Reader, d.clock.Now, time.Now)
	if err := d.Directory.Prepare(ctx); err != nil {
		return err
	}
	d.Engine = engine.New(engine.Config{
		Store: d.store, Vault: d.vault, Directory: d.Directory, Dialects: dialects, Now: d.clock.Now, Real: time.Now, NewID: newID,
		Settings: d.Directory.Changed,
	})
	return nil
}

// head is that of an operator's act, with what was typed to show it. Evidence is
// kept in clear, so it names no account in full.
func (d *desk) head(m remit.MerchantID, evidence string) remit.Head {
	return d.Engine.Head(m, operator(), requestlog.Accounts(evidence))
}

func (d *desk) close() error {
	d.Engine.Close()
	return d.store.Close()
}

// at runs f at the desk.
func (a *app) at(f func(ctx context.Context, d *desk) error) (err error) {
	ctx, stop := untilStopped()
	defer stop()
	d, err := a.openDesk(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return f(ctx, d)
}

// merchant is one that is there.
func (d *desk) merchant(ctx context.Context, id string) (remit.Merchant, error) {
	m := remit.MerchantID(id)
	have, err := d.store.Read(ctx, store.Wants{Merchants: []remit.MerchantID{m}, Accounts: []store.AccountsRef{{Merchant: m}}})
	if err != nil {
		return remit.Merchant{}, err
	}
	found, ok := have.Merchants[m]
	if !ok {
		return remit.Merchant{}, hinted{remit.Errorf(remit.NotFound, "", "there is no merchant %q", id), "remit merchant list shows those that are there"}
	}
	return found, nil
}

// operator is who sits at the keyboard, as the books name them.
func operator() string {
	name := os.Getenv("USER")
	if name == "" {
		name = "uid " + strconv.Itoa(os.Getuid())
	}
	return "operator:" + name
}

// The parts of an id: when it was minted, so that rows of one time lie
// together, and what nobody can guess. 36⁸ ms is the year 2059, 36⁹ ms 5188.
const (
	idTimeDigits   = 9
	idRandomDigits = 10
)

// newID mints the id of a command.
func newID(remit.MerchantID) string {
	at := strconv.FormatInt(time.Now().UnixMilli(), 36)
	return strings.Repeat("0", idTimeDigits-len(at)) + at + strings.ToLower(rand.Text()[:idRandomDigits])
}

// traceBytes is how much randomness names a request.
const traceBytes = 8

func newTrace() string {
	var raw [traceBytes]byte
	rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}
