package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"remit/rail"
)

// factKind is what a line of the journal says.
type factKind string

// The kinds of facts.
const (
	factSubmitted factKind = "submitted" // handed over, for the first time or again
	factOrdered   factKind = "ordered"   // somebody decided what becomes of it
	factSettled   factKind = "settled"   // paid
	factRefused   factKind = "refused"
	factReturned  factKind = "returned"
	factAsked     factKind = "asked"   // a look-up that was told nothing
	factTold      factKind = "told"    // a payment that was kept quiet is told from here on
	factFounded   factKind = "founded" // who the bank is: beside the count, with the number of the fact before it
)

// fact is one line of the journal.
type fact struct {
	N           int64             `json:"n"` // from 1, without a gap
	At          time.Time         `json:"at"`
	Kind        factKind          `json:"kind"`
	ID          string            `json:"id"`                    // end-to-end; of the founding the bank's own
	Instruction *rail.Instruction `json:"instruction,omitempty"` // of the first submission
	Plan        *plan             `json:"plan,omitempty"`        // what the bank will do from now on
	Order       *rail.Order       `json:"order,omitempty"`       // given before the instruction came
	Reason      string            `json:"reason,omitempty"`      // an ISO 20022 code
}

// line is a fact as it is written: with the CRC-32C of its bytes in front.
type line struct {
	Sum  string          `json:"sum"`
	Fact json.RawMessage `json:"fact"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(fact []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(fact, castagnoli)) }

// ErrCorrupt means that the journal is damaged elsewhere than at its torn end.
var ErrCorrupt = errors.New("simulator: the journal is damaged")

// encode writes a fact as a line.
func encode(f fact) ([]byte, error) {
	raw, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	out, err := json.Marshal(line{sum(raw), raw})
	return append(out, '\n'), err
}

// replay shows every fact of a journal in order, and answers how many bytes
// of it are whole: what follows the last newline was torn off by a crash
// before anybody was answered. Anything else that is not right is ErrCorrupt.
func replay(journal []byte, visit func(fact)) (whole int, err error) {
	n := int64(0) // of the fact before
	for at := 1; ; at++ {
		text, _, found := bytes.Cut(journal[whole:], []byte("\n"))
		if !found {
			return whole, nil
		}
		var l line
		var f fact
		right := json.Unmarshal(text, &l) == nil && l.Sum == sum(l.Fact) && json.Unmarshal(l.Fact, &f) == nil
		if f.Kind != factFounded {
			n++
		}
		if !right || f.N != n {
			return whole, fmt.Errorf("%w: line %d", ErrCorrupt, at)
		}
		visit(f)
		whole += len(text) + 1
	}
}

// file is what a journal is kept in.
type file interface {
	io.WriteCloser
	Sync() error
}

// journal appends lines. Lines that wait while others are being made durable
// go together in the next write and the next sync. After one failure nothing
// more is written: what is on the disk is then not known.
type journal struct {
	file file

	flushing sync.Mutex // held for a write and its sync

	mu      sync.Mutex
	waiting bytes.Buffer
	last    int64 // number of the newest line in waiting, or written
	durable int64 // number of the newest line that a crash cannot take away
	broken  error
}

// add queues lines up to number last.
func (j *journal) add(lines []byte, last int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting.Write(lines)
	j.last = last
}

// flush returns once the lines up to number n are durable.
func (j *journal) flush(n int64) error {
	j.flushing.Lock()
	defer j.flushing.Unlock()
	j.mu.Lock()
	if j.broken != nil || j.durable >= n {
		defer j.mu.Unlock()
		return j.broken
	}
	lines, last := bytes.Clone(j.waiting.Bytes()), j.last
	j.waiting.Reset()
	j.mu.Unlock()

	_, err := j.file.Write(lines)
	if err == nil {
		err = j.file.Sync()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.broken = fmt.Errorf("simulator: the journal cannot be written: %w", err)
		return j.broken
	}
	j.durable = last
	return nil
}

// ErrInUse means that another bank has the journal open: what each of two paid
// the other would not know.
var ErrInUse = errors.New("simulator: another process has the journal open")

// load opens a journal's file for this process alone, making it where there is
// none, shows its facts, and cuts a torn end off.
func load(path string, visit func(fact)) (_ file, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := lock(f); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	whole, err := replay(text, visit)
	if err != nil {
		return nil, err
	}
	return f, errors.Join(f.Truncate(int64(whole)), f.Sync(), syncDir(filepath.Dir(path)))
}

// lock keeps a journal for this process. Where the folder's system has no
// locks, nobody else is said to have it.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrInUse
	}
	return os.NewSyscallError("flock", err)
}

// syncDir makes a new file's name as durable as its content.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
