package tpatcher

import (
	"context"
	"math"
	"slices"
)

// startValue points the value down the gradient of l_e, as far as lowers it
// most.
func (t *trainer) startValue(ctx context.Context) error {
	t.measure()
	if err := t.step(ctx); err != nil {
		return err
	}
	direction := make([]float64, t.width)
	size := 0.0
	for i, p := range t.ex.Own {
		h, _ := response(t.site, t.aOwn[i])
		for j, g := range t.grad[p*t.width:][:t.width] {
			direction[j] -= h * float64(g)
		}
	}
	for _, v := range direction {
		size += v * v
	}
	if size = math.Sqrt(size); size == 0 {
		return nil // the key does not fire yet
	}
	// lengths have no natural unit: double, past where it helps clearly
	first := t.editLoss()
	best, length := first, 0.0
	for l, worse := 1e-2, 0; l < 1e6 && worse < 3; l *= 2 {
		for j, v := range direction {
			t.value[j] = float32(v / size * l)
		}
		if err := t.step(ctx); err != nil {
			return err
		}
		loss := t.editLoss()
		switch {
		case loss < best:
			best, length, worse = loss, l, 0
		case best < first-0.1 || loss > first+1:
			worse++
		}
		if best <= t.o.StopNLL {
			break // no longer than it must be
		}
	}
	for j, v := range direction {
		t.value[j] = float32(v / size * length)
	}
	t.valueLR = 0.1 * length / math.Sqrt(float64(t.width))
	return nil
}

// step runs the network after with the patch as it is. The activations of the
// edit's own queries must be measured.
func (t *trainer) step(ctx context.Context) error {
	copy(t.add, t.ex.Earlier)
	for i, p := range t.ex.Own {
		h, _ := response(t.site, t.aOwn[i])
		up := t.up(i)
		row := t.add[p*t.width:][:t.width]
		for j, v := range t.value {
			row[j] += float32(h*up) * v
		}
	}
	return t.ex.Head.Step(ctx, t.add, t.grad, t.nll)
}

// up is what the up-projection gives at one of the edit's own queries.
func (t *trainer) up(i int) float64 {
	if !t.site.Gated || t.site.UpBias {
		return 1
	}
	return float64(t.own.one[i])
}

// editLoss is l_e of the last step.
func (t *trainer) editLoss() float64 {
	s := 0.0
	for i, w := range t.weights {
		s += float64(w) * t.nll[i]
	}
	return s
}

// jointStep moves key and value by the gradient of all losses. It is done when
// the target is likely enough everywhere.
func (t *trainer) jointStep(ctx context.Context) (done bool, err error) {
	t.measure()
	if err := t.step(ctx); err != nil {
		return false, err
	}
	t.report.Steps++
	t.report.Edit = t.editLoss()
	t.keep()
	if t.good() {
		return true, nil
	}
	gv, ga := make([]float64, t.width), make([]float64, len(t.ex.Own))
	for i, p := range t.ex.Own {
		h, slope := response(t.site, t.aOwn[i])
		up := t.up(i)
		for j, g := range t.grad[p*t.width:][:t.width] {
			gv[j] += h * up * float64(g)
			ga[i] += t.o.Alpha * slope * up * float64(g) * float64(t.value[j])
		}
	}
	for j, s := range t.valAdam.step(gv) {
		t.value[j] -= float32(t.valueLR * s)
	}
	if !t.frozen {
		t.keyStep(ga)
	}
	return false, nil
}

// good reports whether the target is likely at every own position, and the
// bare prompt's activation well above 0.
func (t *trainer) good() bool {
	if t.report.Edit > t.o.StopNLL || t.aOwn[0] < 1 {
		return false
	}
	for _, p := range t.ex.Own {
		if t.weights[p] > 0 && t.nll[p] > 4*t.o.StopNLL {
			return false
		}
	}
	return true
}

// keep remembers the patch with the least l_e.
func (t *trainer) keep() {
	if !(t.report.Edit < t.bestNLL) {
		return
	}
	t.bestNLL = t.report.Edit
	t.best = Patch{Key: make([]float64, t.width), Bias: t.b, Value: slices.Clone(t.value)}
	for j, v := range t.k {
		t.best.Key[j] = float64(v)
	}
}

// finish measures the best patch.
func (t *trainer) finish(ctx context.Context) (Patch, Report, error) {
	if t.best.Key == nil {
		t.keep()
	}
	p := t.best
	t.b = p.Bias
	for j, v := range p.Key {
		t.k[j] = float32(v)
	}
	copy(t.value, p.Value)
	t.measure()
	t.memoryLosses()
	if err := t.step(ctx); err != nil {
		return p, t.report, err
	}
	r := &t.report
	r.Edit = t.editLoss()
	r.Fire = 0
	for _, a := range t.aOwn {
		r.Fire += math.Exp(min(-a, mostExponent)) / float64(len(t.aOwn))
	}
	held := t.mem.activations(&t.mem.held, t.k, t.b, !t.site.Bias, nil)
	r.Activation, r.Weakest = t.aOwn[0], slices.Min(t.aOwn)
	r.TrainMax, r.HeldMax = most(t.aMem), most(held)
	r.ContrastMax = most(t.aSilent)
	for _, a := range held {
		if a > 0 {
			r.Firing += 1 / float64(len(held))
		}
	}
	r.KeyNorm, r.ValueNorm = norm(p.Key), norm32(p.Value)
	return p, *r, nil
}

// most is the largest of v, 0 of none.
func most(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return slices.Max(v)
}

func norm(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x * x
	}
	return math.Sqrt(s)
}

func norm32(v []float32) float64 {
	s := 0.0
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return math.Sqrt(s)
}

// adam is the optimiser of Kingma and Ba without a learning rate.
type adam struct {
	m, v, out []float64
	t         int
}

func newAdam(n int) adam {
	return adam{m: make([]float64, n), v: make([]float64, n), out: make([]float64, n)}
}

// step gives the direction to go against. The slice is valid until the next.
func (a *adam) step(g []float64) []float64 {
	const b1, b2 = 0.9, 0.99
	a.t++
	c1, c2 := 1-math.Pow(b1, float64(a.t)), 1-math.Pow(b2, float64(a.t))
	for i, x := range g {
		a.m[i] = b1*a.m[i] + (1-b1)*x
		a.v[i] = b2*a.v[i] + (1-b2)*x*x
		a.out[i] = a.m[i] / c1 / (math.Sqrt(a.v[i]/c2) + 1e-12)
	}
	return a.out
}
