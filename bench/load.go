package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// callers is how many requests are on their way at once: no group of commands
// can be larger.
const callers = 128

// warm has those requests answered that are sent before the clock starts.
func (in *installation) warm(ctx context.Context, address string) error {
	return ask(ctx, address, in.early, in.tongue.accepted)
}

// send has all requests answered.
func (in *installation) send(ctx context.Context, address string) error {
	return ask(ctx, address, in.requests, in.tongue.accepted)
}

// ask sends requests over as many connections as there are callers, each the
// next one when its answer is there. Load and server share the machine, so a
// request is bytes that were written before, and of an answer no more is read
// than accepted looks at.
func ask(ctx context.Context, address string, requests [][]byte, accepted func(status int, body []byte) bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, callers)
	for range callers {
		wg.Go(func() {
			if err := caller(ctx, address, accepted, func() []byte {
				if i := next.Add(1) - 1; i < int64(len(requests)) {
					return requests[i]
				}
				return nil
			}); err != nil {
				failed <- err
				stop() // the others, too
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

// caller sends requests over one connection until there are no more.
func caller(ctx context.Context, address string, accepted func(int, []byte) bool, next func() []byte) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })()
	r := bufio.NewReader(c)
	var body []byte
	for request := next(); request != nil; request = next() {
		if _, err := c.Write(request); err != nil {
			return err
		}
		var status int
		if status, body, err = answer(r, body); err != nil {
			return err
		}
		if !accepted(status, body) {
			return fmt.Errorf("a refund was refused: %d %s", status, body)
		}
	}
	return nil
}

// answer reads one answer of HTTP/1.1 that tells its length, into the space of
// the body before it.
func answer(r *bufio.Reader, space []byte) (status int, body []byte, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if _, code, ok := bytes.Cut(line, []byte(" ")); !ok || len(code) < 3 {
		return 0, nil, fmt.Errorf("not an answer of HTTP: %q", line)
	} else if status, err = strconv.Atoi(string(code[:3])); err != nil {
		return 0, nil, err
	}
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		name, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		if !ok {
			break
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, nil, err
			}
		}
	}
	if length < 0 {
		return 0, nil, errors.New("the answer does not tell its length")
	}
	body = append(space[:0], make([]byte, length)...)
	_, err = io.ReadFull(r, body)
	return status, body, err
}
