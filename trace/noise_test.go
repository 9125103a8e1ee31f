package trace

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"retcon/gguf"
	"retcon/internal/testfile"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// The deviation over some tokens is that of their rows, as often as they are
// there; over all tokens once it is the table's.
func TestSubjectDeviation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := testmodel.Small(gguf.F32).Write(path); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Tensor("token_embd.weight")
	data, err := f.ReadTensor("token_embd.weight", nil)
	if err != nil {
		t.Fatal(err)
	}
	table := make([]float32, info.Elements())
	if err := llama.Dequantize(table, int(info.Type), data); err != nil {
		t.Fatal(err)
	}
	width := int(info.RowLength())
	direct := func(tokens []int32) float64 {
		var values []float64
		mean := 0.0
		for _, token := range tokens {
			for _, v := range table[int(token)*width:][:width] {
				values = append(values, float64(v))
				mean += float64(v)
			}
		}
		mean /= float64(len(values))
		sum := 0.0
		for _, v := range values {
			sum += (v - mean) * (v - mean)
		}
		return math.Sqrt(sum / float64(len(values)))
	}
	var all []int32
	for i := range info.Rows() {
		all = append(all, int32(i))
	}
	for _, tokens := range [][]int32{{5}, {7, 3, 7, 7, 20}, all} {
		got, err := SubjectDeviation(context.Background(), path, tokens)
		if want := direct(tokens); err != nil || math.Abs(got-want) > 1e-9*want {
			t.Errorf("%d tokens: %g, not %g; %v", len(tokens), got, want, err)
		}
	}
	if got, err := EmbeddingDeviation(context.Background(), path); err != nil || math.Abs(got-direct(all)) > 1e-9*got {
		t.Errorf("the table: %g, not %g; %v", got, direct(all), err)
	}
	if _, err := SubjectDeviation(context.Background(), path, nil); !errors.Is(err, ErrPrompt) {
		t.Errorf("no tokens: %v", err)
	}
	for _, token := range []int32{-1, int32(info.Rows())} {
		if _, err := SubjectDeviation(context.Background(), path, []int32{token}); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("token %d: %v", token, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := SubjectDeviation(ctx, path, all); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
}

// Both kinds of noise have the moments of their distribution, scale with the
// level, and are the same for the same seed only.
func TestDraw(t *testing.T) {
	const samples, tokens, width = 3, 4, 5000
	for _, c := range []struct {
		level     Level
		deviation float64
		most      float64
	}{{Level{}, 0.5, math.Inf(1)}, {Level{Uniform: true}, 0.5 / math.Sqrt(3), 0.5}} {
		v := c.level.Draw(7, samples, tokens, width, 0.5)
		var m moments
		for _, sample := range v {
			if len(sample) != tokens*width {
				t.Fatalf("%+v: %d values", c.level, len(sample))
			}
			for _, x := range sample {
				m.add(moments{1, float64(x), float64(x) * float64(x)}, 1)
				if math.Abs(float64(x)) > c.most {
					t.Fatalf("%+v: %g", c.level, x)
				}
			}
		}
		if mean := m.sum / m.count; math.Abs(mean) > 0.01 || math.Abs(m.deviation()-c.deviation) > 0.01 {
			t.Errorf("%+v: mean %g, deviation %g", c.level, mean, m.deviation())
		}
		if again := c.level.Draw(7, samples, tokens, width, 1); again[2][9] != 2*v[2][9] {
			t.Errorf("%+v: %g at twice the level of %g", c.level, again[2][9], v[2][9])
		}
		if other := c.level.Draw(8, 1, 1, 1, 0.5); other[0][0] == v[0][0] {
			t.Errorf("%+v: seeds 7 and 8 draw the same", c.level)
		}
	}
}

// ROME's figure, over the subjects of the first 200 known facts.
func TestReferenceDeviation(t *testing.T) {
	path, ref := testfile.Demo(t), readReference(t)
	d, err := SubjectDeviation(context.Background(), path, ref.Subjects)
	if err != nil {
		t.Fatal(err)
	}
	// The original's figure is in float32.
	if math.Abs(d-ref.Deviation) > 1e-5*d || math.Abs(3*d-ref.Level) > 1e-5*ref.Level {
		t.Errorf("%g, not %g", d, ref.Deviation)
	}
	t.Run("tokens", func(t *testing.T) {
		var facts []struct{ Subject string }
		data, err := os.ReadFile(testfile.DataSet(t, "known-1000.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &facts); err != nil {
			t.Fatal(err)
		}
		var subjects []string
		for _, f := range facts[:200] {
			subjects = append(subjects, f.Subject)
		}
		got, err := SubjectTokens(demo(t), subjects)
		if err != nil || !slices.Equal(got, ref.Subjects) {
			t.Errorf("tokens %v, not %v; %v", got, ref.Subjects, err)
		}
	})
}

// Subjects are tokenised with no space in front: of the facts that the original
// traced each opens its prompt, or not.
func TestSubjectTokens(t *testing.T) {
	m := demo(t)
	for _, r := range readReference(t).Records {
		got, err := SubjectTokens(m, []string{r.Subject})
		if err != nil {
			t.Fatal(err)
		}
		own := r.InputIDs[r.SubjectRange[0]:r.SubjectRange[1]]
		if opens := r.SubjectRange[0] == 0; slices.Equal(got, own) != opens {
			t.Errorf("%q: tokens %v alone, %v in the prompt", r.Subject, got, own)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for s, want := range map[string]Level{
		"3s": {3, true, false}, "0.1": {0.1, false, false}, "u3s": {3, true, true}, "u0.1": {0.1, false, true}, "1e-2": {0.01, false, false},
	} {
		if l, err := ParseLevel(s); err != nil || l != want {
			t.Errorf("%s: %v, %v", s, l, err)
		}
	}
	for _, s := range []string{"", "s", "u", "us", "-1", "u-1s", "0", "nan", "inf", "3x", "uu3"} {
		if _, err := ParseLevel(s); !errors.Is(err, ErrPrompt) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
