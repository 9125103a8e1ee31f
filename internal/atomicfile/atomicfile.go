// Package atomicfile writes files that appear whole or not at all.
//
// The bytes go to a temporary file beside the destination. Commit makes them
// durable and gives them their name; until then the destination is untouched,
// and whatever goes wrong leaves nothing behind once Abort is called.
//
//	f, err := atomicfile.Create(path, atomicfile.Options{})
//	if err != nil {
//		return err
//	}
//	defer f.Abort()
//	... write to f ...
//	return f.Commit()
package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

var (
	// ErrExists reports a destination that is there already. It is an
	// fs.ErrExist too.
	ErrExists = fmt.Errorf("output %w", fs.ErrExist)
	// ErrNotRegular reports a destination that is a directory or a device.
	ErrNotRegular = errors.New("output is not a regular file")
)

// Options says what Create may do.
type Options struct {
	// Force allows an existing destination to be replaced. That it is no input
	// is for [retcon/internal/outputs] to see.
	Force bool
	// Lock has the destination be this run's until Commit or Abort. Another run
	// that locks it fails at once with filelock.ErrBusy.
	Lock bool
}

// File is a file being written. It is not safe for concurrent use.
type File struct {
	temp  *os.File
	path  string
	force bool
	place *Place // nil where it is not locked
	err   error  // first failure of a write
	done  bool
}

// Create starts a file that will be at path. The directory must exist.
func Create(path string, opts Options) (*File, error) {
	var place *Place
	if opts.Lock {
		var err error
		if place, err = Reserve(path, opts); err != nil {
			return nil, err
		}
	} else if err := Check(path, opts); err != nil {
		return nil, err
	}
	temp, err := createTemp(filepath.Dir(path))
	if err != nil {
		place.Close()
		return nil, named(path, err)
	}
	return &File{temp: temp, path: path, force: opts.Force, place: place}, nil
}

// named is an error with the name that the user gave, instead of that of a
// temporary file.
func named(path string, err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		err = of.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// Check reports why Create would not start a file at path.
func Check(path string, opts Options) error {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	// A symbolic link that leads nowhere is in the way too.
	if _, err := os.Lstat(path); err == nil && !opts.Force {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	return nil
}

// createTemp makes a new file in dir. Its name is short whatever the
// destination's is, and hidden. Unlike os.CreateTemp it leaves the permissions
// to the umask, as for any output.
func createTemp(dir string) (*os.File, error) {
	for {
		name := filepath.Join(dir, ".retcon-"+rand.Text()+".tmp")
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// Path returns the destination.
func (f *File) Path() string { return f.path }

// TempPath returns where the bytes are until Commit, for readers that check
// them first.
func (f *File) TempPath() string { return f.temp.Name() }

// Write writes to the temporary file. After an error Commit fails as well.
func (f *File) Write(b []byte) (int, error) {
	n, err := f.temp.Write(b)
	if err != nil && f.err == nil {
		f.err = err
	}
	return n, err
}

// Commit makes the file durable and moves it to its destination. On an error
// the temporary file is removed. The error names the destination.
func (f *File) Commit() error {
	if f.done {
		return fmt.Errorf("%s: %w", f.path, os.ErrClosed)
	}
	err := f.err
	if err == nil {
		err = f.temp.Sync()
	}
	if err == nil {
		err = f.temp.Close()
	}
	if err == nil {
		err = f.rename()
	}
	if err != nil {
		f.Abort()
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.done = true
	f.place.Close()
	return syncDir(filepath.Dir(f.path))
}

// rename moves the temporary file to its destination. Without Force a hard
// link does it, because that fails when another process made the destination
// meanwhile.
func (f *File) rename() error {
	if f.force {
		return os.Rename(f.temp.Name(), f.path)
	}
	err := os.Link(f.temp.Name(), f.path)
	switch {
	case err == nil:
		return os.Remove(f.temp.Name())
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	}
	// Some file systems have no hard links.
	if _, err := os.Lstat(f.path); err == nil {
		return ErrExists
	}
	return os.Rename(f.temp.Name(), f.path)
}

// Abort removes the temporary file. After Commit, or a first Abort, it does
// nothing, so that it can be deferred.
func (f *File) Abort() error {
	if f == nil || f.done {
		return nil
	}
	f.done = true
	f.place.Close()
	f.temp.Close()
	return os.Remove(f.temp.Name())
}

// syncDir makes a new name in dir durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be opened for that
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
