package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"remit/internal/catalog"
	"remit/internal/clock"
	"remit/internal/mail"
	"remit/internal/metrics"
	"remit/internal/node"
	"remit/internal/server"
	"remit/internal/webhook"
	"remit/store"
)

// serveCmd answers merchants until it is told to stop.
type serveCmd struct{}

// Help tells how it stops.
func (serveCmd) Help() string {
	return "On SIGINT or SIGTERM /readyz says no, the listener closes, what is in flight is finished, and the process ends. " +
		"A second signal ends it at once: nothing is lost by that but time."
}

// Run serves.
func (serveCmd) Run(a *app) error {
	ctx, stop := untilStopped()
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal is no longer ours
	c, err := loadConfig(a.config, a.environ)
	if err != nil {
		return err
	}
	log, err := newLog(c.Log, a.stderr)
	if err != nil {
		return err
	}
	p := &process{config: c, log: log, metrics: metrics.New()}
	if p.hook, err = crashPoints(a.environ, log); err != nil {
		return err
	}
	if err = p.open(ctx, a.environ); err != nil {
		return errors.Join(err, p.close())
	}
	err = errors.Join(p.serve(ctx), p.close())
	log.Info("stopped")
	return err
}

// newLog makes the log of a process.
func newLog(c logging, to io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("the setting log.level: %q is none of debug, info, warn and error", c.Level)
	}
	o := &slog.HandlerOptions{Level: level}
	switch c.Format {
	case "text":
		return slog.New(slog.NewTextHandler(to, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(to, o)), nil
	}
	return nil, fmt.Errorf("the setting log.format: %q is neither text nor json", c.Format)
}

// process is everything that remit serve is made of.
type process struct {
	config  config
	log     *slog.Logger
	metrics *metrics.Metrics
	hook    func(point string)

	store    store.Store
	node     *node.Node
	server   *server.Server
	console  http.Handler   // nil where there is none
	closing  []func() error // in the order of opening
	stopping atomic.Bool
	skew     atomic.Int64 // of our clock against the store's, in ns
}

func (p *process) open(ctx context.Context, environ environment) error {
	key, err := masterKey(p.config, environ)
	if err != nil {
		return err
	}
	allow, err := prefixes("notification_allow", p.config.NotifyAllow)
	if err != nil {
		return err
	}
	proxies, err := prefixes("trusted_proxies", p.config.Proxies)
	if err != nil {
		return err
	}
	public, err := origin(p.config.PublicURL)
	if err != nil {
		return err
	}
	if p.store, err = openStore(ctx, p.config, p.hook); err != nil {
		return err
	}
	p.onClose(p.store.Close)
	sim := p.config.Rails.Simulator
	rails, done, err := catalog.OpenRails(catalog.Simulated{Journal: sim.Journal, Delay: sim.Delay, URL: sim.URL, Token: sim.Token, Hook: p.hook})
	if err != nil {
		return sameBank(err)
	}
	p.onClose(done)
	hooks := webhook.New(webhook.Options{AllowPrefixes: allow, UserAgent: "remit/" + version()})
	p.onClose(func() error { hooks.Close(); return nil })
	m := p.config.Mail
	sender := mail.Sender{Next: hooks, Server: m.Server, From: m.From, User: m.User, Password: m.Password, Now: time.Now}
	business := clock.New(time.Now, 0, false)
	p.node, err = node.Start(ctx, node.Config{
		Store: p.store, MasterKey: key, Dialects: catalog.Dialects(), Rails: rails, Clock: business, Real: time.Now, Rand: rand.Reader,
		NewID: newID, Caller: sender, Lanes: p.config.Lanes, Lease: p.config.WorkLease, Observer: p.metrics, Log: p.log, Hook: p.hook,
		RequestLogDays: p.config.RequestLog,
	})
	if err != nil {
		return sameBank(migrated(err))
	}
	p.onClose(func() error { p.node.Close(); return nil })
	p.metrics.Watch(metrics.Waits{
		Backlog: func(ctx context.Context) (store.Backlog, error) { return p.store.Backlog(ctx, business.Now()) },
		Queue:   p.node.Engine.Waiting, Now: business.Now, NotKept: p.node.Requests.Lost,
	})
	p.server = server.New(server.Options{
		Dialects: catalog.Dialects(), Directory: p.node.Directory, Engine: p.node.Engine, Now: business.Now, Real: time.Now,
		NewTrace: newTrace, Key: p.node.RequestKey, Origin: public, Proxies: proxies, Observer: p.metrics, Requests: p.node.Requests, Log: p.log,
	})
	if p.console, err = p.openConsole(proxies); err != nil {
		return err
	}
	return p.compare(ctx)
}

func (p *process) onClose(f func() error) { p.closing = append(p.closing, f) }

// close lets go of what was opened, last first.
func (p *process) close() (err error) {
	for i := len(p.closing) - 1; i >= 0; i-- {
		err = errors.Join(err, p.closing[i]())
	}
	return err
}

// serve answers and carries out until ctx ends. Then everything stops in the
// order in which nothing is left half done: readiness, listener, requests,
// notifications, commands, work.
func (p *process) serve(ctx context.Context) error {
	public, err := net.Listen("tcp", p.config.Listen)
	if err != nil {
		return err
	}
	admin, err := net.Listen("tcp", p.config.AdminListen)
	if err != nil {
		return errors.Join(err, public.Close())
	}
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	running, end := context.WithCancel(context.Background())
	defer end()
	answering, quit := context.WithCancel(running)
	defer quit()
	var answered, rest sync.WaitGroup
	failed := make(chan error, 2)
	listen := func(wg *sync.WaitGroup, until context.Context, l net.Listener, h http.Handler) {
		wg.Go(func() { failed <- server.Serve(until, l, h, p.log); fail() })
	}
	listen(&answered, answering, public, p.server)
	listen(&rest, running, admin, p.admin())
	rest.Go(func() { p.node.Serve(running) })
	rest.Go(func() { p.watchClock(running) })
	p.log.Info("listening", "url", "http://"+public.Addr().String(), "admin", "http://"+admin.Addr().String(), "version", version())

	<-ctx.Done()
	p.log.Info("stopping")
	p.stopping.Store(true)
	time.Sleep(p.config.StopNotice)
	quit()
	answered.Wait()
	p.server.Close()
	end()
	rest.Wait()
	return errors.Join(<-failed, <-failed)
}

// admin is the handler of the admin listener.
func (p *process) admin() http.Handler {
	return server.Admin(p.metrics.Handler(), p.console,
		server.Check{Name: "process", Ask: func(context.Context) error {
			if p.stopping.Load() {
				return errors.New("it is about to stop")
			}
			return nil
		}},
		server.Check{Name: "store", Ask: p.store.Ready},
		server.Check{Name: "clock", Ask: func(context.Context) error { return tooSkew(time.Duration(p.skew.Load())) }},
	)
}
