package lm

// Update is a rank-one change of a layer's down-projection [n_ff, n_embd]:
// W + Right Leftᵀ (ROME, equation 2), so that the output for a key k grows by
// (Left·k) Right.
type Update struct {
	Layer int
	Left  []float32 // [n_ff], u
	Right []float32 // [n_embd]
}
