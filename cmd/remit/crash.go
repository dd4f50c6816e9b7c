package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// crashPoints is the hook by which a test has this process killed at the n-th
// passing of a named point: REMIT_CRASH_AT=point:n. It is nil unless
// REMIT_CRASH_TESTS=1 says that this is what is wanted.
func crashPoints(environ []string, log *slog.Logger) (func(point string), error) {
	vars := map[string]string{}
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		vars[name] = value
	}
	at := vars[envCrashAt]
	if at == "" {
		return nil, nil
	}
	if vars[envCrashTests] != "1" {
		return nil, fmt.Errorf("%s is set, and %s is not: this process would kill itself", envCrashAt, envCrashTests)
	}
	point, text, _ := strings.Cut(at, ":")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return nil, errors.New(envCrashAt + " is not of the form point:n")
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
