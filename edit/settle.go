package edit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"retcon/internal/fault"
)

// settle asks all facts of the model with all edits. Those that later edits undid
// end the run, or are left out where it goes on without what fails; what was
// computed on top of them and is not told without them is computed anew.
func (s *session) settle(ctx context.Context) error {
	for len(s.edits) > 0 {
		undone, err := s.undone(ctx)
		if err != nil || len(undone) == 0 {
			return err
		}
		if !s.cfg.KeepGoing {
			for _, e := range undone {
				if err := s.failed(e, s.refuse(e, []string{s.undoneBy(e)})); err != nil {
					return err
				}
			}
			return nil // forced
		}
		if err := s.leaveOut(ctx, undone); err != nil {
			return err
		}
	}
	return fault.Errorf(ErrRefused, "none of the %d requests could be carried out", len(s.res.Edits))
}

// undone asks all facts, and gives those that were told and are not any more.
func (s *session) undone(ctx context.Context) (out []*Edit, err error) {
	if err := s.work.Apply(s.computed()...); err != nil {
		return nil, err
	}
	for _, e := range s.edits {
		if e.After, err = e.probe.run(ctx, s.base.Model); err != nil {
			return nil, err
		}
		if e.alone.Success && !e.After.Success {
			out = append(out, e)
		}
	}
	return out, nil
}

// undoneBy says what undid a fact.
func (s *session) undoneBy(e *Edit) string {
	at := slices.Index(s.edits, e)
	for _, later := range s.edits[at+1:] {
		if later.fact.Replaces(e.fact) {
			return fmt.Sprintf("later requests undid it: request %d has another answer to the same prompt, %q", later.Record, later.Target)
		}
	}
	return fmt.Sprintf("later requests undid it: the model says %q", strings.TrimSpace(e.After.Completion))
}

// leaveOut takes facts that were undone out of the run. One that was computed on
// top of a fact that was left out before is computed anew, once.
func (s *session) leaveOut(ctx context.Context, undone []*Edit) error {
	var again []*Edit
	all := s.edits
	first := len(all)
	for i, e := range all {
		switch {
		case !slices.Contains(undone, e):
		case e.above:
			again = append(again, e)
		default:
			first = min(first, i)
			e.Parts = nil
			if err := s.failed(e, fault.Errorf(ErrRefused, "%s", s.undoneBy(e))); err != nil {
				return err
			}
		}
	}
	s.edits = nil
	s.work.Forget()
	for i, e := range all {
		e.above = e.above || i > first
		if !slices.Contains(undone, e) {
			s.keep(e)
		}
	}
	for _, e := range again {
		e.above = false
		if err := s.failed(e, s.edit(ctx, e)); err != nil {
			return err
		}
	}
	return nil
}
