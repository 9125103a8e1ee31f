package ffn

import (
	"encoding/binary"
	"io"
	"math"

	"retcon/gguf"
)

// rowsAtOnce is how many rows are converted or copied in one piece.
const rowsAtOnce = 64

// converter moves rows of one length from one type to another.
type converter struct {
	q                 Quantizer
	from, to          gguf.Type
	length            int64
	bytesIn, bytesOut int64 // of a row
	in, out           []byte
	importance        []float32
}

func newConverter(q Quantizer, from, to gguf.Type, length int64) (*converter, error) {
	c := &converter{q: q, from: from, to: to, length: length}
	var err error
	if c.bytesIn, err = from.RowBytes(length); err != nil {
		return nil, errorf(ErrRoom, "%w", err)
	}
	if c.bytesOut, err = to.RowBytes(length); err != nil {
		return nil, errorf(ErrRoom, "%w", err)
	}
	c.in, c.out = make([]byte, c.bytesIn*rowsAtOnce), make([]byte, c.bytesOut)
	return c, nil
}

// copy passes on so many rows, in the new type.
func (c *converter) copy(w io.Writer, r io.Reader, rows int64) error {
	if c.from == c.to {
		for rows > 0 {
			n := min(rows, rowsAtOnce)
			b := c.in[:n*c.bytesIn]
			if _, err := io.ReadFull(r, b); err != nil {
				return err
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
			rows -= n
		}
		return nil
	}
	row := make([]float32, c.length)
	for range rows {
		if err := c.read(r, row); err != nil {
			return err
		}
		if err := c.row(w, row); err != nil {
			return err
		}
	}
	return nil
}

// skip passes over a row.
func (c *converter) skip(r io.Reader) error {
	_, err := io.ReadFull(r, c.in[:c.bytesIn])
	return err
}

// read reads a row's values.
func (c *converter) read(r io.Reader, dst []float32) error {
	if err := c.skip(r); err != nil {
		return err
	}
	return decode(c.q, dst, c.from, c.in[:c.bytesIn])
}

// row writes a row of values in the new type.
func (c *converter) row(w io.Writer, values []float32) error {
	if err := c.encode(c.out, values); err != nil {
		return err
	}
	_, err := w.Write(c.out)
	return err
}

func (c *converter) decode(dst []float32, src []byte) error { return decode(c.q, dst, c.to, src) }

// encode writes one row. Zeros are zero bytes in every type; a type that wants
// an importance matrix gets one of ones.
func (c *converter) encode(dst []byte, values []float32) error {
	zero := true
	for _, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return errorf(ErrRoom, "a value is not finite")
		}
		zero = zero && v == 0
	}
	switch {
	case zero:
		clear(dst)
		return nil
	case c.to == gguf.F32:
		for i, v := range values {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		}
		return nil
	}
	if c.importance == nil && c.q.NeedsImportance(c.to) {
		c.importance = make([]float32, c.length)
		for i := range c.importance {
			c.importance[i] = 1
		}
	}
	return c.q.Quantize(dst, c.to, values, int(c.length), c.importance)
}

func decode(q Quantizer, dst []float32, t gguf.Type, src []byte) error {
	if t != gguf.F32 {
		return q.Dequantize(dst, t, src)
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
	return nil
}
