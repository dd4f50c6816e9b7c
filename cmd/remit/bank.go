package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"remit/internal/catalog"
	"remit/internal/server"
)

// bankCmd is the simulated bank as a process of its own: for tests in which
// the engine's process dies and the bank's must not.
type bankCmd struct {
	Journal  string        `help:"Where the bank keeps its journal." type:"path" required:"" placeholder:"FILE"`
	Listen   string        `help:"Where it listens: at a free port of this machine if left out. It prints its URL." default:"127.0.0.1:0" placeholder:"HOST:PORT"`
	Delay    time.Duration `help:"From the hand-over of an instruction to its settlement." default:"10s"`
	TokenEnv string        `help:"The environment variable that holds the token which callers must show: ${default} if left out." default:"REMIT_BANK_TOKEN" placeholder:"NAME"`
}

// bankEvery is how often the bank looks for what has fallen due.
const bankEvery = 100 * time.Millisecond

// Run serves the bank. The first line of stdout is its URL.
func (c bankCmd) Run(a *app) (err error) {
	ctx, stop := untilStopped()
	defer stop()
	token := a.environ.get(c.TokenEnv)
	if token == "" {
		return hinted{fmt.Errorf("the bank has no token: %s is empty", c.TokenEnv), "make one with: openssl rand -hex 16"}
	}
	log := slog.New(slog.NewTextHandler(a.stderr, nil))
	hook, err := crashPoints(a.environ, log)
	if err != nil {
		return err
	}
	b, err := catalog.OpenBank(catalog.Simulated{Journal: c.Journal, Delay: c.Delay, Hook: hook})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	a.print("http://%s", l.Addr())
	kept := make(chan error, 1)
	go func() {
		kept <- b.Keep(ctx, bankEvery)
		stop()
	}()
	err = server.Serve(ctx, l, catalog.BankHandler(b, token), log)
	stop()
	return errors.Join(err, <-kept)
}
