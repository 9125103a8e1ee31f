// Package fakemodel is a small network in plain Go with exact gradients, for
// tests of what needs a language model: it implements lm.Model, and reads and
// writes GGUF files of its weights.
package fakemodel
