package tpatcher

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/fault"
)

// fillMemory makes the memory D_M, or takes it from the cache, and lets the
// queries of facts that were patched in before join it.
func (w *work) fillMemory(ctx context.Context) error {
	want := w.cfg.queries(w.site.Width)
	r := &MemoryReport{Source: w.source.Name(), Form: string(w.cfg.Form), Bias: w.site.Bias, Earlier: len(w.history)}
	w.reported = r
	key, err := w.memoryKey(want)
	if err != nil {
		return err
	}
	w.key = key
	path := ""
	if w.base.CacheDir != "" {
		path = filepath.Join(w.base.CacheDir, memoryFile(key))
		w.memory, err = LoadMemory(path, key, w.site.Width)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.base.Voice.Warn("the cached queries cannot be used and are made again: %v", err)
		}
		r.Cached = err == nil
	}
	if !r.Cached {
		if err := w.makeMemory(ctx, want); err != nil {
			return err
		}
		if path != "" {
			if err := w.memory.Save(path, key); err != nil {
				w.base.Voice.Warn("the queries are not cached: %v", err)
			}
		}
	}
	if err := w.memory.Finish(ctx); err != nil {
		return fault.Advise(fault.Errorf(edit.ErrStats, "%w", err), fault.LongerText)
	}
	r.Queries, r.Held = w.memory.Len()
	_, r.Spread = w.memory.Constant()
	return w.joinEarlier(ctx)
}

// memoryFile is the name of a memory in the cache.
func memoryFile(key string) string { return "queries-" + key[:24] + ".bin" }

// holdEvery is which of the texts are held out for validation.
const holdEvery = 5

// makeMemory runs natural text through the model up to the last network.
func (w *work) makeMemory(ctx context.Context, want int) error {
	texts, err := w.source.Spread(ctx, int64(want), int64(want*covariance.FewestKeys/covariance.EnoughKeys))
	if err != nil {
		return err
	}
	w.memory = NewMemory(w.site.Width)
	seen := 0
	err = w.model.Queries(ctx, texts, func(text, _ int, q []float32) error {
		if seen < want {
			w.memory.Add(q, text%holdEvery == holdEvery-1)
			seen++
			w.base.Voice.Report("memory", int64(seen), int64(want))
		}
		return nil
	})
	if err == nil && seen < Fewest(w.site.Width) {
		err = fault.Advise(fault.Errorf(edit.ErrStats, "the text has %d tokens, but a memory needs at least %d", seen, Fewest(w.site.Width)), fault.LongerText)
	}
	return err
}

// memoryKey names the memory in the cache. A model that holds patches already
// has the memory of the one that they were made for: all before the last
// network is the same.
func (w *work) memoryKey(want int) (string, error) {
	print := w.base.Print
	if h := w.history; len(h) > 0 {
		print = h[len(h)-1].model
	}
	text, err := w.source.SpreadKey(int64(want))
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s %s %d", print, text, want))), err
}

// joinEarlier lets the queries of earlier facts join the memory.
func (w *work) joinEarlier(ctx context.Context) error {
	var rows [][]int32
	for _, h := range w.history {
		for _, r := range h.live() {
			f, err := r.Resolve()
			if err != nil {
				continue // of an older form of requests
			}
			span, err := fact.Tokenize(w.base.Model, f, "", f.New)
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
	queries, err := w.model.LastQueries(ctx, rows)
	if err != nil {
		return err
	}
	for _, q := range queries {
		w.memory.Join(q)
	}
	return nil
}
