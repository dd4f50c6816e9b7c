package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"remit"
	"remit/money"
	"remit/store"
)

// merchantCmd is what can be done about merchants.
type merchantCmd struct {
	Add      merchantAddCmd      `cmd:"" help:"Make a merchant."`
	Key      merchantKeyCmd      `cmd:"" help:"Issue a merchant's credentials, or register its own public key."`
	Revoke   merchantRevokeCmd   `cmd:"" help:"End a merchant's credentials for one API."`
	Settings merchantSettingsCmd `cmd:"" help:"Show a merchant's switches as JSON, and change those that are named."`
	History  merchantHistoryCmd  `cmd:"" help:"Show what was done to a merchant itself: its credentials, switches and top-ups, and by whom."`
	List     merchantListCmd     `cmd:"" help:"List all merchants."`
	Balance  merchantBalanceCmd  `cmd:"" help:"Show what a merchant has with us."`
	Topup    merchantTopupCmd    `cmd:"" help:"Put money into a merchant's balance by hand, or take it out."`
}

type merchantAddCmd struct {
	ID   string `arg:"" help:"Its id: 1 to 14 of a-z and 0-9."`
	Name string `help:"What people call it." required:""`
}

// Run makes the merchant.
func (c merchantAddCmd) Run(a *app) error {
	id := remit.MerchantID(c.ID)
	if !id.Valid() {
		return misuse{fmt.Errorf("a merchant's id is 1 to 14 of a-z and 0-9, and %q is not", c.ID)}
	}
	return a.at(func(ctx context.Context, d *desk) error {
		if err := d.AddMerchant(ctx, d.Engine.Head(id, operator(), "remit merchant add"), remit.Settings{Name: c.Name}); err != nil {
			return err
		}
		a.say("merchant %s is there; remit merchant key %s --dialect NAME issues its credentials", id, id)
		return nil
	})
}

type merchantKeyCmd struct {
	ID        string `arg:"" help:"The merchant's id."`
	Dialect   string `help:"The API that the credentials are for." required:"" placeholder:"NAME"`
	PublicKey string `help:"Register this public key of the merchant's own, in PEM; - reads stdin. Its other credentials stay as they are." placeholder:"FILE"`
	Name      string `help:"The name of the public key to replace, where the dialect knows several." placeholder:"NAME"`
	Again     bool   `help:"Issue new credentials although the merchant has some. The old ones end at once."`
}

// Run issues or registers.
func (c merchantKeyCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.ID)
		if err != nil {
			return err
		}
		had, err := d.publicKeys(ctx, m.ID, c.Dialect)
		if err != nil {
			return err
		}
		if c.PublicKey != "" {
			return c.register(ctx, a, d, m.ID, had)
		}
		if had != nil && !c.Again {
			return hinted{remit.Errorf(remit.Conflict, "", "merchant %s has credentials for %s already", m.ID, c.Dialect), "--again issues new ones, and ends the old ones"}
		}
		made, err := d.Issue(ctx, d.Engine.Head(m.ID, operator(), "remit merchant key"), c.Dialect)
		if err != nil {
			return err
		}
		a.say("these are shown once, and kept nowhere: hand them to the merchant, and to nobody else")
		return a.printJSON(made)
	})
}

// publicKeys names a merchant's public keys in a dialect; nil if it has no
// credentials there.
func (d *desk) publicKeys(ctx context.Context, m remit.MerchantID, in string) ([]string, error) {
	who, err := d.Directory.Merchant(ctx, in, m)
	if err != nil || !who.Known {
		return nil, err
	}
	return append([]string{}, slices.Sorted(maps.Keys(who.PublicKeys))...), nil
}

func (c merchantKeyCmd) register(ctx context.Context, a *app, d *desk, m remit.MerchantID, had []string) error {
	name := c.Name
	switch {
	case had == nil:
		return hinted{remit.Errorf(remit.NotFound, "", "merchant %s has no credentials for %s yet", m, c.Dialect), "remit merchant key " + string(m) + " --dialect " + c.Dialect + " issues them first"}
	case name == "" && len(had) == 1:
		name = had[0]
	case !slices.Contains(had, name):
		return misuse{fmt.Errorf("--name is one of %q", had)}
	}
	text, err := a.read(c.PublicKey)
	if err != nil {
		return err
	}
	if _, err := d.SetPublicKey(ctx, d.Engine.Head(m, operator(), "remit merchant key"), c.Dialect, name, string(text)); err != nil {
		return err
	}
	a.say("merchant %s is believed by this key alone, in every process within a second", m)
	return nil
}

type merchantRevokeCmd struct {
	ID      string `arg:"" help:"The merchant's id."`
	Dialect string `help:"The API whose credentials end." required:"" placeholder:"NAME"`
	Yes     bool   `help:"Do it. Whatever the merchant asks in that API is refused then, until it is issued new ones."`
}

// Run revokes.
func (c merchantRevokeCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.ID)
		if err != nil {
			return err
		}
		if !c.Yes {
			return hinted{remit.Errorf(remit.Invalid, "", "merchant %s could ask nothing in %s any more: nothing was done", m.ID, c.Dialect), "--yes does it"}
		}
		if err := d.Revoke(ctx, d.Engine.Head(m.ID, operator(), "remit merchant revoke"), c.Dialect); err != nil {
			return err
		}
		a.say("the credentials of merchant %s for %s have ended, in every process within a second", m.ID, c.Dialect)
		return nil
	})
}

type merchantHistoryCmd struct {
	ID   string `arg:"" help:"The merchant's id."`
	JSON bool   `help:"Print JSON."`
}

// historical is one of a merchant's own events as the history shows it.
type historical struct {
	Seq      int64     `json:"seq"`
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`
	Actor    string    `json:"actor"`
	Evidence string    `json:"evidence"`
}

// Run lists the newest events, newest first.
func (c merchantHistoryCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.ID)
		if err != nil {
			return err
		}
		events, err := d.store.Recent(ctx, store.Newest{Merchant: m.ID, Own: true, Max: listMax})
		if err != nil {
			return err
		}
		all := []historical{}
		for _, e := range events {
			all = append(all, historical{e.Seq, e.At, e.Kind, e.Actor, e.Evidence})
		}
		if c.JSON {
			return a.printJSON(all)
		}
		t := a.table("at", "what", "by", "evidence")
		for _, e := range all {
			t.AppendRow(table.Row{e.At.Format(time.RFC3339), e.Kind, e.Actor, e.Evidence})
		}
		t.Render()
		return nil
	})
}

// inputBytesMax is how much of a key's file is read, in bytes.
const inputBytesMax = 64 << 10

// read reads a small file, or stdin for "-".
func (a *app) read(path string) ([]byte, error) { return a.readMost(path, inputBytesMax) }

// readMost reads at most so many bytes of a file, or of stdin for "-".
func (a *app) readMost(path string, max int64) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(a.stdin, max))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, max))
}

type merchantListCmd struct {
	JSON bool `help:"Print JSON."`
}

// listed is a merchant as the list shows it.
type listed struct {
	ID       remit.MerchantID `json:"id"`
	Name     string           `json:"name"`
	Disabled bool             `json:"disabled"`
	Dialects []string         `json:"dialects"` // in which it has credentials
	Created  time.Time        `json:"created"`
}

// Run lists.
func (c merchantListCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		all, err := d.store.Merchants(ctx)
		if err != nil {
			return err
		}
		out := []listed{}
		for _, m := range all {
			credentials, err := d.store.Credentials(ctx, m.ID)
			if err != nil {
				return err
			}
			l := listed{m.ID, m.Settings.Name, m.Settings.Disabled, []string{}, m.Created}
			for _, cr := range credentials {
				if cr.Live() && !slices.Contains(l.Dialects, cr.Dialect) {
					l.Dialects = append(l.Dialects, cr.Dialect)
				}
			}
			out = append(out, l)
		}
		if c.JSON {
			return a.printJSON(out)
		}
		t := a.table("id", "name", "state", "dialects", "since")
		for _, l := range out {
			state := "on"
			if l.Disabled {
				state = "disabled"
			}
			t.AppendRow(table.Row{l.ID, l.Name, state, fmt.Sprint(l.Dialects), l.Created.Format(time.DateOnly)})
		}
		t.Render()
		return nil
	})
}

// table is a plain table on stdout: columns apart by spaces.
func (a *app) table(columns ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(a.stdout)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Format.Header = "", 0
	t.SetStyle(style)
	t.AppendHeader(columns)
	return t
}

type merchantBalanceCmd struct {
	ID   string `arg:"" help:"The merchant's id."`
	JSON bool   `help:"Print JSON."`
}

// balance is what a merchant has in one currency, in minor units.
type balance struct {
	Currency       money.Currency `json:"currency"`
	BalanceMinor   int64          `json:"balance_minor"`
	AvailableMinor int64          `json:"available_minor"`
}

func (d *desk) balances(ctx context.Context, m remit.MerchantID) ([]balance, error) {
	have, err := d.store.Read(ctx, store.Wants{Accounts: []store.AccountsRef{{Merchant: m}}})
	if err != nil {
		return nil, err
	}
	all := []balance{}
	for id, account := range have.Books[m] {
		if id == remit.BalanceAccount(m, account.Currency) {
			all = append(all, balance{account.Currency, account.Balance(), account.Available()})
		}
	}
	slices.SortFunc(all, func(a, b balance) int { return cmp.Compare(a.Currency, b.Currency) })
	return all, nil
}

// Run shows the balances.
func (c merchantBalanceCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.ID)
		if err != nil {
			return err
		}
		all, err := d.balances(ctx, m.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return a.printJSON(all)
		}
		t := a.table("currency", "balance", "available")
		for _, b := range all {
			t.AppendRow(table.Row{b.Currency, money.Amount{Minor: b.BalanceMinor, Currency: b.Currency}.Major(), money.Amount{Minor: b.AvailableMinor, Currency: b.Currency}.Major()})
		}
		t.Render()
		return nil
	})
}

type merchantTopupCmd struct {
	ID       string `arg:"" help:"The merchant's id."`
	Currency string `arg:"" help:"ISO 4217 code."`
	Amount   string `arg:"" help:"In major units, such as 49.90. Below zero takes out: put -- before the id then."`
	Reason   string `help:"What shows that the money came or went: it is kept as the evidence." required:""`
	Yes      bool   `help:"Do it. Without it nothing is moved."`
}

// Run posts the amount to the books.
func (c merchantTopupCmd) Run(a *app) error {
	digits, out := strings.CutPrefix(c.Amount, "-")
	amount, err := money.ParseMajor(digits, money.Currency(c.Currency))
	if err != nil {
		return misuse{err}
	}
	if out {
		amount.Minor = -amount.Minor
	}
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.ID)
		if err != nil {
			return err
		}
		if !c.Yes {
			return hinted{remit.Errorf(remit.Invalid, "", "this moves %s of merchant %s: nothing was done", amount, m.ID), "--yes does it"}
		}
		if _, err := d.Engine.Do(ctx, remit.TopUp{Head: d.head(m.ID, c.Reason), Amount: amount}); err != nil {
			return err
		}
		a.say("%s were posted to merchant %s", amount, m.ID)
		return nil
	})
}
