package rome

import (
	"encoding/binary"
	"math"
	"slices"

	"retcon/edit/weight"
	"retcon/gguf"
	"retcon/lm"
)

// loraOutput makes the adapter that holds updates exactly: for each layer the
// pair lora_a {n_ff, r} of the left vectors and lora_b {r, n_embd} of the right
// ones, in F32. llama.cpp adds alpha/rank B A x, so alpha is r; layers with
// fewer updates than others are filled up with zeros.
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
	for _, layer := range layersOf(updates) {
		a, bb := loraPair(byLayer[layer], rank)
		us := byLayer[layer]
		n, d := int64(len(us[0].Left)), int64(len(us[0].Right))
		b.Add(gguf.Tensor{Name: weight.Name(layer) + ".lora_a", Type: gguf.F32, Dims: []int64{n, int64(rank)}, Data: gguf.Bytes(a)})
		b.Add(gguf.Tensor{Name: weight.Name(layer) + ".lora_b", Type: gguf.F32, Dims: []int64{int64(rank), d}, Data: gguf.Bytes(bb)})
	}
	return b.Output()
}

// layersOf are the layers that updates change, in ascending order.
func layersOf(updates []lm.Update) []int {
	var out []int
	for _, u := range updates {
		out = append(out, u.Layer)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// loraPair packs the updates of one layer.
func loraPair(us []lm.Update, rank int) (a, b []byte) {
	n, d := len(us[0].Left), len(us[0].Right)
	a, b = make([]byte, 4*n*rank), make([]byte, 4*d*rank)
	put := func(dst []byte, at int, v float32) {
		binary.LittleEndian.PutUint32(dst[4*at:], math.Float32bits(v))
	}
	for r, u := range us {
		for i, v := range u.Left {
			put(a, r*n+i, v)
		}
		for i, v := range u.Right {
			put(b, i*rank+r, v)
		}
	}
	return a, b
}
