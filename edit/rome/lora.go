package rome

import (
	"maps"
	"slices"

	"retcon/edit/weight"
	"retcon/gguf"
	"retcon/lm"
)

// loraOutput makes the adapter that holds updates exactly, of the rank that the
// layer with most of them needs. llama.cpp adds alpha/rank B A x, so alpha is the
// rank.
func loraOutput(f *gguf.File, arch string, updates []lm.Update, keys []gguf.KeyValue) (*gguf.Output, error) {
	byLayer := map[int][]lm.Update{}
	rank := 0
	for _, u := range updates {
		byLayer[u.Layer] = append(byLayer[u.Layer], u)
		rank = max(rank, len(byLayer[u.Layer]))
	}
	b := gguf.NewBuilder()
	b.Set("general.type", gguf.ValueOf("adapter"))
	b.Set("general.architecture", gguf.ValueOf(arch))
	if name, err := f.String("general.name"); err == nil {
		b.Set("general.name", gguf.ValueOf(name+" (edited facts)"))
	}
	b.Set("adapter.type", gguf.ValueOf("lora"))
	b.Set("adapter.lora.alpha", gguf.ValueOf(float32(rank)))
	for _, kv := range keys {
		b.Set(kv.Key, kv.Value)
	}
	for _, layer := range slices.Sorted(maps.Keys(byLayer)) {
		var left, right [][]float32
		for _, u := range byLayer[layer] {
			left, right = append(left, u.Left), append(right, u.Right)
		}
		b.AddLoRA(weight.Name(layer), left, right, rank)
	}
	return b.Output()
}
