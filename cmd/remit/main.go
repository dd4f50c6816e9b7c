// Command remit is the whole engine in one binary: what serves, what an
// operator asks, and the sandbox.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"remit"
)

// The manners of the command line. Results go to stdout, everything else to
// stderr. What went wrong begins with "remit:", in lower case and without a
// full stop; a hint is a line of its own. What moves money asks for --yes.

// Exit codes.
const (
	exitDone    = 0
	exitRefused = 1
	exitMisused = 2
	exitUnknown = 3 // it may have happened, or not
)

// cli is every command with its flags.
type cli struct {
	Config string `help:"Configuration file, in YAML. Without it the environment alone counts." placeholder:"FILE" env:"REMIT_CONFIG"`

	Serve        serveCmd        `cmd:"" help:"Answer merchants, and carry out what they ask."`
	Sandbox      sandboxCmd      `cmd:"" help:"Everything in one process, with demo merchants and a simulated bank."`
	Bank         bankCmd         `cmd:"" help:"The simulated bank as a process of its own."`
	Migrate      migrateCmd      `cmd:"" help:"Bring the store's schema up to this program's."`
	Merchant     merchantCmd     `cmd:"" help:"Merchants: who they are, what they have."`
	Payment      paymentCmd      `cmd:"" help:"Payments that came in elsewhere, of which refunds are made."`
	Disbursement disbursementCmd `cmd:"" help:"Refunds and payouts, and what an operator can do about them."`
	Delivery     deliveryCmd     `cmd:"" help:"Notifications to merchants."`
	Key          keyCmd          `cmd:"" help:"Our own keys."`
	Ledger       ledgerCmd       `cmd:"" help:"The books."`
	Evidence     evidenceCmd     `cmd:"" help:"Signed evidence of what became of a refund."`
	Console      consoleCmd      `cmd:"" help:"Who may log in to the console."`
	Version      versionCmd      `cmd:"" help:"Say which version this is."`
}

// app is what a command may use of the world outside.
type app struct {
	config         string
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        environment
}

func main() {
	os.Exit(run(os.Args[1:], &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()}))
}

// run carries out one command line, and says with which code to exit.
func run(args []string, a *app) int {
	var c cli
	exited, code := false, 0
	parser, err := newParser(&c, a, func(n int) { exited, code = true, n })
	if err != nil {
		return a.complain(err)
	}
	ctx, err := parser.Parse(args)
	if exited { // it was asked for help, and has given it
		return code
	}
	if err != nil {
		return a.complain(misuse{err})
	}
	a.config = c.Config
	return a.complain(ctx.Run(a))
}

func newParser(c *cli, a *app, exit func(int)) (*kong.Kong, error) {
	return kong.New(c, kong.Name("remit"), kong.Description("A refund and payout engine for account-to-account payments."),
		kong.Writers(a.stdout, a.stderr), kong.Exit(exit), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: helpWidth}))
}

// helpWidth is how wide help is, in columns, wherever it is shown.
const helpWidth = 100

// misuse is an error of who typed the command line.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

// hinted is an error with a line on what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// complain says what went wrong, and with which code to exit.
func (a *app) complain(err error) int {
	if err == nil {
		return exitDone
	}
	text := err.Error()
	if e, ok := errors.AsType[*remit.Error](err); ok && e.Err == nil {
		text = strings.Replace(text, e.Error(), e.Detail, 1) // the code is for programs
	}
	fmt.Fprintln(a.stderr, "remit:", text)
	if h, ok := errors.AsType[hinted](err); ok {
		fmt.Fprintln(a.stderr, "remit: hint:", h.hint)
	}
	switch _, misused := errors.AsType[misuse](err); {
	case misused:
		return exitMisused
	case errors.Is(err, remit.Unavailable):
		return exitUnknown
	}
	return exitRefused
}

// say tells something that is no result.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stderr, "remit: "+format+"\n", args...) }

// print writes a line of the result.
func (a *app) print(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }

// untilStopped is a context that ends when somebody wants this process gone.
func untilStopped() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}
