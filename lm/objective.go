package lm

import "context"

// ObjectiveRow is one sequence of the optimisation of a value. delta is added
// to the output of the layer's down-projection at position At.
type ObjectiveRow struct {
	Tokens []int32
	At     int
	// Targets are the predictions whose mean negative log-likelihood counts,
	// NLLWeight times.
	Targets   []Target
	NLLWeight float64
	// KeepAt is a position at or after At whose next-token distribution is to
	// stay as it is without delta: KLWeight times KL(edited || original).
	// KLWeight 0 means none.
	KeepAt   int
	KLWeight float64
	// Edit is which delta is added, where several are sought at once.
	Edit int
	// Key asks for the row's key and value (Keyed).
	Key bool
	// Shared is how many of the first tokens, all before At, stand before other
	// facts as well: those of a prefix.
	Shared int
}

// Target says that Token should follow position At of a row.
type Target struct {
	At    int
	Token int32
}

// Batch is the rows of a step, by their index. Scale multiplies the weights of
// each, so that batches in which some rows are missing estimate the whole.
type Batch struct {
	Rows  []int
	Scale []float64
}

// Objective is the loss of a value over a batch as a function of delta:
//
//	L(delta) = Σ_r Scale_r (NLLWeight_r mean_t -log p(target_t) + KLWeight_r KL_r)
//
// It leaves weight decay to the caller. Rows of several edits have a delta each:
// delta and gradient are then [edits, n_embd].
type Objective interface {
	// Step computes the loss of a batch at delta [n_embd] and writes its
	// gradient to grad [n_embd].
	Step(ctx context.Context, batch int, delta, grad []float32) (Loss, error)
	Close() error
}

// Keyed is an Objective that met the keys and values of those of its rows that
// ask for them, at their positions At, while it was prepared: those that
// [Model.Keys] gives, to within rounding. ok is false where it did not meet all
// of them.
type Keyed interface {
	Keys() (keys, values [][]float32, ok bool)
}

// Loss is the parts of an Objective's loss, one entry a row of the batch: the
// mean over its targets of -log p, and KL(edited || original), in nats; 0 where
// a row has none.
type Loss struct {
	NLL []float64
	KL  []float64
}
