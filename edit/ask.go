package edit

import (
	"context"
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
	f, err := s.settle(ctx, r)
	if err != nil {
		return err
	}
	s.warnPiece(f)
	e.fact, e.Prompt, e.Target, e.Join = f, f.Text, strings.TrimSpace(f.New), f.Join
	if e.probe, e.Before, err = newProbe(ctx, s.base.Model, f, ""); err != nil {
		return err
	}
	if e.Before.Success {
		if !s.cfg.Force {
			return fault.Errorf(ErrRefused, "the model already says %q: there is nothing to edit", e.Target)
		}
		s.warn("the model already says %q", e.Target)
	}
	return nil
}

// settle is a request made ready: where its prompt leaves the joint open, the
// unedited model says how the target follows.
func (s *session) settle(ctx context.Context, r fact.Request) (fact.Fact, error) {
	asked := r.Join == ""
	if err := r.Settle(ctx, s.base.Model); err != nil {
		return fact.Fact{}, err
	}
	f, err := r.Resolve()
	if err != nil {
		return f, err
	}
	if asked && r.Join != "" {
		how := "after a space"
		if r.Join == fact.NoSpace {
			how = "without a space"
		}
		s.warn("%q follows %q %s, as the model expects there", strings.TrimSpace(f.New), lastWords(f.Text), how)
	}
	control, err := r.ControlTokens(s.base.Model, f.Text, f.New)
	if letters := r; err == nil && r.Literal {
		letters.Literal = false
		if control, err := letters.ControlTokens(s.base.Model, f.Text, f.New); err == nil && len(control) > 0 {
			s.warn("%s was read as letters: llama.cpp's programs, which read a control token, read another prompt", control[0])
		}
	}
	if len(control) > 0 {
		s.warn("%s", fact.ControlWarning(control))
	}
	return f, err
}

// lastWords is the end of a prompt, for messages.
func lastWords(text string) string {
	if words := strings.Fields(text); len(words) > 3 {
		return "... " + strings.Join(words[len(words)-3:], " ")
	}
	return text
}

// warnPiece warns of a subject that is a part of a word, before anything is
// computed for it.
func (s *session) warnPiece(f fact.Fact) {
	if says := f.Piece(); says != "" {
		s.base.Voice.WarnFirst("%s", says)
	}
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

// about names a request where there are several.
func (s *session) about(e *Edit) string {
	if len(s.cfg.Requests) < 2 {
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
		s.warn("forced: %s", text)
		return nil
	}
	if e != nil {
		e.Error = text
	}
	return fault.Errorf(ErrRefused, "%s (%s writes it nevertheless)", text, fault.Force)
}
