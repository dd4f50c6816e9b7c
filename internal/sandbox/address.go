package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"remit/dialect"
	"remit/internal/engine"
)

// baseURL names a listener as this machine would call it.
func baseURL(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if ok && t.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", t.Port)
	}
	return "http://" + a.String()
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
	home  *home
	base  string
	mails func(context.Context, string, dialect.Outgoing) (dialect.Reply, time.Duration, error)
}

func (m moved) Send(ctx context.Context, target string, out dialect.Outgoing) (dialect.Reply, time.Duration, error) {
	if out.Method == dialect.MethodMail {
		return m.mails(ctx, target, out)
	}
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
