package tpatcher

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"retcon/edit"
	"retcon/fact"
	"retcon/gguf/ffn"
	"retcon/internal/fault"
	"retcon/internal/vec"
)

// Compute trains the neurons of a fact beside those that were kept.
func (w *work) Compute(ctx context.Context, f fact.Fact, step func(done, most int)) (*edit.Computed, error) {
	start := time.Now()
	t, err := w.trainFact(ctx, f, step)
	if err != nil {
		return nil, err
	}
	n := &Neurons{All: append([]ffn.Neuron{}, t.neurons...), trained: len(t.neurons), reports: t.reports, queries: t.queries}
	if w.cfg.Slots == SlotsOld {
		if w.added+n.trained > len(w.old) {
			return nil, fault.Errorf(edit.ErrRefused, "%d neurons are needed and %d of the last layer may be overwritten", w.added+n.trained, len(w.old))
		}
		n.overwrite(w.old[w.added:])
	}
	c := &edit.Computed{Change: n, Report: edit.UpdateReport{Steps: t.steps}, Seconds: time.Since(start).Seconds(), Warnings: firing(t.reports)}
	if len(t.reports) > 0 {
		c.Parts = t.reports
	}
	return c, nil
}

// Keep counts an edit among those that are there, and lets its queries join the
// memory. Where neurons are overwritten, it takes the next of them.
func (w *work) Keep(c *edit.Computed) {
	n := c.Change.(*Neurons)
	if w.cfg.Slots == SlotsOld {
		n.overwrite(w.old[w.added:])
	}
	w.kept = append(w.kept, n)
	w.added += n.trained
	w.memory.Join(n.queries)
}

// Forget lets go of the edits that were kept, and of their queries.
func (w *work) Forget() {
	for _, n := range w.kept {
		w.memory.leave(len(n.queries))
	}
	w.kept, w.added = nil, 0
}

// Apply sets the neurons of these edits beside those of the last feed-forward
// network.
func (w *work) Apply(edits ...*edit.Computed) error {
	var all []ffn.Neuron
	for _, c := range edits {
		all = append(all, c.Change.(*Neurons).All...)
	}
	return w.model.SetNeurons(all)
}

// neurons are all that were kept, those that they overwrite among them.
func (w *work) neurons() []ffn.Neuron {
	var out []ffn.Neuron
	for _, n := range w.kept {
		out = append(out, n.All...)
	}
	return out
}

// replaced are the next n of the neurons that may be overwritten, negated: none
// where there is room for new ones.
func (w *work) replaced(n int) []ffn.Neuron {
	from := min(w.added, len(w.old))
	return w.old[from:min(from+n, len(w.old))]
}

// firing describes neurons that fire for held-out text.
func firing(reports []PatchReport) (warnings []string) {
	for _, r := range reports {
		if r.HeldMax > 0 {
			warnings = append(warnings, fmt.Sprintf("the neuron for %q fires for %.2g %% of held-out text", r.Token, 100*r.Firing))
		}
	}
	return warnings
}

// packedNeuron is a neuron as journals have it.
type packedNeuron struct {
	Gate     vec.Packed `json:"gate,omitempty"`
	GateBias float32    `json:"gate_bias,omitempty"`
	Up       vec.Packed `json:"up,omitempty"`
	UpBias   float32    `json:"up_bias,omitempty"`
	Down     vec.Packed `json:"down,omitempty"`
}

// neuronsJSON is what journals have besides the reports.
type neuronsJSON struct {
	All     []packedNeuron `json:"neurons"`
	Trained int            `json:"trained,omitempty"`
	Queries vec.Packed     `json:"queries,omitempty"`
}

// MarshalJSON writes the neurons and the queries, bit for bit.
func (n *Neurons) MarshalJSON() ([]byte, error) {
	p := neuronsJSON{All: []packedNeuron{}, Trained: n.trained, Queries: n.queries}
	for _, x := range n.All {
		p.All = append(p.All, packedNeuron{x.Gate, x.GateBias, x.Up, x.UpBias, x.Down})
	}
	return json.Marshal(p)
}

// UnmarshalJSON reads what MarshalJSON wrote, and the reports beside it.
func (n *Neurons) UnmarshalJSON(data []byte) error {
	var p struct {
		neuronsJSON
		Reports []PatchReport `json:"patches"`
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	if p.Trained < 0 || p.Trained > len(p.All) || len(p.Reports) > p.Trained {
		return fmt.Errorf("%d of %d neurons are trained", p.Trained, len(p.All))
	}
	*n = Neurons{All: []ffn.Neuron{}, trained: p.Trained, reports: p.Reports, queries: p.Queries}
	for _, x := range p.All {
		n.All = append(n.All, ffn.Neuron{Gate: x.Gate, GateBias: x.GateBias, Up: x.Up, UpBias: x.UpBias, Down: x.Down})
	}
	return nil
}

// Restore makes the neurons of an edit that was read from JSON.
func (w *work) Restore(c *edit.Computed) error {
	n := &Neurons{}
	if err := c.Decode(n); err != nil {
		return err
	}
	c.Change = n
	if len(n.reports) > 0 {
		c.Parts = n.reports
	}
	return nil
}
