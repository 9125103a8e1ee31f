// Package weight reads the weights of a GGUF file as numbers, a few rows at a
// time, and makes the data of an edited one in any type: the down-projection
// [n_ff, n_embd] of a layer's feed-forward network, with the scale that some
// types keep beside it. It reads importance matrices, too.
package weight
