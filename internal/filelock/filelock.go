// Package filelock keeps two runs from writing one file. A lock is on the file
// itself (flock), so that it leaves nothing behind, and ends with its process.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/gofrs/flock"
)

// ErrBusy reports a file that another run is writing.
var ErrBusy = errors.New("another run is writing it")

// Lock is a lock that is held.
type Lock struct{ flock *flock.Flock }

// Take locks the file at path, which has to be there, or fails at once with
// ErrBusy and the file's name. Where a file system has no locks there is none.
func Take(path string) (*Lock, error) {
	for {
		f := flock.New(path, flock.SetFlag(os.O_RDWR))
		ok, err := f.TryLock()
		switch {
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
			return &Lock{f}, nil
		case err != nil:
			return nil, err
		case !ok:
			return nil, fmt.Errorf("%s: %w", path, ErrBusy)
		}
		same, err := names(f, path)
		if same {
			return &Lock{f}, nil
		}
		f.Close() // the run that had it has put another file in its place
		if err != nil {
			return nil, err
		}
	}
}

// names reports whether path still is the file that was locked.
func names(f *flock.Flock, path string) (bool, error) {
	at, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	locked, err := f.Stat()
	return err == nil && os.SameFile(locked, at), err
}

// Close ends the lock. A nil Lock has none.
func (l *Lock) Close() error {
	if l == nil {
		return nil
	}
	return l.flock.Close()
}
