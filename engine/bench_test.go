package engine_test

import (
	"context"
	"os"
	"runtime"
	"testing"

	"retcon/edit/rome"
	"retcon/engine"
	"retcon/internal/testfile"
	"retcon/lm"
)

// benchObjective is an objective of the size of a real edit: 21 rows that end
// in a target and one for the KL term, on the demo model.
func benchObjective(b *testing.B, m *engine.Model, stepRows int) lm.Objective {
	b.Helper()
	var rows []lm.ObjectiveRow
	for i := range 22 {
		tokens, err := m.Tokenize("Therefore it is said that in the old days. The Eiffel Tower is located in the city of", false)
		if err != nil {
			b.Fatal(err)
		}
		var ids []int32
		for _, t := range tokens {
			ids = append(ids, t.ID)
		}
		r := lm.ObjectiveRow{Tokens: ids, At: len(ids) - 7, NLLWeight: 1.0 / 21, Targets: []lm.Target{{At: len(ids) - 1, Token: 7006}}}
		if i == 21 {
			r = lm.ObjectiveRow{Tokens: ids[:r.At+1], At: r.At, KeepAt: r.At, KLWeight: 0.0625}
		}
		rows = append(rows, r)
	}
	o, err := m.Objective(context.Background(), 5, rows, rome.Batches(rows, stepRows))
	if err != nil {
		b.Fatal(err)
	}
	return o
}

func benchModel(b *testing.B, opts engine.Options) *engine.Model {
	b.Helper()
	opts.Threads = runtime.NumCPU()
	return open(b, testfile.Demo(b), opts)
}

// BenchmarkStep is one step of the optimisation of a value, forward and
// gradient, over all rows and over a batch of eight. With RETCON_PROFILE=file
// it also writes where the time of the latter goes.
func BenchmarkStep(b *testing.B) {
	m := benchModel(b, engine.Options{})
	for name, rows := range map[string]int{"rows=22": 0, "rows=8": 8} {
		b.Run(name, func(b *testing.B) {
			o := benchObjective(b, m, rows)
			defer o.Close()
			delta, grad := make([]float32, m.Info().Width), make([]float32, m.Info().Width)
			for b.Loop() {
				if _, err := o.Step(context.Background(), 0, delta, grad); err != nil {
					b.Fatal(err)
				}
			}
			if rows > 0 {
				profile(b, m, o)
			}
		})
	}
}

func profile(b *testing.B, m *engine.Model, o lm.Objective) {
	b.Helper()
	out := os.Getenv("RETCON_PROFILE")
	if out == "" {
		return
	}
	f, err := os.Create(out)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := m.WriteProfile(context.Background(), f, o); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkObjective is what precedes the first step: decodes, the cut, the
// gradient's graph, copies of weights.
func BenchmarkObjective(b *testing.B) {
	m := benchModel(b, engine.Options{})
	for b.Loop() {
		benchObjective(b, m, 8).Close()
	}
}

// BenchmarkMoments is the covariance sum of 2,048 tokens in texts of 512.
func BenchmarkMoments(b *testing.B) {
	m := benchModel(b, engine.Options{})
	texts := make([][]int32, 4)
	for i := range texts {
		for j := range 512 {
			texts[i] = append(texts[i], int32((j*131+i*17)%40000+100))
		}
	}
	for b.Loop() {
		s, err := m.Moments(context.Background(), 5, texts, nil)
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
	b.ReportMetric(2048*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}
