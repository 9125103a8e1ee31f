package tpatcher

import (
	"slices"

	"retcon/edit"
	"retcon/fact"
	"retcon/gguf"
)

// patchedEdit is an earlier T-Patcher edit of the file.
type patchedEdit struct {
	n        int // its number in the file
	requests []fact.Request
	slots    []int64 // of its neurons in the last layer, -1 for one taken out
	owner    []int64 // the request that each belongs to
	from, to int64   // width of the last layer before and after
	model    string  // fingerprint of the model that its memory was made with
}

// live are its requests that still have a neuron.
func (p *patchedEdit) live() []fact.Request { return edit.Live(p.requests, p.slots, p.owner) }

// The keys of a T-Patcher edit besides those of every edit; its parts are slots
// of neurons in the last layer.
const (
	keyWidths = "widths" // array of i32: the last layer's width before and after
	keyMemory = "memory" // string: the model that the memory was made with
)

// readHistory reads the T-Patcher edits that a file says it has been through.
func readHistory(f *gguf.File) ([]patchedEdit, error) {
	n, err := edit.History(f)
	if err != nil {
		return nil, err
	}
	var out []patchedEdit
	for i := range n {
		if m, _ := f.String(edit.Prefix(i) + "method"); m != Name {
			continue
		}
		p := patchedEdit{n: i}
		if p.requests, err = edit.EditRequests(f, i); err != nil {
			return nil, err
		}
		if !f.Has(edit.Prefix(i) + edit.KeyParts) {
			return nil, edit.BadKey(i, edit.KeyParts)
		}
		if p.slots, p.owner, err = edit.Parts(f, i); err != nil {
			return nil, err
		}
		w, err := f.Ints(edit.Prefix(i) + keyWidths)
		if err != nil || len(w) != 2 {
			return nil, edit.BadKey(i, keyWidths)
		}
		p.from, p.to = w[0], w[1]
		p.model, _ = f.String(edit.Prefix(i) + keyMemory)
		out = append(out, p)
	}
	return out, nil
}

// freeSlots are the neurons that earlier runs added to the last layer and that
// hold no patch.
func freeSlots(history []patchedEdit) []int64 {
	var used []int64
	for _, h := range history {
		used = append(used, h.slots...)
	}
	var out []int64
	for _, h := range history {
		for s := h.from; s < h.to; s++ {
			if !slices.Contains(used, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// Earlier are the requests whose neurons the file holds.
func (w *work) Earlier() []fact.Request {
	var out []fact.Request
	for _, h := range w.history {
		out = append(out, h.live()...)
	}
	return out
}
