package lm

// Row is a sequence of tokens and a position in it.
type Row struct {
	Tokens []int32
	At     int
}

// Scored is a sequence of tokens whose tail is to be scored.
type Scored struct {
	Tokens []int32
	From   int
}

// Moments is the sum of k kᵀ over Count keys of length Dim.
type Moments interface {
	Count() int64
	Dim() int
	// Block writes the rectangle rows [r0,r1) x columns [c0,c1) of the sum to
	// dst, row by row. Only the lower triangle is held: c1 <= r1 rounded up
	// to the block of r0's row; entries above the diagonal inside the
	// rectangle are valid too.
	Block(dst []float32, r0, r1, c0, c1 int) error
	Close() error
}

// Prediction is what a model makes of a token that follows.
type Prediction struct {
	LogProb float64 // natural logarithm of its probability
	First   bool    // no other token is likelier
}
