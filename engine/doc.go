// Package engine is llama.cpp as experiments ask for it: it implements
// [lm.Model], [lm.Quantizer] and [lm.Opener] with the packages llama, graph and
// replay.
//
// A Model holds one scratch context for decodes, made as large as the work at
// hand needs, and one for each objective while it lives.
package engine
