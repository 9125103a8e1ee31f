package tpatcher

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"retcon/edit"
	"retcon/fact"
	"retcon/gguf"
	"retcon/gguf/ffn"
	"retcon/internal/fault"
	"retcon/lm"
)

// Last names the edit of T-Patcher that is the last in a file.
const Last = "last"

// Remove takes the neurons of [Last] out, of edit "N", or of one request of it,
// "N.M", as the file counts them. Once a file holds no patch any more, the
// neurons that were added go too.
func (Method) Remove(b *edit.Base, which string) (*edit.Removal, error) {
	r := &removal{base: b, out: &edit.Removal{}}
	var err error
	if r.history, err = readHistory(b.File); err != nil {
		return nil, err
	}
	if r.net, err = ffn.Read(b.File); err != nil {
		return nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	gone, err := r.takeOut(which)
	if err != nil {
		return nil, err
	}
	if err := r.without(gone); err != nil {
		return nil, err
	}
	return r.out, nil
}

// removal is a Remove under way.
type removal struct {
	base    *edit.Base
	history []patchedEdit
	net     *ffn.Model
	out     *edit.Removal
}

// takeOut marks neurons as taken out and gives their slots.
func (r *removal) takeOut(which string) ([]int64, error) {
	h := r.history
	if len(h) == 0 {
		return nil, fault.Errorf(fact.ErrRequest, "the file holds no patches")
	}
	number, request := h[len(h)-1].n, int64(-1)
	if which != Last {
		n, m, one := strings.Cut(which, ".")
		var err error
		if number, err = strconv.Atoi(n); err == nil && one {
			request, err = strconv.ParseInt(m, 10, 64)
		}
		if err != nil {
			return nil, fault.Errorf(fact.ErrRequest, "%q is not last, an edit N or one of its requests N.M", which)
		}
	}
	for i := range h {
		if h[i].n != number {
			continue
		}
		gone, err := r.takeFrom(&h[i], request)
		if len(gone) > 0 || err != nil {
			return gone, err
		}
	}
	return nil, fault.Errorf(fact.ErrRequest, "the file has no patches of %s: it has edits of T-Patcher %v", which, numbers(h))
}

// takeFrom takes the neurons of a request out of an edit, or of all for -1.
func (r *removal) takeFrom(p *patchedEdit, request int64) (gone []int64, err error) {
	for j, owner := range p.owner {
		slot := p.slots[j]
		if slot < 0 || request >= 0 && owner != request {
			continue
		}
		if owner < 0 || owner >= int64(len(p.requests)) {
			return nil, edit.BadKey(p.n, edit.KeyOwners)
		}
		gone = append(gone, slot)
		p.slots[j] = -1
		q := p.requests[owner]
		r.out.Edits = append(r.out.Edits, &edit.Edit{Record: int(owner), Prompt: q.Prompt, Subject: q.Subject, Target: q.TargetNew})
	}
	return gone, nil
}

func numbers(h []patchedEdit) []int {
	var out []int
	for _, p := range h {
		out = append(out, p.n)
	}
	return out
}

// without makes the changes that take the neurons out: they become zero, or go
// with the rest of what was added where none is left.
func (r *removal) without(gone []int64) error {
	width := r.net.Last().Width
	base, left := width, 0
	for _, h := range r.history {
		for _, slot := range h.slots {
			if slot >= 0 {
				left++
			}
		}
		base = min(base, h.from)
	}
	var strategy ffn.Strategy = ffn.Widen{}
	if left == 0 && base < width {
		strategy = ffn.Narrow{By: width - base}
	}
	neurons := map[int64]ffn.Neuron{}
	for _, slot := range gone {
		if left > 0 || slot < base {
			neurons[slot] = ffn.Neuron{}
		}
		if slot < base {
			r.base.Voice.Warn("neuron %d was the base's own before it was overwritten; it is zero now, not what it was", slot)
		}
	}
	room, err := strategy.Room(r.base.File, r.net, 0)
	if err != nil {
		return fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	e, err := room.Edits(r.base.Quantizer, neurons, nil)
	if err != nil {
		return fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	for _, h := range r.history {
		slots := make([]int32, len(h.slots))
		for i, v := range h.slots {
			slots[i] = int32(v)
		}
		e.Set = append(e.Set, gguf.KeyValue{Key: edit.Prefix(h.n) + edit.KeyParts, Value: gguf.ArrayOf(slots)})
	}
	// biases that were added are zero now, and stay where neurons do
	if left == 0 {
		e.Drop = append(e.Drop, r.addedBiases()...)
	}
	e.Replace = slices.DeleteFunc(e.Replace, func(t gguf.Tensor) bool { return slices.Contains(e.Drop, t.Name) })
	r.out.Write, r.out.Layer = e, r.net.Last().Layer
	r.out.Details = Details{Room: &RoomReport{Strategy: WidenAll, From: width, To: room.Width}}
	if room.Width < width {
		r.out.Lines = []edit.Line{{Text: fmt.Sprintf("no patch is left: layers are %d neurons wide again", room.Width)}}
	}
	return nil
}

// addedBiases are the last layer's biases that another layer does not have:
// they came with patches.
func (r *removal) addedBiases() []string {
	nets := r.net.Networks
	last := nets[len(nets)-1]
	var out []string
	if len(nets) > 1 && last.GateBias != "" && nets[0].GateBias == "" {
		out = append(out, last.GateBias)
	}
	if len(nets) > 1 && last.UpBias != "" && nets[0].UpBias == "" {
		out = append(out, last.UpBias)
	}
	return slices.DeleteFunc(out, func(name string) bool { _, ok := r.base.File.Tensor(name); return !ok })
}
