package ffn

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"retcon/gguf"
)

// Network is the feed-forward network of one layer, by the names of its
// tensors; a name is empty where there is none.
type Network struct {
	Layer int
	Width int64 // n_ff, the number of neurons
	// Up is [n_embd, n_ff], or [n_embd, 2 n_ff] with the gate in its first
	// half where Fused is set. Down is [n_ff, n_embd].
	Gate, Up, Down   string
	GateBias, UpBias string
	Fused            bool

	extra []extra
}

// An extra is another tensor that is as wide as the network.
type extra struct {
	name string
	kind extraKind
}

type extraKind int

const (
	rows  extraKind = iota // [n, n_ff]: rows are appended
	cols                   // [n_ff, n]: each row grows
	zeros                  // [n_ff]
	ones                   // [n_ff], a divisor
)

// Model is what a file holds of feed-forward networks.
type Model struct {
	Arch     string
	Width    int64 // n_embd
	Networks []Network
	// perLayer reports that llama.cpp reads a width for each layer.
	perLayer bool
	factor   int64 // feed_forward_length in units of a network's width
}

// perLayerArchs read feed_forward_length layer by layer.
var perLayerArchs = []string{"deci", "openelm", "plamo3"}

// Last is the network of the last layer.
func (m *Model) Last() *Network { return &m.Networks[len(m.Networks)-1] }

// PerLayer reports whether llama.cpp lets layers of this architecture differ
// in width.
func (m *Model) PerLayer() bool { return m.perLayer }

// Read finds the networks of all layers and checks that they can be widened.
func Read(f *gguf.File) (*Model, error) {
	arch, err := f.String("general.architecture")
	if err != nil {
		return nil, errorf(ErrUnsupported, "%w", err)
	}
	if f.ByteOrder != binary.ByteOrder(binary.LittleEndian) {
		return nil, errorf(ErrUnsupported, "the file is big-endian")
	}
	m := &Model{Arch: arch, perLayer: slices.Contains(perLayerArchs, arch)}
	layers, err := f.Uint(arch + ".block_count")
	if err != nil || layers == 0 || layers > uint64(len(f.Tensors)) {
		return nil, errorf(ErrUnsupported, "architecture %s: the file gives no number of layers", arch)
	}
	for l := range int(layers) {
		n, err := network(f, l)
		if err != nil {
			return nil, fmt.Errorf("architecture %s: %w", arch, err)
		}
		m.Networks = append(m.Networks, n)
	}
	down, _ := f.Tensor(m.Last().Down)
	m.Width = down.Rows()
	return m, m.checkKey(f)
}

// lengths are the values of feed_forward_length, one a layer.
func (m *Model) lengths(f *gguf.File) ([]uint64, error) {
	v, ok := f.Value(m.key())
	if !ok {
		return nil, errorf(ErrUnsupported, "architecture %s: the file has no %s", m.Arch, m.key())
	}
	if n, ok := v.Uint(); ok {
		return slices.Repeat([]uint64{n}, len(m.Networks)), nil
	}
	if ns, ok := v.Uints(); ok && len(ns) >= len(m.Networks) {
		return ns, nil
	}
	return nil, errorf(ErrUnsupported, "architecture %s: %s is %v", m.Arch, m.key(), v)
}

func (m *Model) key() string { return m.Arch + ".feed_forward_length" }

// checkKey finds the factor between the key and the tensors.
func (m *Model) checkKey(f *gguf.File) error {
	lengths, err := m.lengths(f)
	if err != nil {
		return err
	}
	for i, n := range m.Networks {
		factor := int64(lengths[i]) / n.Width
		if factor < 1 || factor > 2 || factor*n.Width != int64(lengths[i]) || m.factor != 0 && factor != m.factor {
			return errorf(ErrUnsupported, "architecture %s: layer %d is %d wide, but %s says %d", m.Arch, i, n.Width, m.key(), lengths[i])
		}
		m.factor = factor
	}
	return nil
}

func network(f *gguf.File, layer int) (Network, error) {
	p := fmt.Sprintf("blk.%d.", layer)
	n := Network{Layer: layer, Down: p + "ffn_down.weight", Up: p + "ffn_up.weight"}
	for _, t := range f.Tensors {
		rest, ok := strings.CutPrefix(t.Name, p)
		switch {
		case !ok:
		case strings.Contains(rest, "_exps.") || strings.Contains(rest, "_shexp.") || strings.Contains(rest, "_chexps."):
			return n, errorf(ErrUnsupported, "layer %d is a mixture of experts (%s)", layer, t.Name)
		case strings.HasPrefix(rest, "ffn_sub_norm"):
			return n, errorf(ErrUnsupported, "layer %d has a norm over its neurons (%s), which more of them would change", layer, t.Name)
		}
	}
	down, ok := f.Tensor(n.Down)
	up, okUp := f.Tensor(n.Up)
	if !ok || !okUp {
		return n, errorf(ErrUnsupported, "layer %d has no %s or no %s", layer, n.Down, n.Up)
	}
	n.Width = down.RowLength()
	if n.Width <= 0 || len(down.Dims) != 2 || len(up.Dims) != 2 || up.RowLength() != down.Rows() {
		return n, errorf(ErrUnsupported, "layer %d: %s is %s and %s is %s", layer, n.Up, up.Shape(), n.Down, down.Shape())
	}
	gate, gated := f.Tensor(p + "ffn_gate.weight")
	n.Fused = !gated && up.Rows() == 2*n.Width
	if !n.Fused && up.Rows() != n.Width {
		return n, errorf(ErrUnsupported, "layer %d: %s is %s and %s is %s", layer, n.Up, up.Shape(), n.Down, down.Shape())
	}
	if gated {
		if !slices.Equal(gate.Dims, up.Dims) {
			return n, errorf(ErrUnsupported, "layer %d: %s is %s, not %s", layer, gate.Name, gate.Shape(), up.Shape())
		}
		n.Gate = gate.Name
	}
	return n, n.others(f, p)
}

// others finds the biases and what else is as wide as the network.
func (n *Network) others(f *gguf.File, p string) error {
	for _, o := range []struct {
		name string
		dst  *string
		len  int64
	}{{p + "ffn_gate.bias", &n.GateBias, n.Width}, {p + "ffn_up.bias", &n.UpBias, n.upRows()}} {
		t, ok := f.Tensor(o.name)
		if !ok {
			continue
		}
		if t.Type != gguf.F32 || t.Elements() != o.len || t.RowLength() != o.len {
			return errorf(ErrUnsupported, "%s is %v of %s, not F32 of %d", t.Name, t.Type, t.Shape(), o.len)
		}
		*o.dst = t.Name
	}
	for _, e := range []extra{
		{p + "ffn.act.scales", ones},
		{p + "vis_gate.weight", rows}, {p + "vis_up.weight", rows}, {p + "vis_down.weight", cols},
	} {
		t, ok := f.Tensor(e.name)
		if !ok {
			continue
		}
		length := t.RowLength()
		if e.kind == rows {
			length = t.Rows()
		}
		if length != n.Width || e.kind == ones && t.Type != gguf.F32 {
			return errorf(ErrUnsupported, "%s is %v of %s", t.Name, t.Type, t.Shape())
		}
		n.extra = append(n.extra, e)
	}
	return nil
}

// upRows is the number of rows of Up.
func (n *Network) upRows() int64 {
	if n.Fused {
		return 2 * n.Width
	}
	return n.Width
}
