package tpatcher

import (
	"context"

	"retcon/edit"
	"retcon/gguf"
	"retcon/gguf/ffn"
	"retcon/internal/fault"
	"retcon/lm"
)

// RoomReport says where neurons went and what the file grew by.
type RoomReport struct {
	Strategy string `json:"strategy"` // "all", "deci" or "reuse"
	From     int64  `json:"from"`     // width of the last layer before
	To       int64  `json:"to"`       // and after
	Layers   int    `json:"layers"`   // that grew
	Free     int    `json:"free"`     // slots that are left for later
	Bytes    int64  `json:"bytes"`    // that the file grew by
}

// makeRoom finds slots for the neurons of edits and gives each its own.
func (w *work) makeRoom(edits []*edit.Computed) (*ffn.Room, map[int64]ffn.Neuron, error) {
	var all []ffn.Neuron
	for _, c := range edits {
		all = append(all, c.Change.(*Neurons).own()...)
	}
	room, err := w.strategy().Room(w.base.File, w.net, len(all))
	if err != nil {
		return nil, nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	neurons := map[int64]ffn.Neuron{}
	for i, n := range all {
		neurons[room.Slots[i]] = n
	}
	at := 0
	for _, c := range edits {
		for i := range c.Change.(*Neurons).reports {
			c.Change.(*Neurons).reports[i].Slot = room.Slots[at]
			at++
		}
	}
	w.room = &RoomReport{Strategy: w.cfg.Widen, From: w.net.Last().Width, To: room.Width, Layers: grown(room), Free: len(room.Slots) - len(all)}
	if w.cfg.Slots == SlotsOld {
		w.room.Strategy = SlotsOld
	}
	return room, neurons, nil
}

// grown is the number of layers that become wider.
func grown(room *ffn.Room) int {
	n := 0
	for _, pad := range room.Pad {
		if pad > 0 {
			n++
		}
	}
	return n
}

// Drafts put the neurons into the file, in the types that the tensors have or in
// F32, which holds the same values.
func (w *work) Drafts(_ context.Context, edits []*edit.Computed) ([]edit.Draft, error) {
	room, neurons, err := w.makeRoom(edits)
	if err != nil {
		return nil, err
	}
	last := w.net.Last()
	var out []edit.Draft
	for _, way := range []struct {
		name  string
		types map[string]gguf.Type
	}{
		{"the types of the file", nil},
		{"F32 for " + last.Down, map[string]gguf.Type{last.Down: gguf.F32}},
		{"F32", map[string]gguf.Type{last.Gate: gguf.F32, last.Up: gguf.F32, last.Down: gguf.F32}},
	} {
		d := edit.Draft{Name: way.name, Wrote: func(size int64) { w.room.Bytes = size - w.base.File.Size() }}
		d.Make = func(context.Context) (gguf.Edits, []gguf.KeyValue, error) {
			e, err := room.Edits(w.base.Quantizer, neurons, way.types)
			if err != nil {
				return e, nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
			}
			return e, w.keys(edits), nil
		}
		for _, name := range []string{last.Gate, last.Up, last.Down} {
			t, promoted := way.types[name]
			if info, ok := w.base.File.Tensor(name); ok && promoted && info.Type != t {
				d.Changed = append(d.Changed, edit.TypeChange{Tensor: name, From: info.Type.String(), To: t.String()})
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// keys are the provenance keys that are T-Patcher's own.
func (w *work) keys(edits []*edit.Computed) []gguf.KeyValue {
	var slots, owner []int32
	for i, c := range edits {
		for _, r := range c.Change.(*Neurons).reports {
			slots, owner = append(slots, int32(r.Slot)), append(owner, int32(i))
		}
	}
	return []gguf.KeyValue{
		{Key: edit.KeyParts, Value: gguf.ArrayOf(slots)},
		{Key: edit.KeyOwners, Value: gguf.ArrayOf(owner)},
		{Key: keyWidths, Value: gguf.ArrayOf([]int32{int32(w.room.From), int32(w.room.To)})},
		{Key: keyMemory, Value: gguf.ValueOf(w.memoryModel())},
	}
}

// memoryModel is the fingerprint of the model that the memory was made with.
func (w *work) memoryModel() string {
	if h := w.history; len(h) > 0 && h[len(h)-1].model != "" {
		return h[len(h)-1].model
	}
	return w.base.Print
}
