package fakemodel

import (
	"encoding/binary"
	"errors"
	"math"

	"retcon/gguf"
)

// Quantizer knows F32, Q8_0 and a coarse Q4_0, with scales as floats cut
// to 16 bits.
type Quantizer struct{}

func (Quantizer) NeedsImportance(t gguf.Type) bool { return false }

func (Quantizer) Dequantize(dst []float32, t gguf.Type, src []byte) error {
	switch t {
	case gguf.F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case gguf.F16: // in truth BF16
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	case gguf.Q8_0, gguf.Q4_0:
		size := int(t.BlockBytes())
		for i := range dst {
			b := src[i/32*size:]
			d := math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
			if t == gguf.Q8_0 {
				dst[i] = d * float32(int8(b[2+i%32]))
			} else {
				dst[i] = d * float32(int(b[2+i%16]>>(4*(i%32/16))&15)-8)
			}
		}
	default:
		return errors.New("the fake does not know this type")
	}
	return nil
}

func (Quantizer) Quantize(dst []byte, t gguf.Type, src []float32, rowLen int, importance []float32) error {
	half := func(dst []byte, v float32) {
		binary.LittleEndian.PutUint16(dst, uint16((math.Float32bits(v)+0x8000)>>16))
	}
	switch t {
	case gguf.F32:
		for i, v := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		}
	case gguf.F16:
		for i, v := range src {
			half(dst[2*i:], v)
		}
	case gguf.Q8_0, gguf.Q4_0:
		size, most := int(t.BlockBytes()), float32(127)
		if t == gguf.Q4_0 {
			most = 7
		}
		clear(dst)
		for b := 0; b < len(src); b += 32 {
			var top float32
			for _, v := range src[b : b+32] {
				top = max(top, v, -v)
			}
			d := math.Float32frombits((math.Float32bits(top/most) + 0x8000) >> 16 << 16)
			out := dst[b/32*size:]
			half(out, d)
			for i, v := range src[b : b+32] {
				q := int(math.Round(float64(v / max(d, 1e-30))))
				if q = min(int(most), max(-int(most), q)); t == gguf.Q8_0 {
					out[2+i] = byte(int8(q))
				} else {
					out[2+i%16] |= byte(q+8) << (4 * (i / 16))
				}
			}
		}
	default:
		return errors.New("the fake does not know this type")
	}
	return nil
}
