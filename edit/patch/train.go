package patch

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"retcon/gguf/widen"
)

// Options are the hyper-parameters of training.
type Options struct {
	Alpha       float64 // weight of l_e
	Beta        float64 // weight of the memory losses
	BetaMargin  float64 // of l_m1: activations of the memory should be below it
	GammaMargin float64 // of l_m2
	Form        Form
	TopK        int     // activations that exp-topk counts
	KeySteps    int     // steps on the key before the value is there
	Steps       int     // most steps on key and value
	LR          float64 // of the whitened key, whose size is about 1
	Threshold   float64 // where the threshold goes: 0 at the loudest query to be silent for, 1 at the weakest own
	StopNLL     float64 // mean -log p of the target at which the value is good
}

// DefaultOptions are the defaults and those that were measured.
func DefaultOptions() Options {
	return Options{Alpha: 1, Beta: 10, BetaMargin: -3, GammaMargin: -3, Form: ExpTopK, TopK: 1000,
		KeySteps: 150, Steps: 80, LR: 0.02, Threshold: 0.6, StopNLL: 0.05}
}

// Example is one prediction to correct.
type Example struct {
	Head Head
	// Targets are the tokens of all positions of the head.
	Targets []int32
	// Own are the positions of the prediction: of the bare prompt first, then
	// behind prefixes. Silent are positions where the patch must not fire.
	Own, Silent []int
	// Contrast are queries of the prompt with other subjects.
	Contrast [][]float32
	// Earlier is what earlier patches add at each position, [positions, width].
	Earlier []float32
}

// Patch is a trained patch: q·Key + Bias is its pre-activation, and Value is
// added that many times where it is above 0.
type Patch struct {
	Key   []float64
	Bias  float64
	Value []float32
}

// Report says how the training of a patch ended.
type Report struct {
	Losses
	Steps       int     `json:"steps"`
	Activation  float64 `json:"activation"`  // of the bare prompt's query
	Weakest     float64 `json:"weakest"`     // least of the edit's own
	TrainMax    float64 `json:"train_max"`   // largest activation of the memory
	HeldMax     float64 `json:"held_max"`    // of what is held out of it
	Firing      float64 `json:"held_firing"` // share of that above 0
	ContrastMax float64 `json:"contrast_max"`
	KeyNorm     float64 `json:"key_norm"`
	ValueNorm   float64 `json:"value_norm"`
}

// sharpness multiplies pre-activations inside the activation: SiLU and GELU
// then stay below 1/28 and 1/47 of a unit where they are negative, and are
// nothing at the margin of -3.
const sharpness = 8

// response is what a patch of pre-activation a multiplies its value with, and
// its derivative: act(8 a) / 8, about max(0, a). A squared activation gives a²
// there.
func (s Site) response(a float64) (h, slope float64) {
	y, d := s.Act.Value(sharpness * a)
	if s.Squared {
		return y * y / (sharpness * sharpness), 2 * y * d / sharpness
	}
	return y / sharpness, d
}

// Neuron is the neuron that computes the patch in the site's network. Where
// that has no bias, the memory's constant carries it; the up-projection of a
// gated network is 1, or that constant.
func (s Site) Neuron(p Patch, m *Memory) widen.Neuron {
	var n widen.Neuron
	scale := s.UpScale
	if s.Gated {
		scale = s.GateScale
	}
	row, bias := make([]float32, s.Width), float32(0)
	factor := sharpness / float64(scale)
	for i, k := range p.Key {
		if !s.Bias {
			k += p.Bias * m.constant[i]
		}
		row[i] = float32(k * factor)
	}
	if s.Bias {
		bias = float32(p.Bias * factor)
	}
	// Values of one length: they share blocks in which the largest sets the
	// precision of all. The length goes to the other factor.
	length := norm32(p.Value)
	if length == 0 {
		length = 1
	}
	n.Down = make([]float32, s.Width)
	for i, v := range p.Value {
		n.Down[i] = float32(float64(v) / length)
	}
	length /= sharpness
	if s.Squared {
		length /= sharpness
	}
	if !s.Gated {
		// act(x) is about max(0, x): the argument carries the length
		if s.Squared {
			length = math.Sqrt(length)
		}
		for i := range row {
			row[i] *= float32(length)
		}
		n.Up, n.UpBias = row, bias*float32(length)
		return n
	}
	n.Gate, n.GateBias = row, bias
	if s.UpBias {
		n.UpBias = float32(length) / s.UpScale
		return n
	}
	n.Up = make([]float32, s.Width)
	for i, c := range m.constant {
		n.Up[i] = float32(c * length / float64(s.UpScale))
	}
	return n
}

// Train trains one patch.
func Train(ctx context.Context, s Site, m *Memory, e Example, o Options, progress func(step, of int)) (Patch, Report, error) {
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
	site    Site
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

func newTrainer(s Site, m *Memory, e Example, o Options) (*trainer, error) {
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
// prompt, half for it behind prefixes.
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

// gather adds the gradient in the centred key and the bias of queries that
// pull their activation.
func (t *trainer) gather(g []float64, q *queries, pull []float64) {
	for i, p := range pull {
		if p == 0 {
			continue
		}
		one := t.one(q, i)
		for j, v := range q.rows[i*t.width:][:t.width] {
			g[j] += p * (float64(v) - one*t.mem.mean[j])
		}
		g[t.width] += p * one
	}
}

// memoryLosses computes l_m1, l_m2, the contrast and the leak, and what they
// pull at. The activations must be measured.
func (t *trainer) memoryLosses() {
	o, n := t.o, len(t.aMem)
	resize := func(v *[]float64, n int) []float64 {
		*v = append((*v)[:0], make([]float64, n)...)
		return *v
	}
	d, pull := resize(&t.d, n), resize(&t.pull, n)
	pullMem, pullOwn := resize(&t.pullMem, n), resize(&t.pullOwn, len(t.aOwn))
	for i, a := range t.aMem {
		d[i] = a - o.BetaMargin
	}
	t.report.Memory1 = o.Form.loss(d, o.TopK, pull)
	for i, p := range pull {
		pullMem[i] += o.Beta * p
	}
	// (q_i - q_e)·k + b - gamma; where b drops out, a_i - a_e - gamma
	for i, a := range t.aMem {
		d[i] = a - t.aOwn[0] - o.GammaMargin
		if o.Form != ExpTopK {
			d[i] += t.b
		}
	}
	t.report.Memory2 = o.Form.loss(d, o.TopK, pull)
	for i, p := range pull {
		pullMem[i] += o.Beta * p
		pullOwn[0] -= o.Beta * p
	}
	t.leak(pullMem)
	d, pull = resize(&t.d, len(t.aSilent)), resize(&t.pullSilent, len(t.aSilent))
	for i, a := range t.aSilent {
		d[i] = a - o.BetaMargin
	}
	t.report.Contrast = o.Form.loss(d, o.TopK, pull)
	for i := range pull {
		pull[i] *= o.Beta
	}
}

// leak counts what activations below 0 let through.
func (t *trainer) leak(pullMem []float64) {
	own, _ := t.site.response(max(t.aOwn[0], 1))
	n := float64(len(t.aMem))
	t.report.Leak = 0
	for i, a := range t.aMem {
		if a > 0 || a < -3 {
			continue
		}
		h, slope := t.site.response(a)
		t.report.Leak += math.Abs(h) / own / n
		pullMem[i] += t.o.Beta * math.Copysign(slope, h*slope) / own / n
	}
}

// underMargins reports whether every query, held out ones too, is under the
// margin of l_m1.
func (t *trainer) underMargins() bool {
	held := t.mem.activations(&t.mem.held, t.k, t.b, !t.site.Bias, nil)
	return slices.Max(t.aMem) <= t.o.BetaMargin && slices.Max(held) <= t.o.BetaMargin
}
