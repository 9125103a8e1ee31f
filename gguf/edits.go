package gguf

import (
	"fmt"
	"slices"
	"strings"
)

// Edits lists changes to a file. The zero Edits changes nothing.
type Edits struct {
	// Set gives keys a new value of any kind, in their place if the file has
	// them and after all others, in this order, if not.
	Set []KeyValue
	// Delete names keys to leave out. The file must have them.
	Delete []string
	// Replace gives tensors of the file, by name, new data and with it a new
	// type and shape. Their place in the file stays.
	Replace []Tensor
	// Drop names tensors to leave out. The file must have them.
	Drop []string
	// Add appends tensors.
	Add []Tensor
}

// check reports why the edits do not fit the file.
func (e Edits) check(f *File) error {
	if err := checkKeys(e.Set); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, kv := range e.Set {
		if len(f.shards) > 1 && strings.HasPrefix(kv.Key, "split.") {
			return errorf(ErrEdit, "key %s is kept by the split model itself", quote(kv.Key))
		}
		seen[kv.Key] = true
	}
	for _, key := range e.Delete {
		if !f.Has(key) {
			return fmt.Errorf("%w: key %s: %w", ErrEdit, quote(key), ErrNotFound)
		}
		if seen[key] || len(f.shards) > 1 && strings.HasPrefix(key, "split.") {
			return errorf(ErrEdit, "key %s cannot be deleted", quote(key))
		}
		seen[key] = true
	}
	return e.checkTensors(f)
}

func (e Edits) checkTensors(f *File) error {
	seen := make(map[string]bool)
	once := func(name string, has bool) error {
		if _, ok := f.index[name]; ok && !has {
			return errorf(ErrEdit, "tensor %s is in the file already", quote(name))
		} else if !ok && has {
			return fmt.Errorf("%w: tensor %s: %w", ErrEdit, quote(name), ErrNotFound)
		}
		if seen[name] {
			return errorf(ErrEdit, "tensor %s is changed twice", quote(name))
		}
		seen[name] = true
		return nil
	}
	for _, name := range e.Drop {
		if err := once(name, true); err != nil {
			return err
		}
	}
	for i, t := range slices.Concat(e.Replace, e.Add) {
		if err := once(t.Name, i < len(e.Replace)); err != nil {
			return err
		}
		if err := t.check(); err != nil {
			return err
		}
	}
	return nil
}

// check reports why a tensor cannot be written. Its size is checked later.
func (t Tensor) check() error {
	switch {
	case t.Name == "" || len(t.Name) > MaxName || strings.ContainsRune(t.Name, 0):
		return errorf(ErrEdit, "tensor %s: a name has 1 to %d bytes, none of them 0", quote(t.Name), MaxName)
	case t.Data == nil:
		return errorf(ErrEdit, "tensor %s has no data", quote(t.Name))
	}
	return nil
}

// maxKey is the format's limit on the bytes of a key.
const maxKey = 1<<16 - 1

// checkKeys reports why keys cannot be written.
func checkKeys(kv []KeyValue) error {
	seen := make(map[string]bool)
	for _, e := range kv {
		switch {
		case e.Key == "" || len(e.Key) > maxKey:
			return errorf(ErrEdit, "key %s: a key has 1 to %d bytes", quote(e.Key), maxKey)
		case seen[e.Key]:
			return errorf(ErrEdit, "key %s is set twice", quote(e.Key))
		}
		seen[e.Key] = true
		if err := e.Value.check(1); err != nil {
			return fmt.Errorf("key %s: %w", quote(e.Key), err)
		}
	}
	return nil
}

// keys returns kv as edited.
func (e Edits) keys(kv []KeyValue) []KeyValue {
	out := slices.DeleteFunc(slices.Clone(kv), func(kv KeyValue) bool {
		return slices.Contains(e.Delete, kv.Key)
	})
	place := make(map[string]int, len(out))
	for i, kv := range out {
		place[kv.Key] = i
	}
	for _, kv := range e.Set {
		if i, ok := place[kv.Key]; ok {
			out[i] = kv
		} else {
			out = append(out, kv)
		}
	}
	return out
}

// sources returns the tensors of a shard as edited, without added ones.
func (e Edits) sources(s *shard) []source {
	replace := make(map[string]Tensor, len(e.Replace))
	for _, t := range e.Replace {
		replace[t.Name] = t
	}
	out := make([]source, 0, len(s.tensors))
	for _, t := range s.tensors {
		if slices.Contains(e.Drop, t.Name) {
			continue
		}
		r, ok := replace[t.Name]
		if !ok {
			out = append(out, source{Tensor{t.Name, t.Type, t.Dims, nil}, s, s.data + t.Offset})
			continue
		}
		if r.Dims == nil {
			r.Dims = t.Dims
		}
		out = append(out, source{Tensor: r})
	}
	return out
}

// none reports whether the edits change nothing.
func (e Edits) none() bool {
	return len(e.Set)+len(e.Delete)+len(e.Replace)+len(e.Drop)+len(e.Add) == 0
}
