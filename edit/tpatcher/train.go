package tpatcher

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"retcon/lm"
)

// Train trains one patch.
func Train(ctx context.Context, s lm.Network, m *Memory, e Example, o Options, progress func(step, of int)) (Patch, Report, error) {
	t, err := newTrainer(s, m, e, o)
	if err != nil {
		return Patch{}, Report{}, err
	}
	for i := range 2 * o.KeySteps {
		if i >= o.KeySteps && t.apart() {
			break
		}
		if err := ctx.Err(); err != nil {
			return Patch{}, Report{}, err
		}
		t.keyStep(nil)
		t.report.Steps++
		if progress != nil {
			progress(min(i+1, o.KeySteps), o.KeySteps+o.Steps)
		}
		if o.Form == Mean && t.underMargins() {
			break
		}
	}
	if err := t.place(); err != nil {
		return Patch{}, Report{}, err
	}
	if err := e.Head.Target(e.Targets, t.weights); err != nil {
		return Patch{}, Report{}, err
	}
	if err := t.startValue(ctx); err != nil {
		return Patch{}, Report{}, err
	}
	for i := range o.Steps {
		done, err := t.jointStep(ctx)
		if err != nil {
			return Patch{}, Report{}, err
		}
		if progress != nil {
			progress(o.KeySteps+i+1, o.KeySteps+o.Steps)
		}
		if done {
			break
		}
	}
	return t.finish(ctx)
}

// trainer is one Train.
type trainer struct {
	site    lm.Network
	mem     *Memory
	ex      Example
	o       Options
	report  Report
	width   int
	own     queries   // the edit's own
	silent  queries   // contrast, and other positions of the edit
	key     []float64 // whitened
	bias    float64   // at the memory's mean
	k       []float32 // key in the queries' own coordinates
	b       float64   // bias there
	keyAdam adam
	value   []float32
	valAdam adam
	valueLR float64
	frozen  bool // the key stays as it is
	best    Patch
	bestNLL float64

	aMem, aSilent, aOwn []float64
	d, pull, pullMem    []float64
	pullSilent, pullOwn []float64
	add, grad           []float32
	nll                 []float64
	weights             []float32
}

func newTrainer(s lm.Network, m *Memory, e Example, o Options) (*trainer, error) {
	t := &trainer{site: s, mem: m, ex: e, o: o, width: s.Width, bestNLL: math.Inf(1)}
	rows := e.Head.Queries()
	positions := len(rows) / s.Width
	if len(e.Own) == 0 || len(e.Targets) != positions || len(e.Earlier) != len(rows) {
		return nil, fmt.Errorf("an example of %d positions with %d targets", positions, len(e.Targets))
	}
	for _, p := range e.Own {
		t.own.rows = append(t.own.rows, rows[p*s.Width:][:s.Width]...)
	}
	for _, p := range e.Silent {
		t.silent.rows = append(t.silent.rows, rows[p*s.Width:][:s.Width]...)
	}
	for _, q := range e.Contrast {
		t.silent.rows = append(t.silent.rows, q...)
	}
	m.ones(&t.own)
	m.ones(&t.silent)
	t.weights = make([]float32, positions)
	t.add, t.grad, t.nll = make([]float32, len(rows)), make([]float32, len(rows)), make([]float64, positions)
	t.value = make([]float32, s.Width)
	t.start()
	return t, nil
}

// start points the key from the memory's mean to the edit's own queries, in
// whitened coordinates: there that is the direction in which they stand out
// most. The bias puts the threshold nearer to them.
func (t *trainer) start() {
	t.key = make([]float64, t.width)
	n := t.own.len(t.width)
	for i := range n {
		one := t.one(&t.own, i)
		for j, v := range t.own.rows[i*t.width:][:t.width] {
			t.key[j] += (float64(v) - one*t.mem.mean[j]) / float64(n)
		}
	}
	t.whiten(t.key)
	size := 0.0
	for _, v := range t.key {
		size += v * v
	}
	const height = 8 // activation at the edit's own queries before the bias
	for j := range t.key {
		t.key[j] *= height / max(size, 1e-12)
	}
	t.bias = -0.6 * height
	t.keyAdam = newAdam(t.width + 1)
	t.valAdam = newAdam(t.width)
	t.unwhiten()
}

// one is what a query multiplies the bias with.
func (t *trainer) one(q *queries, i int) float64 {
	if t.site.Bias {
		return 1
	}
	return float64(q.one[i])
}

func (t *trainer) triangular(trans blas.Transpose, v []float64) {
	blas64.Trsv(trans, t.mem.factor.RawTriangular(), blas64.Vector{N: len(v), Inc: 1, Data: v})
}

// whiten solves L x = v.
func (t *trainer) whiten(v []float64) { t.triangular(blas.NoTrans, v) }

// unwhiten sets k and b from the whitened key: a = key·L⁻¹(q - mean) + bias.
func (t *trainer) unwhiten() {
	k := slices.Clone(t.key)
	t.triangular(blas.Trans, k)
	t.k = t.k[:0]
	t.b = t.bias
	for j, v := range k {
		t.k = append(t.k, float32(v))
		t.b -= v * t.mem.mean[j]
	}
}

// measure computes the activations of all queries.
func (t *trainer) measure() {
	t.aMem = t.mem.activations(&t.mem.train, t.k, t.b, !t.site.Bias, t.aMem)
	t.aSilent = t.mem.activations(&t.silent, t.k, t.b, !t.site.Bias, t.aSilent)
	t.aOwn = t.mem.activations(&t.own, t.k, t.b, !t.site.Bias, t.aOwn)
}

// keyStep moves the key by the gradient of all losses but l_e, whose part in
// the activations of the edit's own queries is given, or nil.
func (t *trainer) keyStep(edit []float64) {
	t.measure()
	t.memoryLosses()
	n := float64(len(t.aOwn))
	t.report.Fire = 0
	for i, a := range t.aOwn {
		e := math.Exp(min(-a, mostExponent)) / n
		t.report.Fire += e
		t.pullOwn[i] -= e
		if edit != nil {
			t.pullOwn[i] += edit[i]
		}
	}
	g := make([]float64, t.width+1)
	t.gather(g, &t.mem.train, t.pullMem)
	t.gather(g, &t.silent, t.pullSilent)
	t.gather(g, &t.own, t.pullOwn)
	t.whiten(g[:t.width])
	step := t.keyAdam.step(g)
	for j := range t.key {
		t.key[j] -= t.o.LR * step[j]
	}
	t.bias -= 5 * t.o.LR * step[t.width] // as large as a few entries of the key
	t.bound()
	t.unwhiten()
}

// mostKey bounds the whitened key where the loss has no lower bound.
const mostKey = 8

func (t *trainer) bound() {
	if t.o.Form != Mean {
		return
	}
	size := 0.0
	for _, v := range t.key {
		size += v * v
	}
	if f := mostKey / math.Sqrt(size); f < 1 {
		for j := range t.key {
			t.key[j] *= f
		}
	}
}
