package llama

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
)

// ContextParams says how large a context is.
type ContextParams struct {
	Cells     int  // tokens that the KV cache holds, all sequences together
	Batch     int  // most tokens of a decode, which is one graph
	Outputs   int  // most rows of logits of a decode; 0: Batch
	Sequences int  // sequences beside each other, at most MaxSequences
	Threads   int  // 0: all processors
	Separate  bool // a cache for each sequence instead of one for all
}

// MaxSequences is the most sequences that a context can hold.
const MaxSequences = 256

// maxThreads is GGML_MAX_N_THREADS.
const maxThreads = 512

// Context is a KV cache and what computes over it: decodes and programs.
type Context struct {
	mu      sync.Mutex
	c       *C.rc_context
	model   *Model
	params  ContextParams
	parts   map[io.Closer]struct{} // programs and stores, closed with it
	cleanup runtime.Cleanup
}

// NewContext makes a context. Attention is computed in plain operators and
// keys and values are kept in F32, so that every step of a decode can be
// replayed.
func (m *Model) NewContext(params ContextParams) (*Context, error) {
	if params.Threads <= 0 {
		params.Threads = runtime.NumCPU()
	}
	switch {
	case m == nil:
		return nil, fmt.Errorf("model: %w", ErrClosed)
	case params.Cells <= 0 || params.Batch <= 0 || params.Cells > math.MaxInt32 || params.Batch > math.MaxInt32:
		return nil, invalid("a context of %d cells for batches of %d", params.Cells, params.Batch)
	case params.Threads > maxThreads:
		return nil, invalid("%d threads: at most %d", params.Threads, maxThreads)
	case params.Sequences < 1 || params.Sequences > MaxSequences:
		return nil, invalid("a context for %d sequences: at most %d", params.Sequences, MaxSequences)
	}
	if params.Outputs <= 0 || params.Outputs > params.Batch {
		params.Outputs = params.Batch
	}
	// llama.cpp asserts room for a row of each sequence
	params.Outputs = max(params.Outputs, params.Sequences)
	params.Batch = max(params.Batch, params.Outputs)
	if err := m.retain(); err != nil {
		return nil, err
	}
	c := &Context{model: m, parts: map[io.Closer]struct{}{}}
	var e errorBuffer
	code := C.rc_context_new(&c.c, m.c, C.rc_context_params{
		n_ctx: C.int32_t(params.Cells), n_batch: C.int32_t(params.Batch), n_seq: C.int32_t(params.Sequences),
		n_outputs: C.int32_t(params.Outputs), n_threads: C.int32_t(params.Threads), unified: C.bool(!params.Separate),
	}, e.ptr())
	if code != C.RC_OK {
		m.release()
		return nil, e.check(uncancelled, code, "context")
	}
	params.Cells = int(C.rc_context_cells(c.c))
	c.params = params
	c.cleanup = runtime.AddCleanup(c, leaked, "context")
	return c, nil
}

// Model is the model of the context.
func (c *Context) Model() *Model { return c.model }

// Params are the sizes of the context; Cells may be more than was asked for.
func (c *Context) Params() ContextParams { return c.params }

// Close frees the context with its programs and stores.
func (c *Context) Close() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	parts := make([]io.Closer, 0, len(c.parts))
	for p := range c.parts {
		parts = append(parts, p)
	}
	c.mu.Unlock()
	for _, p := range parts {
		p.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c == nil {
		return nil
	}
	c.cleanup.Stop()
	C.rc_context_free(c.c)
	c.c = nil
	returnRest()
	c.model.release()
	return nil
}

// enter locks the context for one native call and watches ctx meanwhile.
func (c *Context) enter(ctx context.Context) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c.mu.Lock()
	if c.c == nil {
		c.mu.Unlock()
		return nil, fmt.Errorf("context: %w", ErrClosed)
	}
	unwatch := watch(ctx, C.rc_context_stop(c.c))
	return func() { unwatch(); c.mu.Unlock() }, nil
}

// Clear forgets all cells of the cache.
func (c *Context) Clear() {
	if leave, err := c.enter(uncancelled); err == nil {
		defer leave()
		C.rc_memory_clear(c.c)
	}
}

// Remove forgets the cells of a sequence at positions [begin, end); a negative
// end means all from begin on.
func (c *Context) Remove(seq, begin, end int) error {
	if err := c.checkSequence(seq); err != nil {
		return err
	}
	leave, err := c.enter(uncancelled)
	if err != nil {
		return err
	}
	defer leave()
	if !bool(C.rc_memory_remove(c.c, C.int32_t(seq), C.int32_t(begin), C.int32_t(end))) {
		return invalid("positions %d to %d of sequence %d cannot be removed", begin, end, seq)
	}
	return nil
}

func (c *Context) checkSequence(seq int) error {
	if seq < 0 || seq >= c.params.Sequences {
		return invalid("sequence %d in a context for %d", seq, c.params.Sequences)
	}
	return nil
}
