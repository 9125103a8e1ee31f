package hypothesis

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/graph"
	"retcon/internal/built"
	"retcon/llama"
	"retcon/replay"
	"retcon/trace"
)

// plain computes what the reader should find, from the file's F32 tensors.
type plain struct {
	t *testing.T
	f *gguf.File
}

func newPlain(t *testing.T, m *llama.Model) plain {
	t.Helper()
	f, err := gguf.Open(m.Info().Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return plain{t, f}
}

func (p plain) tensor(name string) []float64 {
	p.t.Helper()
	data, err := p.f.ReadTensor(name, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return float64s(data)
}

func float64s(data []byte) []float64 {
	out := make([]float64, len(data)/4)
	for i := range out {
		out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
	}
	return out
}

// logits is the final norm and the output matrix of llama.
func (p plain) logits(v []float64) []float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	scale := 1 / math.Sqrt(sum/float64(len(v))+1e-5)
	weight, output := p.tensor("output_norm.weight"), p.tensor("output.weight")
	out := make([]float64, len(output)/len(v))
	for i := range out {
		for j, x := range v {
			out[i] += output[i*len(v)+j] * x * scale * weight[j]
		}
	}
	return out
}

func (p plain) promotes(what string, got []Promoted, logits []float64) {
	p.t.Helper()
	if len(got) == 0 {
		p.t.Fatalf("%s: nothing promoted", what)
	}
	for i, g := range got {
		above := 0
		for _, l := range logits {
			if l > logits[g.Token] {
				above++
			}
		}
		if above != i || math.Abs(g.Logit-logits[g.Token]) > 1e-4 {
			p.t.Errorf("%s: token %d, number %d with %g, is number %d with %g", what, g.Token, i, g.Logit, above, logits[g.Token])
		}
	}
}

// Everything that is reported, computed again from a recorded decode and the
// file's tensors in plain arithmetic.
func TestMemoryEqualsArithmetic(t *testing.T) {
	m, prompt := tinyModel(t)
	r, err := Recall(context.Background(), m, prompt, 2, RecallConfig{Top: 4, Neurons: 3})
	if err != nil {
		t.Fatal(err)
	}
	p := newPlain(t, m)
	keys, values := keysAndValues(t, m, prompt)
	for l, layer := range r.Layers {
		v, k := values[l], keys[l]
		logits := p.logits(v)
		p.promotes(fmt.Sprintf("layer %d", l), layer.Promotes, logits)
		if got := layer.AnswerLogit; math.Abs(got-logits[r.AnswerToken]) > 1e-4 {
			t.Errorf("layer %d: the answer has logit %g, not %g", l, got, logits[r.AnswerToken])
		}
		above := 1
		for _, x := range logits {
			if x > logits[r.AnswerToken] {
				above++
			}
		}
		if layer.AnswerRank != above {
			t.Errorf("layer %d: the answer is number %d, not %d", l, layer.AnswerRank, above)
		}
		w := p.tensor(fmt.Sprintf("blk.%d.ffn_down.weight", l))
		size := dot(v, v)
		var contributions []float64
		for i := range k {
			column := column(w, i, len(k))
			contributions = append(contributions, math.Abs(k[i])*math.Sqrt(dot(column, column)))
		}
		for j, n := range layer.Neurons {
			column := column(w, n.Index, len(k))
			larger := 0
			for _, c := range contributions {
				if c > contributions[n.Index] {
					larger++
				}
			}
			share := k[n.Index] * dot(column, v) / size
			if larger != j || math.Abs(n.Contribution-contributions[n.Index]) > 1e-5 || math.Abs(n.Share-share) > 1e-5 || math.Abs(n.Activation-k[n.Index]) > 1e-6 {
				t.Errorf("layer %d, neuron %+v: number %d with %g, share %g", l, n, larger, contributions[n.Index], share)
			}
			for i := range column {
				column[i] *= k[n.Index]
			}
			p.promotes(fmt.Sprintf("layer %d, neuron %d", l, n.Index), n.Promotes, p.logits(column))
		}
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func column(w []float64, i, length int) []float64 {
	var out []float64
	for ; i < len(w); i += length {
		out = append(out, w[i])
	}
	return out
}

// keysAndValues are those of each layer at the subject's last token, kept from
// a recorded decode.
func keysAndValues(t *testing.T, m *llama.Model, p trace.Prompt) (keys, values [][]float64) {
	t.Helper()
	c, err := m.NewContext(llama.ContextParams{Cells: 64, Batch: len(p.Tokens), Sequences: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b llama.Batch
	for i, token := range p.Tokens {
		b.Add(token, i, 0, true)
	}
	d, err := replay.Record(context.Background(), c, b)
	if err != nil {
		t.Fatal(err)
	}
	kept := func(id graph.ID) []float64 {
		s := &graph.Slice{Values: []graph.ID{0}, From: []graph.ID{id}}
		if err := d.Keep(context.Background(), s); err != nil {
			t.Fatal(err)
		}
		width := int(d.Graph.Node(id).Ne[0])
		return float64s(d.Value(id))[(p.End-1)*width:][:width]
	}
	for _, l := range d.Sites.Layers {
		keys, values = append(keys, kept(l.Key)), append(values, kept(l.FFN))
	}
	return keys, values
}

// The shares of all neurons, and of the bias where there is one, are the whole
// output, for every architecture.
func TestMemoryShares(t *testing.T) {
	files, _ := filepath.Glob(built.Tool("archs/*.gguf"))
	if len(files) == 0 {
		t.Skip("no fixtures: run make archs")
	}
	covered, biased := 0, 0
	for _, f := range files {
		m, err := llama.LoadModel(context.Background(), f, llama.ModelParams{CPUOnly: true})
		if err != nil {
			continue
		}
		p := trace.Prompt{Tokens: []int32{3, 9, 41, 7}, Begin: 1, End: 3}
		r, err := Recall(context.Background(), m, p, 2, RecallConfig{Neurons: 1})
		m.Close()
		if errors.Is(err, llama.ErrUnsupported) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
			continue
		}
		covered++
		for _, l := range r.Layers {
			if sum := l.NeuronShare + l.BiasShare; !(math.Abs(sum-1) < 1e-3) {
				t.Errorf("%s, layer %d: shares sum to %g + %g", filepath.Base(f), l.Layer, l.NeuronShare, l.BiasShare)
			}
			if l.BiasShare != 0 {
				biased++
			}
		}
	}
	if len(files) > 100 && (covered < 61 || biased == 0) {
		t.Errorf("%d architectures are covered, %d layers have a bias", covered, biased)
	}
}

func TestRank(t *testing.T) {
	r := &recallReader{cfg: RecallConfig{Top: 2}, model: &llama.Model{}}
	logits := []float32{1, 5, 3, 5, 0}
	if got := r.promoted(logits); len(got) != 2 || got[0].Token != 1 || got[1].Token != 3 {
		t.Errorf("promoted %v", got)
	}
	for token, want := range []int{4, 1, 3, 1, 5} {
		if got := rank(logits, int32(token)); got != want {
			t.Errorf("token %d is number %d, not %d", token, got, want)
		}
	}
}

func TestMemorySentence(t *testing.T) {
	r := &RecallResult{Fact: Fact{Answer: " Paris"}, At: " Tower", Vocab: 49152, Layers: []RecallLayer{{Layer: 0, AnswerRank: 9000}, {Layer: 1, AnswerRank: 812}}}
	for _, want := range []string{`At " Tower"`, `" Paris" most is that of layer 1`, "number 812 of 49152", "near 16384", "in 0 of 2 layers."} {
		if s := r.Sentence(); !strings.Contains(s, want) {
			t.Errorf("%q lacks %q", s, want)
		}
	}
	r.Layers[0].AnswerRank = 3
	r.Layers[0].Neurons = []Neuron{{Index: 17, Share: 0.124, Promotes: []Promoted{{Text: " Paris"}, {Text: " France"}}}}
	for _, want := range []string{"layer 0", "number 3 of", "in 1 of 2 layers", `neuron of layer 0, 17, is 12.4 % of its output and promotes " Paris", " France" by itself`} {
		if s := r.Sentence(); !strings.Contains(s, want) {
			t.Errorf("%q lacks %q", s, want)
		}
	}
}
