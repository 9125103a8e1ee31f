package tpatcher

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"retcon/gguf/ffn"
	"retcon/lm"
)

// Memory is D_M: queries for which patches are to stay silent, some of them
// held out for validation, and what their distribution says.
type Memory struct {
	width int
	train queries
	held  queries
	// constant is a functional c with c·q about 1 for every query: it stands
	// in for a bias where the network has none.
	constant []float64
	mean     []float64 // over train
	factor   mat.TriDense
}

// queries are rows of one width, with c·q of each.
type queries struct {
	rows []float32
	one  []float32
}

func (q *queries) len(width int) int { return len(q.rows) / width }

// ridge is what is added to the queries' covariance, in parts of its mean
// diagonal, and what is added to the second moments for the constant.
const (
	ridge         = 0.5
	constantRidge = 1e-3
)

// NewMemory is an empty memory of queries of so many values.
func NewMemory(width int) *Memory { return &Memory{width: width} }

// Add puts a query into the memory, to train with or held out. Queries of one
// text belong together.
func (m *Memory) Add(q []float32, held bool) {
	if held {
		m.held.rows = append(m.held.rows, q...)
		return
	}
	m.train.rows = append(m.train.rows, q...)
}

// Len is the number of queries to train with and of those held out.
func (m *Memory) Len() (train, held int) { return m.train.len(m.width), m.held.len(m.width) }

// Fewest is the least number of queries that a memory is made of.
func Fewest(width int) int { return 2 * width }

// Finish computes mean, covariance and constant once the memory is full. Later
// queries join with [Memory.Join].
func (m *Memory) Finish(ctx context.Context) error {
	n, _ := m.Len()
	if n < m.width {
		return fmt.Errorf("%d queries are too few for a memory: at least %d", n, Fewest(m.width))
	}
	second, err := m.secondMoments(ctx, n)
	if err != nil {
		return err
	}
	trace := 0.0
	for i := range m.width {
		trace += second.At(i, i)
	}
	if !(trace > 0) || math.IsInf(trace, 0) {
		return fmt.Errorf("the queries of the memory are not finite")
	}
	if err := m.fit(second, constantRidge*trace/float64(m.width)); err != nil {
		return err
	}
	for _, q := range []*queries{&m.train, &m.held} {
		q.one = make([]float32, 0, q.len(m.width))
		m.ones(q)
	}
	return nil
}

// secondMoments is E q qᵀ over the training queries, and sets the mean.
func (m *Memory) secondMoments(ctx context.Context, n int) (*mat.SymDense, error) {
	const block = 512
	sum := mat.NewDense(m.width, m.width, nil)
	m.mean = make([]float64, m.width)
	part := mat.NewDense(block, m.width, nil)
	for at := 0; at < n; at += block {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		k := min(block, n-at)
		for i := range k {
			row := part.RawRowView(i)
			for j, v := range m.train.rows[(at+i)*m.width:][:m.width] {
				row[j] = float64(v)
				m.mean[j] += float64(v) / float64(n)
			}
		}
		g := part.Slice(0, k, 0, m.width).(*mat.Dense).RawMatrix()
		blas64.Gemm(blas.Trans, blas.NoTrans, 1/float64(n), g, g, 1, sum.RawMatrix())
	}
	return mat.NewSymDense(m.width, sum.RawMatrix().Data), nil
}

// fit solves for the constant, the ridge regression of 1 on a query, and
// factors the covariance.
func (m *Memory) fit(second *mat.SymDense, constRidge float64) error {
	mean := mat.NewVecDense(m.width, m.mean)
	var c mat.Cholesky
	regular := mat.NewSymDense(m.width, nil)
	regular.CopySym(second)
	addDiagonal(regular, constRidge)
	if !c.Factorize(regular) {
		return fmt.Errorf("the second moments of the memory's queries are singular")
	}
	var constant mat.VecDense
	if err := c.SolveVecTo(&constant, mean); err != nil {
		return err
	}
	m.constant = constant.RawVector().Data
	second.SymRankOne(second, -1, mean)
	trace := mat.Trace(second)
	addDiagonal(second, ridge*trace/float64(m.width))
	if !c.Factorize(second) {
		return fmt.Errorf("the covariance of the memory's queries is singular")
	}
	c.LTo(&m.factor)
	return nil
}

func addDiagonal(s *mat.SymDense, v float64) {
	n, _ := s.Dims()
	for i := range n {
		s.SetSym(i, i, s.At(i, i)+v)
	}
}

// ones computes c·q of the rows that have none yet.
func (m *Memory) ones(q *queries) {
	for at := len(q.one); at < q.len(m.width); at++ {
		q.one = append(q.one, float32(m.One(q.rows[at*m.width:][:m.width])))
	}
}

// One is c·q, about 1.
func (m *Memory) One(q []float32) float64 {
	s := 0.0
	for i, v := range q {
		s += m.constant[i] * float64(v)
	}
	return s
}

// Constant says how constant c·q is over the held-out queries: the mean and
// the standard deviation.
func (m *Memory) Constant() (mean, deviation float64) {
	n := float64(len(m.held.one))
	for _, v := range m.held.one {
		mean += float64(v) / n
	}
	for _, v := range m.held.one {
		deviation += (float64(v) - mean) * (float64(v) - mean) / n
	}
	return mean, math.Sqrt(deviation)
}

// Join puts queries [n, width] into the memory to train with: those of an edit
// that later patches are to leave alone.
func (m *Memory) Join(rows []float32) {
	m.train.rows = append(m.train.rows, rows...)
	m.ones(&m.train)
}

// leave takes the last values that joined out of the memory again, so many of
// them.
func (m *Memory) leave(values int) {
	m.train.rows = m.train.rows[:len(m.train.rows)-values]
	m.train.one = m.train.one[:len(m.train.rows)/m.width]
}

// activations computes q·k + b one(q) for every row, in parallel.
func (m *Memory) activations(q *queries, k []float32, b float64, unbiased bool, dst []float64) []float64 {
	n := q.len(m.width)
	dst = append(dst[:0], make([]float64, n)...)
	workers := max(1, min(runtime.GOMAXPROCS(0), n/1024))
	var wg sync.WaitGroup
	for w := range workers {
		lo, hi := w*n/workers, (w+1)*n/workers
		wg.Go(func() {
			out := make([]float32, hi-lo)
			blas32.Gemv(blas.NoTrans, 1, blas32.General{Rows: hi - lo, Cols: m.width, Stride: m.width, Data: q.rows[lo*m.width : hi*m.width]},
				blas32.Vector{N: m.width, Inc: 1, Data: k}, 0, blas32.Vector{N: hi - lo, Inc: 1, Data: out})
			for i, v := range out {
				one := 1.0
				if unbiased {
					one = float64(q.one[lo+i])
				}
				dst[lo+i] = float64(v) + b*one
			}
		})
	}
	wg.Wait()
	return dst
}

// meanRows is how many queries a neuron's use is measured on.
const meanRows = 1024

// MeanSquare is the mean square of a neuron's response over queries of the
// memory.
func (m *Memory) MeanSquare(s lm.Network, n ffn.Neuron) float64 {
	total := m.train.len(m.width)
	count, sum := 0, 0.0
	for i := 0; i < total; i += max(1, total/meanRows) {
		h := s.Response(n, m.train.rows[i*m.width:][:m.width])
		sum += h * h
		count++
	}
	return sum / float64(max(1, count))
}
