// Package edit rewrites facts in a GGUF model and writes the result as an
// adapter or as a model. How a fact is edited is a [Method]'s business: packages
// rome and tpatcher have one each. What all of them have in common is here.
//
// # A run
//
// [Run] takes a [Config] and goes through these steps; each file of the package
// holds one of them.
//
//   - Requests are resolved to facts (package fact), and the unedited model is
//     asked for each.
//   - The method makes ready what it makes once: statistics, a layer.
//   - Each fact is computed on the model as edited so far, applied in memory,
//     asked, and kept in a journal, so that an interrupted run goes on after it.
//   - An edit that is not finite or too large, a target that does not come
//     first, and other text that changes are warnings with advice, or an error
//     of kind [ErrRefused] unless Config.Force is set.
//   - What is asked for is written to temporary files, loaded again, asked for
//     the facts, compared with the prediction, and only then named.
//
// [Editor] computes edits one by one in memory, for scoring; [MakePlan] says what
// a run would take; [Remove] takes edits out of a file again.
//
// # What is written
//
// The model is the input with some tensors replaced, in their own types if at
// least 95 % of the gain in log-probability survives rounding and the facts are
// still told, else in larger ones. All other tensors and keys keep their bytes.
// An adapter holds the edits exactly. Both carry retcon.* keys, which
// provenance.go makes; a file that is edited again keeps those of earlier edits.
//
// # The model
//
// The package knows a model by the interfaces of package lm only, and builds
// without cgo. Vectors of keys are [n_ff], values [n_embd]; probabilities are
// natural logarithms, in nats; layers count from 0.
package edit
