package testmodel

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strings"

	"retcon/gguf"
	"retcon/llama"
)

// Scaled is a model of llama's shape and of a real model's size. Its weights
// are random blocks, and its tokenizer is another model's, so that prompts
// tokenise as they do there. It is written as a stream: memory stays small
// whatever the size.
type Scaled struct {
	Name                       string
	Width, FeedForward, Layers int
	Heads, KVHeads, Vocab      int
	Tied                       bool // the embedding is the output matrix, too
	Type                       gguf.Type
	Seed                       uint64
	blocks                     map[int][]byte // random blocks for rows of a length
	rng                        *rand.Rand
}

// Sizes are the models for measuring cost against size; the largest has the
// shape of Llama 3 8B.
func Sizes() []Scaled {
	sizes := []Scaled{
		{Name: "0.1B", Width: 768, FeedForward: 2048, Layers: 11, Heads: 12, KVHeads: 4, Vocab: 49152, Tied: true},
		{Name: "0.5B", Width: 1280, FeedForward: 3584, Layers: 24, Heads: 20, KVHeads: 4, Vocab: 49152, Tied: true},
		{Name: "1.5B", Width: 2048, FeedForward: 5632, Layers: 31, Heads: 32, KVHeads: 8, Vocab: 49152, Tied: true},
		{Name: "8B", Width: 4096, FeedForward: 14336, Layers: 32, Heads: 32, KVHeads: 8, Vocab: 128256},
	}
	for i := range sizes {
		sizes[i].Type, sizes[i].Seed = gguf.Q4_K, 1
	}
	return sizes
}

// Params is the number of weights.
func (m Scaled) Params() int64 {
	n := int64(m.Width) // the last norm
	for _, w := range m.matrices() {
		n += int64(w.in) * int64(w.out)
	}
	return n + int64(2*m.Layers*m.Width)
}

// matrix is one of a model's matrices.
type matrix struct {
	name    string
	in, out int
}

func (m Scaled) matrices() []matrix {
	all := []matrix{{"token_embd", m.Width, m.Vocab}}
	if !m.Tied {
		all = append(all, matrix{"output", m.Width, m.Vocab})
	}
	kv := m.Width / m.Heads * m.KVHeads
	for l := range m.Layers {
		p := fmt.Sprintf("blk.%d.", l)
		all = append(all,
			matrix{p + "attn_q", m.Width, m.Width}, matrix{p + "attn_k", m.Width, kv},
			matrix{p + "attn_v", m.Width, kv}, matrix{p + "attn_output", m.Width, m.Width},
			matrix{p + "ffn_gate", m.Width, m.FeedForward}, matrix{p + "ffn_up", m.Width, m.FeedForward},
			matrix{p + "ffn_down", m.FeedForward, m.Width})
	}
	return all
}

// Write writes the model to path, with the tokenizer of the model in tokenizer.
func (m Scaled) Write(path, tokenizer string) error {
	m.rng, m.blocks = rand.New(rand.NewPCG(m.Seed, 2)), map[int][]byte{}
	b := gguf.NewBuilder()
	if err := m.keys(b, tokenizer); err != nil {
		return err
	}
	for _, w := range m.matrices() {
		b.Add(gguf.Tensor{Name: w.name + ".weight", Type: m.Type, Dims: []int64{int64(w.in), int64(w.out)},
			Data: func(out io.Writer) error { return m.fill(out, w) }})
	}
	norm := func(name string) {
		ones := make([]float32, m.Width)
		for i := range ones {
			ones[i] = 1
		}
		b.Add(gguf.Tensor{Name: name, Type: gguf.F32, Dims: []int64{int64(m.Width)}, Data: gguf.Float32s(ones)})
	}
	norm("output_norm.weight")
	for l := range m.Layers {
		norm(fmt.Sprintf("blk.%d.attn_norm.weight", l))
		norm(fmt.Sprintf("blk.%d.ffn_norm.weight", l))
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := b.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// keys sets the model's shape and takes over a tokenizer, with tokens that
// never occur after its own up to the size of the vocabulary.
func (m Scaled) keys(b *gguf.Builder, tokenizer string) error {
	set := func(key string, v gguf.Value) { b.Set(key, v) }
	set("general.architecture", gguf.ValueOf("llama"))
	set("general.name", gguf.ValueOf("random "+m.Name))
	count := func(key string, n int) { set("llama."+key, gguf.ValueOf(uint32(n))) }
	count("context_length", 8192)
	count("embedding_length", m.Width)
	count("block_count", m.Layers)
	count("feed_forward_length", m.FeedForward)
	count("attention.head_count", m.Heads)
	count("attention.head_count_kv", m.KVHeads)
	count("rope.dimension_count", m.Width/m.Heads)
	count("vocab_size", m.Vocab)
	set("llama.attention.layer_norm_rms_epsilon", gguf.ValueOf(float32(1e-5)))
	f, err := gguf.Open(tokenizer)
	if err != nil {
		return err
	}
	defer f.Close()
	tokens, err := f.Strings("tokenizer.ggml.tokens")
	if err != nil {
		return err
	}
	more := m.Vocab - len(tokens)
	if more < 0 {
		return fmt.Errorf("%s has %d tokens, more than %d", tokenizer, len(tokens), m.Vocab)
	}
	for _, kv := range f.KV {
		if !strings.HasPrefix(kv.Key, "tokenizer.") || kv.Key == "tokenizer.chat_template" {
			continue
		}
		switch kv.Key {
		case "tokenizer.ggml.tokens":
			for i := range more {
				tokens = append(tokens, fmt.Sprintf("<unused_%d>", i))
			}
			kv.Value = gguf.ArrayOf(tokens)
		case "tokenizer.ggml.token_type":
			types, ok := gguf.SliceOf[int32](kv.Value)
			if !ok {
				return fmt.Errorf("%s: %s are %v", tokenizer, kv.Key, kv.Value.Kind())
			}
			for range more {
				types = append(types, unusedToken)
			}
			kv.Value = gguf.ArrayOf(types)
		}
		set(kv.Key, kv.Value)
	}
	return nil
}

// unusedToken is LLAMA_TOKEN_TYPE_UNUSED.
const unusedToken = 5

// poolBlocks is how many random blocks the rows of one length draw from.
const poolBlocks = 4096

// fill writes a matrix: blocks drawn at random from a pool of quantised ones of
// variance 1/in, so that a product keeps the size of what it is given. To
// quantise billions of weights one by one would take minutes.
func (m Scaled) fill(w io.Writer, t matrix) error {
	pool, err := m.pool(t.in)
	if err != nil {
		return err
	}
	size := int(m.Type.BlockBytes())
	row := make([]byte, 0, t.in/int(m.Type.BlockSize())*size)
	for range t.out {
		row = row[:0]
		for range cap(row) / size {
			at := m.rng.IntN(poolBlocks) * size
			row = append(row, pool[at:at+size]...)
		}
		if _, err := w.Write(row); err != nil {
			return err
		}
	}
	return nil
}

func (m Scaled) pool(in int) ([]byte, error) {
	if p := m.blocks[in]; p != nil {
		return p, nil
	}
	block := int(m.Type.BlockSize())
	v := make([]float32, poolBlocks*block)
	for i := range v {
		v[i] = float32(m.rng.NormFloat64() / math.Sqrt(float64(in)))
	}
	p := make([]byte, poolBlocks*int(m.Type.BlockBytes()))
	if err := llama.Quantize(p, int(m.Type), v, block, nil); err != nil {
		return nil, err
	}
	m.blocks[in] = p
	return p, nil
}
