// Package trace finds where a model recalls a fact, by the causal tracing of
// ROME (Meng et al. 2022, section 2 and appendix B).
//
// A clean run gives the answer. A corrupted run has noise added to the
// embeddings of the subject's tokens. A restored run is corrupted but for one
// value, put back to what it was in the clean run: the state after a layer at
// a token (hidden), or a module's outputs at a token over a window of layers
// (mlp, attn). How far the answer's probability comes back says how much that
// value carries. Every cell sees the same noise.
//
// A severed run restores the state of the subject's last token while one kind
// of module keeps its corrupted outputs there at every layer.
//
// All experiments go through the layers together: a layer is a program cut from
// the graph of a decode (package replay), and all tokens and samples of an
// experiment run in one batch, over rows from the restored token on. Quantised
// weights multiply as the floats that they stand for, by the bridge's own kernel
// where this processor has it, else by copies if those are faster here, so that
// probabilities differ in their last digits from those of a decode.
//
// Estimates ([Approx]) take gradients instead of a run for each cell.
package trace
