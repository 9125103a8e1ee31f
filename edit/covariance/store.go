package covariance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"retcon/edit/corpus"
	"retcon/edit/voice"
	"retcon/edit/weight"
	"retcon/internal/fault"
	"retcon/lm"
)

// Stats says what the covariance of a layer's keys was made from.
type Stats struct {
	Kind   Kind   `json:"kind"`
	Source string `json:"source"` // "corpus", "sampled", "imatrix", "none"
	Cached bool   `json:"cached"`
	Made
}

// Store makes the covariances of a model's layers, each once, or takes them from
// a cache on disk.
type Store struct {
	Model lm.Model
	// Print is the fingerprint of the model's weights, by which the cache knows
	// it; empty: no cache.
	Print  string
	Source *corpus.Source
	// Keys is the number of keys; 0 is PerDim times their length, and where
	// that is 0 too EnoughKeys times.
	Keys   int64
	PerDim float64
	// Imatrix is an importance matrix in GGUF that the diagonal covariance is
	// taken from, if not empty.
	Imatrix string
	Dir     string // of the cache, empty for none
	Voice   *voice.Voice

	texts [][]int32 // of the source, once read
}

// Want is the number of keys of length n that a covariance is made from.
func (s *Store) Want(n int) int64 {
	if s.Keys > 0 {
		return s.Keys
	}
	if s.PerDim > 0 {
		return max(1, int64(math.Round(s.PerDim*float64(n))))
	}
	return int64(EnoughKeys * n)
}

// fewest is the least number of keys of length n for a full covariance: what
// was asked for, if that is below the usual bound.
func (s *Store) fewest(n int) int64 {
	least := int64(FewestKeys * n)
	if s.PerDim > 0 {
		least = min(least, s.Want(n))
	}
	return least
}

// Solver is the covariance of a layer: from the cache, the imatrix, or made
// afresh and cached. Close it if it is an io.Closer.
func (s *Store) Solver(ctx context.Context, kind Kind, layer int) (Solver, Stats, error) {
	n := s.Model.Info().FeedForward[layer]
	switch {
	case kind == KindIdentity:
		return Identity(n), Stats{Kind: kind, Source: "none"}, nil
	case kind == KindDiagonal && s.Imatrix != "":
		d, count, err := weight.ReadImatrix(s.Imatrix, weight.Name(layer), n)
		if err != nil {
			return nil, Stats{}, err
		}
		c, err := NewDiagonal(d)
		return c, Stats{Kind: kind, Source: "imatrix", Made: Made{Keys: int64(count)}}, err
	case kind == KindDiagonal:
		m, err := s.moments(ctx, kind, layer, n)
		if err != nil {
			return nil, Stats{}, err
		}
		defer m.Close()
		c, err := DiagonalOf(m)
		return c, Stats{Kind: kind, Source: s.Source.Name(), Made: Made{Keys: m.Count()}}, err
	}
	return s.full(ctx, layer, n)
}

// Need is what a covariance of a layer takes: the number of keys that it would
// be made from, 0 where it needs none, the bytes of its factor, and whether the
// cache has it.
func (s *Store) Need(kind Kind, layer int) (keys, bytes int64, cached bool, err error) {
	n := s.Model.Info().FeedForward[layer]
	switch {
	case kind == KindIdentity, kind == KindDiagonal && s.Imatrix != "":
		return 0, 0, false, nil
	case kind == KindDiagonal:
		return s.Want(n), 0, false, nil
	}
	key, err := s.key(layer, n)
	if err != nil {
		return 0, 0, false, err
	}
	if c, err := Open(s.path(key), key, n); err == nil {
		cached = true
		c.Close()
	}
	return s.Want(n), Bytes(n), cached, nil
}

// full returns the factor of a layer, from the cache if it has it.
func (s *Store) full(ctx context.Context, layer, n int) (Solver, Stats, error) {
	key, err := s.key(layer, n)
	if err != nil {
		return nil, Stats{}, err
	}
	path := s.path(key)
	if path != "" {
		c, err := Open(path, key, n)
		if err == nil {
			heal := func(ctx context.Context) (Solver, error) {
				c, _, err := s.make(ctx, layer, n, key, path)
				return c, err
			}
			return &healing{File: c, make: heal, voice: s.Voice}, Stats{KindFull, s.Source.Name(), true, c.Made()}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			s.Voice.Warn("the cached covariance cannot be used and is made again: %v", err)
		}
	}
	return s.make(ctx, layer, n, key, path)
}

// make computes the factor of a layer and puts it into the cache.
func (s *Store) make(ctx context.Context, layer, n int, key Key, path string) (Solver, Stats, error) {
	m, err := s.moments(ctx, KindFull, layer, n)
	if err != nil {
		return nil, Stats{}, err
	}
	defer m.Close()
	if m.Count() < int64(EnoughKeys*n) {
		s.Voice.Warn("the covariance is made from %d keys, of %d recommended, and shrunk towards its diagonal", m.Count(), EnoughKeys*n)
	}
	c, err := FromMoments(ctx, m, Options{
		Workers: s.Model.Info().Threads, Shrink: true, Fewest: s.fewest(n),
		Progress: func(done float64) { s.Voice.Report("factoring", int64(1000*done), 1000) },
	})
	if err != nil {
		return nil, Stats{}, fault.Advise(fault.Errorf(fault.ErrStats, "%w", err), fault.LongerText, fault.Diagonal)
	}
	if path != "" {
		err := os.MkdirAll(filepath.Dir(path), 0o777)
		if err == nil {
			err = Save(path, key, c)
		}
		if err != nil {
			s.Voice.Warn("the covariance is not cached: %v", err)
		}
	}
	return c, Stats{Kind: KindFull, Source: s.Source.Name(), Made: c.Made()}, nil
}

// moments sums over the texts.
func (s *Store) moments(ctx context.Context, kind Kind, layer, n int) (lm.Moments, error) {
	if err := s.load(ctx, kind, layer, n); err != nil {
		return nil, err
	}
	var total int64
	for _, t := range s.texts {
		total += int64(len(t))
	}
	return s.Model.Moments(ctx, layer, s.texts, func(keys int64) { s.Voice.Report("statistics", keys, total) })
}

// load reads the texts.
func (s *Store) load(ctx context.Context, kind Kind, layer, n int) (err error) {
	if s.texts != nil {
		return nil
	}
	want, least := s.Want(n), s.fewest(n)
	if s.texts, err = s.Source.Texts(ctx, want, least); err != nil {
		return err
	}
	have := 0
	for _, t := range s.texts {
		have += len(t)
	}
	if s.Source.Path != "" && s.PerDim > 0 && int64(have) < want {
		s.Voice.Warn("the corpus has %d tokens, of the %d that were asked for", have, want)
	}
	if kind == KindFull && int64(have) < least {
		err := fault.Errorf(fault.ErrStats, "the text has %d tokens, but layer %d needs at least %d, better %d", have, layer, least, EnoughKeys*n)
		return fault.Advise(err, fault.LongerText, fault.Diagonal)
	}
	return nil
}

// key names the factor of a layer in the cache.
func (s *Store) key(layer, n int) (k Key, err error) {
	k = Key{Model: s.Print, Layer: layer}
	k.Text, err = s.Source.Key(s.Want(n))
	if s.Source.Path == "" && s.PerDim > 0 && s.Want(n) != int64(EnoughKeys*n) {
		k.Text += fmt.Sprintf(" %d", s.Want(n))
	}
	return k, err
}

// path is the cache file of key, empty where there is no cache.
func (s *Store) path(key Key) string {
	if s.Dir == "" || s.Print == "" {
		return ""
	}
	return filepath.Join(s.Dir, key.FileName())
}
