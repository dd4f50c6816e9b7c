package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"
)

// readyTimeout bounds all the questions of one /readyz, of real time.
const readyTimeout = 3 * time.Second

// Check is one condition of being ready.
type Check struct {
	Name string
	Ask  func(context.Context) error // nil, or why not
}

// Admin is the handler of the admin listener: it shows how the process does,
// and asks nobody who they are, but for the console, which asks for itself and
// may be nil. It belongs on loopback, or behind a wall.
func Admin(metrics, console http.Handler, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready(w, r, checks) })
	mux.Handle("GET /metrics", metrics)
	if console != nil {
		mux.Handle("/console", console)
		mux.Handle("/console/", console)
		mux.Handle("GET /{$}", http.RedirectHandler("/console/", http.StatusSeeOther)) // who was told the address alone
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// ready asks every check, and lists those that say no.
func ready(w http.ResponseWriter, r *http.Request, checks []Check) {
	ctx, stop := context.WithTimeout(r.Context(), readyTimeout)
	defer stop()
	var not strings.Builder
	for _, c := range checks {
		if err := c.Ask(ctx); err != nil {
			fmt.Fprintf(&not, "%s: %v\n", c.Name, err)
		}
	}
	if not.Len() > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(not.String()))
		return
	}
	fmt.Fprintln(w, "ready")
}
