package gguf

import (
	"encoding/binary"
	"io"
	"math"
)

// Float32s returns a Data function for a tensor of type F32 in a little-endian
// file.
func Float32s(xs []float32) func(io.Writer) error {
	return func(w io.Writer) error {
		const most = chunk / 4
		buf := make([]byte, 0, 4*min(len(xs), most))
		for rest := xs; len(rest) > 0; rest = rest[min(len(rest), most):] {
			buf = buf[:0]
			for _, x := range rest[:min(len(rest), most)] {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x))
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
		return nil
	}
}
