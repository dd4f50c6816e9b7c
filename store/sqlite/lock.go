package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockEvery is how often a lock is tried for that another process holds.
const lockEvery = 20 * time.Millisecond

// folderLock is held by one process at a time that migrates a file in its folder.
// The file itself cannot be locked so: closing it would take SQLite's locks away.
// The system lets go of it when the process ends, however that is.
type folderLock struct {
	path string   // of the file
	held *os.File // the folder, once it is locked
}

// Lock waits for the lock until ctx ends.
func (l *folderLock) Lock(ctx context.Context, _ *sql.DB) error {
	file, err := filepath.EvalSymlinks(l.path)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			l.held = f
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return errors.Join(fmt.Errorf("the folder of %s cannot be locked: %w", l.path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), f.Close())
		case <-time.After(lockEvery):
		}
	}
}

// Unlock lets the next one migrate.
func (l *folderLock) Unlock(context.Context, *sql.DB) error { return l.held.Close() }
