package hypothesis

import (
	"context"
	"fmt"
	"time"

	"retcon/internal/logits"
	"retcon/llama"
	"retcon/replay"
	"retcon/trace"
	"retcon/trace/result"
)

// KnockoutConfig says how attention is cut.
type KnockoutConfig struct {
	Window   int                   // layers of a window; 0: 9, as in arXiv 2304.14767
	Progress func(done, total int) // runs; may be nil
}

// KnockoutResult is the answer's probability with edges of attention to the
// last token cut, by the layer that the window lies around: [l-w/2, l+w-w/2)
// clipped to the model.
type KnockoutResult struct {
	Fact
	Window     int       `json:"window"`
	SubjectCut []float64 `json:"subject_cut"`          // the last token does not see the subject's tokens
	OthersCut  []float64 `json:"others_cut,omitempty"` // nor the other tokens before it; absent where there are none
	SelfCut    []float64 `json:"self_cut"`             // nor itself
	Seconds    float64   `json:"seconds"`
}

// mostRows bounds the rows of a batch: every row's scores against all of them
// are in memory.
const mostRows = 256

// Knockout cuts what the last token sees of the subject's tokens, of all other
// earlier tokens and of itself, each in a window of layers around every layer
// (attention knock-out, Geva et al. 2023, section 5). The prompt must go on
// after its subject, or the error wraps [trace.ErrPrompt]; attention that is
// not of the known form is refused with [llama.ErrUnsupported].
func Knockout(ctx context.Context, m *llama.Model, p trace.Prompt, threads int, cfg KnockoutConfig) (*KnockoutResult, error) {
	start := time.Now()
	if cfg.Window == 0 {
		cfg.Window = 9
	}
	if err := p.Check(m.Info().ContextTrain); err != nil {
		return nil, err
	}
	switch {
	case cfg.Window < 0:
		return nil, fmt.Errorf("%w: a window of %d layers", llama.ErrInvalid, cfg.Window)
	case p.End == len(p.Tokens):
		return nil, fmt.Errorf("%w: the prompt ends with its subject: attention has nowhere to move it", trace.ErrPrompt)
	}
	k := &knockout{model: m, prompt: p, cfg: cfg, layers: m.Info().Layers, total: 3 * m.Info().Layers}
	defer k.close()
	r := &KnockoutResult{Window: cfg.Window}
	err := k.record(ctx, threads, &r.Fact)
	if err != nil {
		return nil, err
	}
	if r.SubjectCut, err = k.series(ctx, r.AnswerToken, k.columns(true)); err != nil {
		return nil, err
	}
	if others := k.columns(false); len(others) > 0 {
		if r.OthersCut, err = k.series(ctx, r.AnswerToken, others); err != nil {
			return nil, err
		}
	}
	if r.SelfCut, err = k.series(ctx, r.AnswerToken, []int{len(p.Tokens) - 1}); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// knockout is one prompt's program: runs of the prompt beside each other, each
// cut around a layer of its own.
type knockout struct {
	model       *llama.Model
	prompt      trace.Prompt
	cfg         KnockoutConfig
	layers      int
	runs        int
	context     *llama.Context
	program     *replay.Masked
	done, total int
}

func (k *knockout) close() { k.context.Close() }

// record decodes the runs and reads the answer.
func (k *knockout) record(ctx context.Context, threads int, f *Fact) error {
	n := len(k.prompt.Tokens)
	k.runs = max(1, min(k.layers, mostRows/n, llama.MaxSequences))
	var err error
	k.context, err = k.model.NewContext(llama.ContextParams{Cells: cellsFor(k.runs * n), Batch: k.runs * n, Outputs: k.runs, Sequences: k.runs, Threads: threads})
	if err != nil {
		return err
	}
	var b llama.Batch
	for run := range k.runs {
		for i, t := range k.prompt.Tokens {
			b.Add(t, i, run, i == n-1)
		}
	}
	d, err := replay.Record(ctx, k.context, b)
	if err != nil {
		return err
	}
	if k.program, err = replay.NewMasked(ctx, d); err != nil {
		return err
	}
	last := make([]float32, k.model.Info().Vocab)
	if err := k.context.Logits(last, n-1); err != nil {
		return err
	}
	*f = newFact(k.model, k.prompt, last)
	if len(k.columns(false)) == 0 {
		k.total -= k.layers
	}
	return nil
}

// columns lists the subject's tokens, or the others in front of the last.
func (k *knockout) columns(subject bool) []int {
	var out []int
	for i := range len(k.prompt.Tokens) - 1 {
		if (i >= k.prompt.Begin && i < k.prompt.End) == subject {
			out = append(out, i)
		}
	}
	return out
}

// series gives the answer's probability with what the last token sees of some
// tokens cut around each layer.
func (k *knockout) series(ctx context.Context, answer int32, tokens []int) ([]float64, error) {
	vocab := k.model.Info().Vocab
	rows := make([]float32, k.runs*vocab)
	var out []float64
	for first := 0; first < k.layers; first += k.runs {
		centres := min(k.runs, k.layers-first)
		for l := range k.layers {
			if err := k.program.Cut(l, k.edges(l, first, centres, tokens)); err != nil {
				return nil, err
			}
		}
		if err := k.program.Run(ctx, rows); err != nil {
			return nil, err
		}
		for run := range centres {
			out = append(out, logits.Probability(rows[run*vocab:][:vocab], answer))
		}
		k.done += centres
		if k.cfg.Progress != nil {
			k.cfg.Progress(k.done, k.total)
		}
	}
	return out, nil
}

// edges lists what is cut in a layer, run i being cut around layer first+i.
func (k *knockout) edges(layer, first, centres int, tokens []int) []replay.Edge {
	var out []replay.Edge
	n := len(k.prompt.Tokens)
	for run := range centres {
		if begin, end := result.Window(first+run, k.cfg.Window, k.layers); layer < begin || layer >= end {
			continue
		}
		for _, token := range tokens {
			out = append(out, replay.Edge{From: run*n + token, To: run*n + n - 1})
		}
	}
	return out
}
