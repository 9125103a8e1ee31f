package edit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"retcon/gguf"
	"retcon/internal/atomicfile"
	"retcon/internal/fault"
)

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

// writeModel writes the model, and refuses one in which the edits do not
// survive.
func (s *session) writeModel(ctx context.Context, drafts []Draft, guards []guard) (*atomicfile.File, error) {
	f, lost, err := s.bake(ctx, drafts, guards)
	if err != nil || lost == "" {
		return f, err
	}
	if s.cfg.Force {
		s.warn("forced: %s", lost)
		return f, nil
	}
	f.Abort()
	if _, ok := s.work.(Adapting); ok {
		return nil, fault.Advise(fault.Errorf(ErrRefused, "%s", lost), fault.WriteAdapter)
	}
	return nil, fault.Errorf(ErrRefused, "%s", lost)
}

// bake writes the model by the first draft in which the edits survive. Where
// they survive in none, the file is of the last, and lost says so.
func (s *session) bake(ctx context.Context, drafts []Draft, guards []guard) (out *atomicfile.File, lost string, err error) {
	reason := ""
	for i, d := range drafts {
		f, got, gone, err := s.tryDraft(ctx, d, guards)
		if err != nil {
			return nil, "", err
		}
		if gone != "" && i < len(drafts)-1 {
			f.Abort()
			s.base.Voice.Info("the edit does not survive rounding", "type", d.Name, "why", gone)
			reason = fmt.Sprintf("in %s %s", d.Name, gone)
			continue
		}
		for k, e := range s.edits {
			e.Written = &got[k]
		}
		for _, c := range d.Changed {
			if c.Reason == "" {
				c.Reason = reason
			}
			s.res.TypesChanged = append(s.res.TypesChanged, c)
		}
		if gone != "" {
			gone = fmt.Sprintf("the edit did not survive writing in any of %s: in %s %s", names(drafts), d.Name, gone)
		}
		return f, gone, nil
	}
	return nil, "", fault.Errorf(ErrRefused, "there is no type in which the edit can be written")
}

func names(drafts []Draft) string {
	var out []string
	for _, d := range drafts {
		out = append(out, d.Name)
	}
	return strings.Join(out, ", ")
}

// tryDraft writes the model to a temporary file and asks it. lost says which
// fact of this run, or of an earlier one, is gone.
func (s *session) tryDraft(ctx context.Context, d Draft, guards []guard) (f *atomicfile.File, got []Outcome, lost string, err error) {
	edits, own, err := d.Make(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	changes, err := s.changesOf(ctx, edits)
	if err != nil {
		return nil, nil, "", err
	}
	keys, err := s.provenance(own, changes)
	if err != nil {
		return nil, nil, "", err
	}
	edits.Set = append(edits.Set, keys...)
	out, err := gguf.Rewrite(s.base.File, edits)
	if err != nil {
		return nil, nil, "", err
	}
	if d.Wrote != nil {
		d.Wrote(out.Size())
	}
	if f, err = s.create(ctx, s.cfg.Output, out); err != nil {
		return nil, nil, "", err
	}
	if got, lost, err = s.askWritten(ctx, f.TempPath(), guards); err != nil {
		f.Abort()
		return nil, nil, "", err
	}
	return f, got, lost, nil
}

// askWritten asks all facts of the written model.
func (s *session) askWritten(ctx context.Context, path string, guards []guard) (got []Outcome, lost string, err error) {
	m, err := s.load(ctx, path)
	if err != nil {
		return nil, "", err
	}
	defer m.Close()
	if got, err = s.outcomes(ctx, m); err != nil {
		return nil, "", err
	}
	for i, e := range s.edits {
		if why := survives(e, got[i]); why != "" && lost == "" {
			lost = s.about(e) + why
		}
	}
	for _, g := range guards {
		o, err := g.probe.run(ctx, m)
		if err != nil {
			return nil, "", err
		}
		if !g.probe.fact.Told(o.Completion) && lost == "" {
			lost = fmt.Sprintf("%s, which was edited before: the model says %q", g.name, o.Completion)
		}
	}
	return got, lost, nil
}

// changesOf hashes what tensors become.
func (s *session) changesOf(ctx context.Context, e gguf.Edits) ([]change, error) {
	sums, err := s.hash(ctx)
	if err != nil {
		return nil, err
	}
	var out []change
	for _, t := range e.Replace {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h := sha256.New()
		if err := t.Data(h); err != nil {
			return nil, err
		}
		info, _ := s.base.File.Tensor(t.Name)
		before, _ := sums.Tensor(t.Name)
		out = append(out, change{t.Name, before.String(), fmt.Sprintf("%x", h.Sum(nil)), info.Type, t.Type})
	}
	return out, nil
}
