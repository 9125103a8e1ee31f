// Package graph holds a compute graph as data.
//
// llama.cpp decodes a batch and hands over every node that it ran: operator,
// shape, strides, parameters, sources. Such a table is a [Graph]. This package
// finds the places in it where an experiment can take hold ([Sites]), cuts out
// what depends on them ([Slice]), appends new operators ([Builder]) and the
// reverse-mode derivative of what is there ([Gradient]), and splits the result
// so that it runs in bounded memory ([Partition]). The package llama runs the
// tables on ggml's own kernels.
//
// Nothing here computes a value or needs a model: shapes, strides and indices
// are all there is, so every step can be tested alone. Node names are never
// relied on, since llama.cpp repeats them; a place is found by the weight that
// its product uses.
//
// Shapes follow ggml: Ne[0] is the dimension that is contiguous in memory, and
// MUL_MAT(a [k, m], b [k, n]) is [m, n]. In comments y = op(a, b) with src 0 a
// and src 1 b, and g is the gradient of y.
package graph
