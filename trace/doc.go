// Package trace finds where a model recalls a fact, by the causal tracing of
// ROME (Meng et al. 2022, section 2 and appendix B).
//
// A clean run gives the answer. A corrupted run has noise added to the
// embeddings of the subject's tokens. A restored run is corrupted but for one
// value, put back to what it was in the clean run: the state behind a layer at
// a token (hidden), or a module's outputs at a token over a window of layers
// (mlp, attn). How far the answer's probability comes back says how much that
// value carries. Every cell sees the same noise.
//
// A severed run restores the state of the subject's last token while one kind
// of module keeps its corrupted outputs there at every layer.
//
// Each run starts from the layer that it changes, as a program cut from a
// recorded decode (package replay); all tokens and samples of a layer run in
// one batch.
package trace
