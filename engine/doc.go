// Package engine is llama.cpp as package edit asks for it: it implements
// [edit.Model], [edit.Quantizer] and [edit.Opener] with the packages llama,
// graph and replay.
//
// A Model holds one scratch context for decodes, made as large as the work at
// hand needs, and one for each objective while it lives.
package engine
