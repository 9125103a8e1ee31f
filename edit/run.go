package edit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"retcon/edit/contexts"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/neutral"
	"retcon/internal/proc"
	"retcon/internal/vec"
)

// Run computes the edits of cfg and writes what it asks for. With an error of
// kind ErrRefused it also returns the result, for showing. Errors of one of
// several requests are RecordErrors. Nothing is written after an error.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	s := &session{cfg: &cfg, memory: proc.WatchMemory()}
	defer s.close()
	defer s.memory.End()
	if err := cfg.anyRequest(); err != nil {
		return nil, err
	}
	if err := cfg.checkJournal(); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
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
	all := r.Edits
	if len(all) == 1 && len(s.cfg.Requests) == 1 {
		r.Edit, r.Edits = all[0], nil
	}
	r.Warnings = append(r.Warnings, s.cfg.warnings...)
	r.Updates = s.updates
	r.PeakRSS = proc.PeakRSS()
	r.PeakOwn, r.PeakMapped = s.memory.Peak()
	return r
}

func (s *session) run(ctx context.Context) error {
	if s.cfg.method() == MethodTPatcher {
		return s.patch(ctx)
	}
	if err := s.ask(ctx); err != nil {
		return err
	}
	var err error
	h := &s.cfg.HParams
	if s.prefixes = h.Prefixes; len(s.prefixes) == 0 {
		if s.prefixes, err = contexts.SamplePrefixes(ctx, s.model, h.PrefixLengths, h.Seed); err != nil {
			return err
		}
	}
	layer, err := s.chooseLayer(ctx)
	if err != nil {
		return err
	}
	if _, _, err := s.weight(ctx, layer); err != nil {
		return err
	}
	if _, err := s.solver(ctx, layer); err != nil {
		return err
	}
	s.res.Layer, s.res.Stats = layer, s.made[layer]
	s.res.Covariance = string(s.made[layer].Kind)
	for _, e := range s.res.Edits {
		if e.Error != "" {
			continue
		}
		if err := s.edit(ctx, e, layer); err != nil {
			if err = s.failed(e, err); err != nil {
				return err
			}
		}
	}
	if len(s.edits) == 0 {
		return fault.Errorf(ErrRefused, "none of the %d requests could be carried out", len(s.res.Edits))
	}
	return s.conclude(ctx)
}

// failed settles what happens after the error of one request: nil to go on.
func (s *session) failed(e *Edit, err error) error {
	if err == nil {
		return nil
	}
	e.Error = err.Error()
	var rec *fact.RecordError
	if len(s.cfg.Requests) > 1 && !errors.As(err, &rec) {
		err = &fact.RecordError{Record: e.Record, Err: err}
	}
	if s.cfg.KeepGoing && (errors.Is(err, ErrRefused) || errors.Is(err, fact.ErrRequest)) {
		s.cfg.warn("%v", err)
		return nil
	}
	return err
}

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
	f, err := r.Resolve()
	if err != nil {
		return err
	}
	e.fact, e.Prompt, e.Target = f, f.Text, strings.TrimSpace(f.New)
	if e.probe, e.Before, err = newProbe(ctx, s.model, f, ""); err != nil {
		return err
	}
	if e.Before.Success {
		if !s.cfg.Force {
			return fault.Errorf(ErrRefused, "the model already says %q: there is nothing to edit", e.Target)
		}
		s.cfg.warn("the model already says %q", e.Target)
	}
	return nil
}

// edit computes the update of one request on the model as edited so far.
func (s *session) edit(ctx context.Context, e *Edit, layer int) error {
	if err := s.model.Apply(s.updates); err != nil {
		return err
	}
	start := time.Now()
	r, err := rome(ctx, s.model, e.fact, layer, s.prefixes, s.solvers[layer], s.cfg.HParams, func(i int, _ StepLoss) {
		s.cfg.progress("optimising", int64(i+1), int64(s.cfg.HParams.Steps))
	})
	s.res.Seconds += time.Since(start).Seconds()
	if err != nil {
		return err
	}
	r.Report.WeightNorm = s.norms[layer]
	e.Update, e.Losses = r.Report, r.Value.Losses
	if !vec.Finite(r.Left) || !vec.Finite(r.Right) {
		return fault.Errorf(ErrRefused, "the update is not finite; try another --layer or --covariance diagonal")
	}
	if r.Sink {
		if err := s.behindPrefix(ctx, e); err != nil {
			return err
		}
	}
	updates := append(slices.Clip(s.updates), r.Update)
	if err := s.model.Apply(updates); err != nil {
		return err
	}
	if e.alone, err = e.probe.run(ctx, s.model); err != nil {
		return err
	}
	e.After = e.alone
	warnings, refusals := r.judge()
	refusals = append(refusals, judgeOutcome(e.fact, e.Before, e.alone)...)
	for _, w := range append(r.Warnings, warnings...) {
		s.cfg.warn("%s%s", s.about(e), w)
	}
	if err := s.refuse(e, refusals); err != nil {
		return err
	}
	s.updates = updates
	s.edits = append(s.edits, e)
	return nil
}

// behindPrefix asks the fact anew behind the first prefix.
func (s *session) behindPrefix(ctx context.Context, e *Edit) (err error) {
	if err := s.model.Apply(nil); err != nil {
		return err
	}
	e.Prompt = s.prefixes[0] + e.fact.Text
	e.probe, e.Before, err = newProbe(ctx, s.model, e.fact, s.prefixes[0])
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
		s.cfg.warn("forced: %s", text)
		return nil
	}
	if e != nil {
		e.Error = text
	}
	return fault.Errorf(ErrRefused, "%s (--force writes it nevertheless)", text)
}

// conclude asks all facts of the model with all edits, measures side effects,
// and writes.
func (s *session) conclude(ctx context.Context) error {
	after := func() error { return s.model.Apply(s.updates) }
	if err := s.confirm(ctx, func() error { return s.model.Apply(nil) }, after); err != nil {
		return err
	}
	if s.cfg.Output == "" && s.cfg.LoRA == "" {
		return nil
	}
	return s.timeWrite(ctx, s.write)
}

// confirm asks all facts but the last, whose outcome is that of all edits, and
// measures the side effects between the model as before and as after make it.
func (s *session) confirm(ctx context.Context, before, after func() error) error {
	if err := after(); err != nil {
		return err
	}
	for _, e := range s.edits[:max(0, len(s.edits)-1)] {
		var err error
		if e.After, err = e.probe.run(ctx, s.model); err != nil {
			return err
		}
		if e.alone.Success && !e.After.Success {
			if err := s.failed(e, s.refuse(e, []string{"later requests undid it"})); err != nil {
				return err
			}
		}
	}
	text := s.cfg.Text
	if text == "" {
		text = neutral.Text()
	}
	side, err := compareModels(ctx, s.model, before, after, text, cmp.Or(s.cfg.TextTokens, sideTokens), func(done, total int64) { s.cfg.progress("side effects", done, total) })
	if err != nil {
		return err
	}
	s.res.SideEffects = &side
	if err := s.question(ctx, before, after); err != nil {
		return err
	}
	warnings, refusals := judgeSide(side)
	for _, w := range warnings {
		s.cfg.warn("%s", w)
	}
	return s.refuse(nil, refusals)
}

// timeWrite writes, and notes how long it took.
func (s *session) timeWrite(ctx context.Context, write func(context.Context) error) error {
	start := time.Now()
	err := write(ctx)
	s.res.WriteSeconds = time.Since(start).Seconds()
	return err
}
