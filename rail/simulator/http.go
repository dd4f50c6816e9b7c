package simulator

import (
	"bytes"
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"time"

	"remit/rail"
)

// A bank that is a process of its own is spoken to in JSON. Every call is a
// POST of a message, and is answered with one.
const (
	pathSubmit     = "/submit"
	pathLookup     = "/lookup"
	pathStatements = "/statements"
	pathSteer      = "/steer"
	pathBooked     = "/booked"
	pathNextDue    = "/next-due"
	pathRun        = "/run"
	pathIdentity   = "/identity"
)

const (
	tokenHeader         = "Remit-Bank-Token"
	requestBytesMax     = 64 << 10
	answerBytesMax      = 256 << 20 // Booked is whole
	statementsMax       = 500       // lines in one answer
	callTimeoutDefault  = 10 * time.Second
	connectionsIdleMax  = 64
	connectionIdleAfter = 30 * time.Second
)

// message is what goes either way. Each call uses the members that it needs.
type message struct {
	Instruction *rail.Instruction        `json:"instruction,omitempty"`
	ID          string                   `json:"id,omitempty"` // end-to-end; of /identity the bank's own
	Order       *rail.Order              `json:"order,omitempty"`
	Outcome     rail.Outcome             `json:"outcome,omitzero"`
	Cursor      string                   `json:"cursor,omitempty"`
	Statements  []rail.Statement         `json:"statements,omitempty"`
	Booked      []rail.BookedInstruction `json:"booked,omitempty"`
	Due         *time.Time               `json:"due,omitempty"`
	Error       string                   `json:"error,omitempty"`  // for people
	Failed      string                   `json:"failed,omitempty"` // a key of failures, or "other"
}

// failures are the errors that keep their meaning on the wire.
var failures = map[string]error{
	"not_sent":  rail.ErrNotSent,
	"too_late":  rail.ErrTooLate,
	"order":     rail.ErrOrder,
	"different": ErrDifferent,
	"cursor":    ErrCursor,
}

// Handler lets others speak to a bank who know the token.
func Handler(b *Bank, token string) http.Handler {
	mux := http.NewServeMux()
	for path, call := range map[string]func(context.Context, message) (message, error){
		pathSubmit: b.serveSubmit,
		pathLookup: func(ctx context.Context, m message) (message, error) {
			out, err := b.Lookup(ctx, m.ID)
			return message{Outcome: out}, err
		},
		pathStatements: b.serveStatements,
		pathSteer: func(ctx context.Context, m message) (message, error) {
			return message{}, b.Steer(ctx, m.ID, *cmp.Or(m.Order, &rail.Order{}))
		},
		pathBooked: func(ctx context.Context, _ message) (message, error) {
			all, err := b.Booked(ctx)
			return message{Booked: all}, err
		},
		pathNextDue: func(ctx context.Context, _ message) (message, error) {
			at, ok, err := b.NextDue(ctx)
			if !ok {
				return message{}, err
			}
			return message{Due: &at}, err
		},
		pathIdentity: func(ctx context.Context, _ message) (message, error) {
			id, err := b.Identity(ctx)
			return message{ID: id}, err
		},
		pathRun: func(ctx context.Context, _ message) (message, error) { return message{}, b.Run(ctx) },
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { serve(w, r, token, call) })
	}
	return mux
}

// serve answers one call. A bank that does not answer breaks the connection.
func serve(w http.ResponseWriter, r *http.Request, token string, call func(context.Context, message) (message, error)) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(token)) != 1 {
		http.Error(w, "the token is wrong", http.StatusUnauthorized)
		return
	}
	var in message
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, requestBytesMax)).Decode(&in); err != nil {
		http.Error(w, "the message cannot be read", http.StatusBadRequest)
		return
	}
	out, err := call(r.Context(), in)
	if errors.Is(err, errSilent) {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		out = message{Error: err.Error(), Failed: "other"}
		for name, known := range failures {
			if errors.Is(err, known) {
				out.Failed = name
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // a caller that has gone will ask again
}

func (b *Bank) serveSubmit(ctx context.Context, m message) (message, error) {
	if m.Instruction == nil {
		return message{}, errors.New("simulator: no instruction")
	}
	out, err := b.Submit(ctx, *m.Instruction)
	return message{Outcome: out}, err
}

func (b *Bank) serveStatements(ctx context.Context, m message) (out message, err error) {
	for s, err := range b.Statements(ctx, m.Cursor) {
		if err != nil {
			return message{}, err
		}
		if out.Statements = append(out.Statements, s); len(out.Statements) == statementsMax {
			break
		}
	}
	return out, nil
}

// Client is the way to a bank in another process.
type Client struct {
	name, url, token string
	http             *http.Client
}

// Dial makes the rail of a bank that serves Handler at a URL. It connects
// when it is used. A nil client waits ten seconds for an answer, and uses no
// proxy.
func Dial(name, url, token string, c *http.Client) Client {
	if c == nil {
		c = &http.Client{Timeout: callTimeoutDefault, Transport: &http.Transport{
			MaxIdleConnsPerHost: connectionsIdleMax, IdleConnTimeout: connectionIdleAfter,
		}}
	}
	return Client{name, url, token, c}
}

// Name is the rail's name.
func (c Client) Name() string { return c.name }

// Submit hands an instruction over: see rail.Rail. A connection that could
// not be made has carried nothing: only then it answers ErrNotSent.
func (c Client) Submit(ctx context.Context, i rail.Instruction) (rail.Outcome, error) {
	out, err := c.call(ctx, pathSubmit, message{Instruction: &i})
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", rail.ErrNotSent, err)
	}
	return out.Outcome, err
}

// Lookup asks what became of an instruction: see rail.Rail. A bank that
// cannot be reached says nothing.
func (c Client) Lookup(ctx context.Context, endToEndID string) (rail.Outcome, error) {
	out, err := c.call(ctx, pathLookup, message{ID: endToEndID})
	return out.Outcome, err
}

// Statements yields what happened after a cursor: see rail.Reporter.
func (c Client) Statements(ctx context.Context, after string) iter.Seq2[rail.Statement, error] {
	return func(yield func(rail.Statement, error) bool) {
		for {
			page, err := c.call(ctx, pathStatements, message{Cursor: after})
			if err != nil {
				yield(rail.Statement{}, err)
				return
			}
			for _, s := range page.Statements {
				if after = s.Cursor; !yield(s, nil) {
					return
				}
			}
			if len(page.Statements) < statementsMax {
				return
			}
		}
	}
}

// Steer orders what becomes of an instruction: see rail.Steerable.
func (c Client) Steer(ctx context.Context, endToEndID string, o rail.Order) error {
	_, err := c.call(ctx, pathSteer, message{ID: endToEndID, Order: &o})
	return err
}

// Identity tells the bank at the URL from every other: see rail.Identified.
func (c Client) Identity(ctx context.Context) (string, error) {
	out, err := c.call(ctx, pathIdentity, message{})
	return out.ID, err
}

// Booked lists every instruction in the bank's journal, oldest first.
func (c Client) Booked(ctx context.Context) ([]rail.BookedInstruction, error) {
	out, err := c.call(ctx, pathBooked, message{})
	return out.Booked, err
}

// NextDue is when the bank will next do something by itself.
func (c Client) NextDue(ctx context.Context) (time.Time, bool, error) {
	out, err := c.call(ctx, pathNextDue, message{})
	if err != nil || out.Due == nil {
		return time.Time{}, false, err
	}
	return *out.Due, true, nil
}

// Run does what has fallen due at the bank.
func (c Client) Run(ctx context.Context) error {
	_, err := c.call(ctx, pathRun, message{})
	return err
}

// call makes one call. An answer that cannot be read leaves it unknown what
// the bank did.
func (c Client) call(ctx context.Context, path string, in message) (out message, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return message{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(body))
	if err != nil {
		return message{}, err
	}
	req.Header.Set(tokenHeader, c.token)
	res, err := c.http.Do(req)
	if err != nil {
		return message{}, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, answerBytesMax))
	if err != nil {
		return message{}, err
	}
	if res.StatusCode != http.StatusOK {
		return message{}, fmt.Errorf("simulator: the bank answers %d", res.StatusCode)
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return message{}, fmt.Errorf("simulator: the bank's answer cannot be read: %w", err)
	}
	if out.Failed == "" {
		return out, nil
	}
	if known, ok := failures[out.Failed]; ok {
		return message{}, fmt.Errorf("%w (%s)", known, out.Error)
	}
	return message{}, fmt.Errorf("simulator: the bank fails: %s", out.Error)
}
