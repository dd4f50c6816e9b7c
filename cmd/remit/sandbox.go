package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"remit/internal/catalog"
	"remit/internal/console"
	"remit/internal/node"
	"remit/internal/sandbox"
	"remit/internal/server"
	"remit/internal/webhook"
	"remit/store"
)

// sandboxCmd is everything in one process.
type sandboxCmd struct {
	Start    sandboxStart    `cmd:"" default:"withargs" help:"Start it. This is what happens without a word."`
	Outcomes sandboxOutcomes `cmd:"" help:"List the values that choose an outcome by themselves."`
}

// Help tells where the flags are.
func (sandboxCmd) Help() string {
	return "The flags of start can be given without the word: remit sandbox --data DIR --listen HOST:PORT --seed N. " +
		"remit sandbox start --help lists them all."
}

// sandboxStart starts a sandbox, and serves until it is told to stop.
type sandboxStart struct {
	Data        string        `help:"Where everything is kept. Without it a new folder is made, and removed at the end." type:"path" placeholder:"DIR"`
	Listen      string        `help:"Where it listens: ${default} if left out. Port 0 takes a free one." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	Seed        *int64        `help:"Make the clock stand still, and all ids come from this number." placeholder:"N"`
	BankDelay   time.Duration `help:"From the hand-over of an instruction to its settlement, of the virtual clock." default:"10s"`
	AllowPublic bool          `help:"Listen on an address that others can reach too. Whoever does reach it controls everything."`
}

// Run starts it.
func (c sandboxStart) Run(a *app) (err error) {
	ctx, stop := untilStopped()
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal is no longer ours
	if c.BankDelay <= 0 {
		return misuse{errors.New("--bank-delay must be above zero")}
	}
	if err := c.private(); err != nil {
		return err
	}
	if c.Data == "" {
		if c.Data, err = os.MkdirTemp("", "remit-sandbox-*"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Data)) }()
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	hook, err := crashPoints(a.environ, log)
	if err != nil {
		return err
	}
	l, err := sandbox.Listen(c.Data, c.Listen)
	if err != nil {
		return hinted{err, "--listen 127.0.0.1:0 takes a free port"}
	}
	s, err := sandbox.Open(ctx, c.options(l, log, hook))
	if err != nil {
		return errors.Join(err, l.Close())
	}
	err = s.Run(ctx, func() { a.print("%s", s.Greeting()) })
	return errors.Join(err, s.Close())
}

// private refuses to open the control API to others unless that is wanted.
func (c sandboxStart) private() error {
	a, err := net.ResolveTCPAddr("tcp", c.Listen)
	if err != nil {
		return misuse{fmt.Errorf("--listen: %w", err)}
	}
	if !a.IP.IsLoopback() && !c.AllowPublic {
		return hinted{misuse{fmt.Errorf("--listen %s can be reached by others", c.Listen)}, "use 127.0.0.1, or say --allow-public"}
	}
	return nil
}

// options is what this program's sandbox is made of.
func (c sandboxStart) options(l net.Listener, log *slog.Logger, hook func(string)) sandbox.Options {
	return sandbox.Options{
		Dir: c.Data, Seed: c.Seed, Listener: l, Dialects: catalog.Dialects(), Log: log, NewID: newID, Hook: hook,
		Caller: webhook.New(webhook.Options{AllowLoopback: true, UserAgent: "remit/" + version()}),
		OpenStore: func(ctx context.Context, path string) (store.Store, error) {
			return catalog.OpenStore(ctx, "sqlite:"+path, hook)
		},
		OpenBank: func(journal string, now func() time.Time) (sandbox.Bank, func() error, error) {
			rails, done, err := catalog.OpenRails(catalog.Simulated{Journal: journal, Delay: c.BankDelay, Now: now, Hook: hook})
			if err != nil {
				return nil, nil, err
			}
			bank, ok := rails[0].(sandbox.Bank)
			if !ok {
				return nil, nil, errors.Join(fmt.Errorf("rail %s is no simulated bank", rails[0].Name()), done())
			}
			return bank, done, nil
		},
		Public: func(n *node.Node, trace func() string) (http.Handler, func()) {
			if trace == nil {
				trace = newTrace
			}
			s := server.New(server.Options{
				Dialects: catalog.Dialects(), Directory: n.Directory, Engine: n.Engine, Now: n.Clock.Now, Real: time.Now,
				NewTrace: trace, Key: n.RequestKey, Requests: n.Requests, Log: log,
			})
			return s, s.Close
		},
		Console: func(n *node.Node, whole http.Handler) http.Handler {
			return console.New(console.Options{Node: n, Real: time.Now, Log: log, Operator: "operator:sandbox", Local: !c.AllowPublic, Sandbox: whole})
		},
		Serve: func(ctx context.Context, l net.Listener, h http.Handler) error { return server.Serve(ctx, l, h, log) },
	}
}

// sandboxOutcomes lists the magic values.
type sandboxOutcomes struct {
	JSON bool `help:"As JSON." name:"json"`
}

// Run prints them.
func (c sandboxOutcomes) Run(a *app) error {
	all := viewMagic()
	if c.JSON {
		return a.printJSON(all)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AMOUNT_MINOR\tTEXT\tWHAT THE BANK DOES")
	for _, m := range all {
		fmt.Fprintf(w, "%d\t%s\t%s\n", m.AmountMinor, m.Text, m.Tells)
	}
	return w.Flush()
}
