package trace

import (
	"context"
	"fmt"

	"retcon/graph"
	"retcon/internal/logits"
	"retcon/llama"
)

// states are the values of the clean run and of each corrupted run:
// [layer][run][token][width], run 0 being clean.
type states struct {
	width, tokens, runs int
	residual            [][]float32
	ffn, attn           [][]float32
	embedding           []float32
	clean               int32 // the answer
	pClean, pCorrupted  float64
}

// row is the value of a run at a token.
func (s *states) row(values []float32, run, token int) []float32 {
	return values[(run*s.tokens+token)*s.width:][:s.width]
}

// baseline decodes the clean run and the corrupted ones beside each other, with
// hooks that add the noise and read every site.
func baseline(ctx context.Context, c *llama.Context, g *graph.Graph, sites *graph.Sites, p Prompt, noise [][]float32) (*states, error) {
	width := c.Model().Info().Width
	s := &states{width: width, tokens: len(p.Tokens), runs: len(noise) + 1}
	b := wholeRuns(p, s.runs, true)
	all := make([]int32, b.Len())
	for i := range all {
		all[i] = int32(i)
	}
	var hooks []llama.Hook
	capture := func(site graph.ID) ([]float32, error) {
		if site < 0 {
			return nil, fmt.Errorf("%w: a layer has no single residual stream or no attention output", llama.ErrUnsupported)
		}
		place, err := llama.PlaceOf(g, site)
		if err != nil {
			return nil, err
		}
		data := make([]float32, b.Len()*width)
		hooks = append(hooks, llama.Hook{Place: place, Action: llama.Capture, Width: width, Rows: all, Data: data})
		return data, nil
	}
	place, err := llama.PlaceOf(g, sites.Embedding)
	if err != nil {
		return nil, err
	}
	hooks = append(hooks, noiseHook(place, p, noise, width))
	if s.embedding, err = capture(sites.Embedding); err != nil {
		return nil, err
	}
	for _, l := range sites.Layers {
		for _, x := range []struct {
			site graph.ID
			into *[][]float32
		}{{l.Residual, &s.residual}, {l.FFN, &s.ffn}, {l.Attention, &s.attn}} {
			data, err := capture(x.site)
			if err != nil {
				return nil, err
			}
			*x.into = append(*x.into, data)
		}
	}
	if err := c.DecodeHooked(ctx, &b, hooks); err != nil {
		return nil, err
	}
	return s, s.answer(c)
}

// noiseHook adds the noise [sample][subject token x width] to the corrupted
// runs' embeddings.
func noiseHook(place llama.Place, p Prompt, noise [][]float32, width int) llama.Hook {
	h := llama.Hook{Place: place, Action: llama.Add, Width: width}
	for i, n := range noise {
		for t := p.Begin; t < p.End; t++ {
			h.Rows = append(h.Rows, int32((i+1)*len(p.Tokens)+t))
		}
		h.Data = append(h.Data, n...)
	}
	return h
}

// wholeRuns is a batch of runs of the prompt beside each other, with row at
// every token or at the last.
func wholeRuns(p Prompt, runs int, everywhere bool) llama.Batch {
	var b llama.Batch
	for run := range runs {
		for i, t := range p.Tokens {
			b.Add(t, i, run, everywhere || i == len(p.Tokens)-1)
		}
	}
	return b
}

// answer reads the clean run's likeliest token and its probability in each run.
func (s *states) answer(c *llama.Context) error {
	row := make([]float32, c.Model().Info().Vocab)
	for run := range s.runs {
		if err := c.Logits(row, (run+1)*s.tokens-1); err != nil {
			return err
		}
		if run == 0 {
			s.clean = llama.Greedy(row)
			s.pClean = logits.Probability(row, s.clean)
			continue
		}
		s.pCorrupted += logits.Probability(row, s.clean) / float64(s.runs-1)
	}
	return nil
}
