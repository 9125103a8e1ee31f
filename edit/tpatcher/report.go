package tpatcher

import (
	"fmt"

	"retcon/edit"
	"retcon/internal/human"
)

// PatchReport is one neuron of an edit.
type PatchReport struct {
	Token string `json:"token"`                 // that it makes the model say
	Bytes []byte `json:"token_bytes,omitempty"` // of a part of a character
	Report
	Slot int64 `json:"slot"` // among the last layer's neurons, once written
}

// MemoryReport says what patches leave alone.
type MemoryReport struct {
	Source  string  `json:"source"` // "corpus" or "sampled"
	Cached  bool    `json:"cached"`
	Queries int     `json:"queries"`
	Held    int     `json:"held_out"`
	Form    string  `json:"memory_loss"`
	Bias    bool    `json:"bias"` // neurons have a bias of their own
	Spread  float64 `json:"constant_deviation"`
	Earlier int     `json:"earlier_facts"` // patched into the file before
}

// Details are what a result of T-Patcher has besides.
type Details struct {
	Room   *RoomReport   `json:"room,omitempty"`   // where the neurons went
	Memory *MemoryReport `json:"memory,omitempty"` // what they leave alone
}

// PatchSettings are all that decides a patch besides the model and the fact.
type PatchSettings struct {
	Config
	Memory string   `json:"memory"`       // digest of the model and the text that the memory is made of
	Texts  []string `json:"prefix_texts"` // that training puts before the prompt
}

// Settings are the configuration, and what the memory was made from.
func (w *work) Settings() edit.Settings {
	own := PatchSettings{Config: w.cfg, Memory: w.key, Texts: w.prefixes}
	own.Queries = w.cfg.queries(w.site.Width)
	return edit.Settings{Method: Name, Layer: w.site.Layer, Seed: w.seed, HParams: w.cfg, Own: own}
}

// Report says by which means the edits were made.
func (w *work) Report(r *edit.Result) {
	r.Layer, r.LayerFrom = w.site.Layer, "last"
	r.Details, r.StatsSeconds = Details{w.room, w.reported}, w.seconds
	m := w.reported
	if m == nil {
		return // it ended before it had one
	}
	add := func(label, text string) { r.Lines = append(r.Lines, edit.Line{Label: label, Text: text}) }
	add("method", fmt.Sprintf("%s at layer %d, the last", Name, w.site.Layer))
	text := fmt.Sprintf("%s queries of %s, %s held out", human.Thousands(int64(m.Queries)), sourceText(m.Source), human.Thousands(int64(m.Held)))
	if m.Cached {
		text += " (cached)"
	}
	if m.Earlier > 0 {
		text += fmt.Sprintf("; and the facts of %s", human.Counted(m.Earlier, "earlier edit"))
	}
	add("memory", text)
	for _, e := range r.Edits {
		label := "neuron"
		if e.Record > 0 {
			label = fmt.Sprintf("neuron %d", e.Record)
		}
		parts, _ := e.Parts.([]PatchReport)
		for _, n := range parts {
			add(label, neuronText(n))
		}
	}
	if w.room != nil {
		add("room", roomText(w.room))
	}
}

func neuronText(n PatchReport) string {
	return fmt.Sprintf("for %s: activation %.2g, of others at most %.2g (held out %.2g, other subjects %.2g); l_a %.3g, l_e %.3g, l_m1 %.3g, l_m2 %.3g; %d steps",
		human.Quote(n.Token, 20), n.Activation, n.TrainMax, n.HeldMax, n.ContrastMax, n.Fire, n.Losses.Edit, n.Memory1, n.Memory2, n.Steps)
}

func sourceText(source string) string {
	if source == "corpus" {
		return "the corpus"
	}
	return "text that the model wrote"
}

func roomText(r *RoomReport) string {
	switch {
	case r.Strategy == SlotsOld:
		return fmt.Sprintf("neurons of the last layer's %d were overwritten", r.From)
	case r.From == r.To:
		return fmt.Sprintf("in neurons added earlier; %d are free", r.Free)
	}
	return fmt.Sprintf("%s grew from %d to %d neurons, of which %d are free; the file grew by %s",
		human.Counted(r.Layers, "layer"), r.From, r.To, r.Free, human.Bytes(r.Bytes))
}
