package edit

import (
	"context"
	"time"

	"retcon/gguf"
	"retcon/internal/atomicfile"
	"retcon/internal/fault"
	"retcon/internal/input"
	"retcon/internal/proc"
	"retcon/lm"
)

// session is one run of a method on a model.
type session struct {
	cfg     *Config
	base    *Base
	work    Work
	res     *Result
	edits   []*Edit    // the ones that are to be written
	earlier int        // edits in the file's history
	sums    *gguf.Sums // of the unedited file, once asked for
	done    int        // requests that are through
	memory  *proc.Watch
	inputs  *input.Inputs
	places  []*atomicfile.Place // the outputs
	owns    bool                // the session closes the model
}

// newSession is a session without a file or model yet.
func newSession(cfg *Config) *session {
	return &session{cfg: cfg, inputs: &input.Inputs{}, base: &Base{Quantizer: cfg.Quantizer, Material: cfg.Material, Adapter: cfg.LoRA != "", Voice: cfg.voice()},
		res: &Result{Schema: ResultSchema, Model: cfg.Model, Method: cfg.Method.Name(), TypesChanged: []TypeChange{}, Warnings: []string{}}}
}

// open checks all that can be checked before the model is loaded, loads it, and
// opens the method on it. A model that is given is used as it is.
func (s *session) open(ctx context.Context, m lm.Model) error {
	start := time.Now()
	if err := s.openFile(ctx); err != nil {
		return err
	}
	if s.base.Model = m; m == nil {
		var err error
		if s.base.Model, err = s.cfg.Open(ctx, s.cfg.Model); err != nil {
			return err
		}
		s.owns = true
	}
	b := s.base
	b.Info = b.Model.Info()
	s.res.LoadSeconds = time.Since(start).Seconds()
	if b.Info.Layers < 1 || len(b.Info.FeedForward) < b.Info.Layers {
		return fault.Errorf(lm.ErrUnsupported, "architecture %s: the model has no feed-forward layers", b.Info.Arch)
	}
	var err error
	if b.Print, err = gguf.Fingerprint(b.File); err != nil {
		return err
	}
	if s.work, err = s.cfg.Method.Open(ctx, b); err != nil {
		return err
	}
	if _, ok := s.work.(Adapting); b.Adapter && !ok {
		return fault.Errorf(lm.ErrUnsupported, "an adapter cannot hold edits of %s; try %s", s.res.Method, fault.WriteModel)
	}
	return s.checkQuestions()
}

// openFile checks the outputs, and opens the model's file. What
// statistics are made from is copied where it can be read once only: it is read
// at many places.
func (s *session) openFile(ctx context.Context) (err error) {
	cfg := s.cfg
	if err := cfg.checkPlan(); err != nil {
		return err
	}
	if s.base.File, err = gguf.OpenAs(cfg.Model, gguf.RoleModel); err != nil {
		return err
	}
	if err := s.reserve(); err != nil {
		return err
	}
	if s.base.Corpus, err = s.inputs.File(ctx, cfg.Corpus); err != nil {
		return err
	}
	if s.base.Imatrix, err = s.inputs.File(ctx, cfg.Imatrix); err != nil {
		return err
	}
	if err := s.checkMaterial(); err != nil {
		return err
	}
	if cfg.Output != "" {
		if err := checkSpace(cfg.Output, s.base.File.Size()); err != nil {
			return err
		}
	}
	if s.earlier, err = History(s.base.File); err == nil {
		s.checkHistory()
	}
	return err
}

// checkHistory names what the file has of earlier edits that this program did not
// write. It is carried on: no edit depends on it.
func (s *session) checkHistory() {
	for i := range s.earlier {
		if _, err := EditRequests(s.base.File, i); err != nil {
			s.warn("%v; it is carried on as it is", err)
		}
	}
}

func (s *session) close() {
	if s.work != nil {
		s.work.Close()
	}
	s.closeModel()
	s.inputs.Close()
	for _, p := range s.places {
		p.Close()
	}
	if s.base.File != nil {
		s.base.File.Close()
	}
}

// closeModel closes a model that the session has opened.
func (s *session) closeModel() error {
	if !s.owns || s.base.Model == nil {
		return nil
	}
	err := s.base.Model.Close()
	s.base.Model = nil
	return err
}

func (s *session) warn(format string, args ...any)          { s.base.Voice.Warn(format, args...) }
func (s *session) progress(stage string, done, total int64) { s.base.Voice.Report(stage, done, total) }
func (s *session) hash(ctx context.Context) (*gguf.Sums, error) {
	if s.sums != nil {
		return s.sums, nil
	}
	var err error
	s.sums, err = gguf.HashTensors(ctx, s.base.File, func(done, total int64) { s.progress("hashing", done, total) })
	return s.sums, err
}
