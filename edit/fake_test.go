package edit

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"retcon/gguf"
)

// The fake model is a small network whose gradients are exact:
//
//	a_t = x_t + M_l Σ_{s<t} 0.75^(t-s) x_s    (context)
//	k_t = relu(K_l a_t)                        (key, n_ff)
//	x_t = a_t + W_l k_t                        (value, n_embd)
//	logits_t = 2.5 H x_t / |x_t|
//
// It splits text into words, each with the space before it.
const (
	fakeWidth  = 24
	fakeFF     = 128
	fakeLayers = 3
	fakeVocab  = 1024
	decay      = 0.75
	sharp      = 2.5
)

var errClosed = errors.New("model is closed")

type fake struct {
	info    Info
	embed   [][]float64 // [vocab][width]
	head    [][]float64 // [vocab][width]
	mix     [][]float64 // [layer][width*width]
	in      [][]float64 // [layer][ff*width]
	out     [][]float64 // [layer][width*ff]
	updates []Update
	base    []Update // adapters
	bos     bool
	closed  bool
}

func normals(seed uint64, n int, scale float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 77))
	v := make([]float64, n)
	for i := range v {
		v[i] = r.NormFloat64() * scale
	}
	return v
}

// centre takes the mean off each row of n: keys are not negative, and what they
// have in common would make up most of the values.
func centre(m []float64, n int) {
	for len(m) > 0 {
		mean := sum(m[:n]) / float64(n)
		for i := range n {
			m[i] -= mean
		}
		m = m[n:]
	}
}

func newFake() *fake {
	f := &fake{info: Info{Arch: "fake", Layers: fakeLayers, Width: fakeWidth, Vocab: fakeVocab,
		Context: 600, BOS: -1, Threads: 2}}
	for i := range fakeVocab {
		f.embed = append(f.embed, normals(uint64(1000+i), fakeWidth, 0.5))
		f.head = append(f.head, normals(uint64(5000+i), fakeWidth, 1))
	}
	for l := range uint64(fakeLayers) {
		f.info.FeedForward = append(f.info.FeedForward, fakeFF)
		f.mix = append(f.mix, normals(10+l, fakeWidth*fakeWidth, []float64{0.3, 0.3, 1.5}[l]/math.Sqrt(fakeWidth)))
		f.in = append(f.in, normals(20+l, fakeFF*fakeWidth, 1/math.Sqrt(fakeWidth)))
		f.out = append(f.out, normals(30+l, fakeWidth*fakeFF, []float64{0.5, 10, 0.2}[l]/math.Sqrt(fakeFF)))
		centre(f.out[l], fakeFF)
	}
	return f
}

var words struct {
	sync.Mutex
	id   map[string]int32
	text []string
}

var wordPattern = regexp.MustCompile(`(?s) ?\pL+| ?\d+|.`)

// The words get the same numbers whatever tests run.
func init() {
	text := eiffel.Prompt + " Eiffel Tower Rome Paris is a. " + strings.Join(openers, " ") + "Therefore Because" + neutral
	for _, w := range openers {
		text += "." + w
	}
	new(fake).Tokenize(text, false)
	sayable = len(words.text)
}

// sayable is how many words the fake may say.
var sayable int

func (f *fake) Info() Info { return f.info }

func (f *fake) Tokenize(text string, special bool) ([]Token, error) {
	words.Lock()
	defer words.Unlock()
	if words.id == nil {
		words.id = map[string]int32{}
		words.text = []string{"", ""} // BOS, end
	}
	var out []Token
	if f.bos {
		out = append(out, Token{})
	}
	for _, at := range wordPattern.FindAllStringIndex(text, -1) {
		w := text[at[0]:at[1]]
		id, ok := words.id[w]
		if !ok {
			id = int32(len(words.text))
			if id >= fakeVocab {
				return nil, errors.New("the fake's vocabulary is full")
			}
			words.id[w] = id
			words.text = append(words.text, w)
		}
		out = append(out, Token{id, at[0], at[1]})
	}
	return out, nil
}

func (f *fake) Text(tokens []int32) string {
	s := ""
	for _, t := range tokens {
		if int(t) < len(words.text) {
			s += words.text[t]
		} else {
			s += " ?"
		}
	}
	return s
}

func (f *fake) EndsText(token int32) bool { return token == 1 }

// state is a forward pass: per layer and position.
type state struct {
	tokens []int32
	a, k   [][][]float64 // [layer][pos]
	v      [][]float64   // [pos] of the layer asked for
	x      [][]float64   // [pos], final
}

func matvec(dst, m, x []float64) {
	n := len(x)
	for i := range dst {
		s := 0.
		for j, v := range x {
			s += m[i*n+j] * v
		}
		dst[i] += s
	}
}

func matTvec(dst, m, g []float64) {
	n := len(dst)
	for i, v := range g {
		if v != 0 {
			for j := range dst {
				dst[j] += m[i*n+j] * v
			}
		}
	}
}

func (f *fake) all() []Update { return append(append([]Update(nil), f.base...), f.updates...) }

// forward runs tokens, adding delta to the output of layer at position at.
func (f *fake) forward(tokens []int32, layer, at int, delta []float32) *state {
	s := &state{tokens: tokens, x: make([][]float64, len(tokens)), v: make([][]float64, len(tokens))}
	for t, id := range tokens {
		s.x[t] = append([]float64(nil), f.embed[id]...)
	}
	for l := range f.info.Layers {
		a, ks := make([][]float64, len(tokens)), make([][]float64, len(tokens))
		past := make([]float64, fakeWidth)
		for t := range tokens {
			a[t] = append([]float64(nil), s.x[t]...)
			matvec(a[t], f.mix[l], past)
			for i := range past {
				past[i] = decay * (past[i] + s.x[t][i])
			}
		}
		for t := range tokens {
			k := make([]float64, fakeFF)
			matvec(k, f.in[l], a[t])
			for i := range k {
				k[i] = max(0, k[i])
			}
			v := make([]float64, fakeWidth)
			matvec(v, f.out[l], k)
			for _, u := range f.all() {
				if u.Layer == l {
					w := dot(u.Left, k)
					for i := range v {
						v[i] += w * float64(u.Right[i])
					}
				}
			}
			if l == layer {
				s.v[t] = append([]float64(nil), v...)
				if t == at {
					for i, d := range delta {
						v[i] += float64(d)
					}
				}
			}
			ks[t] = k
			x := append([]float64(nil), a[t]...)
			for i := range x {
				x[i] += v[i]
			}
			s.x[t] = x
		}
		s.a, s.k = append(s.a, a), append(s.k, ks)
	}
	return s
}

// backward takes the gradient at the last residuals down to the output of layer.
func (f *fake) backward(s *state, g [][]float64, layer int) [][]float64 {
	for t, x := range s.x {
		unit := scaled(x, 1/norm(x))
		w := dot(unit, g[t])
		for i := range g[t] {
			g[t][i] = (g[t][i] - w*unit[i]) / norm(x)
		}
	}
	for l := f.info.Layers - 1; l > layer; l-- {
		ga := make([][]float64, len(g))
		for t := range g {
			gk := make([]float64, fakeFF)
			matTvec(gk, f.out[l], g[t])
			for _, u := range f.all() {
				if u.Layer == l {
					w := dot(u.Right, g[t])
					for i := range gk {
						gk[i] += w * float64(u.Left[i])
					}
				}
			}
			for i := range gk {
				if s.k[l][t][i] == 0 {
					gk[i] = 0
				}
			}
			ga[t] = append([]float64(nil), g[t]...)
			matTvec(ga[t], f.in[l], gk)
		}
		future := make([]float64, fakeWidth)
		for t := len(g) - 1; t >= 0; t-- {
			g[t] = append([]float64(nil), ga[t]...)
			for i := range g[t] {
				g[t][i] += future[i]
			}
			mixed := make([]float64, fakeWidth)
			matTvec(mixed, f.mix[l], ga[t])
			for i := range future {
				future[i] = decay * (future[i] + mixed[i])
			}
		}
	}
	return g
}

func (f *fake) logits(x []float64) []float64 {
	out := make([]float64, fakeVocab)
	x = scaled(x, 1/norm(x))
	for i, e := range f.head {
		out[i] = sharp * dot(e, x)
	}
	return out
}

func softmax(x []float64) (p []float64, logs []float64) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	s := 0.
	for _, v := range x {
		s += math.Exp(v - top)
	}
	for _, v := range x {
		logs = append(logs, v-top-math.Log(s))
		p = append(p, math.Exp(v-top-math.Log(s)))
	}
	return p, logs
}

func (f *fake) Generate(ctx context.Context, prompts [][]int32, n, topK int, seed uint64, stop bool) ([][]int32, error) {
	if f.closed {
		return nil, errClosed
	}
	r := rand.New(rand.NewPCG(seed, 5))
	var out [][]int32
	for _, p := range prompts {
		all := append([]int32(nil), p...)
		for range n {
			s := f.forward(all, -1, -1, nil)
			logits := f.logits(s.x[len(all)-1])
			known := logits[:sayable]
			best := 2
			for i := 2; i < len(known); i++ {
				v := known[i]
				if topK > 1 {
					v -= math.Log(-math.Log(r.Float64())) // a draw from the softmax
					known[i] = v
				}
				if v > known[best] {
					best = i
				}
			}
			all = append(all, int32(best))
		}
		out = append(out, all[len(p):])
	}
	return out, ctx.Err()
}

func (f *fake) LogProbs(ctx context.Context, rows []Scored) ([][]float64, error) {
	if f.closed {
		return nil, errClosed
	}
	var out [][]float64
	for _, r := range rows {
		s := f.forward(r.Tokens, -1, -1, nil)
		var l []float64
		for t := r.From; t < len(r.Tokens); t++ {
			_, logs := softmax(f.logits(s.x[t-1]))
			l = append(l, logs[r.Tokens[t]])
		}
		out = append(out, l)
	}
	return out, ctx.Err()
}

func (f *fake) Logits(ctx context.Context, tokens []int32, fn func(int, []float32) error) error {
	s := f.forward(tokens, -1, -1, nil)
	for t := range tokens {
		if err := fn(t, narrow(f.logits(s.x[t]), 1)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *fake) Keys(ctx context.Context, layer int, rows []Row) (keys, values [][]float32, err error) {
	for _, r := range rows {
		s := f.forward(r.Tokens, layer, -1, nil)
		keys = append(keys, narrow(s.k[layer][r.At], 1))
		values = append(values, narrow(s.v[r.At], 1))
	}
	return keys, values, ctx.Err()
}

type fakeMoments struct {
	sum   []float64
	count int64
}

func (m *fakeMoments) Count() int64 { return m.count }
func (m *fakeMoments) Dim() int     { return fakeFF }
func (m *fakeMoments) Close() error { return nil }
func (m *fakeMoments) Block(dst []float32, r0, r1, c0, c1 int) error {
	for r := r0; r < r1; r++ {
		for c := c0; c < c1; c++ {
			dst[(r-r0)*(c1-c0)+c-c0] = float32(m.sum[r*fakeFF+c])
		}
	}
	return nil
}

func (f *fake) Moments(ctx context.Context, layer int, texts [][]int32, progress func(int64)) (Moments, error) {
	m := &fakeMoments{sum: make([]float64, fakeFF*fakeFF)}
	for _, t := range texts {
		for _, k := range f.forward(t, -1, -1, nil).k[layer] {
			for i, x := range k {
				for j, y := range k {
					m.sum[i*fakeFF+j] += x * y
				}
			}
			m.count++
		}
		if progress != nil {
			progress(m.count)
		}
	}
	return m, ctx.Err()
}

type fakeObjective struct {
	f       *fake
	layer   int
	rows    []ObjectiveRow
	batches []Batch
	clean   [][]float64 // log-probabilities to keep
}

func (f *fake) Objective(ctx context.Context, layer int, rows []ObjectiveRow, batches []Batch) (Objective, error) {
	o := &fakeObjective{f: f, layer: layer, rows: rows, batches: batches}
	for _, r := range rows {
		var logs []float64
		if r.KLWeight != 0 {
			_, logs = softmax(f.logits(f.forward(r.Tokens, -1, -1, nil).x[r.KeepAt]))
		}
		o.clean = append(o.clean, logs)
	}
	return o, ctx.Err()
}

func (o *fakeObjective) Close() error { return nil }

func (o *fakeObjective) Step(ctx context.Context, batch int, delta, grad []float32) (Loss, error) {
	var loss Loss
	sum := make([]float64, len(delta))
	for j, i := range o.batches[batch].Rows {
		r := o.rows[i]
		r.NLLWeight *= o.batches[batch].Scale[j]
		r.KLWeight *= o.batches[batch].Scale[j]
		s := o.f.forward(r.Tokens, o.layer, r.At, delta[r.Edit*fakeWidth:][:fakeWidth])
		g := make([][]float64, len(r.Tokens))
		for t := range g {
			g[t] = make([]float64, fakeWidth)
		}
		nll, kl := 0., 0.
		add := func(t int, gl []float64) {
			for w, v := range gl {
				for c := range g[t] {
					g[t][c] += sharp * v * o.f.head[w][c]
				}
			}
		}
		for _, t := range r.Targets {
			p, logs := softmax(o.f.logits(s.x[t.At]))
			nll -= logs[t.Token] / float64(len(r.Targets))
			p[t.Token]--
			add(t.At, scaled(p, r.NLLWeight/float64(len(r.Targets))))
		}
		if r.KLWeight != 0 {
			p, logs := softmax(o.f.logits(s.x[r.KeepAt]))
			for w := range p {
				kl += p[w] * (logs[w] - o.clean[i][w])
			}
			for w := range p {
				p[w] *= r.KLWeight * (logs[w] - o.clean[i][w] - kl)
			}
			add(r.KeepAt, p)
		}
		loss.NLL, loss.KL = append(loss.NLL, nll), append(loss.KL, kl)
		for c, v := range o.f.backward(s, g, o.layer)[r.At] {
			sum[r.Edit*fakeWidth+c] += v
		}
	}
	copy(grad, narrow(sum, 1))
	return loss, ctx.Err()
}

func (f *fake) Apply(updates []Update) error {
	f.updates = append([]Update(nil), updates...)
	return nil
}

func (f *fake) Close() error {
	f.closed = true
	return nil
}

// writeFake writes the fake's weights W to a file, as type t.
func writeFake(t testing.TB, typ gguf.Type, extra ...gguf.KeyValue) string {
	t.Helper()
	f := newFake()
	b := gguf.NewBuilder()
	b.Set("general.architecture", gguf.ValueOf("fake"))
	b.Set("general.name", gguf.ValueOf("Fake"))
	for _, kv := range extra {
		b.Set(kv.Key, kv.Value)
	}
	b.Add(gguf.Tensor{Name: "other", Type: gguf.F32, Dims: []int64{5}, Data: gguf.Bytes(make([]byte, 20))})
	for l := range fakeLayers {
		row, err := typ.RowBytes(fakeFF)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, row*fakeWidth)
		if err := (fakeQuantizer{}).Quantize(data, typ, narrow(f.out[l], 1), fakeFF, nil); err != nil {
			t.Fatal(err)
		}
		b.Add(gguf.Tensor{Name: tensorName(l), Type: typ, Dims: []int64{fakeFF, fakeWidth}, Data: gguf.Bytes(data)})
	}
	return build(t, b)
}

func build(t testing.TB, b *gguf.Builder) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fake.gguf")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := b.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	return path
}

// floats is a tensor of F32.
func floats(name string, v []float32, dims ...int64) gguf.Tensor {
	data := make([]byte, 4*len(v))
	fakeQuantizer{}.Quantize(data, gguf.F32, v, len(v), nil)
	return gguf.Tensor{Name: name, Type: gguf.F32, Dims: dims, Data: gguf.Bytes(data)}
}

// openFake loads a file that writeFake or Run wrote, and adapters.
func openFake(ctx context.Context, path string, adapters ...string) (Model, error) {
	f := newFake()
	f.info.Path = path
	g, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	for l := range fakeLayers {
		w, err := weightOf(g, fakeQuantizer{}, l, f.info)
		if err != nil {
			return nil, err
		}
		err = w.each(ctx, func(first int, rows []float32) error {
			copy(f.out[l][first*fakeFF:], scaled(widen(rows), float64(w.scale)))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, a := range adapters {
		if err := f.adapter(a); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *fake) adapter(path string) error {
	g, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer g.Close()
	alpha, err := g.Float("adapter.lora.alpha")
	if err != nil {
		return err
	}
	for l := range fakeLayers {
		t, ok := g.Tensor(tensorName(l) + ".lora_a")
		if !ok {
			continue
		}
		rank := t.Dims[1]
		a, err := readF32(g, t.Name, fakeFF*rank)
		if err != nil {
			return err
		}
		b, err := readF32(g, tensorName(l)+".lora_b", fakeWidth*rank)
		if err != nil {
			return err
		}
		for r := range int(rank) {
			u := Update{Layer: l, Left: a[r*fakeFF : (r+1)*fakeFF]}
			for i := range fakeWidth {
				u.Right = append(u.Right, float32(alpha)/float32(rank)*b[i*int(rank)+r])
			}
			f.base = append(f.base, u)
		}
	}
	return nil
}

// fakeQuantizer knows F32, Q8_0 and a coarse Q4_0, with scales as floats cut
// to 16 bits.
type fakeQuantizer struct{}

func (fakeQuantizer) NeedsImportance(t gguf.Type) bool { return false }

func (fakeQuantizer) Dequantize(dst []float32, t gguf.Type, src []byte) error {
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

func (fakeQuantizer) Quantize(dst []byte, t gguf.Type, src []float32, rowLen int, importance []float32) error {
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
