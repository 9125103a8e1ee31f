// Package llama binds llama.cpp and ggml: models, contexts, batches, hooks in a
// running decode, the graph of a decode as a table, and programs that run such
// tables on llama.cpp's own kernels and weights. It is the only package that
// imports "C"; everything crosses at bridge/bridge.h.
//
// # Ownership
//
// A [Model] owns its vocabulary and weights, a [Context] its cache, programs,
// stored tensors and adapters in use. Close is idempotent and may be called on
// nil. Closing a Context closes its programs and stores; a Model must outlive
// its contexts and adapters, and refuses to close before them. No exported
// type holds C memory that outlives its owner, and every slice handed out is a
// copy.
//
// # Threads
//
// A Model may be used from several goroutines. A Context, with all that belongs
// to it, serves one call at a time and locks for it.
//
// # Errors
//
// An error wraps one of the kinds [ErrLoad], [ErrInvalid], [ErrMemory],
// [ErrUnsupported], [ErrCompute], or the error of the context.Context that was
// done. What ggml would assert on is checked before the call.
package llama
