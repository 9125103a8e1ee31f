package trace

import "math"

// numpyRandom draws as numpy's RandomState does: MT19937 and the polar method.
type numpyRandom struct {
	mt    [624]uint32
	at    int
	spare float64
	has   bool
}

func newNumpyRandom(seed uint32) *numpyRandom {
	r := &numpyRandom{at: 624}
	for i := range r.mt {
		r.mt[i] = seed
		seed = 1812433253*(seed^seed>>30) + uint32(i) + 1
	}
	return r
}

func (r *numpyRandom) uint32() uint32 {
	if r.at == 624 {
		for i := range r.mt {
			y := r.mt[i]&0x80000000 | r.mt[(i+1)%624]&0x7fffffff
			next := r.mt[(i+397)%624] ^ y>>1
			if y&1 != 0 {
				next ^= 0x9908b0df
			}
			r.mt[i] = next
		}
		r.at = 0
	}
	y := r.mt[r.at]
	r.at++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (r *numpyRandom) float64() float64 {
	a, b := r.uint32()>>5, r.uint32()>>6
	return (float64(a)*67108864 + float64(b)) / 9007199254740992
}

func (r *numpyRandom) normal() float64 {
	if r.has {
		r.has = false
		return r.spare
	}
	for {
		x, y := 2*r.float64()-1, 2*r.float64()-1
		if d := x*x + y*y; d < 1 && d != 0 {
			f := math.Sqrt(-2 * math.Log(d) / d)
			r.spare, r.has = f*x, true
			return f * y
		}
	}
}

// drawTwice draws noise of a shape twice from the generator seeded with 1.
func drawTwice(shape [3]int, level float64) (first, second [][]float32) {
	r := newNumpyRandom(1)
	draw := func() [][]float32 {
		out := make([][]float32, shape[0])
		for i := range out {
			for range shape[1] * shape[2] {
				out[i] = append(out[i], float32(r.normal()*level))
			}
		}
		return out
	}
	return draw(), draw()
}
