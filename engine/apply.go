package engine

import (
	"bytes"
	"context"
	"fmt"

	"retcon/gguf"
	"retcon/llama"
	"retcon/lm"
)

// Apply makes the model compute as edited by updates, through an adapter in
// memory beside the untouched weights.
func (m *Model) Apply(updates []lm.Update) error {
	if len(updates) == 0 && m.applied == nil {
		return nil
	}
	var next *llama.Adapter
	if len(updates) > 0 {
		data, err := adapterBytes(m.info, updates)
		if err != nil {
			return err
		}
		if next, err = m.model.NewAdapter(data); err != nil {
			return err
		}
	}
	old := m.applied
	m.applied = next
	if m.scratch != nil {
		if err := m.setAdapters(m.scratch); err != nil {
			return err
		}
	}
	old.Close()
	// the sites are the sums with the adapters now
	return m.findPlaces(context.Background())
}

// adapterBytes is a LoRA adapter of the updates, one pair a layer.
func adapterBytes(info lm.Info, updates []lm.Update) ([]byte, error) {
	byLayer := map[int][]lm.Update{}
	var layers []int
	for _, u := range updates {
		if u.Layer < 0 || u.Layer >= info.Layers || len(u.Left) != info.FeedForward[u.Layer] || len(u.Right) != info.Width {
			return nil, fmt.Errorf("%w: an update of layer %d, %d x %d", llama.ErrInvalid, u.Layer, len(u.Right), len(u.Left))
		}
		if byLayer[u.Layer] == nil {
			layers = append(layers, u.Layer)
		}
		byLayer[u.Layer] = append(byLayer[u.Layer], u)
	}
	b := gguf.NewBuilder()
	b.Set("general.type", gguf.ValueOf("adapter"))
	b.Set("general.architecture", gguf.ValueOf(info.Arch))
	b.Set("adapter.type", gguf.ValueOf("lora"))
	b.Set("adapter.lora.alpha", gguf.ValueOf(float32(0)))
	for _, l := range layers {
		us := byLayer[l]
		rank := len(us)
		a := make([]float32, 0, rank*len(us[0].Left))
		right := make([]float32, rank*info.Width)
		for r, u := range us {
			a = append(a, u.Left...)
			for i, v := range u.Right {
				right[i*rank+r] = v
			}
		}
		name := fmt.Sprintf("blk.%d.ffn_down.weight", l)
		b.Add(gguf.Tensor{Name: name + ".lora_a", Type: gguf.F32, Dims: []int64{int64(len(us[0].Left)), int64(rank)}, Data: gguf.Float32s(a)})
		b.Add(gguf.Tensor{Name: name + ".lora_b", Type: gguf.F32, Dims: []int64{int64(rank), int64(info.Width)}, Data: gguf.Float32s(right)})
	}
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
