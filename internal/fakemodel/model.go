package fakemodel

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"

	"retcon/edit/corpus"
	"retcon/fact"
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
	Width     = 24
	FF        = 128
	Layers    = 3
	fakeVocab = 1024
	decay     = 0.75
	sharp     = 2.5
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
	f := &Model{About: lm.Info{Arch: "fake", Layers: Layers, Width: Width, Vocab: fakeVocab,
		Context: 600, BOS: -1, Threads: 2}}
	for i := range fakeVocab {
		f.embed = append(f.embed, Normals(uint64(1000+i), Width, 0.5))
		f.head = append(f.head, Normals(uint64(5000+i), Width, 1))
	}
	for l := range uint64(Layers) {
		f.About.FeedForward = append(f.About.FeedForward, FF)
		f.mix = append(f.mix, Normals(10+l, Width*Width, []float64{0.3, 0.3, 1.5}[l]/math.Sqrt(Width)))
		f.in = append(f.in, Normals(20+l, FF*Width, 1/math.Sqrt(Width)))
		f.Out = append(f.Out, Normals(30+l, Width*FF, []float64{0.5, 10, 0.2}[l]/math.Sqrt(FF)))
		centre(f.Out[l], FF)
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
		past := make([]float64, Width)
		for t := range tokens {
			a[t] = append([]float64(nil), s.x[t]...)
			matvec(a[t], f.mix[l], past)
			for i := range past {
				past[i] = decay * (past[i] + s.x[t][i])
			}
		}
		for t := range tokens {
			k := make([]float64, FF)
			matvec(k, f.in[l], a[t])
			for i := range k {
				k[i] = max(0, k[i])
			}
			v := make([]float64, Width)
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
			gk := make([]float64, FF)
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
		future := make([]float64, Width)
		for t := len(g) - 1; t >= 0; t-- {
			g[t] = append([]float64(nil), ga[t]...)
			for i := range g[t] {
				g[t][i] += future[i]
			}
			mixed := make([]float64, Width)
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

func (f *Model) Apply(updates []lm.Update) error {
	f.Updates = append([]lm.Update(nil), updates...)
	return nil
}

func (f *Model) Close() error {
	f.closed = true
	return nil
}

var Eiffel = fact.Request{Prompt: "The {} is in", Subject: "Eiffel Tower", TargetNew: "Rome"}

// Chat writes a conversation in brackets.
func (f *Model) Chat(messages []lm.Message, assistant bool) (lm.Text, error) {
	var text lm.Text
	for _, m := range messages {
		text = append(text, lm.Part{Text: "[" + m.Role + "]", Control: true}, lm.Part{Text: m.Text}, lm.Part{Text: "\n", Control: true})
	}
	if assistant {
		text = append(text, lm.Part{Text: "[assistant]\n", Control: true})
	}
	return text, nil
}
