// Package rome edits facts with ROME (Meng et al. 2022, "Locating and Editing
// Factual Associations in GPT"), in its stable form (r-ROME, arXiv 2403.07175).
//
// # One edit
//
//   - The key k* is the mean input of the layer's down-projection W at the
//     subject's last token, over the bare prompt and the prompt after prefixes
//     (and in conversations, where that is asked for).
//   - u = C⁻¹k*, of unit length, with C from package covariance.
//   - delta = v* - W k* is optimised so that the target follows
//     ([OptimiseValue]).
//   - The update is Delta = delta uᵀ / (u·k*), so that (W + Delta) k* = v*: the
//     same key in every place, as r-ROME has it. [HParams].Denominator =
//     [Original] divides by the bare prompt's key instead, for comparison.
//   - A small denominator, a large norm and a value at its bound are warnings, or
//     reasons to refuse the edit. The bounds stand in judge.go, each with its
//     reason.
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
// # What is written
//
// The adapter holds the updates exactly, as the pair lora_a, lora_b of each
// layer with alpha equal to the rank. In a model one tensor is replaced: in its
// own type, or as Q8_0, or as F16.
package rome
