// Package filelock keeps two runs from writing one file. A lock is on the file
// itself (flock), so that it leaves nothing behind, and ends with its process.
// Where the file is not there yet it is on a hidden one beside it, which a
// process that is killed leaves behind, to no harm.
package filelock

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gofrs/flock"
)

// ErrBusy reports a file that another run is writing.
var ErrBusy = errors.New("another run is writing it")

// Lock is a lock that is held.
type Lock struct {
	flock *flock.Flock
	own   string // a file that is there for the lock alone
}

// Take locks the file at path, which has to be there, or fails at once with
// ErrBusy and the file's name. Where a file system has no locks there is none.
func Take(path string) (*Lock, error) {
	for {
		f := flock.New(path, flock.SetFlag(os.O_RDWR))
		ok, err := f.TryLock()
		switch {
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
			return &Lock{flock: f}, nil
		case err != nil:
			return nil, err
		case !ok:
			return nil, fmt.Errorf("%s: %w", path, ErrBusy)
		}
		same, err := names(f, path)
		if same {
			return &Lock{flock: f}, nil
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

// TakeName locks a file that need not be there, by its folder and name; links
// are other names. It fails at once with ErrBusy and the file's name, or where
// the folder takes no file.
func TakeName(path string) (*Lock, error) {
	dir, name := filepath.Split(path)
	own := filepath.Join(dir, fmt.Sprintf(".retcon-%.8x.lock", sha256.Sum256([]byte(name))))
	for {
		f := flock.New(own, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o666))
		ok, err := f.TryLock()
		switch {
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
			return &Lock{f, own}, nil
		case err != nil:
			return nil, err
		case !ok:
			return nil, fmt.Errorf("%s: %w", path, ErrBusy)
		}
		same, err := names(f, own)
		if same {
			return &Lock{f, own}, nil
		}
		f.Close() // the run that had it has removed it
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// Close ends the lock. A nil Lock has none.
func (l *Lock) Close() error {
	if l == nil {
		return nil
	}
	var gone error
	if l.own != "" {
		if gone = os.Remove(l.own); errors.Is(gone, fs.ErrNotExist) {
			gone = nil
		}
		l.own = ""
	}
	return errors.Join(gone, l.flock.Close())
}
