package edit

import (
	"context"
	"io"
	"time"

	"retcon/edit/covariance"
	"retcon/edit/weight"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/internal/proc"
	"retcon/lm"
)

// session is one Run.
type session struct {
	cfg      *Config
	file     *gguf.File
	model    lm.Model
	info     lm.Info
	weights  map[int]*weight.Weight
	norms    map[int]float64
	stats    *stats
	prefixes []string
	solvers  map[int]covariance.Solver
	made     map[int]Stats
	res      *Result
	edits    []*Edit // the ones that are to be written
	updates  []lm.Update
	earlier  int           // edits in the file's history
	sums     *gguf.Sums    // of the unedited file, once asked for
	patches  *patchSession // of T-Patcher
	memory   *proc.Watch
	done     int // requests that are through, of T-Patcher
}

// open checks all that can be checked before the model is loaded, and loads it.
func (s *session) open(ctx context.Context) error {
	start := time.Now()
	cfg := s.cfg
	s.solvers, s.made = map[int]covariance.Solver{}, map[int]Stats{}
	s.weights, s.norms = map[int]*weight.Weight{}, map[int]float64{}
	s.res = &Result{Schema: ResultSchema, Model: cfg.Model, Method: cfg.method(), Seed: cfg.HParams.Seed,
		TypesChanged: []TypeChange{}, Warnings: []string{}}
	var err error
	if s.file, err = gguf.Open(cfg.Model); err != nil {
		return err
	}
	inputs := append(s.file.Paths(), cfg.Model)
	for _, p := range []string{cfg.Corpus, cfg.Imatrix} {
		if p != "" {
			inputs = append(inputs, p)
		}
	}
	if err := checkOutputs(cfg, inputs); err != nil {
		return err
	}
	if cfg.Output != "" {
		if err := checkSpace(cfg.Output, s.file.Size()); err != nil {
			return err
		}
	}
	if s.earlier, err = history(s.file); err != nil {
		return err
	}
	if s.model, err = cfg.Open(ctx, cfg.Model); err != nil {
		return err
	}
	s.info = s.model.Info()
	s.res.LoadSeconds = time.Since(start).Seconds()
	if err := cfg.HParams.check(s.info); err != nil {
		return err
	}
	if err := s.checkChat(); err != nil {
		return err
	}
	if s.info.Layers < 1 || len(s.info.FeedForward) < s.info.Layers {
		return fault.Errorf(lm.ErrUnsupported, "architecture %s: the model has no feed-forward layers", s.info.Arch)
	}
	print, err := gguf.Fingerprint(s.file)
	s.stats = &stats{cfg: cfg, model: s.model, print: print}
	return err
}

// weight is the tensor of a layer, checked for what is to be written.
func (s *session) weight(ctx context.Context, layer int) (*weight.Weight, float64, error) {
	if w, ok := s.weights[layer]; ok {
		return w, s.norms[layer], nil
	}
	w, err := weight.Of(s.file, s.cfg.Quantizer, layer, s.info)
	if err != nil {
		return nil, 0, err
	}
	if _, scaled := s.file.Tensor(weight.ScaleName(layer)); scaled && s.cfg.LoRA != "" {
		return nil, 0, fault.Errorf(lm.ErrUnsupported, "an adapter for %s, which is %v with a scale beside it: llama.cpp cannot load one; write a model with -o instead",
			w.Info.Name, w.Info.Type)
	}
	n, err := w.Norm(ctx)
	if err == nil && !(n > 0) {
		err = fault.Errorf(lm.ErrUnsupported, "%s has norm %v", w.Info.Name, n)
	}
	if err != nil {
		return nil, 0, err
	}
	s.weights[layer], s.norms[layer] = w, n
	return w, n, nil
}

// solver is the covariance of a layer, made once.
func (s *session) solver(ctx context.Context, layer int) (covariance.Solver, error) {
	if c, ok := s.solvers[layer]; ok {
		return c, nil
	}
	start := time.Now()
	c, made, err := s.stats.solver(ctx, layer)
	s.res.StatsSeconds += time.Since(start).Seconds()
	if err != nil {
		return nil, err
	}
	s.solvers[layer], s.made[layer] = c, made
	return c, nil
}

func (s *session) close() {
	for _, c := range s.solvers {
		if c, ok := c.(io.Closer); ok {
			c.Close()
		}
	}
	s.closeModel()
	s.file.Close()
}

func (s *session) closeModel() error {
	if s.model == nil {
		return nil
	}
	err := s.model.Close()
	s.model = nil
	return err
}
