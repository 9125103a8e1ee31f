package edit

import (
	"context"
	"errors"
	"time"

	"retcon/fact"
	"retcon/internal/proc"
)

// Run computes the edits of cfg and writes what it asks for. With an error of
// kind ErrRefused it also returns the result, for showing. Errors of one of
// several requests are RecordErrors. Nothing is written after an error.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := cfg.checkPlan(); err != nil {
		return nil, err
	}
	s := newSession(&cfg)
	defer s.close()
	if err := s.reserve(); err != nil {
		return nil, err
	}
	if err := cfg.checkJournal(); err != nil {
		return nil, err
	}
	s.memory = proc.WatchResident()
	defer s.memory.End()
	if err := s.open(ctx, nil); err != nil {
		return nil, err
	}
	err := s.kept(s.run(ctx))
	if err != nil && !errors.Is(err, ErrRefused) {
		return nil, err
	}
	return s.finish(), err
}

// finish completes the result.
func (s *session) finish() *Result {
	r := s.res
	for _, e := range r.Edits {
		e.repeat()
	}
	if s.work != nil {
		s.work.Report(r)
		r.Seed = s.work.Settings().Seed
	}
	r.flat = len(s.cfg.Requests) == 1
	r.Warnings = append(r.Warnings, s.base.Voice.Warnings()...)
	r.PeakRSS = proc.PeakRSS()
	r.PeakOwn, r.PeakMapped = s.memory.Peak()
	return r
}

func (s *session) run(ctx context.Context) error {
	if err := s.ask(ctx); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	j, parts, err := s.openJournal()
	if err != nil {
		return err
	}
	defer j.Close()
	if err := s.editAll(ctx, j, parts); err != nil {
		if len(parts) == 0 && s.done == 0 {
			err = errors.Join(err, j.Remove()) // it keeps nothing
		}
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := s.conclude(ctx); err != nil {
		return err
	}
	return j.Remove()
}

// ready lets the method make what it makes once.
func (s *session) ready(ctx context.Context) error {
	var facts []fact.Fact
	for _, e := range s.res.Edits {
		if e.todo() {
			facts = append(facts, e.fact)
		}
	}
	return s.work.Ready(ctx, facts)
}

// failed settles what happens after the error of one request: nil to go on.
func (s *session) failed(e *Edit, err error) error {
	if err == nil {
		return nil
	}
	e.Error = err.Error()
	var rec *fact.RecordError
	if len(s.cfg.Requests) > 1 && !errors.As(err, &rec) {
		err = &fact.RecordError{File: e.fact.File, Record: e.Record, Err: err}
	}
	if s.cfg.KeepGoing && skippable(err) {
		s.warn("%v", err)
		return nil
	}
	return err
}

// skippable: an error of one request, which others need not suffer for.
func skippable(err error) bool { return errors.Is(err, ErrRefused) || errors.Is(err, fact.ErrRequest) }

// edit computes the edit of one request on the model as edited so far, and
// tries it.
func (s *session) edit(ctx context.Context, e *Edit) error {
	start := time.Now()
	c, err := s.work.Compute(ctx, e.fact, func(done, most int) { s.progress("optimising", int64(done), int64(most)) })
	s.res.Seconds += time.Since(start).Seconds()
	if err != nil {
		return err
	}
	e.take(c)
	if err := s.moveProbe(ctx, e); err != nil {
		return err
	}
	if err := s.work.Apply(append(s.computed(), c)...); err != nil {
		return err
	}
	if e.alone, err = e.probe.run(ctx, s.base.Model); err != nil {
		return err
	}
	e.After = e.alone
	for _, w := range c.Warnings {
		s.warn("%s%s", s.about(e), w)
	}
	refusals := append(append([]string(nil), c.Refusals...), judgeOutcome(e.fact, e.Before, e.alone)...)
	if err := s.refuse(e, refusals); err != nil {
		e.Parts = nil
		return err
	}
	s.keep(e)
	return nil
}

// keep counts an edit among those that are to be written, and that later ones
// are computed on top of.
func (s *session) keep(e *Edit) {
	s.work.Keep(e.computed)
	s.edits = append(s.edits, e)
}

// computed are the edits that are to be written.
func (s *session) computed() []*Computed {
	out := make([]*Computed, len(s.edits), len(s.edits)+1)
	for i, e := range s.edits {
		out[i] = e.computed
	}
	return out
}
