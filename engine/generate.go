package engine

import (
	"context"
	"fmt"
	"math/rand/v2"

	"retcon/llama"
)

// starts are the texts of tokens that open a document, most telling first.
var starts = []string{"<|endoftext|>", "<|begin_of_text|>", "<bos>", "<s>"}

// startToken is the token that a generation from nothing starts from.
func (m *Model) startToken() (int32, error) {
	for _, text := range starts {
		if t, err := m.model.Tokenize(text, true); err == nil && len(t) > 0 && m.model.Piece(t[len(t)-1].ID, true) == text {
			return t[len(t)-1].ID, nil
		}
	}
	info := m.model.Info()
	for _, t := range []int32{info.BOS, info.EOS} {
		if t >= 0 {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%w: the vocabulary has no token to start a text from", llama.ErrUnsupported)
}

// Generate extends prompts, a batch of them at a time.
func (m *Model) Generate(ctx context.Context, prompts [][]int32, n, topK int, seed uint64, stop bool) ([][]int32, error) {
	out := make([][]int32, len(prompts))
	rng := rand.New(rand.NewPCG(seed, 0x7265746f636e)) // one stream for all, in a fixed order
	const group = 32
	for begin := 0; begin < len(prompts); begin += group {
		end := min(begin+group, len(prompts))
		if err := m.generateGroup(ctx, prompts[begin:end], out[begin:end], n, topK, rng, stop); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *Model) generateGroup(ctx context.Context, prompts, out [][]int32, n, topK int, rng *rand.Rand, stop bool) error {
	cells := 0
	first := make([][]int32, len(prompts))
	for i, p := range prompts {
		if len(p) == 0 {
			t, err := m.startToken()
			if err != nil {
				return err
			}
			p = []int32{t}
		}
		first[i] = p
		cells += len(p) + n
	}
	c, err := m.contextFor(cells)
	if err != nil || n <= 0 {
		return err
	}
	logits := make([]float32, m.info.Vocab)
	d := decoder{m: m, c: c}
	sample := func(row int) func(i int) error {
		return func(i int) error {
			if err := c.Logits(logits, i); err != nil {
				return err
			}
			out[row] = append(out[row], llama.SampleTopK(logits, topK, rng))
			return nil
		}
	}
	for row, p := range first {
		for pos, t := range p {
			var then func(int) error
			if pos == len(p)-1 {
				then = sample(row)
			}
			if err := d.add(ctx, t, pos, row, then); err != nil {
				return err
			}
		}
	}
	for {
		if err := d.flush(ctx); err != nil {
			return err
		}
		live := false
		for row, p := range first {
			made := out[row]
			if len(made) == n || stop && m.EndsText(made[len(made)-1]) {
				continue
			}
			live = true
			if err := d.add(ctx, made[len(made)-1], len(p)+len(made)-1, row, sample(row)); err != nil {
				return err
			}
		}
		if !live {
			break
		}
	}
	if stop {
		m.trimEnds(out)
	}
	return nil
}

// trimEnds drops the token that ended a text.
func (m *Model) trimEnds(rows [][]int32) {
	for i, r := range rows {
		if len(r) > 0 && m.EndsText(r[len(r)-1]) {
			rows[i] = r[:len(r)-1]
		}
	}
}
