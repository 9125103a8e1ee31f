package jsonl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"retcon/internal/atomicfile"
	"retcon/internal/filelock"
)

// File is a file that a run adds to. No other run does until it is closed.
type File struct {
	name string // as it was given
	path string // where symbolic links lead
	lock *filelock.Lock
	f    *os.File // nil until there is a header
	end  int64    // of the last whole line
	made bool     // the empty file that keeps the place is ours
	err  error    // why nothing can be added any more
}

// Create reserves path for a new file. What is there has to be empty, unless
// replace is set; then it stays until the first Add. Errors are
// atomicfile.ErrExists, atomicfile.ErrNotRegular, filelock.ErrBusy, and the
// system's.
func Create(path string, replace bool) (*File, error) {
	var f *File
	var err error
	for range 3 { // another run may make or remove it meanwhile
		if f, err = open(path); errors.Is(err, fs.ErrNotExist) {
			f, err = reserve(path)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrExist) { // a symbolic link that leads nowhere
		return nil, fmt.Errorf("%s: %w", path, atomicfile.ErrExists)
	}
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(f.path); err != nil || st.Size() > 0 && !replace {
		f.lock.Close()
		if err == nil {
			err = fmt.Errorf("%s: %w", path, atomicfile.ErrExists)
		}
		return nil, err
	}
	return f, nil
}

// reserve makes an empty file, for the lock and for other runs to see.
func reserve(path string) (*File, error) {
	made, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err // which has the path
	}
	made.Close()
	f, err := open(path)
	if err == nil {
		f.made = true
	}
	return f, err
}

// open locks a file that is there.
func open(path string) (*File, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		if of, ok := errors.AsType[*fs.PathError](err); ok {
			err = of.Err
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	st, err := os.Stat(real)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, atomicfile.ErrNotRegular)
	}
	lock, err := filelock.Take(real)
	if err != nil {
		return nil, err
	}
	return &File{name: path, path: real, lock: lock}, nil
}

// Resume gives the lines of a file to r and goes on with it; torn says that a
// line was cut from its end. Where there is no file, or an empty one, it is
// Create's. Errors besides Create's are r's, and f.Bad; they leave the file as
// it is.
func (f Format) Resume(path string, r Reader) (file *File, torn bool, err error) {
	file, err = open(path)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = Create(path, false)
		return file, false, err
	}
	if err != nil {
		return nil, false, err
	}
	if torn, err = f.resume(file, r); err != nil {
		file.Close()
		return nil, false, err
	}
	return file, torn, nil
}

func (f Format) resume(file *File, r Reader) (torn bool, err error) {
	in, err := os.OpenFile(file.path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return false, err
	}
	st, err := in.Stat()
	if err == nil && st.Size() > 0 {
		if file.end, torn, err = f.read(in, file.name, r); err == nil && torn {
			err = errors.Join(in.Truncate(file.end), in.Sync())
		}
		if err == nil {
			file.f = in
			return torn, nil
		}
	}
	in.Close()
	return false, err
}

// Add adds a value as a line, through to the disk. The first of a new file is
// its header. What could not be written is taken back.
func (f *File) Add(v any) error {
	if f.err != nil {
		return f.err
	}
	line, err := encode(v)
	if err != nil {
		return err
	}
	if f.f == nil {
		return f.begin(line)
	}
	if _, err = f.f.Write(line); err == nil {
		err = f.f.Sync()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", f.name, err)
		if f.f.Truncate(f.end) != nil {
			f.err = err // another line would stand after a piece of one
		}
		return err
	}
	f.end += int64(len(line))
	return nil
}

// begin puts a file with its header, locked, in the place that was reserved.
func (f *File) begin(header []byte) error {
	next, err := atomicfile.Create(f.path, atomicfile.Options{Force: true})
	if err != nil {
		return err
	}
	defer next.Abort()
	if _, err := next.Write(header); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	lock, err := filelock.Take(next.TempPath())
	if err != nil {
		return err
	}
	if err := next.Commit(); err != nil {
		lock.Close()
		return err
	}
	f.lock.Close()
	f.lock, f.made, f.end = lock, false, int64(len(header))
	f.f, f.err = os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND, 0)
	return f.err
}

// Begun reports whether the file has a header.
func (f *File) Begun() bool { return f.f != nil }

// Close leaves the file to other runs. Where nothing was added, all is as it
// was before. A nil File is closed, and so is one that was closed before.
func (f *File) Close() error {
	if f == nil || f.lock == nil {
		return nil
	}
	var err error
	if f.f != nil {
		err = f.f.Close()
	} else if st, gone := os.Stat(f.path); f.made && gone == nil && st.Size() == 0 {
		err = os.Remove(f.path)
	}
	err = errors.Join(err, f.lock.Close())
	f.lock, f.f = nil, nil
	return err
}

// Remove closes the file and deletes it.
func (f *File) Remove() error {
	if f == nil || f.lock == nil {
		return nil
	}
	gone := os.Remove(f.path) // while no other run can have it
	f.made = false
	return errors.Join(gone, f.Close())
}
