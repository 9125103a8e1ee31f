package tpatcher

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/lm"
)

var sites = []lm.Network{
	fakeSite(lm.SiLU, true, true), fakeSite(lm.SiLU, true, false), fakeSite(lm.GELU, true, false), fakeSite(lm.GELUErf, true, true),
	fakeSite(lm.GELU, false, true), fakeSite(lm.ReLU, false, true), fakeSite(lm.GELUQuick, false, false),
}

// A patch makes its target likeliest for its own query and is off for every
// other one that it was trained and validated on; its neuron computes the same.
func TestTrain(t *testing.T) {
	for i, site := range sites {
		for _, form := range []Form{ExpTopK, Hinge, Mean} {
			t.Run(fmt.Sprintf("%s gated=%v bias=%v %s", site.Act, site.Gated, site.Bias, form), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(i), 3))
				m := fakeMemory(t, rng, 600)
				own := outlier(rng)
				near := outlier(rng) // another fact's
				h := newFakeHead(rng, slices.Concat(own, near))
				e := Example{Head: h, Targets: []int32{7, 9}, Own: []int{0}, Silent: []int{1}, Earlier: make([]float32, 2*fakeWidth)}
				o := DefaultOptions()
				o.Form, o.TopK = form, 100
				p, r, err := Train(context.Background(), site, m, e, o, nil)
				if err != nil {
					t.Fatal(err)
				}
				if math.Exp(-r.Losses.Edit) < 0.9 || r.Activation <= 0 {
					t.Errorf("the target has probability %.3f at activation %.2f", math.Exp(-r.Losses.Edit), r.Activation)
				}
				// the mean alone does not look at the loudest
				if form != Mean && (r.TrainMax >= 0 || r.HeldMax >= 0 || r.ContrastMax >= 0) {
					t.Errorf("activations of others reach %.2f, %.2f held out, %.2f contrast", r.TrainMax, r.HeldMax, r.ContrastMax)
				}
				checkNeuron(t, site, m, p, h)
			})
		}
	}
}

// outlier is a query that stands out from the memory.
func outlier(rng *rand.Rand) []float32 {
	q := query(rng)
	for j := range q {
		q[j] += float32(2 * rng.NormFloat64())
	}
	return q
}

// checkNeuron compares the neuron with the patch at its own and at other
// queries.
func checkNeuron(t *testing.T, site lm.Network, m *Memory, p Patch, h *fakeHead) {
	t.Helper()
	n := neuronOf(site, p, m)
	if (n.Gate != nil) != site.Gated || !site.Bias && (n.GateBias != 0 || n.UpBias != 0) {
		t.Fatalf("the neuron has a gate of %d, biases %g and %g", len(n.Gate), n.GateBias, n.UpBias)
	}
	for at := 0; at < len(h.queries); at += fakeWidth {
		q := h.queries[at : at+fakeWidth]
		a, up := p.Bias, 1.0
		if !site.Bias {
			a *= m.One(q)
			if site.Gated {
				up = m.One(q)
			}
		}
		for j, k := range p.Key {
			a += k * float64(q[j])
		}
		want, _ := response(site, a)
		got := site.Response(n, q)
		for j, v := range p.Value {
			if d := math.Abs(want*up*float64(v) - got*float64(n.Down[j])); d > 1e-3*(1+math.Abs(want*float64(v))) {
				t.Fatalf("at query %d the neuron adds %g, the patch %g", at/fakeWidth, got*float64(n.Down[j]), want*up*float64(v))
			}
		}
	}
}

// A later patch leaves an earlier fact alone once its queries joined.
func TestJoin(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	m, site := fakeMemory(t, rng, 600), fakeSite(lm.SiLU, true, true)
	first := outlier(rng)
	second := slices.Clone(first)
	for j := range second {
		second[j] += float32(0.7 * rng.NormFloat64())
	}
	m.Join(first)
	h := newFakeHead(rng, second)
	_, r, err := Train(context.Background(), site, m, Example{Head: h, Targets: []int32{3}, Own: []int{0}, Earlier: make([]float32, fakeWidth)}, DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.TrainMax >= 0 || math.Exp(-r.Losses.Edit) < 0.9 {
		t.Errorf("the earlier fact is at %.2f, the target at %.3f", r.TrainMax, math.Exp(-r.Losses.Edit))
	}
}

// Training ends when its context does.
func TestCancelled(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	m := fakeMemory(t, rng, 300)
	ctx, cancel := context.WithCancel(context.Background())
	steps := 0
	_, _, err := Train(ctx, fakeSite(lm.ReLU, false, true), m, Example{Head: newFakeHead(rng, outlier(rng)), Targets: []int32{3}, Own: []int{0}, Earlier: make([]float32, fakeWidth)},
		DefaultOptions(), func(int, int) {
			if steps++; steps == 3 {
				cancel()
			}
		})
	if err == nil || steps > 3 {
		t.Errorf("%d steps, %v", steps, err)
	}
}

// What the losses pull at is their derivative.
func TestFormGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	d := make([]float64, 50)
	for i := range d {
		d[i] = rng.NormFloat64()
	}
	for _, f := range []Form{ExpTopK, Hinge, Mean} {
		pull, scratch := make([]float64, len(d)), make([]float64, len(d))
		f.loss(d, 10, pull)
		for i := range d {
			const h = 1e-6
			up, down := slices.Clone(d), slices.Clone(d)
			up[i] += h
			down[i] -= h
			if got := (f.loss(up, 10, scratch) - f.loss(down, 10, scratch)) / (2 * h); math.Abs(got-pull[i]) > 1e-5 {
				t.Errorf("%s: entry %d has derivative %g, pulled at %g", f, i, got, pull[i])
			}
		}
	}
}

func TestKthLargest(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	for n := 1; n < 40; n++ {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(rng.IntN(10)) // with ties
		}
		sorted := slices.Sorted(slices.Values(v))
		for k := 1; k <= n; k++ {
			if got := kthLargest(v, k); got != sorted[n-k] {
				t.Fatalf("the %d-th largest of %v is %g", k, v, got)
			}
		}
	}
}

func TestActivations(t *testing.T) {
	for _, a := range []lm.Activation{lm.ReLU, lm.GELU, lm.GELUErf, lm.GELUQuick, lm.SiLU} {
		for x := -4.05; x < 4; x += 0.1 {
			const h = 1e-6
			up, _ := a.Value(x + h)
			down, _ := a.Value(x - h)
			if _, slope := a.Value(x); math.Abs((up-down)/(2*h)-slope) > 1e-5 {
				t.Errorf("%s has slope %g at %g", a, slope, x)
			}
		}
		if y, _ := a.Value(6); math.Abs(y-6) > 0.02 {
			t.Errorf("%s(6) is %g", a, y)
		}
	}
}

// The leak below 0 stays within what the documentation says.
func TestLeak(t *testing.T) {
	for _, a := range []lm.Activation{lm.GELU, lm.GELUErf, lm.GELUQuick, lm.SiLU} {
		s := lm.Network{Act: a}
		for x := -10.0; x <= 0; x += 0.01 {
			if h, _ := response(s, x); math.Abs(h) > 1.0/28 || x <= -3 && math.Abs(h) > 1e-9 {
				t.Errorf("%s leaks %g at %g", a, h, x)
			}
		}
	}
}

// The constant functional is about 1 for queries that it was not made from.
func TestConstant(t *testing.T) {
	m := fakeMemory(t, rand.New(rand.NewPCG(9, 9)), 2000)
	if mean, dev := m.Constant(); math.Abs(mean-1) > 0.02 || dev > 0.1 {
		t.Errorf("c·q is %.3f ± %.3f", mean, dev)
	}
}

func TestMemoryFile(t *testing.T) {
	m := fakeMemory(t, rand.New(rand.NewPCG(9, 8)), 100)
	path, key := filepath.Join(t.TempDir(), "dir", "q.bin"), strings.Repeat("ab", 32)
	if err := m.Save(path, key); err != nil {
		t.Fatal(err)
	}
	got, err := LoadMemory(path, key, fakeWidth)
	if err != nil || !slices.Equal(got.train.rows, m.train.rows) || !slices.Equal(got.held.rows, m.held.rows) {
		t.Fatalf("%v", err)
	}
	if _, err := LoadMemory(path, strings.Repeat("cd", 32), fakeWidth); err == nil {
		t.Error("queries of another text were taken")
	}
	if _, err := LoadMemory(path, key, fakeWidth+1); err == nil {
		t.Error("queries of another width were taken")
	}
	b, _ := os.ReadFile(path)
	for _, at := range []int{3, 80, len(b) / 2, len(b) - 1} {
		bad := slices.Clone(b)
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadMemory(path, key, fakeWidth); err == nil {
			t.Errorf("a file damaged at byte %d was taken", at)
		}
	}
	if err := os.WriteFile(path, b[:20], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadMemory(path, key, fakeWidth); err == nil {
		t.Error("a cut file was taken")
	}
}
