package edit

import (
	"context"
	"slices"
	"strings"

	"retcon/fact"
	"retcon/internal/fault"
)

// ask readies the requests and asks the unedited model.
func (s *session) ask(ctx context.Context) error {
	for i, r := range s.cfg.Requests {
		if r.Record == 0 && len(s.cfg.Requests) > 1 {
			r.Record = i + 1
		}
		e := &Edit{Record: r.Record, Prompt: r.Prompt, Subject: r.Subject, Target: r.TargetNew}
		s.res.Edits = append(s.res.Edits, e)
		if err := s.askOne(ctx, e, r); err != nil {
			if err = s.failed(e, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *session) askOne(ctx context.Context, e *Edit, r fact.Request) error {
	f, err := s.resolve(ctx, r)
	if err != nil {
		return err
	}
	e.fact, e.Prompt, e.Target, e.Join = f, f.Text, strings.TrimSpace(f.New), f.Join
	if s.repeats(e) {
		return nil
	}
	s.warnPiece(f)
	for _, note := range slices.Concat(f.SubjectNotes(), f.AnswerNotes()) {
		s.warn("%s%s", s.about(e), note)
	}
	if e.probe, e.Before, err = newProbe(ctx, s.base.Model, f, ""); err != nil {
		return err
	}
	if e.Before.Success {
		if !s.cfg.Force {
			return fault.Errorf(ErrRefused, "the model already says %q: there is nothing to edit", e.Target)
		}
		s.warn("%sthe model already says %q", s.about(e), e.Target)
	}
	return nil
}

// warnPiece warns of a subject that is a part of a word, before anything is
// computed for it.
func (s *session) warnPiece(f fact.Fact) {
	if says := f.Piece(); says != "" {
		s.base.Voice.WarnFirst("%s", says)
	}
}

// repeats finds a request that asks for what an earlier one does: that is told
// once.
func (s *session) repeats(e *Edit) bool {
	for _, first := range s.res.Edits {
		if first != e && first.Error == "" && first.first == nil && e.fact.Same(first.fact) {
			e.first, e.SameAs = first, first.Record
			s.warn("%sit is the same as request %d, and told once", s.about(e), first.Record)
			return true
		}
	}
	return false
}

// moveProbe asks the unedited model anew for a fact that is told after a prefix
// only, and has it asked there from now on.
func (s *session) moveProbe(ctx context.Context, e *Edit) (err error) {
	prefix := e.computed.Prefix
	if prefix == "" {
		return nil
	}
	if err := s.work.Apply(); err != nil {
		return err
	}
	e.Prompt = prefix + e.fact.Text
	e.probe, e.Before, err = newProbe(ctx, s.base.Model, e.fact, prefix)
	return err
}

// about names a request where there are several, and nothing without one.
func (s *session) about(e *Edit) string {
	if e == nil || len(s.cfg.Requests) < 2 {
		return ""
	}
	return e.fact.Name() + ": "
}

// refuse makes an error of reasons, or warnings if the edit is forced.
func (s *session) refuse(e *Edit, reasons []string) error {
	if len(reasons) == 0 {
		return nil
	}
	text := strings.Join(reasons, "; ")
	if s.cfg.Force {
		s.warn("forced: %s%s", s.about(e), text)
		return nil
	}
	if e != nil {
		e.Error = text
	}
	return fault.Errorf(ErrRefused, "%s (%s writes it nevertheless)", text, fault.Force)
}
