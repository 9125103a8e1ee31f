package main

import (
	"fmt"
	"io"
	"path/filepath"

	"retcon/edit"
)

// patched says what T-Patcher did: its memory, a line a neuron, and the room.
func (p *report) patched() {
	r := p.r
	if r.Memory == nil {
		return // it ended before it had one
	}
	fmt.Fprintln(p.w)
	p.line("method", fmt.Sprintf("%s at layer %d, the last", r.Method, r.Layer))
	m := r.Memory
	text := fmt.Sprintf("%s queries of %s, %s held out", thousands(int64(m.Queries)), sourceText(m.Source), thousands(int64(m.Held)))
	if m.Cached {
		text += " (cached)"
	}
	if m.Earlier > 0 {
		text += fmt.Sprintf("; and the facts of %s", counted(m.Earlier, "earlier edit"))
	}
	p.line("memory", text)
	for _, e := range p.edits {
		for _, n := range e.Patches {
			label := "neuron"
			if e.Record > 0 {
				label = fmt.Sprintf("neuron %d", e.Record)
			}
			p.line(label, fmt.Sprintf("for %s: activation %.2g, of others at most %.2g (held out %.2g, other subjects %.2g); l_a %.3g, l_e %.3g, l_m1 %.3g, l_m2 %.3g; %d steps",
				quote(n.Token, 20), n.Activation, n.TrainMax, n.HeldMax, n.ContrastMax, n.Fire, n.Losses.Edit, n.Memory1, n.Memory2, n.Steps))
		}
	}
	if room := r.Room; room != nil {
		p.line("room", roomText(room))
	}
	p.cost(r)
}

func sourceText(source string) string {
	if source == "corpus" {
		return "the corpus"
	}
	return "text that the model wrote"
}

func roomText(r *edit.RoomReport) string {
	switch {
	case r.Strategy == edit.SlotsOld:
		return fmt.Sprintf("neurons of the last layer's %d were overwritten", r.From)
	case r.From == r.To:
		return fmt.Sprintf("in neurons added earlier; %d are free", r.Free)
	}
	return fmt.Sprintf("%s grew from %d to %d neurons, of which %d are free; the file grew by %s",
		counted(r.Layers, "layer"), r.From, r.To, r.Free, bytesText(r.Bytes))
}

// printRemoved says which facts were taken out.
func printRemoved(w io.Writer, s style, r *edit.Result) {
	p := &report{w: w, s: s, r: r}
	all := r.Edits
	if r.Edit != nil {
		all = []*edit.Edit{r.Edit}
	}
	fmt.Fprintf(w, "%s\n", s.bold(fmt.Sprintf("%s: %s taken out", filepath.Base(r.Model), counted(len(all), "neuron"))))
	for _, e := range all {
		p.line("", fmt.Sprintf("%s -> %s", quote(e.Subject, 40), quote(e.Target, 40)))
	}
	if r.Room != nil && r.Room.To < r.Room.From {
		p.line("", fmt.Sprintf("no patch is left: layers are %d neurons wide again", r.Room.To))
	}
	p.warnings(r.Warnings)
	p.files()
}
