// Package simulator is a simulated bank, and the rail that leads to it.
//
// A Bank keeps a journal of its own, outside the engine's store, so that what
// it says about who was paid is evidence from the other side. It pays an
// instruction once, however often it is handed over.
//
// Left alone, it settles an instruction some time after the hand-over. Steer
// orders otherwise, as do the amounts and texts of MagicValues.
package simulator

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"remit/rail"
)

// DelayDefault is how long after the hand-over a bank settles.
const DelayDefault = 10 * time.Second

// tellOnLookup is the look-up from which a bank tells of a payment that it
// kept quiet.
const tellOnLookup = 3

// Points at which Options.Hook is called.
const (
	BeforeJournal = "before journal"
	AfterJournal  = "after journal, before answer"
)

// ErrDifferent means that an instruction came under the end-to-end id of
// another one. It was not taken; what became of the first one, Lookup tells.
var ErrDifferent = errors.New("simulator: another instruction has this end-to-end id")

// errSilent is what a caller sees of a bank that does not answer.
var errSilent = errors.New("simulator: no answer")

// Options are what a bank can be given. The zero value is a bank in real
// time.
type Options struct {
	Now   func() time.Time // the bank's clock; nil is time.Now
	Delay time.Duration    // from hand-over to settlement; 0 is DelayDefault
	// Hook is called at BeforeJournal and AfterJournal of every submission,
	// so that a test can kill the bank there. An error becomes the answer.
	Hook func(point string) error
}

// Bank is a simulated bank. One process at a time may have its journal open.
// It is safe for concurrent use.
type Bank struct {
	now   func() time.Time
	delay time.Duration
	hook  func(string) error

	journal journal

	identity string // in the journal since it was founded

	mu     sync.Mutex
	n      int64 // of the newest fact
	held   map[string]*held
	booked []*held          // in the order in which they came
	lines  []rail.Statement // in the order of their cursors
	due    dues
}

// held is what the bank knows under one end-to-end id.
type held struct {
	id          string
	order       *rail.Order // given before the instruction came
	instruction rail.Instruction
	handed      int64 // number of the fact of the hand-over; 0 before it
	submitted   int
	paid        int
	asked       int // look-ups that were told nothing
	told        bool
	end         factKind // settled, refused or returned; "" while it is open
	reason      string   // of refused and returned
	paidAt      time.Time
	plan        plan
	place       int // in Bank.due, from 1; 0 if nothing is left to do
}

// Open opens the bank whose journal is at path, or founds it. ErrInUse if it is
// open already.
func Open(path string, o Options) (*Bank, error) {
	b := found(o)
	f, err := load(path, b.apply)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b.journal.file, b.journal.last, b.journal.durable = f, b.n, b.n
	if b.identity == "" {
		if err := b.establish(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, errors.Join(err, b.Close()))
		}
	}
	return b, nil
}

// establish writes down who the bank is.
func (b *Bank) establish() error {
	f := fact{N: b.n, At: b.now().UTC(), Kind: factFounded, ID: rand.Text()}
	text, err := encode(f)
	if err != nil {
		return err
	}
	b.apply(f)
	if _, err = b.journal.file.Write(text); err != nil {
		return err
	}
	return b.journal.file.Sync()
}

// Identity tells this bank from every other, for as long as its journal is kept.
func (b *Bank) Identity(context.Context) (string, error) { return b.identity, nil }

func found(o Options) *Bank {
	b := &Bank{now: o.Now, delay: cmp.Or(o.Delay, DelayDefault), hook: o.Hook, held: map[string]*held{}}
	if b.now == nil {
		b.now = time.Now
	}
	if b.hook == nil {
		b.hook = func(string) error { return nil }
	}
	return b
}

// Close closes the journal. What was answered is in it already.
func (b *Bank) Close() error { return b.journal.file.Close() }

// apply lets a fact count: one that was just decided, or one of the journal.
func (b *Bank) apply(f fact) {
	b.n = f.N
	if f.Kind == factFounded {
		b.identity = f.ID
		return
	}
	h := b.held[f.ID]
	if h == nil {
		h = &held{id: f.ID}
		b.held[f.ID] = h
	}
	switch f.Kind {
	case factSubmitted:
		h.submitted++
		if f.Instruction != nil {
			h.instruction, h.handed = *f.Instruction, f.N
			b.booked = append(b.booked, h)
		}
	case factOrdered:
		h.order = f.Order
	case factAsked:
		h.asked++
	case factTold:
		h.told = true
		b.line(f, h, rail.StatementSettled, h.paidAt)
	case factSettled, factRefused, factReturned:
		b.ended(f, h)
	}
	if f.Plan != nil {
		h.plan = *f.Plan
	}
	b.schedule(h)
}

// ended takes the step off the plan that has now been done.
func (b *Bank) ended(f fact, h *held) {
	h.end, h.reason = f.Kind, f.Reason
	h.plan.Steps = h.plan.Steps[1:]
	switch f.Kind {
	case factSettled:
		h.paid++
		h.paidAt = f.At
		if h.told = !h.plan.Silent; h.told {
			b.line(f, h, rail.StatementSettled, f.At)
		}
	case factRefused:
		b.line(f, h, rail.StatementRefused, f.At)
	case factReturned:
		b.line(f, h, rail.StatementReturned, f.At)
	}
}

// line adds a line to the statement. Its cursor is the fact's number.
func (b *Bank) line(f fact, h *held, kind rail.StatementKind, at time.Time) {
	b.lines = append(b.lines, rail.Statement{
		Cursor: strconv.FormatInt(f.N, 10), EndToEndID: h.id, Kind: kind, Amount: h.instruction.Amount,
		Reason: f.Reason, Reference: "SIM-L" + strconv.FormatInt(f.N, 10), At: at,
	})
}

// record decides that something happened: it numbers the facts, queues them
// for the journal and lets them count. The caller holds b.mu.
func (b *Bank) record(facts ...fact) error {
	var lines []byte
	for i := range facts {
		facts[i].N = b.n + int64(i) + 1
		text, err := encode(facts[i])
		if err != nil {
			return err
		}
		lines = append(lines, text...)
	}
	for _, f := range facts {
		b.apply(f)
	}
	b.journal.add(lines, b.n)
	return nil
}

// with does what has fallen due, then f, and returns once all that both saw
// and did is durable: nobody is told what a crash could take back.
func (b *Bank) with(ctx context.Context, f func(now time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := b.decide(f)
	if lost := b.journal.flush(n); lost != nil {
		return lost
	}
	return err
}

func (b *Bank) decide(f func(now time.Time) error) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now().UTC()
	err := b.catchUp(now)
	if err == nil {
		err = f(now)
	}
	return b.n, err
}

// catchUp does what has fallen due, each at the time when it was due.
func (b *Bank) catchUp(now time.Time) error {
	for len(b.due) > 0 && !b.due.next().After(now) {
		h := b.due[0]
		s := h.plan.Steps[0]
		facts := []fact{{At: s.Due, Kind: s.Do, ID: h.id, Reason: s.Reason}}
		if s.Do == factReturned && !h.told {
			facts = slices.Insert(facts, 0, fact{At: s.Due, Kind: factTold, ID: h.id})
		}
		if err := b.record(facts...); err != nil {
			return err
		}
	}
	return nil
}

// Submit takes an instruction, or counts that it came again.
func (b *Bank) Submit(ctx context.Context, i rail.Instruction) (out rail.Outcome, err error) {
	if err := ctx.Err(); err != nil {
		return rail.Outcome{}, err
	}
	if err := b.hook(BeforeJournal); err != nil {
		return rail.Outcome{}, err
	}
	err = b.with(ctx, func(now time.Time) error {
		f := fact{At: now, Kind: factSubmitted, ID: i.EndToEndID}
		h := b.held[i.EndToEndID]
		switch {
		case h == nil || h.handed == 0:
			var before *rail.Order
			if h != nil {
				before = h.order
			}
			p, err := handedOver(i, before, now, b.delay)
			if err != nil {
				return err
			}
			f.Instruction, f.Plan = &i, &p
		case h.instruction != i:
			return ErrDifferent
		}
		if err := errors.Join(b.record(f), b.catchUp(now)); err != nil {
			return err
		}
		h = b.held[i.EndToEndID]
		if h.quiet() {
			return errSilent
		}
		out = h.outcome(now)
		return nil
	})
	if err == nil {
		err = b.hook(AfterJournal)
	}
	if err != nil {
		return rail.Outcome{}, err
	}
	return out, nil
}

// Lookup tells what became of an instruction.
func (b *Bank) Lookup(ctx context.Context, id string) (out rail.Outcome, err error) {
	err = b.with(ctx, func(now time.Time) error {
		h := b.held[id]
		if h == nil || h.handed == 0 {
			return rail.ErrNotSent
		}
		if h.quiet() && h.asked < tellOnLookup-1 {
			return b.record(fact{At: now, Kind: factAsked, ID: id})
		}
		if h.quiet() && h.paid > 0 {
			if err := b.record(fact{At: now, Kind: factTold, ID: id}); err != nil {
				return err
			}
		}
		out = h.outcome(now)
		return nil
	})
	return out, err
}

// quiet tells whether the bank keeps what it did with the instruction to
// itself.
func (h *held) quiet() bool { return h.plan.Silent && !h.told }

// outcome is what the rail says of it. A payment that was sent back is still
// settled: returns are learnt from statements.
func (h *held) outcome(now time.Time) rail.Outcome {
	out := rail.Outcome{Status: rail.Pending, Reference: "SIM-" + strconv.FormatInt(h.handed, 10)}
	switch {
	case h.paid > 0:
		out.Status = rail.Settled
	case h.end == factRefused:
		out.Status, out.Reason = rail.Refused, h.reason
	case len(h.plan.Steps) > 0:
		out.Again = h.plan.Steps[0].Due.Sub(now)
	}
	return out
}

// Steer orders what becomes of an instruction: see rail.Steerable.
func (b *Bank) Steer(ctx context.Context, id string, o rail.Order) error {
	if err := check(o); err != nil {
		return err
	}
	return b.with(ctx, func(now time.Time) error {
		f := fact{At: now, Kind: factOrdered, ID: id}
		h := b.held[id]
		switch {
		case h == nil || h.handed == 0:
			f.Order = &o
			return b.record(f)
		case h.end != "" && (h.end != factSettled || o.Outcome != outcomeReturn):
			return rail.ErrTooLate
		}
		settle := now
		if len(h.plan.Steps) > 0 && h.plan.Steps[0].Do == factSettled {
			settle = h.plan.Steps[0].Due
		}
		p, err := planned(o, now, settle)
		if err != nil {
			return err
		}
		if h.end == factSettled { // only what comes after it is left to do
			p.Steps, p.Silent = p.Steps[1:], h.plan.Silent
		}
		f.Plan = &p
		return errors.Join(b.record(f), b.catchUp(now))
	})
}

// Statements yields the lines behind a cursor.
func (b *Bank) Statements(ctx context.Context, after string) iter.Seq2[rail.Statement, error] {
	return func(yield func(rail.Statement, error) bool) {
		lines, err := b.linesAfter(ctx, after)
		if err != nil {
			yield(rail.Statement{}, err)
			return
		}
		for _, s := range lines {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// ErrCursor means that a cursor was not given out by this bank.
var ErrCursor = errors.New("simulator: not a cursor of this bank")

func (b *Bank) linesAfter(ctx context.Context, after string) (lines []rail.Statement, err error) {
	n := int64(0)
	if after != "" {
		if n, err = strconv.ParseInt(after, 10, 64); err != nil {
			return nil, ErrCursor
		}
	}
	err = b.with(ctx, func(time.Time) error {
		if n < 0 || n > b.n {
			return ErrCursor
		}
		i, _ := slices.BinarySearchFunc(b.lines, n+1, func(s rail.Statement, n int64) int {
			at, _ := strconv.ParseInt(s.Cursor, 10, 64) // we wrote it
			return cmp.Compare(at, n)
		})
		lines = slices.Clip(b.lines[i:]) // lines are only ever added
		return nil
	})
	return lines, err
}

// Booked lists every instruction that the bank was handed, oldest first.
func (b *Bank) Booked(ctx context.Context) (all []rail.BookedInstruction, err error) {
	err = b.with(ctx, func(time.Time) error {
		for _, h := range b.booked {
			all = append(all, rail.BookedInstruction{
				EndToEndID: h.id, Amount: h.instruction.Amount, Submitted: h.submitted, Paid: h.paid, State: h.state(),
			})
		}
		return nil
	})
	return all, err
}

// state is the word of rail.BookedInstruction.
func (h *held) state() string {
	switch {
	case h.end != "":
		return string(h.end)
	case len(h.plan.Steps) == 0:
		return "stalled"
	}
	return "pending"
}

// NextDue is when the bank will next do something by itself: see
// rail.Steerable.
func (b *Bank) NextDue(ctx context.Context) (at time.Time, ok bool, err error) {
	err = b.with(ctx, func(time.Time) error {
		if ok = len(b.due) > 0; ok {
			at = b.due.next()
		}
		return nil
	})
	return at, ok, err
}

// Run does what has fallen due.
func (b *Bank) Run(ctx context.Context) error {
	return b.with(ctx, func(time.Time) error { return nil })
}

// Keep does what falls due, every so often, until the context ends or the
// journal fails: for a bank that is a process of its own.
func (b *Bank) Keep(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := b.Run(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// schedule puts the instruction where its next step belongs in the queue.
func (b *Bank) schedule(h *held) {
	if h.place > 0 {
		heap.Remove(&b.due, h.place-1)
	}
	if len(h.plan.Steps) > 0 {
		heap.Push(&b.due, h)
	}
}

// dues is a heap of what the bank will do: first what is due first, then what
// came first.
type dues []*held

func (d dues) next() time.Time { return d[0].plan.Steps[0].Due }

func (d dues) Len() int { return len(d) }

func (d dues) Less(i, j int) bool {
	byDue := d[i].plan.Steps[0].Due.Compare(d[j].plan.Steps[0].Due)
	return cmp.Or(byDue, cmp.Compare(d[i].handed, d[j].handed)) < 0
}

func (d dues) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i+1, j+1
}

func (d *dues) Push(h any) {
	*d = append(*d, h.(*held))
	(*d)[len(*d)-1].place = len(*d)
}

func (d *dues) Pop() any {
	last := len(*d) - 1
	h := (*d)[last]
	h.place = 0
	*d = (*d)[:last]
	return h
}
