package edit

import (
	"cmp"
	"context"
	"time"

	"retcon/internal/neutral"
)

// conclude asks all facts of the model with all edits, measures side effects,
// and writes.
func (s *session) conclude(ctx context.Context) error {
	if err := s.confirm(ctx); err != nil {
		return err
	}
	if s.cfg.output() == "" {
		return nil
	}
	start := time.Now()
	err := s.write(ctx)
	s.res.WriteSeconds = time.Since(start).Seconds()
	return err
}

// confirm asks all facts but the last, whose outcome is that of all edits, and
// measures the side effects.
func (s *session) confirm(ctx context.Context) error {
	before := func() error { return s.work.Apply() }
	after := func() error { return s.work.Apply(s.computed()...) }
	if err := after(); err != nil {
		return err
	}
	for _, e := range s.edits[:max(0, len(s.edits)-1)] {
		var err error
		if e.After, err = e.probe.run(ctx, s.base.Model); err != nil {
			return err
		}
		if e.alone.Success && !e.After.Success {
			if err := s.failed(e, s.refuse(e, []string{"later requests undid it"})); err != nil {
				return err
			}
		}
	}
	text := cmp.Or(s.cfg.Text, neutral.Text())
	side, err := MeasureSideEffects(ctx, s.base.Model, before, after, text, cmp.Or(s.cfg.TextTokens, sideTokens),
		func(done, total int64) { s.progress("side effects", done, total) })
	if err != nil {
		return err
	}
	s.res.SideEffects = &side
	if err := s.question(ctx, before, after); err != nil {
		return err
	}
	warnings, refusals := judgeSide(side)
	for _, w := range warnings {
		s.warn("%s", w)
	}
	return s.refuse(nil, refusals)
}
