package llama

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"unsafe"
)

// Batch is the tokens of one decode.
type Batch struct {
	Tokens    []int32
	Positions []int32
	Sequences []int32
	Logits    []bool // whether the logits after the token are wanted
	// Shared are further sequences of each token; nil where no token has any.
	Shared [][]int32
}

// Add appends a token.
func (b *Batch) Add(token int32, position, sequence int, logits bool) {
	b.Tokens = append(b.Tokens, token)
	b.Positions = append(b.Positions, int32(position))
	b.Sequences = append(b.Sequences, int32(sequence))
	b.Logits = append(b.Logits, logits)
}

// AddShared appends a token that several sequences have in common, as those of
// a prefix tree do: it is computed once. That takes a context with one cache
// for all sequences. A sequence's tokens must follow its earlier ones, and
// tokens behind where two sequences part must not join them again.
func (b *Batch) AddShared(token int32, position int, sequences []int32, logits bool) {
	b.Add(token, position, int(sequences[0]), logits)
	if len(sequences) > 1 {
		b.Shared = append(b.Shared, make([][]int32, b.Len()-len(b.Shared))...)
		b.Shared[b.Len()-1] = sequences[1:]
	}
}

// Len is the number of tokens.
func (b *Batch) Len() int { return len(b.Tokens) }

// Reset empties the batch.
func (b *Batch) Reset() {
	b.Tokens, b.Positions, b.Sequences, b.Logits = b.Tokens[:0], b.Positions[:0], b.Sequences[:0], b.Logits[:0]
	b.Shared = b.Shared[:0]
}

func (c *Context) checkBatch(b *Batch) error {
	n := b.Len()
	switch {
	case n == 0:
		return invalid("an empty batch")
	case n > c.params.Batch:
		return invalid("a batch of %d tokens in a context for %d", n, c.params.Batch)
	case len(b.Positions) != n || len(b.Sequences) != n || len(b.Logits) != n:
		return invalid("a batch of %d tokens with %d positions, %d sequences, %d marks", n, len(b.Positions), len(b.Sequences), len(b.Logits))
	case len(b.Shared) > n:
		return invalid("a batch of %d tokens with %d lists of sequences", n, len(b.Shared))
	case len(b.Shared) > 0 && c.params.Separate:
		return invalid("tokens of several sequences in a context with a cache for each")
	}
	outputs := 0
	for i := range n {
		if b.Logits[i] {
			outputs++
		}
		switch {
		case b.Tokens[i] < 0 || int(b.Tokens[i]) >= c.model.info.Vocab:
			return invalid("token %d is not in the vocabulary of %d", b.Tokens[i], c.model.info.Vocab)
		case b.Sequences[i] < 0 || int(b.Sequences[i]) >= c.params.Sequences:
			return c.checkSequence(int(b.Sequences[i]))
		case b.Positions[i] < 0:
			return invalid("position %d", b.Positions[i])
		}
	}
	for _, list := range b.Shared {
		for _, seq := range list {
			if err := c.checkSequence(int(seq)); err != nil {
				return err
			}
		}
	}
	if outputs > c.params.Outputs {
		return invalid("%d rows of logits in a context for %d", outputs, c.params.Outputs)
	}
	return nil
}

// Decode runs the model over a batch, in one graph.
func (c *Context) Decode(ctx context.Context, b *Batch) error {
	if err := c.checkBatch(b); err != nil {
		return err
	}
	leave, err := c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return c.decode(ctx, b)
}

// decode decodes a batch; with a profile at work its graph is recorded for it.
func (c *Context) decode(ctx context.Context, b *Batch) error {
	if c.model.profile == nil {
		return c.decodeBatch(ctx, b)
	}
	_, err := c.capture(ctx, b, nil, false)
	return err
}

func (c *Context) decodeBatch(ctx context.Context, b *Batch) error {
	marks := make([]int8, b.Len())
	for i, want := range b.Logits {
		if want {
			marks[i] = 1
		}
	}
	var e errorBuffer
	n, mark := C.int32_t(b.Len()), (*C.int8_t)(unsafe.Pointer(&marks[0]))
	if len(b.Shared) == 0 {
		return e.check(ctx, C.rc_decode(c.c, n, ints(b.Tokens), ints(b.Positions), ints(b.Sequences), mark, e.ptr()), "decode")
	}
	counts, all := b.sequences()
	return e.check(ctx, C.rc_decode_shared(c.c, n, ints(b.Tokens), ints(b.Positions), ints(counts), ints(all), mark, e.ptr()), "decode")
}

// sequences are the sequences of all tokens, one token's after the other's, and
// how many each has.
func (b *Batch) sequences() (counts, all []int32) {
	counts = make([]int32, b.Len())
	for i, seq := range b.Sequences {
		counts[i] = 1
		all = append(all, seq)
		if i < len(b.Shared) {
			counts[i] += int32(len(b.Shared[i]))
			all = append(all, b.Shared[i]...)
		}
	}
	return counts, all
}

func ints(s []int32) *C.int32_t {
	if len(s) == 0 {
		return nil
	}
	return (*C.int32_t)(unsafe.Pointer(&s[0]))
}

// Logits copies the logits [n_vocab] after token i of the last batch to dst.
func (c *Context) Logits(dst []float32, i int) error {
	if len(dst) != c.model.info.Vocab {
		return invalid("room for %d logits of %d", len(dst), c.model.info.Vocab)
	}
	leave, err := c.enter(uncancelled)
	if err != nil {
		return err
	}
	defer leave()
	var e errorBuffer
	return e.check(uncancelled, C.rc_logits(c.c, C.int32_t(i), (*C.float)(unsafe.Pointer(&dst[0])), e.ptr()), "logits")
}

// LogProbs gives log p(tokens[j]) after token at[j] of the last batch.
func (c *Context) LogProbs(at, tokens []int32) ([]float64, error) {
	p, _, err := c.Predictions(at, tokens)
	return p, err
}

// Predictions gives log p(tokens[j]) after token at[j] of the last batch and,
// beside each, whether no other token is likelier.
// Places that are equal are best side by side.
func (c *Context) Predictions(at, tokens []int32) (logProbs []float64, first []bool, err error) {
	if len(at) != len(tokens) {
		return nil, nil, invalid("%d places for %d tokens", len(at), len(tokens))
	}
	if len(at) == 0 {
		return nil, nil, nil
	}
	leave, err := c.enter(uncancelled)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	logProbs, marks := make([]float64, len(at)), make([]int8, len(at))
	var e errorBuffer
	code := C.rc_predictions(c.c, C.int32_t(len(at)), ints(at), ints(tokens), (*C.double)(unsafe.Pointer(&logProbs[0])), (*C.int8_t)(unsafe.Pointer(&marks[0])), e.ptr())
	if err := e.check(uncancelled, code, "predictions"); err != nil {
		return nil, nil, err
	}
	first = make([]bool, len(at))
	for i, m := range marks {
		first[i] = m != 0
	}
	return logProbs, first, nil
}
