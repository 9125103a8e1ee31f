package hypothesis

import (
	"context"
	"fmt"
	"time"

	"retcon/gguf"
	"retcon/graph"
	"retcon/llama"
	"retcon/lm"
	"retcon/replay"
	"retcon/trace"
)

// RecallConfig says how much to report.
type RecallConfig struct {
	Top int // tokens of a list; 0: 10
	// Neurons of each layer to report; with 0 the FFN's matrices, which are
	// most of a model, need not be read.
	Neurons  int
	Progress func(done, total int) // layers; may be nil
}

// RecallResult is what the FFN of each layer puts out at the subject's last
// token.
type RecallResult struct {
	Fact
	At      string        `json:"at"`                 // the subject's last token
	AtBytes []byte        `json:"at_bytes,omitempty"` // of a part of a character
	Vocab   int           `json:"vocab"`              // tokens that ranks are among
	Layers  []RecallLayer `json:"layers"`
	Seconds float64       `json:"seconds"`
}

// RecallLayer is a layer's FFN output v = W k + b, W being ffn_down with its
// bias b where the model has one, and k the key.
//
// What it promotes is v through the model's final norm and output matrix, by
// itself, as if it were all of the residual stream. v is taken before whatever
// a model does to it on the way to the stream: the norms after the modules of
// Gemma 2 and 3 and OLMo 2, and scales, are not in it.
type RecallLayer struct {
	Layer       int        `json:"layer"`
	Norm        float64    `json:"norm"` // |v|
	Promotes    []Promoted `json:"promotes"`
	AnswerRank  int        `json:"answer_rank"` // 1: the answer is promoted most
	AnswerLogit float64    `json:"answer_logit"`
	// Neurons are those with the largest |k_i| |W_i|, W_i being column i.
	Neurons []Neuron `json:"neurons,omitempty"`
	// NeuronShare and BiasShare are the shares of all neurons and of the bias in
	// the output. They sum to 1, but for the rounding of keys in products with
	// quantised weights.
	NeuronShare float64 `json:"neuron_share,omitempty"`
	BiasShare   float64 `json:"bias_share,omitempty"`
}

// Neuron is one element of a key and the value that it stands for.
type Neuron struct {
	Index        int        `json:"index"`
	Activation   float64    `json:"activation"`   // k_i
	Norm         float64    `json:"norm"`         // |W_i|
	Contribution float64    `json:"contribution"` // |k_i| |W_i|
	Share        float64    `json:"share"`        // k_i W_i · v / |v|², negative where it acts against the output
	Promotes     []Promoted `json:"promotes"`     // by k_i W_i alone
}

// Promoted is a token and the logit that it gets.
type Promoted struct {
	Token int32   `json:"token"`
	Text  string  `json:"text"`
	Bytes []byte  `json:"text_bytes,omitempty"` // of a part of a character
	Logit float64 `json:"logit"`
}

// Recall reads the FFN of each layer as a key-value memory (Geva et al. 2021;
// values in the vocabulary: Geva et al. 2022) at the subject's last token. Keys
// and values come from a plain run with hooks, the columns of W from the file.
// No adapter may be loaded.
func Recall(ctx context.Context, m *llama.Model, p trace.Prompt, threads int, cfg RecallConfig) (*RecallResult, error) {
	start := time.Now()
	if cfg.Top == 0 {
		cfg.Top = 10
	}
	if cfg.Top < 0 || cfg.Neurons < 0 {
		return nil, fmt.Errorf("%w: %d tokens, %d neurons", llama.ErrInvalid, cfg.Top, cfg.Neurons)
	}
	if err := p.Check(m.Info().ContextTrain); err != nil {
		return nil, err
	}
	f, err := gguf.Open(m.Info().Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n := len(p.Tokens)
	c, err := m.NewContext(llama.ContextParams{Cells: cellsFor(n), Batch: max(n, headRows), Sequences: 1, Threads: threads})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r := &RecallResult{At: m.Piece(p.Tokens[p.End-1], true), Vocab: m.Info().Vocab}
	r.AtBytes = lm.Fragment(r.At)
	reader := &recallReader{model: m, cfg: cfg, file: f, context: c}
	if reader.head, err = replay.NewHead(ctx, c, headRows); err != nil {
		return nil, err
	}
	if r.Fact, err = reader.run(ctx, p); err != nil {
		return nil, err
	}
	for l := range reader.keys {
		layer, err := reader.layer(ctx, l, r.AnswerToken)
		if err != nil {
			return nil, err
		}
		r.Layers = append(r.Layers, layer)
		if cfg.Progress != nil {
			cfg.Progress(l+1, len(reader.keys))
		}
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// recallReader holds one run's keys and values at the subject's last token.
type recallReader struct {
	model        *llama.Model
	cfg          RecallConfig
	file         *gguf.File
	context      *llama.Context
	head         *replay.Head
	keys, values [][]float32 // [layer][n_ff] and [layer][n_embd]
}

// run decodes the prompt, hooks reading every layer's key and value.
func (r *recallReader) run(ctx context.Context, p trace.Prompt) (Fact, error) {
	// with logits everywhere the last layer has a row for every token
	var b llama.Batch
	for i, t := range p.Tokens {
		b.Add(t, i, 0, true)
	}
	d, err := replay.Record(ctx, r.context, b)
	if err != nil {
		return Fact{}, err
	}
	var hooks []llama.Hook
	capture := func(site graph.ID) ([]float32, error) {
		place, err := llama.PlaceOf(d.Graph, site)
		if err != nil {
			return nil, err
		}
		data := make([]float32, d.Graph.Node(site).Ne[0])
		hooks = append(hooks, llama.Hook{Place: place, Action: llama.Capture, Width: len(data), Rows: []int32{int32(p.End - 1)}, Data: data})
		return data, nil
	}
	for _, l := range d.Sites.Layers {
		key, err := capture(l.Key)
		if err != nil {
			return Fact{}, err
		}
		value, err := capture(l.FFN)
		if err != nil {
			return Fact{}, err
		}
		r.keys, r.values = append(r.keys, key), append(r.values, value)
	}
	r.context.Clear()
	if err := r.context.DecodeHooked(ctx, &b, hooks); err != nil {
		return Fact{}, err
	}
	logits := make([]float32, r.model.Info().Vocab)
	if err := r.context.Logits(logits, len(p.Tokens)-1); err != nil {
		return Fact{}, err
	}
	return newFact(r.model, p, logits), nil
}

// layer reads one layer.
func (r *recallReader) layer(ctx context.Context, layer int, answer int32) (RecallLayer, error) {
	out := RecallLayer{Layer: layer}
	down, err := openDown(r.file, layer, len(r.keys[layer]), len(r.values[layer]))
	if err != nil {
		return out, err
	}
	v := append([]float32(nil), r.values[layer]...)
	for i, b := range down.bias {
		v[i] += b
	}
	out.Norm = norm(v)
	vectors := append([]float32(nil), v...)
	if r.cfg.Neurons > 0 {
		columns, err := r.neurons(ctx, down, r.keys[layer], v, &out)
		if err != nil {
			return out, err
		}
		vectors = append(vectors, columns...)
	}
	err = r.head.Each(ctx, vectors, func(i int, logits []float32) {
		top := r.promoted(logits)
		if i > 0 {
			out.Neurons[i-1].Promotes = top
			return
		}
		out.Promotes, out.AnswerRank, out.AnswerLogit = top, rank(logits, answer), float64(logits[answer])
	})
	return out, err
}
