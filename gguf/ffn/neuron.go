package ffn

import (
	"maps"
	"slices"

	"retcon/gguf"
)

// Neuron is one neuron of a feed-forward network, as it stands in the file: it
// adds act(Gate·x + GateBias) (Up·x + UpBias) Down to the output, or
// act(Up·x + UpBias) Down where the network has no gate. The zero Neuron adds
// nothing.
type Neuron struct {
	Gate     []float32 // [n_embd], nil for zeros
	GateBias float32
	Up       []float32 // [n_embd], nil for zeros
	UpBias   float32
	Down     []float32 // [n_embd], nil for zeros
}

// Quantizer converts rows between F32 and ggml's types.
type Quantizer interface {
	// Dequantize writes the values of src, whole rows of type t, to dst.
	Dequantize(dst []float32, t gguf.Type, src []byte) error
	// Quantize writes rows of rowLen values as type t. importance
	// [rowLen] may be nil where the type does not require it.
	Quantize(dst []byte, t gguf.Type, src []float32, rowLen int, importance []float32) error
	// NeedsImportance reports whether t cannot be written without importance.
	NeedsImportance(t gguf.Type) bool
}

// gateAndUpBiases and upBiases are the architectures whose biases llama.cpp
// loads, and uses, where a layer has them.
var (
	gateAndUpBiases = []string{"deci", "granite", "granitemoe", "granite_swa", "llama", "minicpm", "mistral3"}
	upBiases        = []string{"mpt", "nemotron"}
)

// Biases reports whether neurons of the last layer can have a bias at the gate
// (where there is one) and at the up-projection: the file has it, or
// llama.cpp loads one that is added.
func (m *Model) Biases() (gate, up bool) {
	n := m.Last()
	gate, up = n.GateBias != "", n.UpBias != ""
	switch {
	case n.Gate != "" && slices.Contains(gateAndUpBiases, m.Arch):
		gate, up = true, true
	case n.Gate == "" && !n.Fused && slices.Contains(upBiases, m.Arch):
		up = true
	case n.Fused:
		gate = up
	}
	return gate, up
}

// check reports neurons that cannot be written to the last layer.
func (r *Room) check(neurons map[int64]Neuron) error {
	n := r.model.Last()
	gate, up := r.model.Biases()
	for _, slot := range slices.Sorted(maps.Keys(neurons)) {
		v := neurons[slot]
		if slot < 0 || slot >= r.Width {
			return errorf(ErrRoom, "neuron %d of %d", slot, r.Width)
		}
		for _, row := range [][]float32{v.Gate, v.Up, v.Down} {
			if row != nil && int64(len(row)) != r.model.Width {
				return errorf(ErrRoom, "neuron %d has a row of %d, not %d", slot, len(row), r.model.Width)
			}
		}
		switch {
		case v.Gate != nil && n.Gate == "" && !n.Fused:
			return errorf(ErrRoom, "neuron %d has a gate, the network has none", slot)
		case v.GateBias != 0 && !gate || v.UpBias != 0 && !up:
			return errorf(ErrUnsupported, "architecture %s: llama.cpp loads no such bias", r.model.Arch)
		}
	}
	return nil
}

// Edits are the changes that make the room and put neurons at slots of the
// last layer. types gives tensors of that layer another type, which holds the
// values that they have; such tensors are quantised as a whole.
func (r *Room) Edits(q Quantizer, neurons map[int64]Neuron, types map[string]gguf.Type) (gguf.Edits, error) {
	var e gguf.Edits
	if err := r.check(neurons); err != nil {
		return e, err
	}
	var err error
	if e.Set, e.Delete, err = r.keys(); err != nil {
		return e, err
	}
	for i := range r.model.Networks {
		n := &r.model.Networks[i]
		if i < len(r.model.Networks)-1 {
			if r.Pad[i] != 0 {
				r.network(&e, n, q, nil, nil)
			}
			continue
		}
		r.network(&e, n, q, neurons, types)
		r.addBiases(&e, n, neurons)
	}
	return e, nil
}

// network appends the changes to one layer's tensors.
func (r *Room) network(e *gguf.Edits, n *Network, q Quantizer, neurons map[int64]Neuron, types map[string]gguf.Type) {
	pad := r.Pad[n.Layer]
	add := func(name string, k extraKind, halves int64, values overlay) {
		t, ok := r.file.Tensor(name)
		if !ok {
			return
		}
		to, changed := types[name]
		if !changed {
			to = t.Type
		}
		if pad != 0 || len(values.rows) > 0 || to != t.Type {
			s := splice{file: r.file, info: t, to: to, kind: k, pad: pad, halves: halves, over: values, q: q}
			e.Replace = append(e.Replace, s.tensor())
		}
	}
	gate := func(v Neuron) ([]float32, float32) { return v.Gate, v.GateBias }
	up := func(v Neuron) ([]float32, float32) { return v.Up, v.UpBias }
	if n.Fused {
		add(n.Up, rows, 2, r.overlay(neurons, gate, up))
		add(n.UpBias, zeros, 2, r.biases(neurons, gate, up))
	} else {
		add(n.Gate, rows, 1, r.overlay(neurons, gate))
		add(n.GateBias, zeros, 1, r.biases(neurons, gate))
		add(n.Up, rows, 1, r.overlay(neurons, up))
		add(n.UpBias, zeros, 1, r.biases(neurons, up))
	}
	add(n.Down, cols, 1, r.overlay(neurons, func(v Neuron) ([]float32, float32) { return v.Down, 0 }))
	for _, x := range n.extra {
		add(x.name, x.kind, 1, overlay{})
	}
}

// overlay puts rows of neurons at their places in the tensor afterwards. A
// fused tensor has the parts one after the other, each as wide as the layer
// will be.
func (r *Room) overlay(neurons map[int64]Neuron, parts ...func(Neuron) ([]float32, float32)) overlay {
	o := overlay{rows: map[int64][]float32{}}
	for slot, v := range neurons {
		for i, part := range parts {
			row, _ := part(v)
			if row == nil {
				row = make([]float32, r.model.Width)
			}
			o.rows[int64(i)*r.Width+slot] = row
		}
	}
	return o.sorted()
}

// biases is overlay for a vector of biases.
func (r *Room) biases(neurons map[int64]Neuron, parts ...func(Neuron) ([]float32, float32)) overlay {
	o := overlay{rows: map[int64][]float32{}}
	for slot, v := range neurons {
		for i, part := range parts {
			_, b := part(v)
			o.rows[int64(i)*r.Width+slot] = []float32{b}
		}
	}
	return o.sorted()
}

// addBiases adds the biases that neurons have and the file has not.
func (r *Room) addBiases(e *gguf.Edits, n *Network, neurons map[int64]Neuron) {
	gate, up := make([]float32, r.Width), make([]float32, r.Width)
	var anyGate, anyUp bool
	for slot, v := range neurons {
		gate[slot], up[slot] = v.GateBias, v.UpBias
		anyGate, anyUp = anyGate || v.GateBias != 0, anyUp || v.UpBias != 0
	}
	add := func(name string, values []float32) {
		e.Add = append(e.Add, gguf.Tensor{Name: name, Type: gguf.F32, Dims: []int64{r.Width}, Data: gguf.Float32s(values)})
	}
	if anyGate && n.GateBias == "" && !n.Fused {
		add(biasOf(n.Gate), gate)
	}
	if anyUp && n.UpBias == "" && !n.Fused {
		add(biasOf(n.Up), up)
	}
}

// biasOf is the name of the bias beside a weight.
func biasOf(weight string) string { return weight[:len(weight)-len("weight")] + "bias" }
