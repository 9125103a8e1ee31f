package edit

import (
	"context"
	"encoding/json"

	"retcon/internal/logits"
	"retcon/lm"
)

// SideEffects says how far the predictions for a text moved.
type SideEffects struct {
	KL       float64 `json:"kl"`        // mean KL(base || edited) over tokens, nats
	SameTop1 float64 `json:"same_top1"` // share of tokens with the same likeliest next token
	Tokens   int     `json:"tokens"`
}

// MarshalJSON writes null for numbers that are not finite.
func (s SideEffects) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		KL       *float64 `json:"kl"`
		SameTop1 *float64 `json:"same_top1"`
		Tokens   int      `json:"tokens"`
	}{finite(s.KL), finite(s.SameTop1), s.Tokens})
}

const (
	sideTokens = 512      // tokens of text that are looked at if nothing else is asked for
	sideMemory = 64 << 20 // bytes of base logits held
	sideWindow = 128      // tokens of a window at most
)

// MeasureSideEffects compares a model as before and as after leave it on most
// tokens of a text, 512 if most is 0. The text is cut in windows, each decoded
// twice, so that logits of one window only are held: at most sideMemory bytes.
// The model is left as after has it.
func MeasureSideEffects(ctx context.Context, m lm.Model, before, after func() error, text string, most int, progress func(done, total int64)) (SideEffects, error) {
	var s SideEffects
	all, err := m.Tokenize(text, false)
	if err != nil {
		return s, err
	}
	if most <= 0 {
		most = sideTokens
	}
	tokens := lm.IDs(all[:min(len(all), most)])
	window := max(1, min(sideWindow, sideMemory/4/max(1, m.Info().Vocab)))
	for at := 0; at < len(tokens); at += window {
		part := tokens[at:min(at+window, len(tokens))]
		if err := s.window(ctx, m, before, after, part); err != nil {
			return s, err
		}
		if progress != nil {
			progress(int64(at+len(part)), int64(len(tokens)))
		}
	}
	if s.Tokens > 0 {
		s.KL /= float64(s.Tokens)
		s.SameTop1 /= float64(s.Tokens)
	}
	return s, after()
}

// window adds one window's sums.
func (s *SideEffects) window(ctx context.Context, m lm.Model, before, after func() error, tokens []int32) error {
	base := make([][]float32, len(tokens))
	if err := before(); err != nil {
		return err
	}
	err := m.Logits(ctx, tokens, func(pos int, row []float32) error {
		base[pos] = append([]float32(nil), row...)
		return nil
	})
	if err != nil {
		return err
	}
	if err := after(); err != nil {
		return err
	}
	return m.Logits(ctx, tokens, func(pos int, row []float32) error {
		kl, same := logits.Divergence(base[pos], row, logits.LogSum(row))
		base[pos] = nil
		s.KL += kl
		if same {
			s.SameTop1++
		}
		s.Tokens++
		return nil
	})
}
