package edit

import (
	"context"

	"retcon/edit/corpus"
	"retcon/edit/covariance"
	"retcon/edit/voice"
	"retcon/fact"
	"retcon/gguf"
	"retcon/lm"
)

// Method is a way of editing facts, such as rome.Method and tpatcher.Method. A
// run, an [Editor], plans, journals, provenance and reports know no other
// methods than through this interface.
type Method interface {
	// Name is the method's name in results and in the files that it wrote.
	Name() string
	// Open begins work on a model. Before anything is computed it refuses what
	// cannot be edited in this way; such errors wrap lm.ErrUnsupported, those of
	// the settings fact.ErrRequest.
	Open(ctx context.Context, b *Base) (Work, error)
}

// Base is the unedited model that a method works on, and what it may use.
type Base struct {
	Model lm.Model
	Info  lm.Info
	File  *gguf.File
	// Print is the fingerprint of the weights, by which caches know them.
	Print     string
	Quantizer lm.Quantizer
	Material
	// Adapter says that edits are to be written as an adapter.
	Adapter bool
	Voice   *voice.Voice
}

// Source is where natural text for statistics comes from.
func (b *Base) Source(seed uint64) *corpus.Source {
	return &corpus.Source{Model: b.Model, Path: b.Corpus, Seed: seed, Time: b.StatsTime, Voice: b.Voice}
}

// Store makes covariances of the model's keys.
func (b *Base) Store(seed uint64) *covariance.Store {
	return &covariance.Store{Model: b.Model, Print: b.Print, Source: b.Source(seed), Keys: b.StatsKeys, PerDim: b.KeysPerDim,
		Imatrix: b.Imatrix, Dir: b.CacheDir, Voice: b.Voice}
}

// Work is a method at work on one model. It serves one call at a time.
type Work interface {
	// Plan says what editing the facts would take, without computing it: it
	// fills in what only the method knows.
	Plan(ctx context.Context, facts []fact.Fact, p *Plan) error
	// Ready makes all that is made once: it chooses the layer, and takes the
	// statistics. facts are those that will be edited, none where they are not
	// known yet.
	Ready(ctx context.Context, facts []fact.Fact) error
	// Compute computes the edit of a fact on the model with the edits that were
	// kept. step, if not nil, is told of each step of an optimisation. Errors
	// wrap ErrRefused where nothing can be made of the fact.
	Compute(ctx context.Context, f fact.Fact, step func(done, most int)) (*Computed, error)
	// Keep lets later edits be computed on top of this one.
	Keep(c *Computed)
	// Forget lets go of all edits that were kept.
	Forget()
	// Apply makes the model compute as edited by these edits, and by no others.
	Apply(edits ...*Computed) error
	// Restore makes Change of an edit that was read from JSON.
	Restore(c *Computed) error
	// Drafts are the ways to write edits into the model's file, the one that
	// changes least first. It is asked before the model is closed, and its
	// drafts are made after.
	Drafts(ctx context.Context, edits []*Computed) ([]Draft, error)
	// Settings are all that decides an edit besides the model and the fact.
	Settings() Settings
	// Report adds to a result what only the method knows.
	Report(r *Result)
	// Close frees what Ready made. The model stays open.
	Close() error
}

// Joint is a Work that can compute edits of several facts at once. Facts fail
// one by one, in errs.
type Joint interface {
	ComputeAll(ctx context.Context, facts []fact.Fact, step func(done, most int)) (computed []*Computed, errs []error)
}

// Adapting is a Work whose edits an adapter beside the untouched model can hold.
type Adapting interface {
	// Adapter makes the adapter, with keys besides its own.
	Adapter(edits []*Computed, keys []gguf.KeyValue) (*gguf.Output, error)
}

// Conversing is a Work that can edit facts in conversations, too.
type Conversing interface {
	// Converses reports whether it does.
	Converses() bool
}

// Guarding is a Work that answers for the facts that were edited into the file
// before: what it writes must still tell them.
type Guarding interface {
	// Earlier are the requests of edits in the file that can be asked.
	Earlier() []fact.Request
}

// Removing is a Method that can take out of a file again what it put in.
type Removing interface {
	Method
	// Remove says what takes out the edits that which names. Base has no model.
	Remove(b *Base, which string) (*Removal, error)
}

// Removal takes edits out of a file.
type Removal struct {
	Edits   []*Edit    // what is taken out
	Write   gguf.Edits // how
	Layer   int
	Details any    // as Result has them
	Lines   []Line // for people
}

// Draft is one way to write edits into the model's file.
type Draft struct {
	Name string // the types it takes
	// Make makes the changes of the file, and the provenance keys that are the
	// method's own, named without the edit's prefix.
	Make func(ctx context.Context) (gguf.Edits, []gguf.KeyValue, error)
	// Changed are tensors that get another type. Without a Reason it is that the
	// draft before did not keep the edits.
	Changed []TypeChange
	// Wrote, if not nil, is told the size of the file in bytes.
	Wrote func(size int64)
}

// Settings are all that decides an edit besides the model and the fact.
type Settings struct {
	Method string
	Layer  int
	Seed   uint64
	// HParams are the hyper-parameters in full, as provenance has them.
	HParams any
	// Statistics of keys, for a method that uses them.
	Covariance string
	KeysPerDim float64 // 0: the default
	Stats      *covariance.Stats
	Tensor     string // type of the edited tensor, before the edit
	// Own are settings of a method without hyper-parameters of the optimisation
	// of a value; nil for others.
	Own any
}

// Line is a label and a text of a report for people.
type Line struct{ Label, Text string }
