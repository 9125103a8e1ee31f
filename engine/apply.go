package engine

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

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
	left, right := map[int][][]float32{}, map[int][][]float32{}
	for _, u := range updates {
		l := u.Layer
		if l < 0 || l >= info.Layers || len(u.Left) != info.FeedForward[l] || len(u.Right) != info.Width {
			return nil, fmt.Errorf("%w: an update of layer %d, %d x %d", llama.ErrInvalid, l, len(u.Right), len(u.Left))
		}
		left[l], right[l] = append(left[l], u.Left), append(right[l], u.Right)
	}
	b := gguf.NewBuilder()
	b.Set("general.type", gguf.ValueOf("adapter"))
	b.Set("general.architecture", gguf.ValueOf(info.Arch))
	b.Set("adapter.type", gguf.ValueOf("lora"))
	b.Set("adapter.lora.alpha", gguf.ValueOf(float32(0))) // the product is not scaled
	for _, l := range slices.Sorted(maps.Keys(left)) {
		b.AddLoRA(fmt.Sprintf("blk.%d.ffn_down.weight", l), left[l], right[l], len(left[l]))
	}
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
