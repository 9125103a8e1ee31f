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
		return e.rewrite(first)
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

// rewrite applies edits to a model of one file.
func (e Edits) rewrite(s *shard) (*Output, error) {
	if e.none() {
		return copyOf(s), nil
	}
	return layout{
		version: s.version,
		order:   s.order,
		kv:      e.keys(s.kv),
		tensors: append(e.sources(s), added(e.Add)...),
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
