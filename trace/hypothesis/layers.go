package hypothesis

import (
	"context"
	"math"
	"time"

	"retcon/internal/logits"
	"retcon/llama"
	"retcon/lm"
	"retcon/replay"
	"retcon/trace"
)

// LayersConfig says what to measure.
type LayersConfig struct {
	// Text is the tokens of the text that perplexity is measured on; nil means a
	// text on everyday matters. The first 512 are read, or as many as the model's
	// context holds.
	Text []int32
	// NoText leaves perplexity out: on the same text it is the same for every
	// prompt.
	NoText   bool
	Progress func(done, total int) // changed models; may be nil
}

// LayersResult is what the model does with two neighbouring layers exchanged,
// or with one left out.
type LayersResult struct {
	Fact
	TextTokens int           `json:"text_tokens"` // predicted ones; 0 without a text
	Perplexity float64       `json:"perplexity,omitempty"`
	Exchanged  []LayerChange `json:"exchanged"` // layers i and i+1
	Dropped    []LayerChange `json:"dropped"`   // layer i
	Seconds    float64       `json:"seconds"`
}

// LayerChange is what the changed model does.
type LayerChange struct {
	Layer      int     `json:"layer"`
	P          float64 `json:"p"`    // probability of the unchanged model's answer
	Kept       bool    `json:"kept"` // it is still the answer
	Answer     string  `json:"answer"`
	Perplexity float64 `json:"perplexity,omitempty"`
	Bytes      []byte  `json:"answer_bytes,omitempty"` // of an answer that is a part of a character
}

// headRows is how many rows are turned into logits at a time.
const headRows = 64

// Layers exchanges each pair of neighbouring layers, and leaves out each layer,
// without writing a model: the layers of one recorded decode of the prompt and
// a text run in another order. Each layer brings its own mask, window and
// positions along.
//
// The prompt may end with its subject. [llama.ErrUnsupported] names a layer
// that cannot stand alone.
func Layers(ctx context.Context, m *llama.Model, p trace.Prompt, threads int, cfg LayersConfig) (*LayersResult, error) {
	start := time.Now()
	if err := p.Check(m.Info().ContextTrain); err != nil {
		return nil, err
	}
	s := &swapper{model: m, prompt: p, cfg: cfg, layers: m.Info().Layers, width: m.Info().Width}
	var err error
	switch {
	case cfg.NoText:
	case cfg.Text != nil:
		s.text = cfg.Text
	default:
		if s.text, err = TextTokens(m, ""); err != nil {
			return nil, err
		}
	}
	s.text = s.text[:min(len(s.text), mostText, m.Info().ContextTrain)]
	defer s.close()
	r := &LayersResult{TextTokens: max(0, len(s.text)-1)}
	if err := s.record(ctx, threads, r); err != nil {
		return nil, err
	}
	if err := s.changes(ctx, r); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// swapper is one prompt's decode, in layers.
type swapper struct {
	model         *llama.Model
	prompt        trace.Prompt
	cfg           LayersConfig
	text          []int32
	layers, width int

	context *llama.Context
	head    *replay.Head
	program *replay.Layered
	answer  int32
	rows    []float32 // what the head reads
}

func (s *swapper) close() { s.context.Close() }

// record decodes the prompt beside the text and reads what the model does
// unchanged.
func (s *swapper) record(ctx context.Context, threads int, r *LayersResult) error {
	n := len(s.prompt.Tokens) + len(s.text)
	rows := min(headRows, n)
	var err error
	s.context, err = s.model.NewContext(llama.ContextParams{Cells: cellsFor(n), Batch: n, Sequences: 2, Threads: threads})
	if err != nil {
		return err
	}
	if s.head, err = replay.NewHead(ctx, s.context, rows); err != nil {
		return err
	}
	var b llama.Batch
	for seq, tokens := range [][]int32{s.prompt.Tokens, s.text} {
		for i, t := range tokens {
			b.Add(t, i, seq, true)
		}
	}
	d, err := replay.Record(ctx, s.context, b)
	if err != nil {
		return err
	}
	row := make([]float32, s.model.Info().Vocab)
	if err := s.context.Logits(row, len(s.prompt.Tokens)-1); err != nil {
		return err
	}
	r.Fact = newFact(s.model, s.prompt, row)
	s.answer = r.AnswerToken
	sum := 0.0
	for i := range r.TextTokens {
		if err := s.context.Logits(row, len(s.prompt.Tokens)+i); err != nil {
			return err
		}
		sum += logits.LogProbability(row, s.text[i+1])
	}
	r.Perplexity = perplexity(sum, r.TextTokens)
	s.program, err = replay.NewLayered(ctx, d)
	return err
}

// changes runs every changed model. What lies in front of a change is the same
// for all after it and runs once.
func (s *swapper) changes(ctx context.Context, r *LayersResult) error {
	front := s.program.Begin()
	for l := range s.layers {
		c, err := s.change(ctx, front, s.from(l+1))
		if err != nil {
			return err
		}
		c.Layer = l
		r.Dropped = append(r.Dropped, c)
		s.progress(len(r.Dropped) + len(r.Exchanged))
		if l+1 == s.layers {
			break
		}
		if c, err = s.change(ctx, front, append([]int{l + 1, l}, s.from(l+2)...)); err != nil {
			return err
		}
		c.Layer = l
		r.Exchanged = append(r.Exchanged, c)
		s.progress(len(r.Dropped) + len(r.Exchanged))
		if err := s.program.Run(ctx, front, l); err != nil {
			return err
		}
	}
	return nil
}

// from lists the layers from one on.
func (s *swapper) from(layer int) []int {
	var out []int
	for l := layer; l < s.layers; l++ {
		out = append(out, l)
	}
	return out
}

func (s *swapper) progress(done int) {
	if s.cfg.Progress != nil {
		s.cfg.Progress(done, 2*s.layers-1)
	}
}

// change takes the stream in front of a change through the layers after it.
func (s *swapper) change(ctx context.Context, front []float32, order []int) (LayerChange, error) {
	x := append([]float32(nil), front...)
	if err := s.program.Run(ctx, x, order...); err != nil {
		return LayerChange{}, err
	}
	return s.read(ctx, x)
}

// read gives what the stream after the last layer says of the answer and of
// the text.
func (s *swapper) read(ctx context.Context, x []float32) (LayerChange, error) {
	n := len(s.prompt.Tokens)
	s.rows = append(s.rows[:0], x[(n-1)*s.width:n*s.width]...)
	predicted := max(0, len(s.text)-1)
	s.rows = append(s.rows, x[n*s.width:(n+predicted)*s.width]...)
	var c LayerChange
	sum := 0.0
	err := s.head.Each(ctx, s.rows, func(i int, row []float32) {
		if i > 0 {
			sum += logits.LogProbability(row, s.text[i])
			return
		}
		now := llama.Greedy(row)
		c.P, c.Kept, c.Answer = logits.Probability(row, s.answer), now == s.answer, s.model.Piece(now, true)
		c.Bytes = lm.Fragment(c.Answer)
	})
	c.Perplexity = perplexity(sum, predicted)
	return c, err
}

// perplexity is that of so many tokens whose log-probabilities sum to sum; 0
// for none. JSON has no infinity.
func perplexity(sum float64, tokens int) float64 {
	if tokens == 0 {
		return 0
	}
	return min(math.Exp(-sum/float64(tokens)), math.MaxFloat64)
}
