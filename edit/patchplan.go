package edit

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/lm"
)

// planPatches is what T-Patcher would do. The neurons are counted as if every
// token of a target were wrong.
func (s *session) planPatches(ctx context.Context) (*Plan, error) {
	cfg := s.cfg
	if err := s.openPatches(ctx); err != nil {
		return nil, err
	}
	p := &Plan{Schema: ResultSchema, Model: cfg.Model, Method: MethodTPatcher, Arch: s.info.Arch, Layer: s.patches.site.Layer, LayerFrom: "last",
		Requests: len(cfg.Requests), Warnings: []string{}}
	neurons := 0
	for _, r := range cfg.Requests {
		f, err := r.Resolve()
		if err != nil {
			return nil, err
		}
		span, err := fact.Tokenize(s.model, f, "", f.New)
		if err != nil {
			return nil, err
		}
		neurons += len(span.Target)
		p.Tokens = max(p.Tokens, len(span.Target)*9)
	}
	down, _ := s.file.Tensor(s.patches.file.Last().Down)
	p.Tensor, p.Type, p.Shape, p.TensorBytes = down.Name, down.Type.String(), down.Shape(), down.Size
	p.OutputBytes = s.file.Size()
	if cfg.Patch.Slots != SlotsOld {
		room, err := s.strategy().Room(s.file, s.patches.file, neurons)
		if err != nil {
			return nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
		}
		e, err := room.Edits(cfg.Quantizer, nil, nil)
		if err != nil {
			return nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
		}
		out, err := gguf.Rewrite(s.file, e)
		if err != nil {
			return nil, err
		}
		p.OutputBytes = out.Size()
		p.Room = &RoomReport{Strategy: cfg.Patch.Widen, From: s.patches.file.Last().Width, To: room.Width, Free: len(room.Slots) - neurons, Layers: grown(room), Bytes: out.Size() - s.file.Size()}
	}
	rate, err := s.rate(ctx)
	if err != nil {
		return nil, err
	}
	want := cfg.Patch.queries(s.info.Width)
	key, err := s.memoryKey(want)
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(filepath.Join(cfg.CacheDir, memoryFile(key)))
	p.StatsKeys, p.StatsCached = int64(want), cfg.CacheDir != "" && !errors.Is(err, os.ErrNotExist)
	if !p.StatsCached {
		p.StatsTime = float64(want) / rate
		if cfg.Corpus == "" {
			p.StatsTime *= 5 // one token a time, rows side by side
		}
	}
	p.MemoryBytes = int64(want) * int64(s.info.Width) * 4
	// its rows and contrasts read, then steps over the output matrix
	p.Seconds = float64(len(cfg.Requests)) * 1000 / rate
	return p, nil
}
