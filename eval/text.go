package eval

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"retcon/fact"
	"retcon/internal/logits"
	"retcon/lm"
)

// Text compares a model with its base on a text, cut into windows that are each
// run alone. The base's logits are kept in a temporary file, so that they are
// computed once and not held in memory.
type Text struct {
	windows [][]int32
	tokens  int
	vocab   int
	logits  *os.File
	ppl     float64
}

// textWindow is the most tokens of a window.
const textWindow = 256

// NewText runs the base, m as it is applied now, over the first tokens of a
// text. progress, if not nil, is told of the tokens done.
func NewText(ctx context.Context, m lm.Model, text string, tokens int, progress func(done, total int)) (*Text, error) {
	t := &Text{vocab: m.Info().Vocab}
	if err := t.cut(m, text, tokens); err != nil {
		return nil, err
	}
	var err error
	if t.logits, err = os.CreateTemp("", "retcon-logits-*"); err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(t.logits, 1<<20)
	row := make([]byte, 4*t.vocab)
	done := 0
	t.ppl, err = t.run(ctx, m, func(all []float32, _ float64) error {
		for i, v := range all {
			binary.LittleEndian.PutUint32(row[4*i:], math.Float32bits(v))
		}
		if done++; progress != nil {
			progress(done, t.tokens)
		}
		_, err := w.Write(row)
		return err
	})
	if err == nil {
		err = w.Flush() // after an error of w it would say the same again
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// cut tokenises the text and cuts it into windows, a BOS before each if the
// file asks for one.
func (t *Text) cut(m lm.Model, text string, tokens int) error {
	all, err := m.Tokenize(text, false)
	if err != nil {
		return err
	}
	for len(all) > 0 && all[0].End == all[0].Begin {
		all = all[1:]
	}
	info := m.Info()
	window := textWindow
	if info.Context > 0 {
		window = min(window, info.Context)
	}
	rest := lm.IDs(all[:min(len(all), tokens)])
	for len(rest) > 0 {
		var w []int32
		if info.AddsBOS && info.BOS >= 0 {
			w = append(w, info.BOS)
		}
		n := min(len(rest), window-len(w))
		if w = append(w, rest[:n]...); len(w) > 1 {
			t.windows = append(t.windows, w)
			t.tokens += len(w)
		}
		rest = rest[n:]
	}
	if t.tokens == 0 {
		return fmt.Errorf("%w: the text for perplexity and KL has fewer than two tokens", fact.ErrRequest)
	}
	return nil
}

// Close removes the temporary file.
func (t *Text) Close() error {
	if t == nil || t.logits == nil {
		return nil
	}
	err := errors.Join(t.logits.Close(), os.Remove(t.logits.Name()))
	t.logits = nil
	return err
}

// Tokens is how many tokens the windows have.
func (t *Text) Tokens() int { return t.tokens }

// Perplexity is that of the base: exp of the mean negative log-likelihood of
// every token of a window but its first.
func (t *Text) Perplexity() float64 { return t.ppl }

// Compare runs a model over the text and sets its perplexity, the mean of
// KL(base || model) of the next token over all places, and the share of places
// where both have the same likeliest next token.
func (t *Text) Compare(ctx context.Context, m lm.Model, v Values) error {
	if m.Info().Vocab != t.vocab {
		return fmt.Errorf("%w: models of %d and %d tokens cannot be compared", lm.ErrUnsupported, t.vocab, m.Info().Vocab)
	}
	if _, err := t.logits.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(t.logits, 1<<20)
	raw, base := make([]byte, 4*t.vocab), make([]float32, t.vocab)
	var sum float64
	var same int
	ppl, err := t.run(ctx, m, func(row []float32, logSum float64) error {
		if _, err := io.ReadFull(in, raw); err != nil {
			return err
		}
		for i := range base {
			base[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		kl, equal := logits.Divergence(base, row, logSum)
		sum += kl
		if equal {
			same++
		}
		return nil
	})
	if err != nil {
		return err
	}
	v[Perplexity], v[KL], v[SameTop1] = ppl, sum/float64(t.tokens), 100*float64(same)/float64(t.tokens)
	return nil
}

// run decodes the windows, hands fn the logits after each token and the
// logarithm of the sum of their exponentials, and returns the perplexity.
func (t *Text) run(ctx context.Context, m lm.Model, fn func(row []float32, logSum float64) error) (float64, error) {
	var nll float64
	for _, w := range t.windows {
		err := m.Logits(ctx, w, func(pos int, row []float32) error {
			sum := logits.LogSum(row)
			if pos+1 < len(w) {
				nll += sum - float64(row[w[pos+1]])
			}
			return fn(row, sum)
		})
		if err != nil {
			return 0, err
		}
	}
	return math.Exp(nll / float64(t.tokens-len(t.windows))), nil
}
