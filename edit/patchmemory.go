package edit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"retcon/edit/covariance"
	"retcon/edit/patch"
	"retcon/fact"
	"retcon/internal/fault"
)

// fillMemory makes the memory D_M, or takes it from the cache, and lets the
// queries of facts that were patched in before join it.
func (s *session) fillMemory(ctx context.Context) error {
	p, want := s.patches, s.cfg.Patch.queries(s.patches.site.Width)
	r := &MemoryReport{Source: s.stats.sourceName(), Form: string(s.cfg.Patch.Form), Bias: p.site.Bias, Earlier: len(p.history)}
	s.res.Memory = r
	key, err := s.memoryKey(want)
	if err != nil {
		return err
	}
	p.key = key
	path := ""
	if s.cfg.CacheDir != "" {
		path = filepath.Join(s.cfg.CacheDir, memoryFile(key))
		p.memory, err = patch.LoadMemory(path, key, p.site.Width)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.cfg.warn("the cached queries cannot be used and are made again: %v", err)
		}
		r.Cached = err == nil
	}
	if !r.Cached {
		if err := s.makeMemory(ctx, want); err != nil {
			return err
		}
		if path != "" {
			if err := p.memory.Save(path, key); err != nil {
				s.cfg.warn("the queries are not cached: %v", err)
			}
		}
	}
	if err := p.memory.Finish(ctx); err != nil {
		return fault.Errorf(ErrStats, "%w: give a longer --corpus", err)
	}
	r.Queries, r.Held = p.memory.Len()
	_, r.Spread = p.memory.Constant()
	return s.joinEarlier(ctx)
}

// memoryFile is the name of a memory in the cache.
func memoryFile(key string) string { return "queries-" + key[:24] + ".bin" }

// holdEvery is which of the texts are held out for validation.
const holdEvery = 5

// makeMemory runs natural text through the model up to the last network.
func (s *session) makeMemory(ctx context.Context, want int) error {
	p := s.patches
	var texts [][]int32
	var err error
	if s.cfg.Corpus != "" {
		texts, err = spreadTexts(s.model, s.cfg.Corpus, want)
	} else {
		texts, err = s.stats.sample(ctx, int64(want), int64(want*covariance.FewestKeys/covariance.EnoughKeys))
	}
	if err != nil {
		return err
	}
	p.memory = patch.NewMemory(p.site.Width)
	seen := 0
	err = p.model.Queries(ctx, texts, func(text, _ int, q []float32) error {
		if seen < want {
			p.memory.Add(q, text%holdEvery == holdEvery-1)
			seen++
			s.cfg.progress("memory", int64(seen), int64(want))
		}
		return nil
	})
	if err == nil && seen < patch.Fewest(p.site.Width) {
		err = fault.Errorf(ErrStats, "the text has %d tokens, but a memory needs at least %d: give a longer --corpus", seen, patch.Fewest(p.site.Width))
	}
	return err
}

// memoryKey names the memory in the cache. A model that holds patches already
// has the memory of the one that they were made for: all before the last
// network is the same.
func (s *session) memoryKey(want int) (string, error) {
	print := s.stats.print
	if h := s.patches.history; len(h) > 0 {
		print = h[len(h)-1].model
	}
	text := fmt.Sprintf("sampled seed %d", s.cfg.HParams.Seed)
	if s.cfg.Corpus != "" {
		pieces, err := spreadPieces(s.cfg.Corpus, want)
		if err != nil {
			return "", err
		}
		text = fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(pieces, "\x00"))))
	}
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s %s %d", print, text, want))), nil
}

// joinEarlier lets the queries of earlier facts join the memory.
func (s *session) joinEarlier(ctx context.Context) error {
	p := s.patches
	var rows [][]int32
	for _, h := range p.history {
		for _, r := range h.live() {
			f, err := r.Resolve()
			if err != nil {
				continue // of an older form of requests
			}
			span, err := fact.Tokenize(s.model, f, "", f.New)
			if err != nil {
				continue
			}
			for n := span.Prompt; n <= len(span.Tokens); n++ {
				rows = append(rows, span.Tokens[:n])
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	queries, err := p.model.LastQueries(ctx, rows)
	if err != nil {
		return err
	}
	for _, q := range queries {
		p.memory.Join(q)
	}
	return nil
}
