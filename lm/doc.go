// Package lm is a language model as experiments see it: small interfaces, each
// named by what it does, and the values that pass through them. Edits, scores
// and the reading of facts take the ones that they need; package engine
// implements them all on llama.cpp.
package lm
