package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"remit/internal/check"
	"remit/money"
)

// migrateCmd brings the schema up.
type migrateCmd struct{}

// Run migrates.
func (migrateCmd) Run(a *app) (err error) {
	ctx, stop := untilStopped()
	defer stop()
	c, err := loadConfig(a.config, a.environ)
	if err != nil {
		return err
	}
	s, err := openStore(ctx, c, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Migrate(ctx); err != nil {
		return fmt.Errorf("the store: %w", err)
	}
	a.say("the store is migrated")
	return nil
}

// ledgerCmd is what can be asked of the books.
type ledgerCmd struct {
	Check ledgerCheckCmd `cmd:"" help:"Make the books anew from their transfers, and compare. Exits with 1 if they are broken."`
}

type ledgerCheckCmd struct {
	JSON bool `help:"Print the report as JSON."`
}

// errBroken means that a check found faults; they are printed by then.
var errBroken = errors.New("the books are broken")

// Run checks.
func (c ledgerCheckCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		progress, done := a.progress("events")
		r, err := check.Run(ctx, d.store, d.vault, progress)
		done()
		if err != nil {
			return err
		}
		if err := c.print(a, r); err != nil {
			return err
		}
		if !r.OK {
			return errBroken
		}
		return nil
	})
}

func (c ledgerCheckCmd) print(a *app, r check.Report) error {
	if c.JSON {
		return a.printJSON(r)
	}
	a.print("%s, %s, %s", count(r.Merchants, "merchant"), count(r.Events, "event"), count(r.Transfers, "transfer"))
	for _, cur := range slices.Sorted(maps.Keys(r.Currencies)) {
		t := r.Currencies[cur]
		a.print("%s: balances %s, of which held %s", cur, money.Amount{Minor: t.BalanceMinor, Currency: cur}.Major(), money.Amount{Minor: t.HeldMinor, Currency: cur}.Major())
	}
	for _, b := range r.Broken {
		a.print("broken: %s", b)
	}
	if more := r.Faults - len(r.Broken); more > 0 {
		a.print("broken: and %d more", more)
	}
	if r.OK {
		a.print("the books hold")
	}
	return nil
}

// count is how many things there are, in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// printJSON writes a result for programs.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// progressEvery is how often a progress line is drawn anew.
const progressEvery = 200 * time.Millisecond

// progress shows on a terminal how much was read; elsewhere it shows nothing.
func (a *app) progress(what string) (tell func(int), done func()) {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int) {}, func() {}
	}
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription("checking"),
		progressbar.OptionShowCount(), progressbar.OptionSetItsString(what), progressbar.OptionThrottle(progressEvery), progressbar.OptionClearOnFinish())
	return func(n int) { _ = bar.Set(n) }, func() { _ = bar.Finish() }
}
