package edit

import (
	"context"
	"fmt"
	"math"

	"retcon/edit/weight"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/atomicfile"
	"retcon/internal/fault"
	"retcon/internal/vec"
)

// write writes the adapter and the model, checks each on what llama.cpp makes
// of it, and gives them their names once both are good. The model under edit is
// closed first, so that two are never in memory.
func (s *session) write(ctx context.Context) error {
	if err := s.closeModel(); err != nil {
		return err
	}
	sums, err := s.hash(ctx)
	if err != nil {
		return err
	}
	var files []*atomicfile.File
	defer func() {
		for _, f := range files {
			f.Abort()
		}
	}()
	if s.cfg.LoRA != "" {
		f, err := s.writeLoRA(ctx, sums)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	if s.cfg.Output != "" {
		f, err := s.writeModel(ctx, sums)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.Commit(); err != nil {
			return fault.Errorf(ErrOutput, "%w", err)
		}
	}
	s.res.Output, s.res.LoRA = s.cfg.Output, s.cfg.LoRA
	return nil
}

// hash are the digests of the unedited file, computed once.
func (s *session) hash(ctx context.Context) (*gguf.Sums, error) {
	if s.sums != nil {
		return s.sums, nil
	}
	var err error
	s.sums, err = gguf.HashTensors(ctx, s.file, func(done, total int64) { s.cfg.progress("hashing", done, total) })
	return s.sums, err
}

// create writes out to a temporary file beside path.
func (s *session) create(ctx context.Context, path string, out *gguf.Output) (*atomicfile.File, error) {
	if err := checkSpace(path, out.Size()); err != nil {
		return nil, err
	}
	f, err := atomicfile.Create(path, atomicfile.Options{Force: s.cfg.Force, Inputs: append(s.file.Paths(), s.cfg.Model)})
	if err != nil {
		return nil, fault.Errorf(ErrOutput, "%w", err)
	}
	out.Progress = func(done, total int64) { s.cfg.progress("writing", done, total) }
	if err := out.Write(ctx, f); err != nil {
		f.Abort()
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, fault.Errorf(ErrOutput, "%s: %w", path, err)
	}
	return f, nil
}

// outcomes asks the facts of a model that is loaded for it.
func (s *session) outcomes(ctx context.Context, path string, adapters ...string) ([]Outcome, error) {
	m, err := s.cfg.Open(ctx, path, adapters...)
	if err != nil {
		return nil, fmt.Errorf("loading what was written: %w", err)
	}
	defer m.Close()
	var out []Outcome
	for _, e := range s.edits {
		o, err := e.probe.run(ctx, m)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// Tolerance of the adapter's log-probability against the prediction: the same
// products in another order, some of them over 8-bit activations.
const (
	nearAbsolute = 0.05 // nats
	nearRelative = 0.02
)

// writeLoRA writes the adapter and checks that it does what was predicted.
func (s *session) writeLoRA(ctx context.Context, sums *gguf.Sums) (*atomicfile.File, error) {
	keys, err := s.provenance(sums, nil)
	if err != nil {
		return nil, err
	}
	out, err := loraOutput(s.file, s.info.Arch, s.updates, keys)
	if err != nil {
		return nil, err
	}
	f, err := s.create(ctx, s.cfg.LoRA, out)
	if err != nil {
		return nil, err
	}
	got, err := s.outcomes(ctx, s.cfg.Model, f.TempPath())
	if err != nil {
		f.Abort()
		return nil, err
	}
	for i, e := range s.edits {
		if !near(got[i].LogProb, e.After.LogProb) {
			f.Abort()
			return nil, fault.Errorf(ErrVerify, "%swith the adapter the target has probability %.3g, %.3g was predicted", s.about(e), got[i].Probability, e.After.Probability)
		}
	}
	return f, nil
}

func near(got, want float64) bool {
	return math.Abs(got-want) <= nearAbsolute+nearRelative*math.Abs(want)
}

// surviveShare is the least share of the gain in log-probability that is left
// in an edit that survived rounding.
const surviveShare = 0.95

// survives reports why an edit did not survive, empty if it did.
func survives(e *Edit, got Outcome) string {
	gain, left := e.After.LogProb-e.Before.LogProb, got.LogProb-e.Before.LogProb
	switch {
	case !(left >= surviveShare*gain) && !near(got.LogProb, e.After.LogProb):
		return fmt.Sprintf("%.0f %% of the gain is left", 100*left/gain)
	case e.After.Success && !got.Success:
		return fmt.Sprintf("the model says %q", got.Completion)
	}
	return ""
}

// writeModel writes the model, and refuses one in which the edit does not
// survive.
func (s *session) writeModel(ctx context.Context, sums *gguf.Sums) (*atomicfile.File, error) {
	f, lost, err := s.bakeModel(ctx, sums)
	if err != nil || lost == "" {
		return f, err
	}
	f.Abort()
	return nil, fault.Errorf(ErrRefused, "%s; write an adapter with --lora", lost)
}

// bakeModel writes the model with the tensor in its own type or, where the edit
// does not survive that, in the next larger one. Where it survives in none, the
// file is of the largest, and lost says so.
func (s *session) bakeModel(ctx context.Context, sums *gguf.Sums) (out *atomicfile.File, lost string, err error) {
	layer := s.res.Layer
	w := s.weights[layer]
	importance, err := s.importance(w)
	if err != nil {
		return nil, "", err
	}
	types := w.Candidates(importance)
	if len(types) == 0 {
		return nil, "", fault.Errorf(ErrRefused, "%v cannot be written without an importance matrix (--imatrix), and there is no larger type", w.Info.Type)
	}
	reason := ""
	if types[0] != w.Info.Type {
		reason = fmt.Sprintf("%v cannot be written without an importance matrix", w.Info.Type)
	}
	for i, t := range types {
		f, got, err := s.candidate(ctx, w, t, importance, sums)
		if err != nil {
			return nil, "", err
		}
		gone := s.lost(got)
		if gone == "" || i == len(types)-1 {
			for k, e := range s.edits {
				e.Written = &got[k]
			}
			if t != w.Info.Type {
				s.res.TypesChanged = append(s.res.TypesChanged, TypeChange{w.Info.Name, w.Info.Type.String(), t.String(), reason})
			}
			if gone != "" {
				gone = fmt.Sprintf("the edit did not survive writing in any of %v: in %v %s", types, t, gone)
			}
			return f, gone, nil
		}
		f.Abort()
		s.cfg.info("the edit does not survive rounding", "type", t, "why", gone)
		reason = fmt.Sprintf("in %v %s", t, gone)
	}
	panic("no type was tried")
}

// importance are the weights of the columns of a weight, nil without an
// importance matrix.
func (s *session) importance(w *weight.Weight) ([]float32, error) {
	if s.cfg.Imatrix == "" {
		return nil, nil
	}
	d, _, err := weight.ReadImatrix(s.cfg.Imatrix, w.Info.Name, int(w.Info.RowLength()))
	if err != nil {
		return nil, err
	}
	return vec.Narrow(d, 1), nil
}

// lost is why one of the edits did not survive, empty if all did.
func (s *session) lost(got []Outcome) string {
	for i, e := range s.edits {
		if why := survives(e, got[i]); why != "" {
			return why
		}
	}
	return ""
}

// candidate writes the model with the tensor as type t, and asks it.
func (s *session) candidate(ctx context.Context, w *weight.Weight, t gguf.Type, importance []float32, sums *gguf.Sums) (*atomicfile.File, []Outcome, error) {
	data, err := w.Bake(ctx, t, s.updates, importance)
	if err != nil {
		return nil, nil, err
	}
	before, _ := sums.Tensor(w.Info.Name)
	keys, err := s.provenance(sums, []change{{w.Info.Name, before.String(), digest(data), w.Info.Type, t}})
	if err != nil {
		return nil, nil, err
	}
	out, err := gguf.Rewrite(s.file, gguf.Edits{
		Set:     keys,
		Replace: []gguf.Tensor{{Name: w.Info.Name, Type: t, Data: gguf.Bytes(data)}},
	})
	if err != nil {
		return nil, nil, err
	}
	f, err := s.create(ctx, s.cfg.Output, out)
	if err != nil {
		return nil, nil, err
	}
	got, err := s.outcomes(ctx, f.TempPath())
	if err != nil {
		f.Abort()
		return nil, nil, err
	}
	return f, got, nil
}

// provenance makes the keys of this run.
func (s *session) provenance(sums *gguf.Sums, changes []change) ([]gguf.KeyValue, error) {
	facts := make([]fact.Fact, len(s.edits))
	for i, e := range s.edits {
		facts[i] = e.fact
	}
	h := s.cfg.HParams
	h.Layers, h.Auto = layersOf(s.updates), false
	h.Prefixes = s.prefixes
	n := s.earlier
	return provenance(s.file, n, s.cfg.Version, h.Layers, facts, h, sums.Payload.String(), changes)
}
