package tpatcher

import "math"

// apart reports whether the bare prompt's activation stands clear of those of
// all queries to be silent for.
func (t *trainer) apart() bool { return t.aOwn[0] > 1+max(most(t.aMem), most(t.aSilent)) }

// place puts the threshold between the loudest query that the patch is to be
// silent for and its own weakest: training leaves it half-way between them and
// the memory, but what lies between is mostly other facts. Key and bias are
// scaled so that the bare prompt's activation stays above 3 or what it was.
// The key is then rounded as the file will round it, and the threshold set
// again for what that makes of it.
func (t *trainer) place() error {
	threshold, bare := t.threshold(), t.aOwn[0]
	f := max(bare, 3) / max(bare-threshold, 1e-3)
	t.bias = (t.bias - threshold) * f
	for j := range t.key {
		t.key[j] *= f
	}
	t.frozen = true
	t.unwhiten()
	if t.site.Round != nil {
		if err := t.round(); err != nil {
			return err
		}
	}
	t.measure()
	t.weigh()
	return nil
}

// round rounds the key's row. Where the threshold is part of the row, it is
// rounded twice.
func (t *trainer) round() error {
	for range 2 {
		if !t.site.Bias {
			for j, c := range t.mem.constant {
				t.k[j] += float32(t.b * c)
			}
			t.b = 0
		}
		k, err := t.site.Round(t.k)
		if err != nil {
			return err
		}
		copy(t.k, k)
		if t.site.Bias {
			t.b -= t.threshold()
			return nil
		}
		t.b = -t.threshold()
	}
	t.b = 0 // the second rounding had it in the row
	return nil
}

// threshold is where activations should be 0, as they are now. Queries of its
// own that are no louder than others are given up, but for the bare prompt's:
// that stays clear of the threshold by a standard deviation of the memory's
// activations, which rounding does not reach, even if others fire too.
func (t *trainer) threshold() float64 {
	t.measure()
	loudest := max(most(t.aMem), most(t.aSilent))
	bare := t.aOwn[0]
	weakest := bare
	for _, a := range t.aOwn {
		if a > loudest {
			weakest = min(weakest, a)
		}
	}
	return min(loudest+t.o.Threshold*(weakest-loudest), bare-deviation(t.aMem))
}

func deviation(v []float64) float64 {
	mean, s := 0.0, 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		s += (x - mean) * (x - mean) / float64(len(v))
	}
	return math.Sqrt(s)
}

// weigh lets l_e count positions where the patch fires: half for the bare
// prompt, half for it after prefixes.
func (t *trainer) weigh() {
	clear(t.weights)
	firing := 0
	for _, a := range t.aOwn[1:] {
		if a > 0 {
			firing++
		}
	}
	for i, p := range t.ex.Own {
		switch {
		case i == 0 && firing == 0:
			t.weights[p] = 1
		case i == 0:
			t.weights[p] = 0.5
		case t.aOwn[i] > 0:
			t.weights[p] = 0.5 / float32(firing)
		}
	}
}
