package edit

import (
	"encoding/json"
	"fmt"

	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/lm"
)

// ProvenanceSchema is the version of the retcon.* keys.
const ProvenanceSchema = 1

// The keys of an edit that consists of parts which can be taken out one by one.
// Prefix gives what stands before them.
const (
	KeyParts  = "neurons"         // array of i32: where each part is, -1 for one taken out
	KeyOwners = "neurons.request" // array of i32: index into the edit's requests
)

// The keys that name the file which was edited: by the SHA-256 of its tensor
// data, and by its fingerprint.
const (
	keyBase      = "base.sha256"
	keyBasePrint = "base.fingerprint"
)

// Prefix stands before the keys of edit n of a file.
func Prefix(n int) string { return fmt.Sprintf("retcon.edit.%d.", n) }

// History is the number of edits that a file says it has been through.
func History(f *gguf.File) (int, error) {
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

// provenance makes the keys that say what this run did: retcon.schema and
// retcon.edits, and under retcon.edit.N. what edit N was, the method's own keys
// among them. Earlier edits keep their keys.
func (s *session) provenance(own []gguf.KeyValue, changes []change) ([]gguf.KeyValue, error) {
	requests := make([]fact.Request, len(s.edits))
	for i, e := range s.edits {
		requests[i] = e.fact.Request
	}
	rs, err := json.Marshal(requests)
	if err != nil {
		return nil, err
	}
	set := s.work.Settings()
	h, err := json.Marshal(set.HParams)
	if err != nil {
		return nil, err
	}
	sums := s.sums // write has made them
	at := Prefix(s.earlier)
	keys := []gguf.KeyValue{
		{Key: "retcon.schema", Value: gguf.ValueOf(uint32(ProvenanceSchema))},
		{Key: "retcon.edits", Value: gguf.ValueOf(uint32(s.earlier + 1))},
		{Key: at + "version", Value: gguf.ValueOf(s.cfg.Version)},
		{Key: at + "method", Value: gguf.ValueOf(set.Method)},
		{Key: at + "layers", Value: gguf.ArrayOf([]int32{int32(set.Layer)})},
		{Key: at + "requests", Value: gguf.ValueOf(string(rs))},
		{Key: at + "hyperparameters", Value: gguf.ValueOf(string(h))},
		{Key: at + "seed", Value: gguf.ValueOf(set.Seed)},
		{Key: at + keyBase, Value: gguf.ValueOf(sums.Payload.String())},
		{Key: at + keyBasePrint, Value: gguf.ValueOf(s.base.Print)},
	}
	for _, kv := range own {
		keys = append(keys, gguf.KeyValue{Key: at + kv.Key, Value: kv.Value})
	}
	keys = append(keys, changeKeys(at, changes)...)
	return append(keys, baseKeys(s.base.File)...), nil
}

// changeKeys say which tensors an edit replaced.
func changeKeys(at string, changes []change) []gguf.KeyValue {
	if len(changes) == 0 {
		return nil
	}
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
