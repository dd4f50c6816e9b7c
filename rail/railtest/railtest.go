// Package railtest holds a rail to the promises of package rail.
package railtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"remit/money"
	"remit/rail"
)

// Subject is a rail under test, in a state in which nothing was handed over,
// and the hands that its test has on the bank behind it.
type Subject struct {
	Rail rail.Rail
	// Instruction makes the n-th of some instructions that the rail takes,
	// and that its bank leaves pending until Settle. No two have one
	// end-to-end id.
	Instruction func(n int) rail.Instruction
	Amounts     []money.Amount // that the rail takes: the smallest, the largest, each exponent
	// Settle makes the bank pay an instruction that it was handed.
	Settle func(t *testing.T, endToEndID string)
	// Paid is how often the bank has paid an instruction, by its own books.
	Paid func(t *testing.T, endToEndID string) int
	// Lose has the next answer to Submit lost, once the bank has the
	// instruction.
	Lose func(t *testing.T)
	// Crash ends the rail and its bank without a warning, and answers the
	// rail made anew from what they had kept. The other members go on
	// working.
	Crash func(t *testing.T) rail.Rail
	// Cut makes the bank unreachable until mend is called; nil for a rail
	// that cannot be cut off.
	Cut func(t *testing.T) (mend func())
}

// Run tries each promise on a subject of its own. A rail that is a
// rail.Reporter is held to the promises of statements too.
func Run(t *testing.T, open func(*testing.T) Subject) {
	for _, promise := range []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"the same instruction twice is paid once", paidOnce},
		{"another instruction under the same id is not paid", notTheOther},
		{"lookup finds what submit has lost", lookupFinds},
		{"not sent means not sent", notSent},
		{"who cannot reach the bank guesses nothing", cutOff},
		{"a canceled context is unknown, not refused", canceled},
		{"a crash takes nothing away", crash},
	} {
		t.Run(promise.name, func(t *testing.T) { promise.test(t, open(t)) })
	}
	s := open(t)
	if _, ok := s.Rail.(rail.Reporter); !ok {
		return
	}
	t.Run("statements go on behind a cursor and skip nothing", func(t *testing.T) { resume(t, open(t)) })
	t.Run("amounts come back as they went", func(t *testing.T) { roundTrip(t, open(t)) })
}

// paidOnce hands one instruction over again and again: at once from several
// sides, and after it was paid.
func paidOnce(t *testing.T, s Subject) {
	i := s.Instruction(0)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { submit(t, s.Rail, i, rail.Pending) })
	}
	all.Wait()
	s.Settle(t, i.EndToEndID)
	submit(t, s.Rail, i, rail.Settled)
	lookup(t, s.Rail, i, rail.Settled)
	paid(t, s, i, 1)
}

// notTheOther hands over an instruction that differs in one thing from the
// one that has its id. To say that it was not sent would invite to pay it.
func notTheOther(t *testing.T, s Subject) {
	i := s.Instruction(0)
	submit(t, s.Rail, i, rail.Pending)
	amount, account := i, i
	amount.Amount.Minor++
	account.Account = s.Instruction(1).Account + "0"
	for _, other := range []rail.Instruction{amount, account} {
		out, err := s.Rail.Submit(t.Context(), other)
		if err == nil || errors.Is(err, rail.ErrNotSent) || out.Status != rail.Unknown {
			t.Errorf("Submit answers %+v, %v; want Unknown and an error that is not ErrNotSent", out, err)
		}
	}
	s.Settle(t, i.EndToEndID)
	paid(t, s, i, 1)
	if r, ok := s.Rail.(rail.Reporter); ok {
		for _, line := range read(t, r, "") {
			if line.Amount != i.Amount {
				t.Errorf("%s was paid, of %s", line.Amount, i.Amount)
			}
		}
	}
}

// lookupFinds loses the answer to Submit. Who asks then learns that the bank
// has it, and who submits again pays nothing twice.
func lookupFinds(t *testing.T, s Subject) {
	i := s.Instruction(0)
	s.Lose(t)
	if out, err := s.Rail.Submit(t.Context(), i); err == nil || errors.Is(err, rail.ErrNotSent) || out.Status != rail.Unknown {
		t.Errorf("Submit answers %+v, %v; want Unknown and an error that is not ErrNotSent", out, err)
	}
	lookup(t, s.Rail, i, rail.Pending)
	submit(t, s.Rail, i, rail.Pending)
	s.Settle(t, i.EndToEndID)
	lookup(t, s.Rail, i, rail.Settled)
	paid(t, s, i, 1)
}

// notSent asks for what was never handed over. It can be handed over then.
func notSent(t *testing.T, s Subject) {
	i := s.Instruction(0)
	submit(t, s.Rail, s.Instruction(1), rail.Pending)
	if out, err := s.Rail.Lookup(t.Context(), i.EndToEndID); !errors.Is(err, rail.ErrNotSent) || out.Status != rail.Unknown {
		t.Errorf("Lookup answers %+v, %v, want ErrNotSent", out, err)
	}
	paid(t, s, i, 0)
	submit(t, s.Rail, i, rail.Pending)
	s.Settle(t, i.EndToEndID)
	paid(t, s, i, 1)
}

// cutOff asks a bank that cannot be reached. Submit may say that nothing
// left, if nothing did; Lookup cannot know.
func cutOff(t *testing.T, s Subject) {
	if s.Cut == nil {
		t.Skip("this rail cannot be cut off")
	}
	i, had := s.Instruction(0), s.Instruction(1)
	submit(t, s.Rail, had, rail.Pending)
	mend := s.Cut(t)
	for _, id := range []string{i.EndToEndID, had.EndToEndID} {
		if out, err := s.Rail.Lookup(t.Context(), id); err == nil || errors.Is(err, rail.ErrNotSent) || out.Status != rail.Unknown {
			t.Errorf("Lookup answers %+v, %v; want Unknown and an error that is not ErrNotSent", out, err)
		}
	}
	_, err := s.Rail.Submit(t.Context(), i)
	mend()
	agree(t, s, i, err)
	lookup(t, s.Rail, had, rail.Pending)
}

// canceled submits for a caller that has gone.
func canceled(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	i := s.Instruction(0)
	out, err := s.Rail.Submit(ctx, i)
	if out.Status != rail.Unknown {
		t.Errorf("Submit answers %+v, want Unknown", out)
	}
	agree(t, s, i, err)
	if out, err := s.Rail.Lookup(ctx, i.EndToEndID); err == nil || errors.Is(err, rail.ErrNotSent) || out.Status != rail.Unknown {
		t.Errorf("Lookup answers %+v, %v; want Unknown and an error that is not ErrNotSent", out, err)
	}
}

// agree compares an error of Submit with what a look-up finds, and does what
// an engine does: it submits again only what was certainly not sent.
func agree(t *testing.T, s Subject, i rail.Instruction, err error) {
	t.Helper()
	if err == nil {
		t.Error("Submit answers without an error")
	}
	_, found := s.Rail.Lookup(t.Context(), i.EndToEndID)
	if errors.Is(err, rail.ErrNotSent) && !errors.Is(found, rail.ErrNotSent) {
		t.Errorf("Submit says not sent, and Lookup %v", found)
	}
	if errors.Is(found, rail.ErrNotSent) {
		submit(t, s.Rail, i, rail.Pending)
	}
	s.Settle(t, i.EndToEndID)
	lookup(t, s.Rail, i, rail.Settled)
	paid(t, s, i, 1)
}

// crash ends the bank between and after submissions.
func crash(t *testing.T, s Subject) {
	r := s.Rail
	submit(t, r, s.Instruction(0), rail.Pending)
	submit(t, r, s.Instruction(1), rail.Pending)
	s.Settle(t, s.Instruction(0).EndToEndID)
	for range 2 {
		before := statement(t, r)
		r = s.Crash(t)
		lookup(t, r, s.Instruction(0), rail.Settled)
		lookup(t, r, s.Instruction(1), rail.Pending)
		if _, err := r.Lookup(t.Context(), s.Instruction(2).EndToEndID); !errors.Is(err, rail.ErrNotSent) {
			t.Errorf("Lookup of what was never handed over: %v, want ErrNotSent", err)
		}
		if after := statement(t, r); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("the statement was %v, and is %v", before, after)
		}
		submit(t, r, s.Instruction(0), rail.Settled)
		submit(t, r, s.Instruction(1), rail.Pending)
	}
	s.Settle(t, s.Instruction(1).EndToEndID)
	paid(t, s, s.Instruction(0), 1)
	paid(t, s, s.Instruction(1), 1)
}

// resume reads a statement from each of its cursors, to its end and in part,
// and again when there is more.
func resume(t *testing.T, s Subject) {
	r := s.Rail.(rail.Reporter)
	if lines := read(t, r, ""); len(lines) != 0 {
		t.Fatalf("the statement begins with %v", lines)
	}
	const count = 6
	cursor, seen := "", []rail.Statement{}
	for n := range count {
		i := s.Instruction(n)
		submit(t, s.Rail, i, rail.Pending)
		s.Settle(t, i.EndToEndID)
		if n%2 == 0 {
			continue // two lines come at once, and the reader leaves after the first
		}
		for line, err := range r.Statements(t.Context(), cursor) {
			must(t, err)
			cursor, seen = line.Cursor, append(seen, line)
			break
		}
	}
	seen = append(seen, read(t, r, cursor)...)
	all := read(t, r, "")
	if len(all) != count || fmt.Sprint(seen) != fmt.Sprint(all) {
		t.Fatalf("read bit by bit: %v\nat once: %v", seen, all)
	}
	for n, line := range all {
		i := s.Instruction(n)
		if line.EndToEndID != i.EndToEndID || line.Kind != rail.StatementSettled || line.Reference == "" || line.At.IsZero() {
			t.Errorf("line %d is %+v", n, line)
		}
		if rest := read(t, r, line.Cursor); fmt.Sprint(rest) != fmt.Sprint(all[n+1:]) {
			t.Errorf("behind line %d: got %v", n, rest)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got error
	for _, err := range r.Statements(ctx, "") {
		got = err
	}
	if got == nil {
		t.Error("a canceled context ends a statement as if that were all")
	}
}

// roundTrip compares amounts with those on the statement.
func roundTrip(t *testing.T, s Subject) {
	for n, amount := range s.Amounts {
		i := s.Instruction(n)
		i.Amount = amount
		submit(t, s.Rail, i, rail.Pending)
		s.Settle(t, i.EndToEndID)
		lines := read(t, s.Rail.(rail.Reporter), "")
		if got := lines[len(lines)-1].Amount; got != amount {
			t.Errorf("got %+v, want %+v", got, amount)
		}
	}
}

func submit(t *testing.T, r rail.Rail, i rail.Instruction, want rail.Status) {
	t.Helper()
	if out, err := r.Submit(t.Context(), i); err != nil || out.Status != want {
		t.Errorf("Submit %s: %+v, %v, want %s", i.EndToEndID, out, err, want)
	}
}

func lookup(t *testing.T, r rail.Rail, i rail.Instruction, want rail.Status) {
	t.Helper()
	if out, err := r.Lookup(t.Context(), i.EndToEndID); err != nil || out.Status != want {
		t.Errorf("Lookup %s: %+v, %v, want %s", i.EndToEndID, out, err, want)
	}
}

func paid(t *testing.T, s Subject, i rail.Instruction, want int) {
	t.Helper()
	if got := s.Paid(t, i.EndToEndID); got != want {
		t.Errorf("%s was paid %d times, want %d", i.EndToEndID, got, want)
	}
}

// statement is all that a rail reports; nothing if it is no reporter.
func statement(t *testing.T, r rail.Rail) []rail.Statement {
	t.Helper()
	if r, ok := r.(rail.Reporter); ok {
		return read(t, r, "")
	}
	return nil
}

func read(t *testing.T, r rail.Reporter, after string) (lines []rail.Statement) {
	t.Helper()
	for line, err := range r.Statements(t.Context(), after) {
		must(t, err)
		lines = append(lines, line)
	}
	return lines
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
