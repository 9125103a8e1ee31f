package engine

import (
	"context"
	"slices"

	"retcon/llama"
	"retcon/lm"
	"retcon/replay"
)

// prefillTokens is the most tokens that are decoded at once before the rows'
// own.
const prefillTokens = 256

// prefill has the rows' tokens before the edited position in the cache, each
// row as a sequence of its own. In a context that is kept, those that are shared
// are computed by themselves, or are there from another objective of the same
// purpose: an edit's numbers are the same either way.
func (k *copiedContext) prefill(ctx context.Context, rows []lm.ObjectiveRow, kept bool) error {
	shared := sharedTokens(rows)
	if !kept {
		shared = nil
	}
	if !k.rewind(shared) {
		k.c.Clear()
		if err := k.decode(ctx, shared, make([]int, len(shared))); err != nil {
			return err
		}
		k.shared = shared
	}
	heads, have := make([][]int32, len(rows)), make([]int, len(rows))
	for i, r := range rows {
		heads[i] = r.Tokens[:r.At]
	}
	for i, tokens := range shared {
		have[i] = len(tokens)
	}
	return k.decode(ctx, heads, have)
}

// rewind leaves nothing but the shared tokens in the cache, if it holds these;
// else it reports false.
func (k *copiedContext) rewind(shared [][]int32) bool {
	has := k.shared
	k.shared = nil
	if has == nil || !slices.EqualFunc(has, shared, slices.Equal[[]int32]) {
		return false
	}
	for seq := range k.c.Params().Sequences {
		n := 0
		if seq < len(shared) {
			n = len(shared[seq])
		}
		if k.c.Remove(seq, n, -1) != nil {
			return false
		}
	}
	k.shared = has
	return true
}

// sharedTokens are the tokens that each row shares, up to the last that has any.
func sharedTokens(rows []lm.ObjectiveRow) [][]int32 {
	out, last := make([][]int32, len(rows)), 0
	for i, r := range rows {
		out[i] = slices.Clone(r.Tokens[:r.Shared])
		if r.Shared > 0 {
			last = i + 1
		}
	}
	return out[:last]
}

// decode decodes the tokens of sequences after those that the cache has of each.
func (k *copiedContext) decode(ctx context.Context, sequences [][]int32, have []int) error {
	var b llama.Batch
	for seq, tokens := range sequences {
		for pos := have[seq]; pos < len(tokens); pos++ {
			if b.Len() == prefillTokens {
				if err := replay.Prefill(ctx, k.c, b, k.copies); err != nil {
					return err
				}
				b.Reset()
			}
			b.Add(tokens[pos], pos, seq, false)
		}
	}
	return replay.Prefill(ctx, k.c, b, k.copies)
}
