package trace

import (
	"context"
	"testing"

	"retcon/internal/testfile"
	"retcon/llama"
)

// benchmarkTrace traces a prompt of nine tokens on the demo model, all three
// kinds, ten samples.
func benchmarkTrace(b *testing.B, approx *Approx) {
	m, err := llama.LoadModel(context.Background(), testfile.Demo(b), llama.ModelParams{CPUOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	p, err := NewPrompt(m, "The Space Needle is in the city of", "Space Needle")
	if err != nil {
		b.Fatal(err)
	}
	cfg := Config{
		Corruption: Corruption{Noise: GaussianNoise(1, 10, p.End-p.Begin, m.Info().Width, 0.35)},
		Window:     10, Hidden: true, MLP: true, Attn: true, Approx: approx,
	}
	tr := New(m, Options{})
	defer tr.Close()
	first := 0.0
	for i := 0; b.Loop(); i++ {
		r, err := tr.Run(context.Background(), p, cfg)
		if err != nil {
			b.Fatal(err)
		}
		if i == 0 {
			first = r.Seconds // copies of the weights are made in it
		}
	}
	b.ReportMetric(first, "s/first")
}

func BenchmarkExact(b *testing.B)    { benchmarkTrace(b, nil) }
func BenchmarkEstimate(b *testing.B) { benchmarkTrace(b, &Approx{Steps: 1}) }
func BenchmarkRefine(b *testing.B)   { benchmarkTrace(b, &Approx{Steps: 1, Refine: 24}) }
