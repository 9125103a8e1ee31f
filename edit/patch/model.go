package patch

import (
	"context"
	"errors"

	"retcon/gguf/widen"
)

// ErrUnsupported reports a model that cannot be patched, by name.
var ErrUnsupported = errors.New("not supported")

// Model is a loaded model as training sees it.
type Model interface {
	// PatchSite describes the network that patches go to. A model whose last
	// feed-forward network is of another form is refused by name.
	PatchSite(ctx context.Context) (Site, error)
	// Queries hands fn the query [n_embd] of each token of each text, and
	// stops the forward pass there. The slice is valid inside fn only.
	Queries(ctx context.Context, texts [][]int32, fn func(text, pos int, q []float32) error) error
	// LastQueries are the queries [n_embd] of the last token of each row.
	LastQueries(ctx context.Context, rows [][]int32) ([][]float32, error)
	// Head decodes the rows and prepares the network behind the patches' site
	// at their positions. Patches that are set do not count there.
	Head(ctx context.Context, rows []Row) (Head, error)
	// SetPatches makes the model compute with these neurons beside the last
	// feed-forward network's own from now on. None restores it.
	SetPatches(neurons []widen.Neuron) error
}

// Row is a sequence of tokens; its predictions after each of Tokens[From:] are
// looked at, and should be Target.
type Row struct {
	Tokens []int32
	From   int
	Target []int32
}

// Head is the network behind the patches' site, at the positions of some rows,
// one after the other.
type Head interface {
	// Queries are the queries of all positions, [positions, n_embd].
	Queries() []float32
	// Target sets the token that each position should predict, and how much
	// that counts in the loss.
	Target(tokens []int32, weights []float32) error
	// Step computes -log p, in nats, of each position's target with add
	// [positions, n_embd] added to the network's output, and the gradient of
	// their weighted sum there.
	Step(ctx context.Context, add, grad []float32, nll []float64) error
	// Best is the likeliest token of each position in the last Step.
	Best() ([]int32, error)
	Close() error
}
