// Package webhook makes one HTTP call of a delivery. The URL was written by a
// merchant, and the answer by whoever stands behind it: neither is trusted.
//
// A call goes to public addresses only, over https, and follows no redirect.
// The address is checked when it is dialled, after the name was resolved, so
// that a name that changes its mind is no way around it. What is already
// inside (proxies, metadata services, our own admin listener) cannot be
// reached, unless the operator listed its address.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"remit/dialect"
)

// Limits of one call, where Options name no other.
const (
	timeoutDefault       = 10 * time.Second // from dialling to the reply's last byte
	replyBytesMaxDefault = 64 << 10
)

// Limits that nobody needs to choose.
const (
	replyHeaderBytesMax = 32 << 10
	connectionsIdleMax  = 256
	connectionIdleAfter = 30 * time.Second
	// hostCallsMax is how many calls to one host run at a time, and
	// hostWaitMax how long another one waits for its turn: one merchant whose
	// host hangs must not hold all that deliver for others.
	hostCallsMax = 8
	hostWaitMax  = 250 * time.Millisecond
)

// Errors that tell a call which was not made from one that failed.
var (
	// ErrURL means that a URL is none that notifications may go to.
	ErrURL = errors.New("webhook: the URL is not allowed")
	// ErrAddress means that the URL leads to an address that is not public
	// and that no operator listed.
	ErrAddress = errors.New("webhook: the address is not allowed")
	// ErrBusy means that as many calls to this host are running as may. It
	// says nothing about the merchant: the try should not be held against it.
	ErrBusy = errors.New("webhook: too many calls to this host are running")
)

// Options are what a sender can be given. The zero value is right for
// production.
type Options struct {
	// AllowLoopback lets calls go to this machine, and over plain http: for
	// sandboxes.
	AllowLoopback bool
	// AllowPrefixes are addresses that are not public and that the operator
	// lets calls go to all the same.
	AllowPrefixes []netip.Prefix
	Timeout       time.Duration    // of one call; 0 is ten seconds
	ReplyBytesMax int64            // how much of a reply's body is kept; 0 is 64 KiB
	UserAgent     string           // sent where the dialect sets none; "" sends none
	RootCAs       *x509.CertPool   // nil is the system's
	Resolver      *net.Resolver    // nil is the system's
	Now           func() time.Time // of the real clock, to measure with; nil is time.Now
}

// Sender makes calls. It is safe for concurrent use.
type Sender struct {
	options   Options
	transport *http.Transport
	hosts     hosts
}

// New makes a sender. Proxies that the environment names are not used: an
// address that a proxy dials is one that nobody has checked.
func New(o Options) *Sender {
	o.Timeout = cmp.Or(o.Timeout, timeoutDefault)
	o.ReplyBytesMax = cmp.Or(o.ReplyBytesMax, replyBytesMaxDefault)
	if o.Now == nil {
		o.Now = time.Now
	}
	dialer := &net.Dialer{Resolver: o.Resolver, Control: guard(o)}
	return &Sender{options: o, transport: &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		DisableCompression:     true, // a reply is kept as it came, and nothing unpacks to more than it is
		MaxConnsPerHost:        hostCallsMax,
		MaxIdleConnsPerHost:    hostCallsMax,
		MaxIdleConns:           connectionsIdleMax,
		IdleConnTimeout:        connectionIdleAfter,
		MaxResponseHeaderBytes: replyHeaderBytesMax,
	}}
}

// Close lets go of the connections that are kept for later calls.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// guard checks each address that is about to be dialled. Ports are free: a
// public host may listen where it likes, and https shields those that speak
// something else.
func guard(o Options) func(network, address string, c syscall.RawConn) error {
	allow := o.AllowPrefixes
	if o.AllowLoopback {
		allow = append(append([]netip.Prefix{}, allow...), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	g := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	return func(network, address string, c syscall.RawConn) error {
		if err := g.Safe(network, address, c); err != nil {
			return fmt.Errorf("%w: %w", ErrAddress, err)
		}
		return nil
	}
}

// Send makes one call, and answers the reply and how long it took. A redirect
// is a reply as any other. Of a body longer than ReplyBytesMax the beginning
// is answered. Any error means that there was no reply; after one other than
// ErrURL, ErrAddress and ErrBusy the merchant may still have been told.
func (s *Sender) Send(ctx context.Context, target string, out dialect.Outgoing) (dialect.Reply, time.Duration, error) {
	u, err := s.parse(target)
	if err != nil {
		return dialect.Reply{}, 0, err
	}
	if out.Query != "" && u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += out.Query
	leave, err := s.hosts.enter(ctx, u.Host)
	if err != nil {
		return dialect.Reply{}, 0, err
	}
	defer leave()
	began := s.options.Now()
	reply, err := s.call(ctx, u, out)
	return reply, s.options.Now().Sub(began), err
}

// parse reads a URL that a merchant wrote.
func (s *Sender) parse(target string) (*url.URL, error) {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: it cannot be read", ErrURL) // the cause would repeat all of it
	case u.Scheme != "https" && (u.Scheme != "http" || !s.options.AllowLoopback):
		return nil, fmt.Errorf("%w: it is not https", ErrURL)
	case u.Hostname() == "":
		return nil, fmt.Errorf("%w: it names no host", ErrURL)
	case u.User != nil:
		return nil, fmt.Errorf("%w: it carries a user", ErrURL)
	}
	return u, nil
}

// call speaks HTTP. It uses the transport alone: there is then nobody to
// follow redirects or to keep cookies.
func (s *Sender) call(ctx context.Context, u *url.URL, out dialect.Outgoing) (dialect.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(out.Timeout, s.options.Timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, out.Method, u.String(), bytes.NewReader(out.Body))
	if err != nil {
		return dialect.Reply{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	for name, values := range out.Header {
		req.Header[name] = values
	}
	if _, set := req.Header["User-Agent"]; !set {
		req.Header.Set("User-Agent", s.options.UserAgent)
	}
	res, err := s.transport.RoundTrip(req)
	if err != nil {
		return dialect.Reply{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, s.options.ReplyBytesMax))
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// hosts counts the calls that run to each host.
type hosts struct {
	mu   sync.Mutex
	busy map[string]*host // those that somebody calls or waits for
}

// host has a place for each call that may run.
type host struct {
	places chan struct{}
	users  int
}

// enter waits for a place at a host, but not for long. The caller leaves when
// its call has ended.
func (h *hosts) enter(ctx context.Context, name string) (leave func(), err error) {
	p := h.use(name)
	timer := time.NewTimer(hostWaitMax)
	defer timer.Stop()
	select {
	case p.places <- struct{}{}:
		return func() { <-p.places; h.release(name) }, nil
	case <-timer.C:
		err = ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	h.release(name)
	return nil, err
}

func (h *hosts) use(name string) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy == nil {
		h.busy = map[string]*host{}
	}
	p := h.busy[name]
	if p == nil {
		p = &host{places: make(chan struct{}, hostCallsMax)}
		h.busy[name] = p
	}
	p.users++
	return p
}

func (h *hosts) release(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.busy[name]; p.users > 1 {
		p.users--
	} else {
		delete(h.busy, name)
	}
}
