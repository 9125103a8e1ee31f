package lm

import "context"

// Tokenizer splits text into tokens, ids of the model's vocabulary.
type Tokenizer interface {
	// Tokenize splits text jointly, exactly as llama.cpp does for this file: a
	// BOS token (of zero width) stands in front only if the file asks for it.
	// Tokenize never appends EOS. special lets control tokens be written in the
	// text.
	Tokenize(text string, special bool) ([]Token, error)
}

// Vocabulary is a Tokenizer that turns tokens into text again.
type Vocabulary interface {
	Tokenizer
	// Text is the text of tokens; control tokens are left out.
	Text(tokens []int32) string
	// EndsText reports whether token ends a generation.
	EndsText(token int32) bool
}

// Generator continues texts.
type Generator interface {
	// Generate extends each prompt by n tokens, several prompts in one batch:
	// greedily with topK 1, else drawn from the topK likeliest with a
	// generator seeded by seed. A prompt may be empty where the model has a
	// token to start from. A row is shorter than n where the text ended and
	// stop is set.
	Generate(ctx context.Context, prompts [][]int32, n, topK int, seed uint64, stop bool) ([][]int32, error)
}

// Scorer gives probabilities of texts.
type Scorer interface {
	// LogProbs gives, for each row, the natural logarithm of the probability
	// of its tokens from row.From on, each given all before it. From is at
	// least 1.
	LogProbs(ctx context.Context, rows []Scored) ([][]float64, error)
	// Logits decodes tokens and hands fn the logits [n_vocab] after each
	// position in turn. The slice is valid inside fn only.
	Logits(ctx context.Context, tokens []int32, fn func(pos int, logits []float32) error) error
}

// Predictor scores many short rows fast.
type Predictor interface {
	// Predict gives, for each row, what the model makes of its tokens from
	// row.From on, each given all before it. Rows that begin alike share the
	// work. From is at least 1.
	Predict(ctx context.Context, rows []Scored) ([][]Prediction, error)
}

// KeyReader reads keys and values of feed-forward networks.
type KeyReader interface {
	// Keys gives, for each row, the input [n_ff] of the layer's
	// down-projection (the key) and its output [n_embd] (the value) at
	// position row.At.
	Keys(ctx context.Context, layer int, rows []Row) (keys, values [][]float32, err error)
	// Moments sums k kᵀ over the keys of all tokens of the texts at a layer.
	// The forward pass stops there. It calls progress, if not nil, with the
	// number of keys summed so far.
	Moments(ctx context.Context, layer int, texts [][]int32, progress func(keys int64)) (Moments, error)
}

// Optimizer differentiates the model with respect to a value.
type Optimizer interface {
	// Objective prepares the optimisation of a value at a layer. Each step
	// takes one of the batches of rows.
	Objective(ctx context.Context, layer int, rows []ObjectiveRow, batches []Batch) (Objective, error)
}

// Updatable is a model that computes as edited.
type Updatable interface {
	// Apply makes the model compute as edited by updates from now on, until
	// the next Apply: W + Σ Right Leftᵀ, beside the untouched weights.
	// Apply(nil) restores the model.
	Apply(updates []Update) error
}

// Model is a loaded model as experiments see it. Package engine implements it
// on llama.cpp; tests implement it in a few lines of Go.
//
// Layers count from 0. Positions count tokens of a row from 0. Every method that
// computes honours its context and returns its error when it is done. Slices
// handed out are the caller's.
type Model interface {
	Info() Info
	Vocabulary
	Generator
	Scorer
	KeyReader
	Optimizer
	Updatable
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

// Opener loads the model in path with the adapters beside it.
type Opener func(ctx context.Context, path string, adapters ...string) (Model, error)
