package edit

import (
	"encoding/json"
	"fmt"
	"slices"

	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/lm"
)

// patchedEdit is an earlier T-Patcher edit of the file.
type patchedEdit struct {
	n        int // its number in the file
	requests []fact.Request
	slots    []int64 // of its neurons in the last layer, -1 for one taken out
	owner    []int64 // the request that each belongs to
	from, to int64   // width of the last layer before and after
	model    string  // fingerprint of the model that its memory was made with
}

// live are its requests that still have a neuron.
func (p *patchedEdit) live() []fact.Request {
	var out []fact.Request
	for i, r := range p.requests {
		for j, o := range p.owner {
			if o == int64(i) && p.slots[j] >= 0 {
				out = append(out, r)
				break
			}
		}
	}
	return out
}

// The keys of a T-Patcher edit besides those of every edit.
const (
	keySlots  = "neurons"         // array of i32: slots in the last layer, -1 for one taken out
	keyOwner  = "neurons.request" // array of i32: index into the edit's requests
	keyWidths = "widths"          // array of i32: the last layer's width before and after
	keyMemory = "memory"          // string: the model that the memory was made with
)

// patchHistory reads the T-Patcher edits that a file says it has been through.
func patchHistory(f *gguf.File) ([]patchedEdit, error) {
	n, err := history(f)
	if err != nil {
		return nil, err
	}
	var out []patchedEdit
	for i := range n {
		at := fmt.Sprintf("retcon.edit.%d.", i)
		if m, _ := f.String(at + "method"); m != MethodTPatcher {
			continue
		}
		p := patchedEdit{n: i}
		bad := func(key string) error {
			return fault.Errorf(lm.ErrUnsupported, "the file's %s%s is not what T-Patcher writes", at, key)
		}
		text, err := f.String(at + "requests")
		if err != nil || json.Unmarshal([]byte(text), &p.requests) != nil {
			return nil, bad("requests")
		}
		if p.slots, err = f.Ints(at + keySlots); err != nil {
			return nil, bad(keySlots)
		}
		if p.owner, err = f.Ints(at + keyOwner); err != nil || len(p.owner) != len(p.slots) {
			return nil, bad(keyOwner)
		}
		w, err := f.Ints(at + keyWidths)
		if err != nil || len(w) != 2 {
			return nil, bad(keyWidths)
		}
		p.from, p.to = w[0], w[1]
		p.model, _ = f.String(at + keyMemory)
		out = append(out, p)
	}
	return out, nil
}

// freeSlots are the neurons that earlier runs added to the last layer and that
// hold no patch.
func freeSlots(history []patchedEdit) []int64 {
	var used []int64
	for _, h := range history {
		used = append(used, h.slots...)
	}
	var out []int64
	for _, h := range history {
		for s := h.from; s < h.to; s++ {
			if !slices.Contains(used, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// patchKeys are the provenance keys of this run.
func (s *session) patchKeys(room *RoomReport, base string, changes []change) ([]gguf.KeyValue, error) {
	var requests []fact.Request
	var slots, owner []int32
	for i, e := range s.edits {
		requests = append(requests, e.fact.Request)
		for _, r := range e.Patches {
			slots, owner = append(slots, int32(r.Slot)), append(owner, int32(i))
		}
	}
	rs, err := json.Marshal(requests)
	if err != nil {
		return nil, err
	}
	h, err := json.Marshal(s.cfg.Patch)
	if err != nil {
		return nil, err
	}
	at := fmt.Sprintf("retcon.edit.%d.", s.earlier)
	keys := []gguf.KeyValue{
		{Key: "retcon.schema", Value: gguf.ValueOf(uint32(ProvenanceSchema))},
		{Key: "retcon.edits", Value: gguf.ValueOf(uint32(s.earlier + 1))},
		{Key: at + "version", Value: gguf.ValueOf(s.cfg.Version)},
		{Key: at + "method", Value: gguf.ValueOf(MethodTPatcher)},
		{Key: at + "layers", Value: gguf.ArrayOf([]int32{int32(s.res.Layer)})},
		{Key: at + "requests", Value: gguf.ValueOf(string(rs))},
		{Key: at + "hyperparameters", Value: gguf.ValueOf(string(h))},
		{Key: at + "seed", Value: gguf.ValueOf(s.cfg.HParams.Seed)},
		{Key: at + "base.sha256", Value: gguf.ValueOf(base)},
		{Key: at + keySlots, Value: gguf.ArrayOf(slots)},
		{Key: at + keyOwner, Value: gguf.ArrayOf(owner)},
		{Key: at + keyWidths, Value: gguf.ArrayOf([]int32{int32(room.From), int32(room.To)})},
		{Key: at + keyMemory, Value: gguf.ValueOf(s.memoryModel())},
	}
	keys = append(keys, changeKeys(at, changes)...)
	return append(keys, baseKeys(s.file)...), nil
}

// memoryModel is the fingerprint of the model that the memory was made with.
func (s *session) memoryModel() string {
	if h := s.patches.history; len(h) > 0 && h[len(h)-1].model != "" {
		return h[len(h)-1].model
	}
	return s.stats.print
}

// changeKeys say which tensors an edit replaced.
func changeKeys(at string, changes []change) []gguf.KeyValue {
	var names, before, after, types []string
	for _, c := range changes {
		names = append(names, c.name)
		before = append(before, c.before)
		after = append(after, c.after)
		types = append(types, c.from.String()+" "+c.to.String())
	}
	return []gguf.KeyValue{
		{Key: at + "tensors", Value: gguf.ArrayOf(names)},
		{Key: at + "tensors.before", Value: gguf.ArrayOf(before)},
		{Key: at + "tensors.after", Value: gguf.ArrayOf(after)},
		{Key: at + "tensors.types", Value: gguf.ArrayOf(types)},
	}
}
