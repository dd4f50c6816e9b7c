package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of a connection. A writeTimeout runs from the end of the request's
// header, and so covers the reading, the decision and the answer.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 30 * time.Second // of a whole request
	writeTimeout   = readTimeout + askTimeout + 10*time.Second
	idleTimeout    = 2 * time.Minute // between two requests
	headerBytesMax = 64 << 10
)

// StopTimeout is how long the requests in flight have to finish once a server
// is told to stop.
const StopTimeout = askTimeout + 5*time.Second

// Serve answers on a listener until ctx ends. Then it takes no more
// connections, and returns when the requests in flight are answered, or
// StopTimeout has passed.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	last, stop := context.WithTimeout(context.Background(), StopTimeout)
	defer stop()
	err := s.Shutdown(last)
	if err != nil {
		err = errors.Join(err, s.Close())
	}
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
