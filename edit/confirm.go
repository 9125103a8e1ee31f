package edit

import (
	"cmp"
	"context"
	"time"

	"retcon/internal/neutral"
)

// conclude measures side effects, and writes.
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

// confirm measures the side effects of all edits, and puts questions.
func (s *session) confirm(ctx context.Context) error {
	before := func() error { return s.work.Apply() }
	after := func() error { return s.work.Apply(s.computed()...) }
	for _, e := range s.edits {
		for _, w := range judgeStrength(e.After, e.probe.tokens()) {
			s.warn("%s%s", s.about(e), w)
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
