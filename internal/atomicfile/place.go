package atomicfile

import (
	"errors"

	"retcon/internal/filelock"
)

// Place is a destination that is one run's until it is closed, before there is
// anything to write.
type Place struct {
	path string
	opts Options
	// name is the lock that the run's own files are known by, old that of a
	// file which is there, against runs that add to it.
	name, old *filelock.Lock
}

// Reserve locks a destination. Its errors are those of Create, and
// filelock.ErrBusy where another run has it.
func Reserve(path string, opts Options) (*Place, error) {
	opts.Lock = false
	name, err := filelock.TakeName(path)
	if err != nil {
		return nil, err
	}
	p := &Place{path: path, opts: opts, name: name}
	if err = Check(path, opts); err == nil && opts.Force {
		// A file that may not be opened for writing is no file that a run adds to.
		if p.old, err = filelock.Take(path); !errors.Is(err, filelock.ErrBusy) {
			err = nil
		}
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Path is the destination.
func (p *Place) Path() string { return p.path }

// Create starts a file that will be there. The place stays reserved after it.
func (p *Place) Create() (*File, error) { return Create(p.path, p.opts) }

// Close leaves the destination to other runs. A nil Place is none.
func (p *Place) Close() error {
	if p == nil {
		return nil
	}
	return errors.Join(p.old.Close(), p.name.Close())
}
