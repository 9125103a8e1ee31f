package ffn

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"retcon/gguf"
)

// overlay has rows (or, of down-projections, columns) that replace a tensor's
// own, by their index afterwards.
type overlay struct {
	rows  map[int64][]float32
	order []int64
}

func (o overlay) sorted() overlay {
	o.order = slices.Sorted(maps.Keys(o.rows))
	return o
}

// splice rewrites one tensor: longer or shorter, with other rows, in another
// type.
type splice struct {
	file   *gguf.File
	info   gguf.TensorInfo
	to     gguf.Type
	kind   extraKind
	pad    int64 // neurons added; below 0, taken away
	halves int64 // 2 where a tensor holds gate and up, one after the other
	over   overlay
	q      Quantizer
}

// tensor is the rewritten tensor.
func (s splice) tensor() gguf.Tensor {
	dims := slices.Clone(s.info.Dims)
	write := s.writeRows
	switch s.kind {
	case rows:
		dims[1] += s.pad * s.halves
	case cols:
		dims[0] += s.pad
		write = s.writeColumns
	default:
		dims[0] += s.pad * s.halves
	}
	return gguf.Tensor{Name: s.info.Name, Type: s.to, Dims: dims, Data: func(w io.Writer) error {
		r, err := s.file.TensorReader(s.info.Name)
		if err != nil {
			return err
		}
		return write(w, r)
	}}
}

// shape is the number of rows of each half before, and their length. A vector
// counts as rows of one.
func (s *splice) shape() (n, length int64) {
	if s.kind == rows {
		return s.info.Rows() / s.halves, s.info.RowLength()
	}
	return s.info.RowLength() / s.halves, 1
}

// writeRows writes tensors that grow by rows.
func (s splice) writeRows(w io.Writer, r io.Reader) error {
	n, length := s.shape()
	conv, err := newConverter(s.q, s.info.Type, s.to, length)
	if err != nil {
		return err
	}
	pad := make([]float32, length)
	if s.kind == ones {
		for i := range pad {
			pad[i] = 1
		}
	}
	next := 0
	kept := min(n, n+s.pad) // rows of a half that stay
	for half := range s.halves {
		base := half * (n + s.pad)
		for row := int64(0); row < n+s.pad; row++ {
			over := next < len(s.over.order) && s.over.order[next] == base+row
			switch {
			case over && row < kept:
				err = conv.skip(r)
			case row < kept:
				run := kept - row // rows that are taken as they are
				if next < len(s.over.order) {
					run = min(run, s.over.order[next]-base-row)
				}
				err = conv.copy(w, r, run)
				row += run - 1
			case !over:
				err = conv.row(w, pad)
			}
			if err == nil && over {
				err = conv.row(w, s.over.rows[base+row])
				next++
			}
			if err != nil {
				return fmt.Errorf("row %d: %w", base+row, err)
			}
		}
		for range n - kept {
			if err := conv.skip(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeColumns writes a down-projection: every row grows, and entries of a row
// are set. Where the type stays, only the blocks that hold such an entry are
// quantised again.
func (s splice) writeColumns(w io.Writer, r io.Reader) error {
	n, same := s.info.RowLength(), s.to == s.info.Type
	block := s.info.Type.BlockSize()
	if !same {
		block = n + s.pad
	}
	from, err := newConverter(s.q, s.info.Type, s.info.Type, n)
	if err != nil {
		return err
	}
	c, err := newConverter(s.q, s.to, s.to, block)
	if err != nil {
		return err
	}
	line := make([]byte, max(from.bytesIn, (n+s.pad)/block*c.bytesOut))
	values := make([]float32, max(n, block))
	for row := range s.info.Rows() {
		if same {
			clear(line)
			if _, err = io.ReadFull(r, line[:from.bytesIn]); err == nil {
				err = s.setBlocks(line, values[:block], row, c)
			}
		} else {
			clear(values)
			if err = from.read(r, values[:n]); err == nil {
				s.set(values[:block], 0, 0, row)
				err = c.encode(line, values[:block])
			}
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", row, err)
		}
		if _, err := w.Write(line[:(n+s.pad)/block*c.bytesOut]); err != nil {
			return err
		}
	}
	return nil
}

// setBlocks sets the entries of one row of a down-projection, block by block.
func (s *splice) setBlocks(line []byte, values []float32, row int64, c *converter) error {
	for at := 0; at < len(s.over.order); {
		first := s.over.order[at] / c.length
		bytes := line[first*c.bytesOut:][:c.bytesOut]
		if err := c.decode(values, bytes); err != nil {
			return err
		}
		at = s.set(values, at, first*c.length, row)
		if err := c.encode(bytes, values); err != nil {
			return err
		}
	}
	return nil
}

// set puts the columns from the at-th on into values, which begin at column
// first, and gives the first that lies after them.
func (s *splice) set(values []float32, at int, first, row int64) int {
	for ; at < len(s.over.order) && s.over.order[at] < first+int64(len(values)); at++ {
		values[s.over.order[at]-first] = s.over.rows[s.over.order[at]][row]
	}
	return at
}
