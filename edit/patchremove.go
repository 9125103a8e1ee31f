package edit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"retcon/fact"
	"retcon/gguf"
	ffn "retcon/gguf/widen"
	"retcon/internal/fault"
	"retcon/lm"
)

// RemovePatches takes facts that T-Patcher put into a file out again, as
// cfg.Patch.Remove says, and writes the rest to cfg.Output. Once a file holds
// no patch any more, the neurons that were added go too, and its tensors are
// those of the base again, but for ones that had to change their type.
func RemovePatches(ctx context.Context, cfg Config) (*Result, error) {
	s := &session{cfg: &cfg}
	defer s.close()
	s.res = &Result{Schema: ResultSchema, Model: cfg.Model, Method: MethodTPatcher, TypesChanged: []TypeChange{}, Warnings: []string{}}
	start := time.Now()
	if err := s.remove(ctx); err != nil {
		return nil, err
	}
	s.res.WriteSeconds = time.Since(start).Seconds()
	s.res.Output = cfg.Output
	return s.finish(), nil
}

func (s *session) remove(ctx context.Context) error {
	cfg := s.cfg
	if cfg.Output == "" {
		return fault.Errorf(fact.ErrRequest, "nothing to write: name a file with -o")
	}
	var err error
	if s.file, err = gguf.Open(cfg.Model); err != nil {
		return err
	}
	if err := checkOutputs(cfg, append(s.file.Paths(), cfg.Model)); err != nil {
		return err
	}
	if s.earlier, err = history(s.file); err != nil {
		return err
	}
	s.patches = &patchSession{}
	if s.patches.history, err = patchHistory(s.file); err != nil {
		return err
	}
	if s.patches.file, err = ffn.Read(s.file); err != nil {
		return fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	gone, err := s.takeOut()
	if err != nil {
		return err
	}
	edits, err := s.withoutPatches(gone)
	if err != nil {
		return err
	}
	out, err := gguf.Rewrite(s.file, edits)
	if err != nil {
		return err
	}
	f, err := s.create(ctx, cfg.Output, out)
	if err != nil {
		return err
	}
	defer f.Abort()
	m, err := cfg.Open(ctx, f.TempPath())
	if err != nil {
		return fmt.Errorf("loading what was written: %w", err)
	}
	if err := m.Close(); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return fault.Errorf(ErrOutput, "%w", err)
	}
	return nil
}

// takeOut marks neurons as taken out and gives their slots.
func (s *session) takeOut() ([]int64, error) {
	h := s.patches.history
	if len(h) == 0 {
		return nil, fault.Errorf(fact.ErrRequest, "the file holds no patches")
	}
	edit, request := h[len(h)-1].n, int64(-1)
	if s.cfg.Patch.Remove != "last" {
		n, m, one := strings.Cut(s.cfg.Patch.Remove, ".")
		var err error
		if edit, err = strconv.Atoi(n); err == nil && one {
			request, err = strconv.ParseInt(m, 10, 64)
		}
		if err != nil {
			return nil, fault.Errorf(fact.ErrRequest, "%q is not last, an edit N or one of its requests N.M", s.cfg.Patch.Remove)
		}
	}
	for i := range h {
		if h[i].n != edit {
			continue
		}
		var gone []int64
		for j, owner := range h[i].owner {
			if slot := h[i].slots[j]; slot >= 0 && (request < 0 || owner == request) {
				gone = append(gone, slot)
				h[i].slots[j] = -1
				r := h[i].requests[owner]
				s.res.Edits = append(s.res.Edits, &Edit{Record: int(owner), Prompt: r.Prompt, Subject: r.Subject, Target: r.TargetNew})
			}
		}
		if len(gone) > 0 {
			return gone, nil
		}
	}
	return nil, fault.Errorf(fact.ErrRequest, "the file has no patches of %s: it has edits of T-Patcher %v", s.cfg.Patch.Remove, numbers(h))
}

func numbers(h []patchedEdit) []int {
	var out []int
	for _, p := range h {
		out = append(out, p.n)
	}
	return out
}

// withoutPatches are the changes that take the neurons out: they become zero,
// or go with the rest of what was added where none is left.
func (s *session) withoutPatches(gone []int64) (gguf.Edits, error) {
	p := s.patches
	width := p.file.Last().Width
	base, left := width, 0
	for _, h := range p.history {
		for _, slot := range h.slots {
			if slot >= 0 {
				left++
			}
		}
		base = min(base, h.from)
	}
	var strategy ffn.Strategy = ffn.Widen{}
	neurons := map[int64]ffn.Neuron{}
	if left == 0 && base < width {
		strategy = ffn.Narrow{By: width - base}
	}
	for _, slot := range gone {
		if left > 0 || slot < base {
			neurons[slot] = ffn.Neuron{}
		}
		if slot < base {
			s.cfg.warn("neuron %d was the base's own before it was overwritten; it is zero now, not what it was", slot)
		}
	}
	room, err := strategy.Room(s.file, p.file, 0)
	if err != nil {
		return gguf.Edits{}, fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	e, err := room.Edits(s.cfg.Quantizer, neurons, nil)
	if err != nil {
		return e, fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	for _, h := range p.history {
		slots := make([]int32, len(h.slots))
		for i, v := range h.slots {
			slots[i] = int32(v)
		}
		e.Set = append(e.Set, gguf.KeyValue{Key: fmt.Sprintf("retcon.edit.%d.%s", h.n, keySlots), Value: gguf.ArrayOf(slots)})
	}
	s.res.Layer = p.file.Last().Layer
	s.res.Room = &RoomReport{Strategy: WidenAll, From: width, To: room.Width}
	// biases that were added are zero now, and stay where neurons do
	if left == 0 {
		e.Drop = append(e.Drop, s.addedBiases()...)
	}
	e.Replace = slices.DeleteFunc(e.Replace, func(t gguf.Tensor) bool { return slices.Contains(e.Drop, t.Name) })
	return e, nil
}

// addedBiases are the last layer's biases that another layer does not have:
// they came with patches.
func (s *session) addedBiases() []string {
	nets := s.patches.file.Networks
	last := nets[len(nets)-1]
	var out []string
	if len(nets) > 1 && last.GateBias != "" && nets[0].GateBias == "" {
		out = append(out, last.GateBias)
	}
	if len(nets) > 1 && last.UpBias != "" && nets[0].UpBias == "" {
		out = append(out, last.UpBias)
	}
	return slices.DeleteFunc(out, func(name string) bool { _, ok := s.file.Tensor(name); return !ok })
}
