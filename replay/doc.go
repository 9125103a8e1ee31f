// Package replay runs experiments on a recorded decode: values below a site
// computed again, losses and their gradients, all as programs cut from the
// decode's own graph (package graph) and run on llama.cpp's kernels (package
// llama).
//
// A [Decode] is recorded once. Its last batch must stay the newest in the
// context's cache while programs cut from it run: they write their keys and
// values to the same cells.
package replay
