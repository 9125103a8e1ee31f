package edit

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	ffn "retcon/gguf/widen"
	"retcon/lm"
)

// packed are float32 values that are written to JSON as base64 of their bytes,
// little-endian.
type packed []float32

// MarshalJSON implements json.Marshaler.
func (p packed) MarshalJSON() ([]byte, error) {
	if p == nil {
		return []byte("null"), nil
	}
	b := make([]byte, 0, 4*len(p))
	for _, v := range p {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return json.Marshal(b)
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *packed) UnmarshalJSON(data []byte) error {
	var b []byte
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	if len(b)%4 != 0 {
		return fmt.Errorf("%d bytes are no float32 values", len(b))
	}
	*p = nil
	if b != nil {
		*p = make(packed, len(b)/4)
	}
	for i := range *p {
		(*p)[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return nil
}

// packedNeuron is a neuron as journals have it.
type packedNeuron struct {
	Gate     packed  `json:"gate,omitempty"`
	GateBias float32 `json:"gate_bias,omitempty"`
	Up       packed  `json:"up,omitempty"`
	UpBias   float32 `json:"up_bias,omitempty"`
	Down     packed  `json:"down,omitempty"`
}

func pack(ns []ffn.Neuron) []packedNeuron {
	if ns == nil {
		return nil
	}
	out := make([]packedNeuron, len(ns))
	for i, n := range ns {
		out[i] = packedNeuron{n.Gate, n.GateBias, n.Up, n.UpBias, n.Down}
	}
	return out
}

func unpack(ns []packedNeuron) []ffn.Neuron {
	if ns == nil {
		return nil
	}
	out := make([]ffn.Neuron, len(ns))
	for i, n := range ns {
		out[i] = ffn.Neuron{Gate: n.Gate, GateBias: n.GateBias, Up: n.Up, UpBias: n.UpBias, Down: n.Down}
	}
	return out
}

// computedJSON is a Computed as journals have it: all that it takes to apply
// and to keep it, bit for bit, and what is reported of it.
type computedJSON struct {
	Layer    int            `json:"layer"`
	Left     packed         `json:"left,omitempty"`
	Right    packed         `json:"right,omitempty"`
	Report   UpdateReport   `json:"update"`
	Sink     bool           `json:"sink,omitempty"`
	Seconds  float64        `json:"seconds"`
	Warnings []string       `json:"warnings,omitempty"`
	Refusals []string       `json:"refusals,omitempty"`
	Neurons  []packedNeuron `json:"neurons"`
	Trained  int            `json:"trained,omitempty"`
	Patches  []PatchReport  `json:"patches,omitempty"`
	Queries  packed         `json:"queries,omitempty"`
}

// MarshalJSON writes what [Apply] and [Editor.Keep] need of the edit.
func (c *Computed) MarshalJSON() ([]byte, error) {
	return json.Marshal(computedJSON{c.Layer, c.Left, c.Right, c.Report, c.Sink, c.Seconds, c.Warnings, c.Refusals,
		pack(c.Neurons), c.trained, c.Patches, c.queries})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Computed) UnmarshalJSON(data []byte) error {
	var p computedJSON
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	if p.Trained < 0 || p.Trained > len(p.Neurons) {
		return fmt.Errorf("%d of %d neurons are trained", p.Trained, len(p.Neurons))
	}
	*c = Computed{Rank: &Rank{Update: lm.Update{Layer: p.Layer, Left: p.Left, Right: p.Right}, Report: p.Report, Sink: p.Sink, Warnings: p.Warnings},
		Seconds: p.Seconds, Refusals: p.Refusals, Neurons: unpack(p.Neurons), Patches: p.Patches, queries: p.Queries, trained: p.Trained}
	return nil
}
