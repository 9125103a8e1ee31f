package trace

import (
	"context"
	"runtime/debug"
	"time"

	"retcon/internal/logits"
	"retcon/llama"
	"retcon/replay"
)

// Options say how a tracer uses the machine.
type Options struct {
	Threads int
	// Memory bounds what the process holds beyond the model's file, in bytes; 0 is
	// replay.DefaultMemory. What a single run of the prompt needs is taken in any case.
	Memory int64
	// Exact uses the weights as they are in the file. Else quantised weights
	// are copied, within the memory, in a type that the machine multiplies
	// faster.
	Exact bool
}

// Tracer traces prompts on a model. It keeps what one prompt's trace can use of
// another's.
type Tracer struct {
	model   *llama.Model
	opts    Options
	context *llama.Context
	copies  *replay.Copies
	shape   replay.Shape // once known
	// processor decides whether and in which types weights are copied
	processor replay.Processor
	// budgeted is what the copies were last allowed to take
	budgeted int64
	hider    *Hider // of prompts that come without a corruption, once there was one
}

// New makes a tracer.
func New(m *llama.Model, o Options) *Tracer {
	if o.Memory <= 0 {
		o.Memory = replay.DefaultMemory
	}
	t := &Tracer{model: m, opts: o, processor: replay.ThisProcessor()}
	t.processor.Copies = t.processor.Copies && !o.Exact
	return t
}

// Close frees what the tracer keeps.
func (t *Tracer) Close() error {
	t.copies = nil
	return t.context.Close()
}

// job is one prompt being traced.
type job struct {
	*Tracer
	cfg    Config
	prompt Prompt
	layers int
	result sums
	policy replay.Policy // of weights, in hand
	plan   *plan
	done   int

	known      bool // answer and probabilities are
	answer     int32
	foil       int32     // -1: none
	pCorrupted []float64 // by sample
	dCorrupted []float64
}

// Run traces a prompt.
func (t *Tracer) Run(ctx context.Context, p Prompt, cfg Config) (*Result, error) {
	start := time.Now()
	if err := p.Check(t.model.Info().ContextTrain); err != nil {
		return nil, err
	}
	cfg, err := t.withDefaults(ctx, cfg, p)
	if err != nil {
		return nil, err
	}
	j := &job{Tracer: t, cfg: cfg, prompt: p, layers: t.model.Info().Layers, foil: -1}
	if cfg.Foil.named == byToken {
		j.foil = cfg.Foil.token
	}
	if err := j.check(); err != nil {
		return nil, err
	}
	j.policy = j.choosePolicy()
	j.result = newResult(t.model, p, &j.cfg)
	if err := t.look(ctx); err != nil {
		return nil, err
	}
	j.plan = j.newPlan()
	if err := j.prepare(); err != nil {
		return nil, err
	}
	if cfg.Approx != nil {
		if err := j.estimate(ctx); err != nil {
			return nil, err
		}
		if cfg.Sever || cfg.Approx.Refine > 0 {
			j.exactCopies()
		}
		if cfg.Approx.Refine > 0 {
			if err := j.refine(ctx); err != nil {
				return nil, err
			}
		}
	}
	for _, chunk := range j.plan.samples {
		if err := j.sampleChunk(ctx, chunk); err != nil {
			return nil, err
		}
	}
	j.finish()
	j.result.Seconds = time.Since(start).Seconds()
	return j.result.Result, nil
}

// look finds out how large the network's parts are, and whether any weight needs a
// copy, which decide how the memory is divided.
func (t *Tracer) look(ctx context.Context) error {
	if t.shape.Layers > 0 {
		return nil
	}
	c, err := t.model.NewContext(llama.ContextParams{Cells: 1, Batch: 1, Sequences: 1, Threads: 1})
	if err != nil {
		return err
	}
	defer c.Close()
	t.shape, err = replay.ShapeOf(ctx, c)
	return err
}

// prepare makes a context large enough, and room for copies of the weights.
func (j *job) prepare() error {
	rows, runs := j.plan.rows, j.plan.runs
	defer j.budget()
	if c := j.context; c != nil && c.Params().Batch >= rows && c.Params().Sequences >= runs {
		j.copies.Follow(j.keeping())
		return nil
	}
	j.Close()
	debug.FreeOSMemory() // of what read the file
	params := contextFor(rows, runs)
	params.Threads = j.opts.Threads
	c, err := j.model.NewContext(params)
	if err != nil {
		return err
	}
	j.context = c
	j.copies = replay.NewCopies(c, j.keeping(), j.plan.copies)
	return nil
}

// choosePolicy says how weights are used. Exact runs use a layer's copies and drop
// them, so that their size hardly counts; an estimate comes back to them, for
// their transposes too, and so has them all at once. One that is to find the cells
// worth an exact run has copies of the exact runs' type: with some prompts the
// roundings of two types differ by more than the cells do.
func (j *job) choosePolicy() replay.Policy {
	switch p, a := j.processor, j.cfg.Approx; {
	case !p.Copies || a == nil:
		return p.Layers()
	case a.Refine > 0:
		return p.In(p.Large)
	default:
		return p.ThereAndBack()
	}
}

// keeping is the policy in hand, with the copies kept where all fit.
func (j *job) keeping() replay.Policy {
	p := j.policy
	if j.plan.resident {
		p.Life = replay.ToTheEnd
	}
	return p
}

// exactCopies gives the room of an estimate's transposes to the copies of exact
// runs, which are those of an exact trace.
func (j *job) exactCopies() {
	j.copies.DropTransposes()
	j.policy = j.processor.Layers()
	j.plan.resident = j.weightBytes() <= j.plan.copies
	j.copies.Follow(j.keeping())
}

// budget bounds the copies, and frees those that an earlier trace needed and this
// one is not meant to have: which weights are copies may not depend on what was
// traced before, since probabilities differ between the types.
func (j *job) budget() {
	j.copies.SetBudget(j.plan.copies)
	same := j.budgeted == j.plan.copies || min(j.budgeted, j.plan.copies) >= 2*j.layerWeightBytes()
	j.budgeted = j.plan.copies
	switch {
	case j.cfg.Approx == nil:
		j.copies.DropTransposes()
	case j.plan.resident:
		j.copies.Forget(j.model.Info().Vocab)
		if !same { // others would fit
			j.copies.DropTransposes()
		}
	default:
		j.copies.Drop()
	}
}

// sampleChunk runs all groups of some samples.
func (j *job) sampleChunk(ctx context.Context, samples []int) error {
	for _, g := range j.plan.groups(samples) {
		for _, exps := range j.plan.experiments(j, g) {
			if err := j.wave(ctx, samples, g, exps); err != nil {
				return err
			}
		}
	}
	return nil
}

// newWave makes a wave over some samples.
func (j *job) newWave(ctx context.Context, samples []int) (*wave, error) {
	b, err := newBase(ctx, j.context, j.prompt, &j.cfg.Corruption, samples)
	return &wave{base: b, pin: b, copies: j.copies, step: j.progress}, err
}

// wave runs some experiments of a group.
func (j *job) wave(ctx context.Context, samples []int, g group, exps []*experiment) error {
	w, err := j.newWave(ctx, samples)
	if err != nil {
		return err
	}
	if err := w.add(ctx, j.context, g.cells, exps); err != nil {
		return err
	}
	if g.sever && j.cfg.Pin != nil {
		if w.pin, err = newBase(ctx, j.context, j.prompt, &Corruption{Noise: j.cfg.Pin}, samples); err != nil {
			return err
		}
	}
	return w.run(ctx, j.choose)
}

// progress tells of n more layers.
func (j *job) progress(n int) {
	j.done += n
	if j.cfg.Progress != nil {
		j.cfg.Progress(j.done, j.plan.total)
	}
}

// choose reads the base: the clean run's answer and what each run gives it.
func (j *job) choose(b *base) []int32 {
	clean := b.logits(0)
	if !j.known {
		j.known = true
		j.answer = llama.Greedy(clean)
		j.pCorrupted = make([]float64, j.cfg.Corruption.Samples())
		j.dCorrupted = make([]float64, len(j.pCorrupted))
		if j.cfg.Foil.named == bySwap && len(b.samples) > 0 {
			j.foil = llama.Greedy(b.logits(1))
		}
		if j.foil >= 0 {
			j.result.LogitDifference.Clean = float64(clean[j.answer] - clean[j.foil])
		}
	}
	// exact runs after an estimate may use other copies of weights
	j.result.PClean = logits.Probability(clean, j.answer)
	for i, s := range b.samples {
		x := b.logits(i + 1)
		j.pCorrupted[s] = logits.Probability(x, j.answer)
		if j.foil >= 0 {
			j.dCorrupted[s] = float64(x[j.answer] - x[j.foil])
		}
	}
	if j.foil < 0 {
		return []int32{j.answer}
	}
	return []int32{j.answer, j.foil}
}
