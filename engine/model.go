package engine

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"retcon/llama"
	"retcon/lm"
	"retcon/replay"
)

// Options says how a model is run.
type Options struct {
	Threads   int // 0: all processors
	GPULayers int // layers to offload; negative: all
	CPUOnly   bool
	GGMLOnly  bool // see llama.ModelParams
	// Memory bounds what an edit takes beyond the mapped model, in bytes: caches,
	// values, gradients, transposed weights. 0: replay.DefaultMemory.
	Memory int64
	// ChatTemplate, in Jinja, stands in for the file's own if not empty.
	ChatTemplate string
	// KeepCopies keeps the copies of weights that an objective makes for the
	// next one, while the model does other things: for many edits in a row.
	KeepCopies bool
	// Profile, where there is one, is told where the native side spends its time.
	Profile *llama.Profile
	// CheckTensors validates every weight while loading.
	CheckTensors bool
}

// Model is a loaded model. It serves one call at a time.
type Model struct {
	model   *llama.Model
	opts    Options
	info    lm.Info
	loaded  []*llama.Adapter // adapters loaded from files, always at work
	applied *llama.Adapter   // the adapter of updates
	scratch *llama.Context
	kept    *copiedContext // of the last objective
	places  *places
	network *networkState // once asked for
}

var _ lm.Model = (*Model)(nil)

// Open loads the GGUF at path, any file of a split model, and the adapters in
// files beside it.
func Open(ctx context.Context, path string, opts Options, adapters ...string) (*Model, error) {
	if opts.Threads <= 0 {
		opts.Threads = runtime.NumCPU()
	}
	if opts.Memory <= 0 {
		opts.Memory = replay.DefaultMemory
	}
	first, err := firstShard(path)
	if err != nil {
		return nil, err
	}
	lm, err := llama.LoadModel(ctx, first, llama.ModelParams{
		GPULayers: opts.GPULayers, CPUOnly: opts.CPUOnly, GGMLOnly: opts.GGMLOnly, CheckTensors: opts.CheckTensors,
	})
	if err != nil {
		return nil, err
	}
	lm.SetProfile(opts.Profile)
	m := &Model{model: lm, opts: opts}
	if err := m.start(ctx, adapters); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Model) start(ctx context.Context, adapters []string) error {
	for _, path := range adapters {
		bytes, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		a, err := m.model.NewAdapter(bytes)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		m.loaded = append(m.loaded, a)
	}
	li := m.model.Info()
	m.info = lm.Info{
		Path: li.Path, Arch: li.Arch, Name: li.Name, Layers: li.Layers, Width: li.Width, Vocab: li.Vocab,
		Context: li.ContextTrain, Params: int64(li.Params), BOS: li.BOS, AddsBOS: li.AddsBOS, Threads: m.opts.Threads, Sequences: llama.MaxSequences,
	}
	return m.findPlaces(ctx)
}

// Info is what the file says of the model.
func (m *Model) Info() lm.Info { return m.info }

// Memory is what an edit may take beyond the mapped model, in bytes.
func (m *Model) Memory() int64 { return m.opts.Memory }

// Llama is the model underneath.
func (m *Model) Llama() *llama.Model { return m.model }

// Close frees the model and all that belongs to it.
func (m *Model) Close() error {
	if m == nil {
		return nil
	}
	m.closeScratch()
	m.closeKept()
	m.closeHeads()
	m.applied.Close()
	m.applied = nil
	for _, a := range m.loaded {
		a.Close()
	}
	m.loaded = nil
	return m.model.Close()
}

// Opener gives package edit a way to load files.
func Opener(opts Options) lm.Opener {
	return func(ctx context.Context, path string, adapters ...string) (lm.Model, error) {
		m, err := Open(ctx, path, opts, adapters...)
		if err != nil {
			return nil, err
		}
		return m, nil
	}
}
