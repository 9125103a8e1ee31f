package gguf

import (
	"context"
	"fmt"
	"io"
)

// Tensor is a tensor to be written.
type Tensor struct {
	Name string
	Type Type
	// Dims has the shape, Dims[0] being the row. Where a tensor replaces
	// another, nil keeps its shape.
	Dims []int64
	// Data writes the raw data, exactly the bytes that Type and Dims take, in
	// the byte order of the file. It is called once for each time the output
	// is written, when its turn in the file comes.
	Data func(w io.Writer) error
}

// Bytes returns a Data function for data that is in memory.
func Bytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// Output is a GGUF file that is ready to be written.
type Output struct {
	// Progress, when set, is told how many bytes of the file are written.
	Progress func(done, total int64)

	size  int64
	parts []part
	same  bool // a copy of an input file
}

// A part is a run of bytes of the output: from src, or from data, or zeros.
type part struct {
	size int64
	name string // of the tensor, for errors
	src  io.ReaderAt
	off  int64
	data func(io.Writer) error
}

// Size returns the bytes of the file to be written.
func (o *Output) Size() int64 { return o.size }

// Write writes the file to w. It stops soon after ctx is done. What was
// written before an error is no valid file.
func (o *Output) Write(ctx context.Context, w io.Writer) error {
	_, err := o.write(ctx, w)
	return err
}

// WriteTo writes the file to w and returns the bytes written.
func (o *Output) WriteTo(w io.Writer) (int64, error) {
	return o.write(context.Background(), w)
}

func (o *Output) write(ctx context.Context, w io.Writer) (int64, error) {
	c := &counter{ctx: ctx, w: w, o: o}
	buf := make([]byte, chunk)
	for _, p := range o.parts {
		if err := p.write(c, buf); err != nil {
			if p.name != "" {
				err = fmt.Errorf("tensor %s: %w", quote(p.name), err)
			}
			return c.n, err
		}
	}
	return c.n, ctx.Err()
}

// Both ways to write a file implement the standard interface.
var (
	_ io.WriterTo = (*Output)(nil)
	_ io.WriterTo = (*Builder)(nil)
)

func (p part) write(w *counter, buf []byte) error {
	w.left = p.size
	var err error
	switch {
	case p.data != nil:
		err = p.data(w)
	case p.src != nil:
		_, err = io.CopyBuffer(w, io.NewSectionReader(p.src, p.off, p.size), buf)
	default:
		err = zeros(w, p.size, buf)
	}
	if err == nil && w.left > 0 {
		if p.src != nil {
			return readError(io.ErrUnexpectedEOF)
		}
		return errorf(ErrEdit, "its data is %d bytes short of %d", w.left, p.size)
	}
	return err
}

func zeros(w io.Writer, n int64, buf []byte) error {
	clear(buf[:min(n, int64(len(buf)))])
	for n > 0 {
		m, err := w.Write(buf[:min(n, int64(len(buf)))])
		if err != nil {
			return err
		}
		n -= int64(m)
	}
	return nil
}

// A counter passes bytes on, no more than are left of the current part.
type counter struct {
	ctx  context.Context
	w    io.Writer
	o    *Output
	n    int64 // bytes written
	left int64 // bytes that the part still takes
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	if int64(len(b)) > c.left {
		return 0, errorf(ErrEdit, "its data is longer than the tensor")
	}
	done := 0
	for done < len(b) {
		if err := c.ctx.Err(); err != nil {
			return done, err
		}
		n, err := c.w.Write(b[done:min(done+chunk, len(b))])
		done += n
		c.n += int64(n)
		c.left -= int64(n)
		if err != nil {
			return done, err
		}
		if c.o.Progress != nil {
			c.o.Progress(c.n, c.o.size)
		}
	}
	return done, nil
}

// copyOf returns the output that has a shard's bytes.
func copyOf(s *shard) *Output {
	return &Output{size: s.size, same: true, parts: []part{{size: s.size, src: s.r}}}
}
