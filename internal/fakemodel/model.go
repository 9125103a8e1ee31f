package fakemodel

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

	"retcon/edit/corpus"
	"retcon/edit/weight"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/neutral"
	"retcon/internal/vec"
	"retcon/lm"
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
	FakeWidth  = 24
	FakeFF     = 128
	FakeLayers = 3
	fakeVocab  = 1024
	decay      = 0.75
	sharp      = 2.5
)

var errClosed = errors.New("model is closed")

type Model struct {
	About   lm.Info
	embed   [][]float64 // [vocab][width]
	head    [][]float64 // [vocab][width]
	mix     [][]float64 // [layer][width*width]
	in      [][]float64 // [layer][ff*width]
	Out     [][]float64 // [layer][width*ff]
	Updates []lm.Update
	base    []lm.Update // adapters
	Bos     bool
	closed  bool
}

func Normals(seed uint64, n int, scale float64) []float64 {
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
		mean := vec.Sum(m[:n]) / float64(n)
		for i := range n {
			m[i] -= mean
		}
		m = m[n:]
	}
}

func New() *Model {
	f := &Model{About: lm.Info{Arch: "fake", Layers: FakeLayers, Width: FakeWidth, Vocab: fakeVocab,
		Context: 600, BOS: -1, Threads: 2}}
	for i := range fakeVocab {
		f.embed = append(f.embed, Normals(uint64(1000+i), FakeWidth, 0.5))
		f.head = append(f.head, Normals(uint64(5000+i), FakeWidth, 1))
	}
	for l := range uint64(FakeLayers) {
		f.About.FeedForward = append(f.About.FeedForward, FakeFF)
		f.mix = append(f.mix, Normals(10+l, FakeWidth*FakeWidth, []float64{0.3, 0.3, 1.5}[l]/math.Sqrt(FakeWidth)))
		f.in = append(f.in, Normals(20+l, FakeFF*FakeWidth, 1/math.Sqrt(FakeWidth)))
		f.Out = append(f.Out, Normals(30+l, FakeWidth*FakeFF, []float64{0.5, 10, 0.2}[l]/math.Sqrt(FakeFF)))
		centre(f.Out[l], FakeFF)
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
	text := Eiffel.Prompt + " Eiffel Tower Rome Paris is a. " + strings.Join(corpus.Openers, " ") + "Therefore Because" + neutral.Text()
	for _, w := range corpus.Openers {
		text += "." + w
	}
	new(Model).Tokenize(text, false)
	sayable = len(words.text)
}

// sayable is how many words the fake may say.
var sayable int

func (f *Model) Info() lm.Info { return f.About }

func (f *Model) Tokenize(text string, special bool) ([]lm.Token, error) {
	words.Lock()
	defer words.Unlock()
	if words.id == nil {
		words.id = map[string]int32{}
		words.text = []string{"", ""} // BOS, end
	}
	var out []lm.Token
	if f.Bos {
		out = append(out, lm.Token{})
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
		out = append(out, lm.Token{ID: id, Begin: at[0], End: at[1]})
	}
	return out, nil
}

func (f *Model) Text(tokens []int32) string {
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

func (f *Model) EndsText(token int32) bool { return token == 1 }

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

func (f *Model) all() []lm.Update { return append(append([]lm.Update(nil), f.base...), f.Updates...) }

// forward runs tokens, adding delta to the output of layer at position at.
func (f *Model) forward(tokens []int32, layer, at int, delta []float32) *state {
	s := &state{tokens: tokens, x: make([][]float64, len(tokens)), v: make([][]float64, len(tokens))}
	for t, id := range tokens {
		s.x[t] = append([]float64(nil), f.embed[id]...)
	}
	for l := range f.About.Layers {
		a, ks := make([][]float64, len(tokens)), make([][]float64, len(tokens))
		past := make([]float64, FakeWidth)
		for t := range tokens {
			a[t] = append([]float64(nil), s.x[t]...)
			matvec(a[t], f.mix[l], past)
			for i := range past {
				past[i] = decay * (past[i] + s.x[t][i])
			}
		}
		for t := range tokens {
			k := make([]float64, FakeFF)
			matvec(k, f.in[l], a[t])
			for i := range k {
				k[i] = max(0, k[i])
			}
			v := make([]float64, FakeWidth)
			matvec(v, f.Out[l], k)
			for _, u := range f.all() {
				if u.Layer == l {
					w := vec.Dot(u.Left, k)
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
func (f *Model) backward(s *state, g [][]float64, layer int) [][]float64 {
	for t, x := range s.x {
		unit := vec.Scaled(x, 1/vec.Norm(x))
		w := vec.Dot(unit, g[t])
		for i := range g[t] {
			g[t][i] = (g[t][i] - w*unit[i]) / vec.Norm(x)
		}
	}
	for l := f.About.Layers - 1; l > layer; l-- {
		ga := make([][]float64, len(g))
		for t := range g {
			gk := make([]float64, FakeFF)
			matTvec(gk, f.Out[l], g[t])
			for _, u := range f.all() {
				if u.Layer == l {
					w := vec.Dot(u.Right, g[t])
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
		future := make([]float64, FakeWidth)
		for t := len(g) - 1; t >= 0; t-- {
			g[t] = append([]float64(nil), ga[t]...)
			for i := range g[t] {
				g[t][i] += future[i]
			}
			mixed := make([]float64, FakeWidth)
			matTvec(mixed, f.mix[l], ga[t])
			for i := range future {
				future[i] = decay * (future[i] + mixed[i])
			}
		}
	}
	return g
}

func (f *Model) logits(x []float64) []float64 {
	out := make([]float64, fakeVocab)
	x = vec.Scaled(x, 1/vec.Norm(x))
	for i, e := range f.head {
		out[i] = sharp * vec.Dot(e, x)
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

func (f *Model) Generate(ctx context.Context, prompts [][]int32, n, topK int, seed uint64, stop bool) ([][]int32, error) {
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

func (f *Model) LogProbs(ctx context.Context, rows []lm.Scored) ([][]float64, error) {
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

func (f *Model) Logits(ctx context.Context, tokens []int32, fn func(int, []float32) error) error {
	s := f.forward(tokens, -1, -1, nil)
	for t := range tokens {
		if err := fn(t, vec.Narrow(f.logits(s.x[t]), 1)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *Model) Keys(ctx context.Context, layer int, rows []lm.Row) (keys, values [][]float32, err error) {
	for _, r := range rows {
		s := f.forward(r.Tokens, layer, -1, nil)
		keys = append(keys, vec.Narrow(s.k[layer][r.At], 1))
		values = append(values, vec.Narrow(s.v[r.At], 1))
	}
	return keys, values, ctx.Err()
}

type fakeMoments struct {
	sum   []float64
	count int64
}

func (m *fakeMoments) Count() int64 { return m.count }
func (m *fakeMoments) Dim() int     { return FakeFF }
func (m *fakeMoments) Close() error { return nil }
func (m *fakeMoments) Block(dst []float32, r0, r1, c0, c1 int) error {
	for r := r0; r < r1; r++ {
		for c := c0; c < c1; c++ {
			dst[(r-r0)*(c1-c0)+c-c0] = float32(m.sum[r*FakeFF+c])
		}
	}
	return nil
}

func (f *Model) Moments(ctx context.Context, layer int, texts [][]int32, progress func(int64)) (lm.Moments, error) {
	m := &fakeMoments{sum: make([]float64, FakeFF*FakeFF)}
	for _, t := range texts {
		for _, k := range f.forward(t, -1, -1, nil).k[layer] {
			for i, x := range k {
				for j, y := range k {
					m.sum[i*FakeFF+j] += x * y
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
	f       *Model
	layer   int
	rows    []lm.ObjectiveRow
	batches []lm.Batch
	clean   [][]float64 // log-probabilities to keep
}

func (f *Model) Objective(ctx context.Context, layer int, rows []lm.ObjectiveRow, batches []lm.Batch) (lm.Objective, error) {
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

func (o *fakeObjective) Step(ctx context.Context, batch int, delta, grad []float32) (lm.Loss, error) {
	var loss lm.Loss
	sum := make([]float64, len(delta))
	for j, i := range o.batches[batch].Rows {
		r := o.rows[i]
		r.NLLWeight *= o.batches[batch].Scale[j]
		r.KLWeight *= o.batches[batch].Scale[j]
		s := o.f.forward(r.Tokens, o.layer, r.At, delta[r.Edit*FakeWidth:][:FakeWidth])
		g := make([][]float64, len(r.Tokens))
		for t := range g {
			g[t] = make([]float64, FakeWidth)
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
			add(t.At, vec.Scaled(p, r.NLLWeight/float64(len(r.Targets))))
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
			sum[r.Edit*FakeWidth+c] += v
		}
	}
	copy(grad, vec.Narrow(sum, 1))
	return loss, ctx.Err()
}

func (f *Model) Apply(updates []lm.Update) error {
	f.Updates = append([]lm.Update(nil), updates...)
	return nil
}

func (f *Model) Close() error {
	f.closed = true
	return nil
}

// Write writes the fake's weights W to a file, as type t.
func Write(t testing.TB, typ gguf.Type, extra ...gguf.KeyValue) string {
	t.Helper()
	f := New()
	b := gguf.NewBuilder()
	b.Set("general.architecture", gguf.ValueOf("fake"))
	b.Set("general.name", gguf.ValueOf("Fake"))
	for _, kv := range extra {
		b.Set(kv.Key, kv.Value)
	}
	b.Add(gguf.Tensor{Name: "other", Type: gguf.F32, Dims: []int64{5}, Data: gguf.Bytes(make([]byte, 20))})
	for l := range FakeLayers {
		row, err := typ.RowBytes(FakeFF)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, row*FakeWidth)
		if err := (Quantizer{}).Quantize(data, typ, vec.Narrow(f.Out[l], 1), FakeFF, nil); err != nil {
			t.Fatal(err)
		}
		b.Add(gguf.Tensor{Name: weight.Name(l), Type: typ, Dims: []int64{FakeFF, FakeWidth}, Data: gguf.Bytes(data)})
	}
	return Build(t, b)
}

func Build(t testing.TB, b *gguf.Builder) string {
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

// Floats is a tensor of F32.
func Floats(name string, v []float32, dims ...int64) gguf.Tensor {
	data := make([]byte, 4*len(v))
	Quantizer{}.Quantize(data, gguf.F32, v, len(v), nil)
	return gguf.Tensor{Name: name, Type: gguf.F32, Dims: dims, Data: gguf.Bytes(data)}
}

// Open loads a file that writeFake or Run wrote, and adapters.
func Open(ctx context.Context, path string, adapters ...string) (lm.Model, error) {
	f := New()
	f.About.Path = path
	g, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	for l := range FakeLayers {
		w, err := weight.Of(g, Quantizer{}, l, f.About)
		if err != nil {
			return nil, err
		}
		err = w.Each(ctx, func(first int, rows []float32) error {
			copy(f.Out[l][first*FakeFF:], vec.Scaled(vec.Widen(rows), float64(w.Scale)))
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

func (f *Model) adapter(path string) error {
	g, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer g.Close()
	alpha, err := g.Float("adapter.lora.alpha")
	if err != nil {
		return err
	}
	for l := range FakeLayers {
		t, ok := g.Tensor(weight.Name(l) + ".lora_a")
		if !ok {
			continue
		}
		rank := t.Dims[1]
		a, err := weight.ReadF32(g, t.Name, FakeFF*rank)
		if err != nil {
			return err
		}
		b, err := weight.ReadF32(g, weight.Name(l)+".lora_b", FakeWidth*rank)
		if err != nil {
			return err
		}
		for r := range int(rank) {
			u := lm.Update{Layer: l, Left: a[r*FakeFF : (r+1)*FakeFF]}
			for i := range FakeWidth {
				u.Right = append(u.Right, float32(alpha)/float32(rank)*b[i*int(rank)+r])
			}
			f.base = append(f.base, u)
		}
	}
	return nil
}

// Quantizer knows F32, Q8_0 and a coarse Q4_0, with scales as floats cut
// to 16 bits.
type Quantizer struct{}

func (Quantizer) NeedsImportance(t gguf.Type) bool { return false }

func (Quantizer) Dequantize(dst []float32, t gguf.Type, src []byte) error {
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

func (Quantizer) Quantize(dst []byte, t gguf.Type, src []float32, rowLen int, importance []float32) error {
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

var Eiffel = fact.Request{Prompt: "The {} is in", Subject: "Eiffel Tower", TargetNew: "Rome"}

// Chat writes a conversation in brackets.
func (f *Model) Chat(messages []lm.Message, assistant bool) (string, error) {
	text := ""
	for _, m := range messages {
		text += "[" + m.Role + "]" + m.Text + "\n"
	}
	if assistant {
		text += "[assistant]\n"
	}
	return text, nil
}
