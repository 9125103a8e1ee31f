package edit

import (
	"context"
	"crypto/sha256"
	"fmt"

	"retcon/fact"
	"retcon/gguf"
	ffn "retcon/gguf/widen"
	"retcon/internal/atomicfile"
	"retcon/internal/fault"
	"retcon/lm"
)

// RoomReport says where neurons went and what the file grew by.
type RoomReport struct {
	Strategy string `json:"strategy"` // "all", "deci" or "reuse"
	From     int64  `json:"from"`     // width of the last layer before
	To       int64  `json:"to"`       // and after
	Layers   int    `json:"layers"`   // that grew
	Free     int    `json:"free"`     // slots that are left for later
	Bytes    int64  `json:"bytes"`    // that the file grew by
}

// room finds slots for all neurons and gives each its own.
func (s *session) room() (*ffn.Room, map[int64]ffn.Neuron, error) {
	p := s.patches
	room, err := s.strategy().Room(s.file, p.file, len(p.added))
	if err != nil {
		return nil, nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	neurons := map[int64]ffn.Neuron{}
	taken := map[*Edit]int{}
	for i, n := range p.added {
		neurons[room.Slots[i]] = n.Neuron
		n.edit.Patches[taken[n.edit]].Slot = room.Slots[i]
		taken[n.edit]++
	}
	r := &RoomReport{Strategy: s.cfg.Patch.Widen, From: p.file.Last().Width, To: room.Width, Free: len(room.Slots) - len(p.added)}
	if s.cfg.Patch.Slots == SlotsOld {
		r.Strategy = SlotsOld
	}
	r.Layers = grown(room)
	s.res.Room = r
	return room, neurons, nil
}

// grown is the number of layers that become wider.
func grown(room *ffn.Room) int {
	n := 0
	for _, pad := range room.Pad {
		if pad > 0 {
			n++
		}
	}
	return n
}

// writePatches writes the model with its neurons, in the types that the
// tensors have or, where a fact does not survive that, in F32, which holds the
// same values.
func (s *session) writePatches(ctx context.Context) error {
	earlier, err := s.askEarlier(ctx)
	if err != nil {
		return err
	}
	if err := s.closeModel(); err != nil {
		return err
	}
	sums, err := gguf.HashTensors(ctx, s.file, func(done, total int64) { s.cfg.progress("hashing", done, total) })
	if err != nil {
		return err
	}
	room, neurons, err := s.room()
	if err != nil {
		return err
	}
	last := s.patches.file.Last()
	reason := ""
	promotions := []map[string]gguf.Type{nil, {last.Down: gguf.F32}, {last.Gate: gguf.F32, last.Up: gguf.F32, last.Down: gguf.F32}}
	for i, types := range promotions {
		f, lost, err := s.patchedFile(ctx, room, neurons, types, sums, earlier)
		if err != nil {
			return err
		}
		if lost != "" && i == len(promotions)-1 && s.cfg.Force {
			s.cfg.warn("forced: the edit did not survive writing: %s", lost)
		} else if lost != "" {
			f.Abort()
			reason = lost
			s.cfg.info("the edit does not survive rounding", "why", lost)
			continue
		}
		for _, name := range []string{last.Gate, last.Up, last.Down} {
			t, promoted := types[name]
			if info, ok := s.file.Tensor(name); ok && promoted && info.Type != t {
				s.res.TypesChanged = append(s.res.TypesChanged, TypeChange{name, info.Type.String(), t.String(), reason})
			}
		}
		if err := f.Commit(); err != nil {
			return fault.Errorf(ErrOutput, "%w", err)
		}
		s.res.Output = s.cfg.Output
		return nil
	}
	return fault.Errorf(ErrRefused, "the edit did not survive writing, not even in F32: %s", reason)
}

// earlierFact is a fact that was patched into the file before.
type earlierFact struct {
	name  string
	probe *probe
}

// askEarlier finds the earlier facts that the file still tells.
func (s *session) askEarlier(ctx context.Context) ([]earlierFact, error) {
	if err := s.patches.model.SetPatches(nil); err != nil {
		return nil, err
	}
	var out []earlierFact
	for _, h := range s.patches.history {
		for _, r := range h.live() {
			f, err := r.Resolve()
			if err != nil {
				continue
			}
			p, o, err := newProbe(ctx, s.model, f, "")
			if err != nil {
				return nil, err
			}
			if fact.StartsWith(o.Completion, f.New) {
				out = append(out, earlierFact{f.Name(), p})
			}
		}
	}
	return out, nil
}

// patchedFile writes the model to a temporary file and asks it. lost says
// which fact of this run or of an earlier one is gone.
func (s *session) patchedFile(ctx context.Context, room *ffn.Room, neurons map[int64]ffn.Neuron, types map[string]gguf.Type,
	sums *gguf.Sums, earlier []earlierFact) (f *atomicfile.File, lost string, err error) {
	edits, err := room.Edits(s.cfg.Quantizer, neurons, types)
	if err != nil {
		return nil, "", fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	changes, err := s.changesOf(ctx, edits, sums)
	if err != nil {
		return nil, "", err
	}
	keys, err := s.patchKeys(s.res.Room, sums.Payload.String(), changes)
	if err != nil {
		return nil, "", err
	}
	edits.Set = append(edits.Set, keys...)
	out, err := gguf.Rewrite(s.file, edits)
	if err != nil {
		return nil, "", err
	}
	s.res.Room.Bytes = out.Size() - s.file.Size()
	if f, err = s.create(ctx, s.cfg.Output, out); err != nil {
		return nil, "", err
	}
	if lost, err = s.askWritten(ctx, f.TempPath(), earlier); err != nil {
		f.Abort()
		return nil, "", err
	}
	return f, lost, nil
}

// askWritten asks all facts of the written model.
func (s *session) askWritten(ctx context.Context, path string, earlier []earlierFact) (lost string, err error) {
	m, err := s.cfg.Open(ctx, path)
	if err != nil {
		return "", fmt.Errorf("loading what was written: %w", err)
	}
	defer m.Close()
	for _, e := range s.edits {
		o, err := e.probe.run(ctx, m)
		if err != nil {
			return "", err
		}
		if why := survives(e, o); why != "" && lost == "" {
			lost = s.about(e) + why
		}
		e.Written = &o
	}
	for _, e := range earlier {
		o, err := e.probe.run(ctx, m)
		if err != nil {
			return "", err
		}
		if !fact.StartsWith(o.Completion, e.probe.want) && lost == "" {
			lost = fmt.Sprintf("%s, which was patched in before: the model says %q", e.name, o.Completion)
		}
	}
	return lost, nil
}

// changesOf hashes what tensors become.
func (s *session) changesOf(ctx context.Context, e gguf.Edits, sums *gguf.Sums) ([]change, error) {
	var out []change
	for _, t := range e.Replace {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h := sha256.New()
		if err := t.Data(h); err != nil {
			return nil, err
		}
		info, _ := s.file.Tensor(t.Name)
		before, _ := sums.Tensor(t.Name)
		out = append(out, change{t.Name, before.String(), fmt.Sprintf("%x", h.Sum(nil)), info.Type, t.Type})
	}
	return out, nil
}
