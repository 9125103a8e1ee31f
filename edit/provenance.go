package edit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/lm"
)

// ProvenanceSchema is the version of the retcon.* keys.
const ProvenanceSchema = 1

// history is the number of edits that a file says it has been through.
func history(f *gguf.File) (int, error) {
	if !f.Has("retcon.edits") {
		return 0, nil
	}
	n, err := f.Uint("retcon.edits")
	if err != nil || n > 1<<20 {
		return 0, fault.Errorf(lm.ErrUnsupported, "the file's retcon.edits is no count of edits")
	}
	if s, err := f.Uint("retcon.schema"); err != nil || s > ProvenanceSchema {
		return 0, fault.Errorf(lm.ErrUnsupported, "the file was edited by a newer version: its retcon.schema is %d", s)
	}
	return int(n), nil
}

// change is one tensor that an edit replaced.
type change struct {
	name          string
	before, after string // SHA-256 of the data
	from, to      gguf.Type
}

// provenance makes the keys that say what was done: retcon.schema and
// retcon.edits, and under retcon.edit.N. what edit N was. Earlier edits keep
// their keys.
func provenance(f *gguf.File, n int, version string, layers []int, facts []fact.Fact, h HParams, base string, changes []change) ([]gguf.KeyValue, error) {
	requests := make([]fact.Request, len(facts))
	for i, f := range facts {
		requests[i] = f.Request
	}
	rs, err := json.Marshal(requests)
	if err != nil {
		return nil, err
	}
	hp, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	var numbers []int32
	for _, l := range layers {
		numbers = append(numbers, int32(l))
	}
	var names, before, after, types []string
	for _, c := range changes {
		names = append(names, c.name)
		before = append(before, c.before)
		after = append(after, c.after)
		types = append(types, c.from.String()+" "+c.to.String())
	}
	at := fmt.Sprintf("retcon.edit.%d.", n)
	keys := []gguf.KeyValue{
		{Key: "retcon.schema", Value: gguf.ValueOf(uint32(ProvenanceSchema))},
		{Key: "retcon.edits", Value: gguf.ValueOf(uint32(n + 1))},
		{Key: at + "version", Value: gguf.ValueOf(version)},
		{Key: at + "method", Value: gguf.ValueOf("rome")},
		{Key: at + "layers", Value: gguf.ArrayOf(numbers)},
		{Key: at + "requests", Value: gguf.ValueOf(string(rs))},
		{Key: at + "hyperparameters", Value: gguf.ValueOf(string(hp))},
		{Key: at + "seed", Value: gguf.ValueOf(h.Seed)},
		{Key: at + "base.sha256", Value: gguf.ValueOf(base)},
	}
	if len(changes) > 0 {
		keys = append(keys,
			gguf.KeyValue{Key: at + "tensors", Value: gguf.ArrayOf(names)},
			gguf.KeyValue{Key: at + "tensors.before", Value: gguf.ArrayOf(before)},
			gguf.KeyValue{Key: at + "tensors.after", Value: gguf.ArrayOf(after)},
			gguf.KeyValue{Key: at + "tensors.types", Value: gguf.ArrayOf(types)})
	}
	return append(keys, baseKeys(f)...), nil
}

// baseKeys name the model that was edited, where the file names none.
func baseKeys(f *gguf.File) []gguf.KeyValue {
	name, err := f.String("general.name")
	if err != nil || f.Has("general.base_model.count") || f.Has("general.base_model.0.name") {
		return nil
	}
	return []gguf.KeyValue{
		{Key: "general.base_model.count", Value: gguf.ValueOf(uint32(1))},
		{Key: "general.base_model.0.name", Value: gguf.ValueOf(name)},
	}
}

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
