package testmodel

import (
	"fmt"
	"strconv"
	"strings"

	"retcon/gguf"
)

// tokenizer is a vocabulary of n tokens: bytes and a few words. Kinds are those
// of llama.cpp, "none", "llama", "gpt2", "bert", "t5" and "rwkv"; n is 300 at
// least, but for none.
func tokenizer(kind string, n int) []gguf.KeyValue {
	if kind == "none" {
		return []gguf.KeyValue{{Key: "tokenizer.ggml.model", Value: gguf.ValueOf(kind)}}
	}
	tokens := []string{"<unk>", "<s>", "</s>"}
	types := []int32{2, 3, 3}
	word := func(text string, typ int32) { tokens, types = append(tokens, text), append(types, typ) }
	hidden := rune(256) // GPT-2 writes a byte that cannot be seen as the next letter from here
	for b := range 256 {
		switch kind {
		case "gpt2":
			r := rune(b)
			if b <= ' ' || b >= 127 && b <= 160 || b == 173 {
				r, hidden = hidden, hidden+1
			}
			word(string(r), 1)
		case "rwkv":
			word(fmt.Sprintf(`\x%02x`, b), 1)
		default:
			word(fmt.Sprintf("<0x%02X>", b), 6)
		}
	}
	for _, w := range strings.Fields("▁The ▁Eiffel ▁Tower ▁in the ##in if iff th") {
		word(w, 1)
	}
	for len(tokens) < n {
		word("<unused"+strconv.Itoa(len(tokens))+">", 5)
	}
	scores := make([]float32, n)
	for i := range scores {
		scores[i] = -float32(i)
	}
	kv := []gguf.KeyValue{
		{Key: "tokenizer.ggml.model", Value: gguf.ValueOf(kind)},
		{Key: "tokenizer.ggml.tokens", Value: gguf.ArrayOf(tokens)},
		{Key: "tokenizer.ggml.token_type", Value: gguf.ArrayOf(types)},
		{Key: "tokenizer.ggml.scores", Value: gguf.ArrayOf(scores)},
		{Key: "tokenizer.ggml.unknown_token_id", Value: gguf.ValueOf(uint32(0))},
		{Key: "tokenizer.ggml.bos_token_id", Value: gguf.ValueOf(uint32(1))},
		{Key: "tokenizer.ggml.eos_token_id", Value: gguf.ValueOf(uint32(2))},
		{Key: "tokenizer.ggml.add_bos_token", Value: gguf.ValueOf(true)},
		{Key: "tokenizer.chat_template", Value: gguf.ValueOf("{% for m in messages %}{{ m.content }}{% endfor %}")},
	}
	switch kind {
	case "gpt2":
		kv = append(kv, gguf.KeyValue{Key: "tokenizer.ggml.pre", Value: gguf.ValueOf("gpt-2")},
			gguf.KeyValue{Key: "tokenizer.ggml.merges", Value: gguf.ArrayOf([]string{"i f", "if f", "t h", "th e"})})
	case "t5":
		kv = append(kv, gguf.KeyValue{Key: "tokenizer.ggml.precompiled_charsmap", Value: gguf.ArrayOf(make([]byte, 64))})
	}
	return kv
}
