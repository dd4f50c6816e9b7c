package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"time"

	"remit/money"
	"remit/rail"
)

// dying is a disk that loses power after so many bytes.
type dying struct {
	disk bytes.Buffer
	left int
}

var errPower = errors.New("power lost")

func (d *dying) Write(p []byte) (int, error) {
	n := min(len(p), d.left)
	d.disk.Write(p[:n])
	d.left -= n
	if n < len(p) {
		return n, errPower
	}
	return n, nil
}

func (d *dying) Sync() error {
	if d.left == 0 {
		return errPower
	}
	return nil
}

func (d *dying) Close() error { return nil }

func instruction(id string) rail.Instruction {
	return rail.Instruction{EndToEndID: id, Amount: money.Amount{Minor: 100, Currency: "SEK"}, Account: "SE45", Beneficiary: "Åsa \"1\"\n"}
}

// life is a short life of a bank: orders, five payments of each kind, a week.
// It answers the ids whose submission was acknowledged.
func life(t *testing.T, f file) (acknowledged []string) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := found(Options{Now: func() time.Time { return at }})
	b.journal.file = f
	ctx := t.Context()
	for n, outcome := range []string{"settle", "refuse", "return", "unknown", "stall"} {
		id := fmt.Sprint("e", n)
		_ = b.Steer(ctx, id, rail.Order{Outcome: outcome})
		if _, err := b.Submit(ctx, instruction(id)); err == nil || errors.Is(err, errSilent) {
			acknowledged = append(acknowledged, id)
		}
		_, _ = b.Submit(ctx, instruction(id))
		at = at.Add(time.Hour)
		for range tellOnLookup {
			_, _ = b.Lookup(ctx, id)
		}
	}
	return acknowledged
}

// TestCrashAtEveryByte loses power at each byte of a short life in turn. What
// was acknowledged is in the journal afterwards; what was not is there whole
// or not at all; the bank opens, and pays what comes again once.
func TestCrashAtEveryByte(t *testing.T) {
	whole := &dying{left: 1 << 20}
	life(t, whole)
	path := filepath.Join(t.TempDir(), "journal")
	for at := range whole.disk.Len() {
		f := &dying{left: at}
		acknowledged := life(t, f)
		if err := os.WriteFile(path, f.disk.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := Open(path, Options{})
		if err != nil {
			t.Fatalf("power lost at byte %d: %v", at, err)
		}
		if len(b.booked) < len(acknowledged) || len(b.booked) > len(acknowledged)+1 {
			t.Fatalf("power lost at byte %d: %d acknowledged, %d found", at, len(acknowledged), len(b.booked))
		}
		for _, h := range b.booked {
			if h.instruction != instruction(h.id) {
				t.Fatalf("power lost at byte %d: found %+v", at, h.instruction)
			}
		}
		_, _ = b.Submit(t.Context(), instruction("e0"))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		later := func() time.Time { return time.Now().Add(time.Hour) }
		if b, err = Open(path, Options{Now: later}); err != nil {
			t.Fatalf("power lost at byte %d, and opened again: %v", at, err)
		}
		all, err := b.Booked(t.Context())
		if err != nil || len(all) == 0 || all[0].Paid != 1 {
			t.Fatalf("power lost at byte %d: %+v, %v", at, all, err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReopenedBanksKnowTheSame compares all that a bank knows before and
// after its journal is read again.
func TestReopenedBanksKnowTheSame(t *testing.T) {
	f := &dying{left: 1 << 20}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := found(Options{Now: func() time.Time { return at }})
	b.journal.file = f
	for n, o := range []rail.Order{{Outcome: "settle"}, {Outcome: "return", After: time.Hour}, {Outcome: "unknown"}, {Outcome: "stall"}} {
		id := fmt.Sprint("e", n)
		_, _ = b.Submit(t.Context(), instruction(id))
		_ = b.Steer(t.Context(), id, o)
		_ = b.Steer(t.Context(), "later", o)
		_, _ = b.Lookup(t.Context(), id)
	}
	again := found(Options{})
	if _, err := replay(f.disk.Bytes(), again.apply); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.held, b.held) || !reflect.DeepEqual(again.lines, b.lines) || !reflect.DeepEqual(again.due, b.due) {
		t.Errorf("got %+v\nwant %+v", again.held, b.held)
	}
}

// TestDamageIsNotACrash flips a bit of each byte but the last newline, and
// takes out each line but the last: never a quietly shortened journal.
func TestDamageIsNotACrash(t *testing.T) {
	f := &dying{left: 1 << 20}
	life(t, f)
	whole := f.disk.Bytes()
	var facts int
	if _, err := replay(whole, func(fact) { facts++ }); err != nil {
		t.Fatal(err)
	}
	for at := range len(whole) - 1 {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1
		if _, err := replay(damaged, func(fact) {}); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("a bit of byte %d flipped: got %v, want ErrCorrupt", at, err)
		}
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for n := range facts - 1 {
		short := bytes.Join(append(append([][]byte{}, lines[:n]...), lines[n+1:]...), nil)
		if _, err := replay(short, func(fact) {}); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("line %d taken out: got %v, want ErrCorrupt", n+1, err)
		}
	}
}

// TestABankThatCannotWriteAnswersNothing: once its journal has failed, no
// look-up tells what a crash would take back, and nothing is "not sent".
func TestABankThatCannotWriteAnswersNothing(t *testing.T) {
	b := found(Options{})
	b.journal.file = &dying{left: 10}
	for range 2 {
		if out, err := b.Submit(t.Context(), instruction("a")); !errors.Is(err, errPower) || out != (rail.Outcome{}) {
			t.Errorf("Submit: %+v, %v", out, err)
		}
	}
	for _, id := range []string{"a", "b"} {
		if _, err := b.Lookup(t.Context(), id); !errors.Is(err, errPower) || errors.Is(err, rail.ErrNotSent) {
			t.Errorf("Lookup %s: %v", id, err)
		}
	}
	if _, err := b.Booked(t.Context()); !errors.Is(err, errPower) {
		t.Errorf("Booked: %v", err)
	}
}

// healing is a disk whose first sync fails, and no other.
type healing struct {
	dying
	syncs int
}

func (h *healing) Sync() error {
	if h.syncs++; h.syncs == 1 {
		return errPower
	}
	return nil
}

// TestAFailedSyncIsNotTriedAgain: what a disk has kept of it is not known, so
// that a later success would prove nothing.
func TestAFailedSyncIsNotTriedAgain(t *testing.T) {
	b := found(Options{})
	b.journal.file = &healing{dying: dying{left: 1 << 20}}
	for range 2 {
		if _, err := b.Submit(t.Context(), instruction("a")); !errors.Is(err, errPower) {
			t.Errorf("Submit: %v, want the first failure", err)
		}
	}
}

// gate is a disk whose first sync waits until it is let through.
type gate struct {
	dying
	entered, open chan struct{}
	syncs         int
}

func (g *gate) Sync() error {
	if g.syncs++; g.syncs == 1 {
		close(g.entered)
		<-g.open
	}
	return nil
}

// TestThoseWhoWaitShareASync: while the disk is busy with the first
// submission fifty more come in; they are made durable by one more sync.
func TestThoseWhoWaitShareASync(t *testing.T) {
	g := &gate{dying: dying{left: 1 << 20}, entered: make(chan struct{}), open: make(chan struct{})}
	b := found(Options{})
	b.journal.file = g
	var all sync.WaitGroup
	submit := func(id string) {
		if _, err := b.Submit(t.Context(), instruction(id)); err != nil {
			t.Error(err)
		}
	}
	all.Go(func() { submit("first") })
	<-g.entered
	const others = 50
	for n := range others {
		all.Go(func() { submit(fmt.Sprint(n)) })
	}
	for queued := int64(0); queued < others+1; {
		b.mu.Lock()
		queued = b.n
		b.mu.Unlock()
	}
	close(g.open)
	all.Wait()
	if g.syncs != 2 {
		t.Errorf("%d syncs, want 2", g.syncs)
	}
}

// TestAHookStrikesOnEitherSideOfTheJournal: what fails before it was never
// taken, what fails after it was.
func TestAHookStrikesOnEitherSideOfTheJournal(t *testing.T) {
	for point, want := range map[string]error{BeforeJournal: rail.ErrNotSent, AfterJournal: nil} {
		b, err := Open(filepath.Join(t.TempDir(), "journal"), Options{Hook: func(p string) error {
			if p == point {
				return errPower
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := b.Submit(t.Context(), instruction("a")); !errors.Is(err, errPower) || out.Status != rail.Unknown {
			t.Errorf("%s: Submit answers %+v, %v", point, out, err)
		}
		if _, err := b.Lookup(t.Context(), "a"); !errors.Is(err, want) {
			t.Errorf("%s: Lookup: got %v, want %v", point, err, want)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAJournalIsOpenOnceAndSaysWhose opens a journal twice at once, which is
// refused; opened again it is the same bank, and another journal is another. One
// that was begun without saying whose it is says so from then on, and counts on.
func TestAJournalIsOpenOnceAndSaysWhose(t *testing.T) {
	dir := t.TempDir()
	who := func(name string) string {
		t.Helper()
		b, err := Open(filepath.Join(dir, name), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if _, err := Open(filepath.Join(dir, name), Options{}); !errors.Is(err, ErrInUse) {
			t.Errorf("opened twice: %v", err)
		}
		id, err := b.Identity(t.Context())
		if err != nil || id == "" {
			t.Errorf("it is %q, %v", id, err)
		}
		if _, err := b.Submit(t.Context(), instruction("again")); err != nil {
			t.Error(err)
		}
		return id
	}
	f := &dying{left: 1 << 20}
	life(t, f)
	if err := os.WriteFile(filepath.Join(dir, "nameless"), f.disk.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, name := range []string{"one", "two", "nameless"} {
		id := who(name)
		ids[id] = true
		if again := who(name); again != id {
			t.Errorf("%s was %s and is %s", name, id, again)
		}
	}
	if len(ids) != 3 {
		t.Errorf("three journals are of the banks %v", ids)
	}
}

// TestAJournalThatCannotBeLockedIsNotInUse: what the system says is told.
func TestAJournalThatCannotBeLockedIsNotInUse(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := lock(f); !errors.Is(err, syscall.EBADF) || errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want what the system says", err)
	}
}
