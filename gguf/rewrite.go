package gguf

import "slices"

// Rewrite returns the model with the edits applied, as one file. The shards of
// a split model are merged as llama-gguf-split does, which leaves split.count
// at 0. The model must stay open until the output is written.
func Rewrite(f *File, e Edits) (*Output, error) {
	if err := e.check(f); err != nil {
		return nil, err
	}
	first := f.shards[0]
	if len(f.shards) == 1 {
		return e.rewrite(first, e.Add)
	}
	l := layout{version: first.version, order: first.order, kv: e.keys(first.kv)}
	for _, s := range f.shards {
		l.tensors = append(l.tensors, e.sources(s)...)
	}
	l.tensors = append(l.tensors, added(e.Add)...)
	l.kv = setInt(l.kv, keySplitCount, 0)
	l.kv = setInt(l.kv, keySplitTensors, uint64(len(l.tensors)))
	return l.output()
}

// RewriteShards returns the model with the edits applied, one output for each
// of its files. Files that the edits do not concern are copied byte for byte:
// keys are in the first file, and only tensors that come or go change a count
// that all files carry.
func RewriteShards(f *File, e Edits) ([]*Output, error) {
	if err := e.check(f); err != nil {
		return nil, err
	}
	total := uint64(len(f.Tensors) + len(e.Add) - len(e.Drop))
	outs := make([]*Output, len(f.shards))
	for i, s := range f.shards {
		own := Edits{Replace: e.Replace, Drop: e.Drop}
		if i == 0 {
			own.Set, own.Delete = e.Set, e.Delete
		}
		if len(f.shards) > 1 && total != uint64(len(f.Tensors)) {
			own.Set = slices.Concat(own.Set, setInt(s.splitTensors(), keySplitTensors, total))
		}
		var add []Tensor
		if i == len(f.shards)-1 {
			add = e.Add
		}
		var err error
		if outs[i], err = own.rewrite(s, add); err != nil {
			return nil, err
		}
	}
	return outs, nil
}

// rewrite applies edits to one file.
func (e Edits) rewrite(s *shard, add []Tensor) (*Output, error) {
	if len(e.Set) == 0 && len(e.Delete) == 0 && len(add) == 0 && !e.touches(s) {
		return copyOf(s), nil
	}
	return layout{
		version: s.version,
		order:   s.order,
		kv:      e.keys(s.kv),
		tensors: append(e.sources(s), added(add)...),
		tail:    part{size: s.tail(), src: s.r, off: s.end},
	}.output()
}

func added(ts []Tensor) []source {
	out := make([]source, len(ts))
	for i, t := range ts {
		out[i] = source{Tensor: t}
	}
	return out
}

// splitTensors returns the entry of split.tensors.count, if s has it.
func (s *shard) splitTensors() []KeyValue {
	if i, ok := s.keys[keySplitTensors]; ok {
		return s.kv[i : i+1]
	}
	return nil
}

// setInt returns kv with an integer changed and its kind kept. A key that is
// not there, or is no integer, is left alone.
func setInt(kv []KeyValue, key string, n uint64) []KeyValue {
	kv = slices.Clone(kv)
	for i, e := range kv {
		if _, ok := e.Value.Uint(); ok && e.Key == key {
			kv[i].Value = Value{kind: e.Value.kind, data: pack(n)[:e.Value.kind.size()]}
		}
	}
	return kv
}
