// Package edit rewrites facts in a GGUF model with ROME (Meng et al. 2022,
// "Locating and Editing Factual Associations in GPT") and writes the result as
// an adapter or as a model.
//
// # One edit
//
// [Run] takes a [Config] and goes through these steps; each file of the package
// holds one of them.
//
//   - A [Request] is resolved to a [Fact]: the subject's place in the prompt,
//     one space before the target. [ReadRequests] knows the formats of
//     CounterFact, zsRE, EasyEdit and kmeng01/rome.
//   - Prompt and target are tokenised as one text; the subject's last token is
//     found by offsets ([Span]).
//   - Prefixes are sampled from the model ([SamplePrefixes]); the key k* is the
//     mean input of the layer's down-projection W at the subject over the bare
//     and the prefixed prompts.
//   - u = C⁻¹k*, of unit length, with C from package covariance.
//   - delta = v* - W k* is optimised so that the target follows
//     ([OptimiseValue]).
//   - The update is Delta = delta uᵀ / (u·k*), so that (W + Delta) k* = v*: the
//     same key in every place, as r-ROME has it. [HParams].Denominator =
//     [Original] divides by the bare prompt's key instead, for comparison.
//   - The update is judged: non-finite values, a small denominator, a large
//     norm, a target that does not come first, and other text that changes are
//     warnings with advice, or an error of kind [ErrRefused] unless
//     Config.Force is set. The bounds stand in judge.go, each with its reason.
//   - What is asked for is written to temporary files, loaded again, asked for
//     the fact, compared with the prediction, and only then named.
//
// Several requests are computed one after the other on the model as edited so
// far.
//
// # Subjects that open the prompt
//
// Without text or BOS before it, a subject's key is often that of an attention
// sink, and u·k is then small for the bare prompt: it would not show the edit.
// If the bare prompt gets less than three quarters of the value, its key
// becomes a constraint of its own; Delta is still of rank one, with
// l = C⁻¹K (KᵀC⁻¹K)⁻¹ [1 1]ᵀ in place of u / (u·k*). Where that vector answers
// to the first tokens of other texts as well, or where nothing added to the
// bare prompt's value reaches the answer, the edit is made for prompts with
// text before the subject, it is judged on one of those, and a warning says so.
//
// # The model
//
// The package knows a model by the interface [Model] only, and builds without
// cgo. Vectors of keys are [n_ff], values [n_embd]; probabilities are natural
// logarithms, in nats; layers count from 0.
//
// # What is written
//
// The adapter holds the updates exactly, as the pair lora_a, lora_b of each
// layer with alpha equal to the rank. The model is the input with one tensor
// replaced, in its own type if at least 95 % of the gain in log-probability
// survives rounding and the fact is still told, else as Q8_0, else as F16. All
// other tensors and keys keep their bytes. Both carry retcon.* keys, which
// provenance.go describes; a file that is edited again keeps those of earlier
// edits.
package edit
