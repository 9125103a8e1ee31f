package replay

import (
	"math"
	"slices"

	"retcon/graph"
	"retcon/internal/logits"
)

// LossTerm is one next-token prediction of a loss: the negative logarithm of
// the probability of Token in row Row of the logits, Weight times.
type LossTerm struct {
	Row    int
	Token  int32
	Weight float64
}

// KLTerm is KL(now || original) of row Row of the logits, Weight times. It
// counts once [loss.keep] has told it the original logits.
type KLTerm struct {
	Row    int
	Weight float64
}

// loss is the tail of a program: from logits to the gradient of the loss at
// them, in standard operators, and the few numbers that give its value.
type loss struct {
	terms []LossTerm
	kls   []KLTerm

	consts []graph.Const
	// of the KL terms: places in consts, and what they keep
	weightAt, originalAt, bestAt int
	original                     [][]float32
	logSum                       []float64

	seed   graph.ID // dL/dlogits
	p      graph.ID // p of each term's token, [1, terms]
	klRows graph.ID // logits of the KL rows [n_vocab, kls]
	klZ    graph.ID // logit of each KL row's likeliest original token, [1, kls]
	klP    graph.ID // its probability
	klS    graph.ID // Σ p (z - z0) of each KL row, [1, kls]
}

// newLoss appends the loss to a graph that ends in logits [n_vocab, rows].
//
// For softmax p of a row: d(-log p_t)/dz = p - e_t, and with d = z - z0,
// dKL/dz = p (d - Σ p d), the normalising constants dropping out.
func newLoss(g *graph.Graph, logits graph.ID, terms []LossTerm, kls []KLTerm) *loss {
	l := &loss{terms: terms, kls: kls, p: graph.None, klS: graph.None}
	b := graph.Builder{Graph: g}
	ne := b.Node(logits).Ne
	p := b.SoftMax(logits)
	rowWeight := make([]float32, ne[1])
	at := make([]int64, len(terms))
	weight := make([]float32, len(terms))
	for i, t := range terms {
		rowWeight[t.Row] += float32(t.Weight)
		at[i] = int64(t.Row)*ne[0] + int64(t.Token)
		weight[i] = -float32(t.Weight)
	}
	atTarget := make([]float32, len(terms))
	for i, t := range terms {
		atTarget[i] = rowWeight[t.Row]
	}
	flat, each := graph.Shape2(1, ne[0]*ne[1]), graph.Shape2(1, int64(len(terms)))
	l.p = b.GetRows(b.Reshape(p, flat), l.int32s(b, at))
	// weight p everywhere, then weight p - 1 over it at the targets
	grad := b.Mul(p, l.f32(b, rowWeight, graph.Shape2(1, ne[1])))
	targets := b.Add(b.Mul(l.p, l.f32(b, atTarget, each)), l.f32(b, weight, each))
	l.seed = b.Reshape(b.SetRows(b.Reshape(grad, flat), targets, l.int64s(b, at)), ne)
	if len(kls) > 0 {
		l.addKL(b, logits, rowWeight)
	}
	return l
}

// addKL adds the gradient of the KL terms. Rows of no other weight are written
// in place: what spans all logits is dear.
func (l *loss) addKL(b graph.Builder, logits graph.ID, rowWeight []float32) {
	ne := b.Node(logits).Ne
	n := int64(len(l.kls))
	rows, best := make([]int64, n), make([]int64, n)
	for i, k := range l.kls {
		rows[i], best[i] = int64(k.Row), int64(i)*ne[0]
	}
	l.original, l.logSum = make([][]float32, n), make([]float64, n)
	z := b.GetRows(logits, l.int32s(b, rows))
	l.klRows = z
	p := b.SoftMax(z)
	l.originalAt = len(l.consts)
	d := b.Sub(z, l.f32(b, make([]float32, ne[0]*n), graph.Shape2(ne[0], n)))
	l.klS = b.SumRows(b.Mul(p, d))
	l.weightAt = len(l.consts)
	g := b.Mul(b.Mul(p, b.Sub(d, l.klS)), l.f32(b, make([]float32, n), graph.Shape2(1, n)))
	if slices.ContainsFunc(rows, func(r int64) bool { return rowWeight[r] != 0 }) {
		l.seed = b.Add(l.seed, b.SetRows(b.Fill(logits, 0), g, l.int64s(b, rows)))
	} else {
		l.seed = b.SetRows(l.seed, g, l.int64s(b, rows))
	}
	l.bestAt = len(l.consts)
	idx := l.int32s(b, best)
	l.klZ = b.GetRows(b.Reshape(z, graph.Shape2(1, n*ne[0])), idx)
	l.klP = b.GetRows(b.Reshape(p, graph.Shape2(1, n*ne[0])), idx)
}

// logitsOf copies the logits of a KL term's row out of a run's outputs.
func (l *loss) logitsOf(out map[graph.ID][]float32, kl int) []float32 {
	n := len(out[l.klRows]) / len(l.kls)
	return append([]float32(nil), out[l.klRows][kl*n:][:n]...)
}

// keep tells a KL term the logits [n_vocab] to stay near. The constants must be
// set again.
func (l *loss) keep(kl int, original []float32) {
	top := 0
	for j, z := range original {
		if z > original[top] {
			top = j
		}
	}
	l.original[kl], l.logSum[kl] = original, logits.LogSum(original)
	copy(l.consts[l.originalAt].F32[kl*len(original):], original)
	l.consts[l.weightAt].F32[kl] = float32(l.kls[kl].Weight)
	l.consts[l.bestAt].I32[kl] = int32(kl*len(original) + top)
}

func (l *loss) f32(b graph.Builder, v []float32, ne [4]int64) graph.ID {
	id := b.Input(graph.F32, ne, "loss")
	l.consts = append(l.consts, graph.Const{Node: id, F32: v})
	return id
}

func (l *loss) int32s(b graph.Builder, v []int64) graph.ID {
	id := b.Input(graph.I32, graph.Shape2(int64(len(v)), 1), "rows")
	small := make([]int32, len(v))
	for i, x := range v {
		small[i] = int32(x)
	}
	l.consts = append(l.consts, graph.Const{Node: id, I32: small})
	return id
}

func (l *loss) int64s(b graph.Builder, v []int64) graph.ID {
	id := b.Input(graph.I64, graph.Shape2(int64(len(v)), 1), "rows")
	l.consts = append(l.consts, graph.Const{Node: id, I64: v})
	return id
}

// outputs are the nodes that value reads.
func (l *loss) outputs() []graph.ID {
	if len(l.kls) == 0 {
		return []graph.ID{l.p}
	}
	return []graph.ID{l.p, l.klZ, l.klP, l.klS, l.klRows}
}

// buffers is room for the outputs.
func (l *loss) buffers() map[graph.ID][]float32 {
	m := map[graph.ID][]float32{l.p: make([]float32, len(l.terms))}
	if n := len(l.kls); n > 0 {
		m[l.klZ], m[l.klP], m[l.klS] = make([]float32, n), make([]float32, n), make([]float32, n)
		m[l.klRows] = make([]float32, len(l.consts[l.originalAt].F32))
	}
	return m
}

// smallest positive float32: a probability that underflowed counts as this
const tiny = 1.4e-45

// values gives -log p of each term and the KL of each KL row, in nats.
func (l *loss) values(out map[graph.ID][]float32) (nll, kl []float64) {
	for _, p := range out[l.p] {
		nll = append(nll, -math.Log(max(float64(p), tiny)))
	}
	for i := range l.kls {
		if l.original[i] == nil {
			kl = append(kl, 0)
			continue
		}
		// KL = Σ p (z - z0) - (lse - lse0), with lse = z_t - log p_t for any t
		lse := float64(out[l.klZ][i]) - math.Log(max(float64(out[l.klP][i]), tiny))
		kl = append(kl, float64(out[l.klS][i])-(lse-l.logSum[i]))
	}
	return nll, kl
}
