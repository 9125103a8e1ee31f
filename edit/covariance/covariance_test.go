package covariance

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// sample is the sum over random keys, some channels far louder than others.
type sample struct {
	n, count int
	sum      []float64
}

func newSample(n, count int) *sample {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	s := &sample{n, count, make([]float64, n*n)}
	k := make([]float64, n)
	for range count {
		common := r.NormFloat64()
		for i := range k {
			k[i] = (r.NormFloat64() + common) * math.Exp(float64(i%7))
		}
		for i := range k {
			for j := range k {
				s.sum[i*n+j] += k[i] * k[j]
			}
		}
	}
	return s
}

func (s *sample) Count() int64 { return int64(s.count) }
func (s *sample) Dim() int     { return s.n }
func (s *sample) Block(dst []float32, r0, r1, c0, c1 int) error {
	if c1 > r1 {
		return errors.New("above the triangle")
	}
	for r := r0; r < r1; r++ {
		for c := c0; c < c1; c++ {
			dst[(r-r0)*(c1-c0)+c-c0] = float32(s.sum[r*s.n+c])
		}
	}
	return nil
}

// residual is ||A x - b|| / ||b||.
func residual(s *sample, ridge float64, x, b []float64) float64 {
	var num, den float64
	for i := range s.n {
		v := ridge*x[i] - b[i]
		for j := range s.n {
			v += float64(float32(s.sum[i*s.n+j])) / float64(s.count) * x[j]
		}
		num += v * v
		den += b[i] * b[i]
	}
	return math.Sqrt(num / den)
}

func TestSolve(t *testing.T) {
	for _, n := range []int{1, 5, tileSize, tileSize + 1, 2*tileSize + 77} {
		s := newSample(n, 3*n)
		var last float64
		f, err := FromMoments(t.Context(), s, Options{Workers: 2, Progress: func(d float64) { last = d }})
		if err != nil {
			t.Fatal(n, err)
		}
		if last != 1 {
			t.Errorf("n=%d: progress ended at %v", n, last)
		}
		b := make([]float64, n)
		for i := range b {
			b[i] = math.Sin(float64(i)) + 2
		}
		x := make([]float64, n)
		if err := f.Solve(t.Context(), x, b); err != nil {
			t.Fatal(err)
		}
		if r := residual(s, f.Made().Ridge, x, b); r > 1e-8 {
			t.Errorf("n=%d: residual %g", n, r)
		}
		path := filepath.Join(t.TempDir(), "c")
		key := Key{"m", 3, "t"}
		if err := Save(path, key, f); err != nil {
			t.Fatal(err)
		}
		c, err := Open(path, key, n)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 2 {
			y := append([]float64(nil), b...)
			if err := c.Solve(t.Context(), y, y); err != nil {
				t.Fatal(err)
			}
			for i := range y {
				if y[i] != x[i] {
					t.Fatalf("n=%d: cached and fresh solutions differ at %d: %g %g", n, i, y[i], x[i])
				}
			}
		}
	}
}

// TestReconstruct checks A = L Lᵀ entry by entry.
func TestReconstruct(t *testing.T) {
	n := tileSize + 30
	s := newSample(n, 2*n)
	f, err := FromMoments(t.Context(), s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := func(i, j int) float64 {
		if j > i {
			return 0
		}
		g := f.t.tile(i/tileSize, j/tileSize)
		return g.Data[i%tileSize*g.Stride+j%tileSize]
	}
	for i := 0; i < n; i += 13 {
		for j := 0; j <= i; j += 7 {
			var v float64
			for k := range j + 1 {
				v += at(i, k) * at(j, k)
			}
			want := float64(float32(s.sum[i*n+j])) / float64(s.count)
			if i == j {
				want += f.made.Ridge
			}
			scale := math.Sqrt(s.sum[i*n+i]*s.sum[j*n+j]) / float64(s.count)
			if math.Abs(v-want) > 1e-12*scale {
				t.Fatalf("(%d,%d): %g instead of %g", i, j, v, want)
			}
		}
	}
}

// rankOne has one key many times: singular but for the ridge, and off by more
// than the ridge.
type rankOne struct{ n int }

func (r rankOne) Count() int64 { return int64(20 * r.n) }
func (r rankOne) Dim() int     { return r.n }
func (r rankOne) Block(dst []float32, r0, r1, c0, c1 int) error {
	for i := r0; i < r1; i++ {
		for j := c0; j < c1; j++ {
			v := float32(r.Count())
			if i != j {
				v *= 1.00002
			}
			dst[(i-r0)*(c1-c0)+j-c0] = v
		}
	}
	return nil
}

func TestRidgeIsRaised(t *testing.T) {
	f, err := FromMoments(t.Context(), rankOne{40}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := f.Made().Ridge; r < 9e-6 || r > 1.1e-1 {
		t.Errorf("ridge is %g", r)
	}
}

// Where the factorisation breaks down in a later column, all before it is undone.
func TestUndo(t *testing.T) {
	n := 2*tileSize + 77
	s := newSample(n, 2*n)
	c := newTiles(n)
	if err := c.load(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	last := c.tile(2, 2)
	last.Data[30*last.Stride+30] = -1 // no longer positive
	var before [][]float64
	for _, d := range c.data {
		before = append(before, slices.Clone(d))
	}
	at, err := c.cholesky(t.Context(), Options{Workers: 2})
	if !errors.Is(err, ErrNotPositive) || at != 2 {
		t.Fatalf("broke down at %d: %v", at, err)
	}
	if slices.Equal(c.data[1], before[1]) {
		t.Fatal("nothing was factored")
	}
	if err := c.undo(t.Context(), Options{Workers: 2}, at); err != nil {
		t.Fatal(err)
	}
	for i := range c.side {
		for j := range i + 1 {
			g := c.tile(i, j)
			for r := range g.Rows {
				for k := range g.Cols {
					if i == j && k > r {
						continue
					}
					row, col := i*tileSize+r, j*tileSize+k
					scale := math.Sqrt(s.sum[row*n+row]*s.sum[col*n+col]) / float64(s.count)
					if d := math.Abs(g.Data[r*g.Stride+k] - before[index(i, j)][r*g.Stride+k]); !(d <= 1e-12*scale) {
						t.Fatalf("(%d,%d) is off by %g of %g", row, col, d, scale)
					}
				}
			}
		}
	}
}

// released is a sample of which nothing is read twice once it was given up.
type released struct {
	*sample
	from int
}

func (r *released) Release(row int) { r.from = row }

func (r *released) Block(dst []float32, r0, r1, c0, c1 int) error {
	if r0 < r.from {
		return errors.New("given up")
	}
	return r.sample.Block(dst, r0, r1, c0, c1)
}

func TestRelease(t *testing.T) {
	n := releaseRows + 77
	m := &released{sample: &sample{n: n, count: 2 * n, sum: make([]float64, n*n)}}
	for i := range n {
		m.sum[i*n+i] = float64(i + 1)
	}
	f, err := FromMoments(t.Context(), m, Options{})
	if err != nil || m.from != n {
		t.Fatalf("released to %d: %v", m.from, err)
	}
	x := make([]float64, n)
	if err := f.Solve(t.Context(), x, slices.Repeat([]float64{1}, n)); err != nil {
		t.Fatal(err)
	}
	for i := range x {
		if want := float64(2*n) / (float64(i+1) + float64(2*n)*f.Made().Ridge); math.Abs(x[i]/want-1) > 1e-9 {
			t.Fatalf("x[%d] is %g, not %g", i, x[i], want)
		}
	}
}

func TestShrinkage(t *testing.T) {
	n := 50
	few, err := FromMoments(t.Context(), newSample(n, 2*n), Options{Shrink: true})
	if err != nil {
		t.Fatal(err)
	}
	many, err := FromMoments(t.Context(), newSample(n, 10*n), Options{Shrink: true})
	if err != nil {
		t.Fatal(err)
	}
	if few.Made().Shrinkage <= 0 || few.Made().Shrinkage > 0.5 || many.Made().Shrinkage != 0 {
		t.Errorf("shrinkage of few keys is %g, of many %g", few.Made().Shrinkage, many.Made().Shrinkage)
	}
	if _, err := FromMoments(t.Context(), newSample(n, n), Options{Shrink: true}); !errors.Is(err, ErrTooFew) {
		t.Errorf("too few keys: %v", err)
	}
	// asked for, half a key a dimension is enough: the diagonal makes up for it
	half, err := FromMoments(t.Context(), newSample(n, n/2), Options{Shrink: true, Fewest: int64(n / 2)})
	if err != nil || half.Made().Shrinkage < few.Made().Shrinkage || half.Made().Keys != int64(n/2) {
		t.Errorf("half a key a dimension: %v", err)
	}
}

type poisoned struct{ *sample }

func (p poisoned) Block(dst []float32, r0, r1, c0, c1 int) error {
	p.sample.Block(dst, r0, r1, c0, c1)
	dst[0] = float32(math.NaN())
	return nil
}

func TestNotPositive(t *testing.T) {
	if _, err := FromMoments(t.Context(), poisoned{newSample(8, 40)}, Options{}); !errors.Is(err, ErrNotPositive) {
		t.Error(err)
	}
	if _, err := NewDiagonal([]float64{0, 0}); !errors.Is(err, ErrNotPositive) {
		t.Error(err)
	}
	if _, err := NewDiagonal([]float64{1, math.NaN()}); !errors.Is(err, ErrNotPositive) {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newSample(3*tileSize, 6*tileSize)
	_, err := FromMoments(ctx, s, Options{Progress: func(float64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestHostileCache(t *testing.T) {
	n := 20
	f, err := FromMoments(t.Context(), newSample(n, 3*n), Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "good")
	key := Key{"m", 3, "t"}
	if err := Save(path, key, f); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Error("left behind:", left)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(data []byte, key Key, n int) error {
		p := filepath.Join(dir, "bad")
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(p, key, n)
		if err != nil {
			return err
		}
		defer c.Close()
		b := make([]float64, n)
		b[0] = 1
		return c.Solve(t.Context(), b, b)
	}
	flip := func(at int) []byte {
		b := append([]byte(nil), good...)
		b[at] ^= 0x40
		return b
	}
	for name, c := range map[string]struct {
		data []byte
		key  Key
		n    int
		want error
	}{
		"empty":       {nil, key, n, ErrCorrupt},
		"magic":       {flip(0), key, n, ErrCorrupt},
		"long header": {flip(11), key, n, ErrCorrupt},
		"not JSON":    {flip(12), key, n, ErrCorrupt},
		"cut":         {good[:len(good)-1], key, n, ErrCorrupt},
		"longer":      {append(good[:len(good):len(good)], 0), key, n, ErrCorrupt},
		"in a tile":   {flip(len(good) - 100), key, n, ErrCorrupt},
		"digest":      {flip(len(good) - 1), key, n, ErrCorrupt},
		"model":       {good, Key{"x", 3, "t"}, n, ErrOther},
		"layer":       {good, Key{"m", 4, "t"}, n, ErrOther},
		"length":      {good, key, n + 1, ErrOther},
	} {
		if err := try(c.data, c.key, c.n); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := try(good, key, n); err != nil {
		t.Error(err)
	}
}

func TestDiagonalAndIdentity(t *testing.T) {
	n := 70
	s := newSample(n, 200)
	d, err := DiagonalOf(s)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float64, n)
	b := make([]float64, n)
	for i := range b {
		b[i] = 1
	}
	if err := d.Solve(t.Context(), x, b); err != nil {
		t.Fatal(err)
	}
	for i := range x {
		if got, want := 1/x[i], s.sum[i*n+i]/200; math.Abs(got-want) > 1e-3*want {
			t.Fatalf("%d: %g instead of %g", i, got, want)
		}
	}
	if err := Identity(n).Solve(t.Context(), x, b); err != nil || x[3] != 1 {
		t.Error(err, x[3])
	}
	if err := Identity(n).Solve(t.Context(), x[:2], b); err == nil {
		t.Error("lengths are not checked")
	}
}

func BenchmarkCholesky(b *testing.B) {
	s := rankOne{1536}
	for b.Loop() {
		if _, err := FromMoments(context.Background(), s, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
