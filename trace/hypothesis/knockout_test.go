package hypothesis

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/internal/logits"
	"retcon/internal/testmodel"
	"retcon/llama"
	"retcon/trace"
)

// tinyModel is a model of four layers, its file, and a prompt for it.
func tinyModel(t *testing.T) (*llama.Model, trace.Prompt) {
	t.Helper()
	m := testmodel.Small(gguf.F32)
	m.Layers = 4
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := m.Write(path); err != nil {
		t.Fatal(err)
	}
	return load(t, path), trace.Prompt{Tokens: []int32{3, 99, 41, 7, 150, 12}, Begin: 1, End: 3}
}

func load(t *testing.T, path string) *llama.Model {
	t.Helper()
	m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{CPUOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// after is the row after tokens at positions from first on, in a real
// decode of nothing else.
func after(t *testing.T, m *llama.Model, tokens []int32, first int) []float32 {
	t.Helper()
	c, err := m.NewContext(llama.ContextParams{Cells: 64, Batch: len(tokens), Sequences: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b llama.Batch
	for i, token := range tokens {
		b.Add(token, first+i, 0, i == len(tokens)-1)
	}
	if err := c.Decode(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	row := make([]float32, m.Info().Vocab)
	if err := c.Logits(row, len(tokens)-1); err != nil {
		t.Fatal(err)
	}
	return row
}

// Where a window holds every layer, the last token has never seen what was cut:
// where that is all before it, it might as well stand alone, which a real
// decode can do.
func TestKnockoutEqualsAbsence(t *testing.T) {
	m, p := tinyModel(t)
	layers := m.Info().Layers
	for name, subject := range map[string][2]int{"all is the subject": {0, 5}, "all but the last": {0, 4}} {
		t.Run(name, func(t *testing.T) {
			p.Begin, p.End = subject[0], subject[1]
			r, err := Knockout(context.Background(), m, p, 2, KnockoutConfig{Window: 2 * layers})
			if err != nil {
				t.Fatal(err)
			}
			if want := logits.Probability(after(t, m, p.Tokens, 0), r.AnswerToken); math.Abs(r.PClean-want) > 1e-7 {
				t.Errorf("the answer has %g in a plain run, not %g", r.PClean, want)
			}
			if p.End == 4 {
				for l := range layers {
					if r.OthersCut[l] == r.PClean || r.SubjectCut[l] == r.PClean || r.SelfCut[l] == r.PClean {
						t.Errorf("a cut around layer %d changes nothing", l)
					}
				}
				return
			}
			want := logits.Probability(after(t, m, p.Tokens[5:], 5), r.AnswerToken)
			for l, got := range r.SubjectCut {
				if math.Abs(got-want) > 1e-7 {
					t.Errorf("around layer %d: %g, not %g as alone", l, got, want)
				}
			}
			if r.OthersCut != nil {
				t.Errorf("no token is neither the subject nor the last, but %v", r.OthersCut)
			}
		})
	}
}

// The runs beside each other do not mix: one prompt of many runs and one of a
// single run at a time give the same.
func TestKnockoutRuns(t *testing.T) {
	m, p := tinyModel(t)
	cfg := KnockoutConfig{Window: 2}
	want, err := Knockout(context.Background(), m, p, 2, cfg)
	if err != nil {
		t.Fatal(err)
	}
	answer := want.AnswerToken
	k := &knockout{model: m, prompt: p, cfg: cfg, layers: m.Info().Layers}
	defer k.close()
	var f Fact
	if err := k.record(context.Background(), 2, &f); err != nil {
		t.Fatal(err)
	}
	if k.runs != k.layers {
		t.Fatalf("%d runs of %d", k.runs, k.layers)
	}
	k.runs = 1
	vocab := m.Info().Vocab
	row := make([]float32, k.layers*vocab)
	for centre := range k.layers {
		for l := range k.layers {
			if err := k.program.Cut(l, k.edges(l, centre, 1, []int{1, 2})); err != nil {
				t.Fatal(err)
			}
		}
		if err := k.program.Run(context.Background(), row); err != nil {
			t.Fatal(err)
		}
		if got := logits.Probability(row[:vocab], answer); math.Abs(got-want.SubjectCut[centre]) > 1e-7 {
			t.Errorf("around layer %d: %g alone, %g beside others", centre, got, want.SubjectCut[centre])
		}
	}
}

func TestKnockoutRefuses(t *testing.T) {
	m, p := tinyModel(t)
	p.End = len(p.Tokens)
	if _, err := Knockout(context.Background(), m, p, 2, KnockoutConfig{}); !errors.Is(err, trace.ErrPrompt) {
		t.Errorf("a prompt that ends with its subject: %v", err)
	}
	p.End = p.Begin
	if _, err := Knockout(context.Background(), m, p, 2, KnockoutConfig{}); !errors.Is(err, trace.ErrPrompt) {
		t.Errorf("no subject: %v", err)
	}
}

// The sentence follows the numbers, whatever they say.
func TestKnockoutSentence(t *testing.T) {
	r := &KnockoutResult{Fact: Fact{Answer: " Seattle", PClean: 0.42}, Window: 2,
		SubjectCut: []float64{0.4, 0.03, 0.2, 0.41}, OthersCut: []float64{0.1, 0.38, 0.4, 0.42}, SelfCut: []float64{0.42, 0.41, 0.4, 0.39}}
	for _, want := range []string{`" Seattle"`, "from 42 % to 3.0 % in layers 0-1", "38 % there and 10 %", "41 % there and 39 % at the lowest, in layers 2-3"} {
		if s := r.Sentence(); !strings.Contains(s, want) {
			t.Errorf("%q lacks %q", s, want)
		}
	}
	r.SubjectCut, r.OthersCut = []float64{0.5, 0.45, 0.44, 0.6}, nil
	for _, want := range []string{"lowers", "in no window", "to 44 % at the lowest, in layers 1-2", "its view of itself leaves 40 %"} {
		if s := r.Sentence(); !strings.Contains(s, want) {
			t.Errorf("%q lacks %q", s, want)
		}
	}
}
