package ffn

import (
	"slices"
	"strings"

	"retcon/gguf"
)

// Room is a place for neurons in the last layer, and what the file must become
// to have it.
type Room struct {
	// Slots are the neurons of the last layer that may be written, in the
	// order in which they are to be.
	Slots []int64
	// Pad is how many zero neurons each layer gains, or loses below 0.
	Pad []int64
	// Width is that of the last layer afterwards.
	Width int64

	file   *gguf.File
	model  *Model
	rename string // architecture, if it changes
}

// Strategy makes room for at least n neurons in the last layer.
type Strategy interface {
	Room(f *gguf.File, m *Model, n int) (*Room, error)
}

// Widen adds blocks of zero neurons: to all layers, or to the last one alone
// where llama.cpp reads a width for each.
type Widen struct {
	// Free are neurons of the last layer that are zero already, to be used
	// before others are added.
	Free []int64
	// Pad fixes by how many neurons a layer grows, 0 for the fewest that are
	// whole blocks of [Model.Step].
	Pad int64
}

// Deci is Widen on the last layer alone, in a file of architecture deci, which
// computes what llama does and has a width for each layer. Adapters made for
// the old architecture do not fit any more.
type Deci struct{ Widen }

// Reuse gives neurons that the layer has already, least useful first, to be
// overwritten. The file keeps its size.
type Reuse struct{ Order []int64 }

// Narrow takes the last By neurons away again, from all layers or from the last
// one alone as Widen does. They should be zero.
type Narrow struct{ By int64 }

// Room implements Strategy. It has no slots.
func (s Narrow) Room(f *gguf.File, m *Model, n int) (*Room, error) {
	r := &Room{Pad: make([]int64, len(m.Networks)), Width: m.Last().Width - s.By, file: f, model: m}
	for _, g := range m.grown(m.perLayer) {
		if s.By < 0 || s.By >= g.Width || s.By%m.Block(f, m.perLayer) != 0 {
			return nil, errorf(ErrRoom, "a layer of %d neurons cannot lose %d", g.Width, s.By)
		}
		r.Pad[g.Layer] = -s.By
	}
	if n > 0 {
		return nil, errorf(ErrRoom, "narrowing makes no room")
	}
	return r, nil
}

// Room implements Strategy.
func (s Widen) Room(f *gguf.File, m *Model, n int) (*Room, error) {
	return s.room(f, m, n, m.perLayer)
}

// Room implements Strategy. It needs a plain llama model.
func (s Deci) Room(f *gguf.File, m *Model, n int) (*Room, error) {
	if m.Arch == "deci" {
		return s.Widen.Room(f, m, n)
	}
	if m.Arch != "llama" {
		return nil, errorf(ErrUnsupported, "architecture %s: only llama's files can be written as deci", m.Arch)
	}
	for _, t := range f.Tensors {
		if strings.HasSuffix(t.Name, ".scale") {
			return nil, errorf(ErrUnsupported, "%s: the graph of deci does not use it", t.Name)
		}
	}
	r, err := s.room(f, m, n, true)
	if err == nil {
		r.rename = "deci"
	}
	return r, err
}

// Room implements Strategy.
func (s Reuse) Room(f *gguf.File, m *Model, n int) (*Room, error) {
	last := m.Last()
	if n > len(s.Order) {
		return nil, errorf(ErrRoom, "%d neurons are to go where %d may be overwritten", n, len(s.Order))
	}
	for i, slot := range s.Order {
		if slot < 0 || slot >= last.Width || slices.Contains(s.Order[:i], slot) {
			return nil, errorf(ErrRoom, "neuron %d of %d is named twice or is none", slot, last.Width)
		}
	}
	return &Room{Slots: s.Order[:n], Pad: make([]int64, len(m.Networks)), Width: last.Width, file: f, model: m}, nil
}

// kBlock is the block of K-quants, the largest of any type.
const kBlock = 256

// Block is how many neurons a block of the down-projections holds: the widths
// of the layers that are widened must be multiples of it.
func (m *Model) Block(f *gguf.File, lastOnly bool) int64 {
	block := int64(1)
	for _, n := range m.grown(lastOnly) {
		for _, name := range append([]string{n.Down}, n.extraNames(cols)...) {
			if t, ok := f.Tensor(name); ok {
				block = max(block, t.Type.BlockSize()) // all are powers of two
			}
		}
	}
	return block
}

// Step is by how many neurons layers grow at a time: a block, or 256 where
// their width is a multiple of that already, so that a file which can be
// quantised to K-quants still can be; and 32 at least for other quants.
func (m *Model) Step(f *gguf.File, lastOnly bool) int64 {
	step := m.Block(f, lastOnly)
	for _, want := range []int64{32, kBlock} {
		all := true
		for _, n := range m.grown(lastOnly) {
			all = all && n.Width%want == 0
		}
		if all {
			step = max(step, want)
		}
	}
	return step
}

// grown are the networks that widening changes.
func (m *Model) grown(lastOnly bool) []Network {
	if lastOnly {
		return m.Networks[len(m.Networks)-1:]
	}
	return m.Networks
}

func (n *Network) extraNames(k extraKind) (names []string) {
	for _, e := range n.extra {
		if e.kind == k {
			names = append(names, e.name)
		}
	}
	return names
}

func (s Widen) room(f *gguf.File, m *Model, n int, lastOnly bool) (*Room, error) {
	last := m.Last()
	r := &Room{Slots: slices.Clone(s.Free), Pad: make([]int64, len(m.Networks)), Width: last.Width, file: f, model: m}
	for _, slot := range s.Free {
		if slot < 0 || slot >= last.Width {
			return nil, errorf(ErrRoom, "neuron %d of %d cannot be free", slot, last.Width)
		}
	}
	pad := s.Pad
	if short := int64(n - len(s.Free)); pad == 0 && short > 0 {
		step := m.Step(f, lastOnly)
		pad = (short + step - 1) / step * step
	}
	if block := m.Block(f, lastOnly); pad < 0 || pad%block != 0 {
		return nil, errorf(ErrRoom, "a layer cannot grow by %d neurons: its blocks have %d", pad, block)
	}
	for _, g := range m.grown(lastOnly) {
		r.Pad[g.Layer] = pad
	}
	for i := range pad {
		r.Slots = append(r.Slots, last.Width+i)
	}
	r.Width += pad
	if len(r.Slots) < n {
		return nil, errorf(ErrRoom, "%d neurons do not fit in %d slots", n, len(r.Slots))
	}
	return r, nil
}

// keys are the metadata of the widened file.
func (r *Room) keys() (set []gguf.KeyValue, drop []string, err error) {
	arch := r.model.Arch
	if r.rename != "" {
		arch = r.rename
		set = append(set, gguf.KeyValue{Key: "general.architecture", Value: gguf.ValueOf(arch)})
		for _, kv := range r.file.KV {
			if rest, ok := strings.CutPrefix(kv.Key, r.model.Arch+"."); ok {
				drop = append(drop, kv.Key)
				if kv.Key != r.model.key() {
					set = append(set, gguf.KeyValue{Key: arch + "." + rest, Value: kv.Value})
				}
			}
		}
	}
	if r.rename == "" && !slices.ContainsFunc(r.Pad, func(p int64) bool { return p != 0 }) {
		return set, drop, nil
	}
	lengths, err := r.model.lengths(r.file)
	if err != nil {
		return nil, nil, err
	}
	for i, p := range r.Pad {
		lengths[i] = uint64(int64(lengths[i]) + p*r.model.factor)
	}
	return append(set, gguf.KeyValue{Key: arch + ".feed_forward_length", Value: r.lengthValue(lengths)}), drop, nil
}

// lengthValue is one number where all layers agree and the file had one
// before, else an array.
func (r *Room) lengthValue(lengths []uint64) gguf.Value {
	old, _ := r.file.Value(r.model.key())
	if slices.Max(lengths) == slices.Min(lengths) && old.Kind() != gguf.KindArray {
		return gguf.ValueOf(uint32(lengths[0]))
	}
	if old.Elem() == gguf.KindUint32 {
		return gguf.ArrayOf(narrow[uint32](lengths))
	}
	return gguf.ArrayOf(narrow[int32](lengths))
}

func narrow[T int32 | uint32](v []uint64) []T {
	out := make([]T, len(v))
	for i, x := range v {
		out[i] = T(x)
	}
	return out
}
