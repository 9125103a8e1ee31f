package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// File is an open model: one GGUF file, or all shards of a split one. Its
// fields describe the header and must not be changed. Methods may be called
// from several goroutines.
type File struct {
	// Version of the format, 2 or 3.
	Version uint32
	// ByteOrder of the file, tensor data included.
	ByteOrder binary.ByteOrder
	// Alignment of tensor data, in bytes.
	Alignment int64
	// KV has the metadata in file order. Of a split model, the first shard's.
	KV []KeyValue
	// Tensors lists the tensors in file order, shard after shard.
	Tensors []TensorInfo

	shards  []*shard
	index   map[string]int // tensor name to index into Tensors
	closers []io.Closer
}

// Read parses a single GGUF file of the given size in bytes. Tensor data is
// read from r when asked for. A shard of a split model is read by itself.
func Read(r io.ReaderAt, size int64) (*File, error) {
	s, err := parse(r, size)
	if err != nil {
		return nil, err
	}
	return newFile(s)
}

// newFile joins shards that are in order.
func newFile(shards ...*shard) (*File, error) {
	first := shards[0]
	f := &File{
		Version:   first.version,
		ByteOrder: first.order,
		Alignment: first.align,
		KV:        first.kv,
		shards:    shards,
		index:     make(map[string]int),
	}
	for i, s := range shards {
		for _, t := range s.tensors {
			if _, ok := f.index[t.Name]; ok {
				return nil, errorf(ErrSplit, "tensor %s is in two shards", quote(t.Name))
			}
			t.Shard = i
			f.index[t.Name] = len(f.Tensors)
			f.Tensors = append(f.Tensors, t)
		}
	}
	return f, nil
}

// Close closes the files that Open opened. It may be called twice, and on nil.
func (f *File) Close() error {
	if f == nil {
		return nil
	}
	var errs []error
	for _, c := range f.closers {
		errs = append(errs, c.Close())
	}
	f.closers = nil
	return errors.Join(errs...)
}

// NumShards returns the number of files that make up the model, 1 if not split.
func (f *File) NumShards() int { return len(f.shards) }

// Paths returns the path of each shard, empty for one that Read parsed.
func (f *File) Paths() []string {
	paths := make([]string, len(f.shards))
	for i, s := range f.shards {
		paths[i] = s.path
	}
	return paths
}

// Size returns the bytes of all shards together.
func (f *File) Size() int64 {
	n := int64(0)
	for _, s := range f.shards {
		n += s.size
	}
	return n
}

// DataOffset returns where the data section of a shard begins, in bytes from
// the start of that file. A tensor begins at DataOffset(t.Shard) + t.Offset.
func (f *File) DataOffset(shard int) int64 { return f.shards[shard].data }

// Tensor returns the description of a tensor.
func (f *File) Tensor(name string) (TensorInfo, bool) {
	i, ok := f.index[name]
	if !ok {
		return TensorInfo{}, false
	}
	t := f.Tensors[i]
	t.Dims = slices.Clone(t.Dims)
	return t, true
}

// TensorReader returns a reader of a tensor's raw data.
func (f *File) TensorReader(name string) (*io.SectionReader, error) {
	i, ok := f.index[name]
	if !ok {
		return nil, fmt.Errorf("tensor %s: %w", quote(name), ErrNotFound)
	}
	return f.section(f.Tensors[i]), nil
}

func (f *File) section(t TensorInfo) *io.SectionReader {
	s := f.shards[t.Shard]
	return io.NewSectionReader(s.r, s.data+t.Offset, t.Size)
}

// ReadTensor reads the raw data of a tensor, Size bytes, into dst if that has
// the capacity and into new memory otherwise. It returns the bytes read.
func (f *File) ReadTensor(name string, dst []byte) ([]byte, error) {
	r, err := f.TensorReader(name)
	if err != nil {
		return nil, err
	}
	dst = slices.Grow(dst[:0], int(r.Size()))[:r.Size()]
	if _, err := io.ReadFull(r, dst); err != nil {
		return nil, fmt.Errorf("tensor %s: %w", quote(name), readError(err))
	}
	return dst, nil
}

// readError gives a file that shrank since it was opened its kind.
func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errorf(ErrTruncated, "the file became shorter while in use")
	}
	return err
}
