package trace

import (
	"context"
	"math"
	"os"
	"slices"
	"testing"

	"retcon/internal/reference"
	"retcon/internal/testfile"
	"retcon/llama"
)

// The original ran in float32 on other kernels; probabilities are read off a
// softmax behind 30 layers of rounding. 2e-4 is ten times what is seen.
const tolerance = 2e-4

func TestReference(t *testing.T) {
	if testing.Short() {
		t.Skip("short: three traces")
	}
	ref, path := readReference(t), testfile.DemoF32(t)
	m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{CPUOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i, rec := range ref.Records {
		t.Run(rec.Subject, func(t *testing.T) {
			if i == 1 && os.Getenv("RETCON_LONG") == "" {
				t.Skip("a minute more: set RETCON_LONG=1")
			}
			p, err := NewPrompt(m, rec.Prompt, rec.Subject)
			if err != nil {
				t.Fatal(err)
			}
			if p.Begin != rec.SubjectRange[0] || p.End != rec.SubjectRange[1] || !slices.Equal(p.Tokens, rec.InputIDs) {
				t.Fatalf("subject [%d,%d) of %v, not %v of %v", p.Begin, p.End, p.Tokens, rec.SubjectRange, rec.InputIDs)
			}
			noise, second := drawTwice(rec.NoiseShape, ref.Level)
			checkNoise(t, noise, rec)
			tr := New(m, Options{})
			defer tr.Close()
			r, err := tr.Run(context.Background(), p, Config{
				Corruption: Corruption{Noise: noise}, Level: ref.Level, Window: ref.Window, Hidden: true, MLP: true, Attn: true, Sever: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Answer != rec.Answer {
				t.Errorf("answer %q, not %q", r.Answer, rec.Answer)
			}
			t.Logf("%.1f s", r.Seconds)
			close(t, "p_clean", []float64{r.PClean}, []float64{rec.High})
			close(t, "p_corrupted", []float64{r.PCorrupted}, []float64{rec.Low})
			for token := range rec.Hidden {
				close(t, "hidden", r.Hidden[token], rec.Hidden[token])
				close(t, "mlp", r.MLP[token], rec.MLP[token])
				close(t, "attn", r.Attn[token], rec.Attn[token])
			}
			close(t, "single", r.Severed.Single, rec.Severed.Single)
			// The original's second pass, in which modules are pinned, goes on
			// drawing from its generator instead of starting anew.
			r, err = tr.Run(context.Background(), p, Config{Corruption: Corruption{Noise: second}, Pin: noise, Window: ref.Window, Sever: true})
			if err != nil {
				t.Fatal(err)
			}
			close(t, "mlp severed", r.Severed.MLPSevered, rec.Severed.MLPSevered)
			close(t, "attn severed", r.Severed.AttnSevered, rec.Severed.AttnSevered)
		})
	}
}

func readReference(t *testing.T) *reference.Traces {
	t.Helper()
	ref, err := reference.LoadTraces()
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// checkNoise holds the ends of the noise drawn to those of the original's.
func checkNoise(t *testing.T, drawn [][]float32, rec reference.Trace) {
	t.Helper()
	all := slices.Concat(drawn...)
	n := len(rec.NoiseFirst)
	if len(all) != rec.NoiseShape[0]*rec.NoiseShape[1]*rec.NoiseShape[2] {
		t.Fatalf("%d values of noise, not %v", len(all), rec.NoiseShape)
	}
	for i := range n {
		if first, last := float64(all[i]), float64(all[len(all)-n+i]); math.Abs(first-rec.NoiseFirst[i]) > 1e-6 || math.Abs(last-rec.NoiseLast[i]) > 1e-6 {
			t.Fatalf("the noise drawn differs from the original's: %g, %g, not %g, %g", first, last, rec.NoiseFirst[i], rec.NoiseLast[i])
		}
	}
}

func close(t *testing.T, what string, got, want []float64) {
	t.Helper()
	worst, at := 0.0, 0
	for i := range want {
		if d := math.Abs(got[i] - want[i]); d > worst {
			worst, at = d, i
		}
	}
	if worst > tolerance {
		t.Errorf("%s: %g, not %g, at %d", what, got[at], want[at], at)
	} else {
		t.Logf("%s: within %.1e", what, worst)
	}
}
