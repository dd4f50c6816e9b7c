package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"remit/internal/catalog"
	"remit/internal/engine"
)

// crashPoints is the hook by which a test has this process killed at the n-th
// passing of a named point: REMIT_CRASH_AT=point:n. It is nil unless
// REMIT_CRASH_TESTS=1 says that this is what is wanted.
func crashPoints(environ environment, log *slog.Logger) (func(point string), error) {
	at := environ.get(envCrashAt)
	if at == "" {
		return nil, nil
	}
	if environ.get(envCrashTests) != "1" {
		return nil, fmt.Errorf("%s is set, and %s is not: this process would kill itself", envCrashAt, envCrashTests)
	}
	points := append(catalog.StorePoints(), engine.PointCommitted, engine.PointMarked, engine.PointSubmitted, engine.PointDelivered)
	points = append(points, slices.Sorted(maps.Values(catalog.BankPoints))...)
	point, text, _ := strings.Cut(at, ":")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || !slices.Contains(points, point) {
		return nil, fmt.Errorf("%s is point:n, where the point is one of %s", envCrashAt, strings.Join(points, ", "))
	}
	log.Warn("THIS PROCESS WILL KILL ITSELF: it is part of a crash test", "point", point, "passing", n)
	var passed atomic.Int64
	return func(p string) {
		if p == point && passed.Add(1) == n {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal is there
		}
	}, nil
}
