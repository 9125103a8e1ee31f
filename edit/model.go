package edit

import (
	"context"

	"retcon/gguf"
)

// Model is a loaded model as an edit sees it. The engine implements it on
// llama.cpp; tests implement it in a few lines of Go.
//
// Tokens are ids of the model's vocabulary. Layers count from 0. Positions
// count tokens of a row from 0. Every method that computes honours its
// context and returns its error when it is done. Slices handed out are the
// caller's.
type Model interface {
	Info() Info

	// Tokenize splits text jointly, exactly as llama.cpp does for this file:
	// a BOS token (of zero width) stands in front only if the file asks for
	// it. special lets control tokens be written in the text. A model that
	// adds an end token behind every text does not get it here.
	Tokenize(text string, special bool) ([]Token, error)
	// Text is the text of tokens; control tokens are left out.
	Text(tokens []int32) string
	// EndsText reports whether token ends a generation.
	EndsText(token int32) bool

	// Generate extends each prompt by n tokens, several prompts in one batch:
	// greedily with topK 1, else drawn from the topK likeliest with a
	// generator seeded by seed. A prompt may be empty where the model has a
	// token to start from. A row is shorter than n where the text ended and
	// stop is set.
	Generate(ctx context.Context, prompts [][]int32, n, topK int, seed uint64, stop bool) ([][]int32, error)

	// LogProbs gives, for each row, the natural logarithm of the probability
	// of its tokens from row.From on, each given all before it. From is at
	// least 1.
	LogProbs(ctx context.Context, rows []Scored) ([][]float64, error)

	// Logits decodes tokens and hands fn the logits [n_vocab] after each
	// position in turn. The slice is valid inside fn only.
	Logits(ctx context.Context, tokens []int32, fn func(pos int, logits []float32) error) error

	// Keys gives, for each row, the input [n_ff] of the layer's
	// down-projection (the key) and its output [n_embd] (the value) at
	// position row.At.
	Keys(ctx context.Context, layer int, rows []Row) (keys, values [][]float32, err error)

	// Moments sums k kᵀ over the keys of all tokens of the texts at a layer.
	// The forward pass stops there. It calls progress, if not nil, with the
	// number of keys summed so far.
	Moments(ctx context.Context, layer int, texts [][]int32, progress func(keys int64)) (Moments, error)

	// Objective prepares the optimisation of a value at a layer. Each step
	// takes one of the batches of rows.
	Objective(ctx context.Context, layer int, rows []ObjectiveRow, batches []Batch) (Objective, error)

	// Apply makes the model compute as edited by updates from now on, until
	// the next Apply: W + Σ Right Leftᵀ, beside the untouched weights.
	// Apply(nil) restores the model.
	Apply(updates []Update) error

	Close() error
}

// Info is what a file says of its model.
type Info struct {
	Path    string
	Arch    string // general.architecture
	Name    string // general.name
	Layers  int    // block_count
	Width   int    // embedding_length, n_embd
	Vocab   int    // n_vocab
	Context int    // tokens the model was trained to see
	Params  int64  // number of weights
	BOS     int32  // -1 where the vocabulary has none
	AddsBOS bool   // llama.cpp puts BOS in front of a text
	// FeedForward is n_ff of each layer; the length of a key there.
	FeedForward []int
	Threads     int
	// Sequences is how many sequences an objective may have rows of; 0: any number.
	Sequences int
}

// Token is a token and the bytes text[Begin:End] it stands for.
type Token struct {
	ID         int32
	Begin, End int
}

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

// Update is a rank-one change of a layer's down-projection [n_ff, n_embd]:
// W + Right Leftᵀ (ROME, equation 2), so that the output for a key k grows by
// (Left·k) Right.
type Update struct {
	Layer int
	Left  []float32 // [n_ff], u
	Right []float32 // [n_embd]
}

// Quantizer converts rows between F32 and ggml's types.
type Quantizer interface {
	// Dequantize writes the values of src, whole rows of type t, to dst.
	Dequantize(dst []float32, t gguf.Type, src []byte) error
	// Quantize writes rows of rowLen values as type t. importance
	// [rowLen] may be nil where the type does not require it.
	Quantize(dst []byte, t gguf.Type, src []float32, rowLen int, importance []float32) error
	// NeedsImportance reports whether t cannot be written without importance.
	NeedsImportance(t gguf.Type) bool
}

// Opener loads the model in path with the adapters beside it.
type Opener func(ctx context.Context, path string, adapters ...string) (Model, error)
