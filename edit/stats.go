package edit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"retcon/edit/covariance"
	"retcon/edit/weight"
	"retcon/internal/fault"
	"retcon/lm"
)

// Stats says what the covariance of a layer's keys was made from.
type Stats struct {
	Kind   covariance.Kind `json:"kind"`
	Source string          `json:"source"` // "corpus", "sampled", "imatrix", "none"
	Cached bool            `json:"cached"`
	covariance.Made
}

// stats makes the solvers of an Editor's layers.
type stats struct {
	cfg   *Config
	model lm.Model
	print string // fingerprint of the weights

	texts  [][]int32 // of the corpus or sampled, once made
	source string
}

// solver returns the covariance of a layer: from the cache, the imatrix, or
// made afresh and cached. Close it if it is an io.Closer.
func (s *stats) solver(ctx context.Context, layer int) (covariance.Solver, Stats, error) {
	n := s.model.Info().FeedForward[layer]
	switch kind := s.cfg.HParams.Covariance; {
	case kind == covariance.KindIdentity:
		return covariance.Identity(n), Stats{Kind: kind, Source: "none"}, nil
	case kind == covariance.KindDiagonal && s.cfg.Imatrix != "":
		d, count, err := weight.ReadImatrix(s.cfg.Imatrix, weight.Name(layer), n)
		if err != nil {
			return nil, Stats{}, err
		}
		c, err := covariance.NewDiagonal(d)
		return c, Stats{Kind: kind, Source: "imatrix", Made: covariance.Made{Keys: int64(count)}}, err
	case kind == covariance.KindDiagonal:
		m, err := s.moments(ctx, layer, n)
		if err != nil {
			return nil, Stats{}, err
		}
		defer m.Close()
		c, err := covariance.DiagonalOf(m)
		return c, Stats{Kind: kind, Source: s.source, Made: covariance.Made{Keys: m.Count()}}, err
	}
	return s.full(ctx, layer, n)
}

// full returns the factor of a layer, from the cache if it has it.
func (s *stats) full(ctx context.Context, layer, n int) (covariance.Solver, Stats, error) {
	key, err := s.key(layer, n)
	if err != nil {
		return nil, Stats{}, err
	}
	path, source := s.path(key), s.sourceName()
	if path != "" {
		c, err := covariance.Open(path, key, n)
		if err == nil {
			heal := func(ctx context.Context) (covariance.Solver, error) {
				c, _, err := s.make(ctx, layer, n, key, path)
				return c, err
			}
			return &healing{File: c, make: heal, warn: s.cfg.warn}, Stats{covariance.KindFull, source, true, c.Made()}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			s.cfg.warn("the cached covariance cannot be used and is made again: %v", err)
		}
	}
	return s.make(ctx, layer, n, key, path)
}

// make computes the factor of a layer and puts it into the cache.
func (s *stats) make(ctx context.Context, layer, n int, key covariance.Key, path string) (covariance.Solver, Stats, error) {
	m, err := s.moments(ctx, layer, n)
	if err != nil {
		return nil, Stats{}, err
	}
	defer m.Close()
	if m.Count() < int64(covariance.EnoughKeys*n) {
		s.cfg.warn("the covariance is made from %d keys, of %d recommended, and shrunk towards its diagonal", m.Count(), covariance.EnoughKeys*n)
	}
	c, err := covariance.FromMoments(ctx, m, covariance.Options{
		Workers: s.model.Info().Threads, Shrink: true, Fewest: s.cfg.fewest(n),
		Progress: func(done float64) { s.cfg.progress("factoring", int64(1000*done), 1000) },
	})
	if err != nil {
		return nil, Stats{}, fault.Errorf(ErrStats, "%w; give a longer --corpus, or --covariance diagonal", err)
	}
	if path != "" {
		err := os.MkdirAll(filepath.Dir(path), 0o777)
		if err == nil {
			err = covariance.Save(path, key, c)
		}
		if err != nil {
			s.cfg.warn("the covariance is not cached: %v", err)
		}
	}
	return c, Stats{Kind: covariance.KindFull, Source: s.source, Made: c.Made()}, nil
}

// moments sums over the texts.
func (s *stats) moments(ctx context.Context, layer, n int) (lm.Moments, error) {
	if err := s.load(ctx, layer, n); err != nil {
		return nil, err
	}
	var total int64
	for _, t := range s.texts {
		total += int64(len(t))
	}
	return s.model.Moments(ctx, layer, s.texts, func(keys int64) { s.cfg.progress("statistics", keys, total) })
}

// load makes the texts.
func (s *stats) load(ctx context.Context, layer, n int) error {
	if s.texts != nil {
		return nil
	}
	var err error
	s.source = s.sourceName()
	if s.cfg.Corpus != "" {
		s.texts, err = corpusTexts(s.model, s.cfg.Corpus, s.cfg.keys(n))
	} else {
		s.texts, err = s.sample(ctx, s.cfg.keys(n), s.cfg.fewest(n))
	}
	if err != nil {
		return err
	}
	have := 0
	for _, t := range s.texts {
		have += len(t)
	}
	if want := s.cfg.keys(n); s.cfg.Corpus != "" && s.cfg.KeysPerDim > 0 && int64(have) < want {
		s.cfg.warn("the corpus has %d tokens, of the %d that were asked for", have, want)
	}
	if least := s.cfg.fewest(n); s.cfg.HParams.Covariance == covariance.KindFull && int64(have) < least {
		return fault.Errorf(ErrStats, "the text has %d tokens, but layer %d needs at least %d, better %d: give a longer --corpus, or --covariance diagonal",
			have, layer, least, covariance.EnoughKeys*n)
	}
	return nil
}

func (s *stats) sourceName() string {
	if s.cfg.Corpus != "" {
		return "corpus"
	}
	return "sampled"
}

// key names the factor of a layer in the cache.
func (s *stats) key(layer, n int) (covariance.Key, error) {
	k := covariance.Key{Model: s.print, Layer: layer}
	if s.cfg.Corpus == "" {
		k.Text = fmt.Sprintf("sampled seed %d", s.cfg.HParams.Seed)
		if s.cfg.KeysPerDim > 0 && s.cfg.keys(n) != int64(covariance.EnoughKeys*n) {
			k.Text += fmt.Sprintf(" %d", s.cfg.keys(n))
		}
		return k, nil
	}
	text, err := readCorpus(s.cfg.Corpus, s.cfg.keys(n))
	if err != nil {
		return k, err
	}
	k.Text = fmt.Sprintf("%x %d", sha256.Sum256([]byte(text)), s.cfg.keys(n))
	return k, nil
}

// path is the cache file of key, empty where there is no cache.
func (s *stats) path(key covariance.Key) string {
	if s.cfg.CacheDir == "" || s.print == "" {
		return ""
	}
	return filepath.Join(s.cfg.CacheDir, key.FileName())
}

// healing is a cached factor that is made again when it proves damaged.
type healing struct {
	*covariance.File
	make  func(context.Context) (covariance.Solver, error)
	warn  func(string, ...any)
	fresh covariance.Solver
}

// Solve solves with the file, or with a new factor if that is damaged.
func (h *healing) Solve(ctx context.Context, dst, b []float64) error {
	if h.fresh != nil {
		return h.fresh.Solve(ctx, dst, b)
	}
	x := make([]float64, len(b))
	err := h.File.Solve(ctx, x, b)
	if err == nil {
		copy(dst, x)
		return nil
	}
	if !errors.Is(err, covariance.ErrCorrupt) && !errors.Is(err, covariance.ErrNotPositive) {
		return err
	}
	h.warn("the cached covariance is damaged and is made again: %v", err)
	if h.fresh, err = h.make(ctx); err != nil {
		return err
	}
	return h.fresh.Solve(ctx, dst, b)
}
