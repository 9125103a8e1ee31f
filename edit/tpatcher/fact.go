package tpatcher

import (
	"context"
	"slices"

	"retcon/edit"
	"retcon/fact"
	"retcon/gguf/ffn"
	"retcon/internal/fault"
	"retcon/internal/vec"
	"retcon/lm"
)

// trained is what training on one fact gave.
type trained struct {
	neurons []ffn.Neuron
	reports []PatchReport
	queries []float32 // the fact's own, [positions, n_embd]
	steps   int
}

// trainFact trains a neuron for each target token that the model, with the
// patches so far, does not predict after the bare prompt, and one more where it
// would go on with the target's last word, "Sonya" for "Sony", or as the old
// answer, "New York City" for "New York".
func (w *work) trainFact(ctx context.Context, f fact.Fact, step func(done, most int)) (*trained, error) {
	rows, n, err := w.patchRows(f)
	if err != nil {
		return nil, err
	}
	contrast, err := w.contrast(ctx, f)
	if err != nil {
		return nil, err
	}
	t := &trained{}
	if err := w.trainRows(ctx, t, rows, n, contrast, step, func(best, target int32) bool { return best == target }); err != nil {
		return nil, err
	}
	rows, err = w.endRows(f, rows)
	if err != nil || len(rows) == 0 {
		return t, err
	}
	ends := func(best, _ int32) bool { return f.Ends(w.base.Model.Text([]int32{best})) }
	told, err := w.told(ctx, t, rows[:1], ends)
	if err != nil || told {
		return t, err
	}
	return t, w.trainRows(ctx, t, rows, 1, nil, step, ends)
}

// told reports whether the model with the patches so far predicts what is good
// after the last token of the row.
func (w *work) told(ctx context.Context, t *trained, rows []lm.HeadRow, good func(best, target int32) bool) (bool, error) {
	head, err := w.model.Head(ctx, rows)
	if err != nil {
		return false, err
	}
	defer head.Close()
	x := newPatchExample(w, t, head, rows, 1)
	best, err := x.best(ctx)
	return err == nil && good(best[0], x.Targets[0]), err
}

// trainRows trains a neuron for each of n tokens after the rows where what the
// model predicts after the first row is not good.
func (w *work) trainRows(ctx context.Context, t *trained, rows []lm.HeadRow, n int, contrast [][]float32, step func(done, most int), good func(best, target int32) bool) error {
	head, err := w.model.Head(ctx, rows)
	if err != nil {
		return err
	}
	defer head.Close()
	x := newPatchExample(w, t, head, rows, n)
	for token := range n {
		best, err := x.best(ctx)
		if err != nil {
			return err
		}
		if good(best[token], x.Targets[token]) {
			continue
		}
		x.aim(token)
		x.Contrast = nil
		if token == 0 {
			x.Contrast = contrast
		}
		made, report, err := Train(ctx, w.site, w.memory, x.Example, w.cfg.Options, func(i, of int) {
			if step != nil {
				step(token*of+i, n*of)
			}
		})
		if err != nil {
			return err
		}
		neuron := neuronOf(w.site, made, w.memory)
		if !vec.Finite(neuron.Gate) || !vec.Finite(neuron.Up) || !vec.Finite(neuron.Down) {
			return fault.Errorf(edit.ErrRefused, "the patch is not finite")
		}
		t.neurons = append(t.neurons, neuron)
		said := w.base.Model.Text(x.Targets[token : token+1])
		t.reports = append(t.reports, PatchReport{Token: said, Bytes: lm.Fragment(said), Report: report, Slot: -1})
		t.steps += report.Steps
		x.include(w.site, neuron)
		if had := w.added + len(t.neurons); had <= len(w.old) {
			x.include(w.site, w.old[had-1])
		}
	}
	t.queries = append(t.queries, head.Queries()...)
	return nil
}

// patchRows are the bare prompt and the prompt after each prefix, with the
// target, of n tokens in each.
func (w *work) patchRows(f fact.Fact) (rows []lm.HeadRow, n int, err error) {
	var target []int32
	for i := range len(w.prefixes) + 1 {
		prefix := ""
		if i > 0 {
			prefix = w.prefixes[i-1]
		}
		span, err := fact.Tokenize(w.base.Model, f, prefix, f.New)
		if err != nil {
			return nil, 0, err
		}
		if i == 0 {
			target = span.Target
		} else if !slices.Equal(target, span.Target) {
			continue
		}
		// the row's last token predicts the target's last
		rows = append(rows, lm.HeadRow{Tokens: span.Scored().Tokens[:span.Prompt+len(target)-1], From: span.Prompt - 1, Target: target})
	}
	return rows, len(target), nil
}

// endRows are the rows with the whole target after the prompt, which a full
// stop should follow; none where that would change the target's tokens.
func (w *work) endRows(f fact.Fact, rows []lm.HeadRow) ([]lm.HeadRow, error) {
	span, err := fact.Tokenize(w.base.Model, f, "", f.New+".")
	if err != nil {
		return nil, err
	}
	target := rows[0].Target
	n := len(target)
	if len(span.Target) != n+1 || !slices.Equal(span.Target[:n], target) {
		return nil, nil
	}
	out := make([]lm.HeadRow, len(rows))
	for i, r := range rows {
		tokens := append(slices.Clone(r.Tokens), target[n-1])
		out[i] = lm.HeadRow{Tokens: tokens, From: len(tokens) - 1, Target: span.Target[n:]}
	}
	return out, nil
}

// contrast are the queries of the prompt with other subjects.
func (w *work) contrast(ctx context.Context, f fact.Fact) ([][]float32, error) {
	if !w.cfg.Contrast {
		return nil, nil
	}
	rows, err := contrastRows(w.base.Model, f)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return w.model.LastQueries(ctx, rows)
}

// patchExample is an example with what earlier patches add.
type patchExample struct {
	Example
	rows, n, width int
	grad           []float32
	nll            []float64
}

// include counts a neuron among the earlier patches.
func (x *patchExample) include(site lm.Network, n ffn.Neuron) {
	q := x.Head.Queries()
	for at := 0; at < len(q); at += x.width {
		h := float32(site.Response(n, q[at:at+x.width]))
		for j, v := range n.Down {
			x.Earlier[at+j] += h * v
		}
	}
}

// best is the likeliest token at each position, patches so far included.
func (x *patchExample) best(ctx context.Context) ([]int32, error) {
	if err := x.Head.Target(x.Targets, make([]float32, len(x.Targets))); err != nil {
		return nil, err
	}
	if err := x.Head.Step(ctx, x.Earlier, x.grad, x.nll); err != nil {
		return nil, err
	}
	return x.Head.Best()
}

// aim makes one token of the target the prediction to correct.
func (x *patchExample) aim(token int) {
	x.Own, x.Silent = nil, nil
	for r := range x.rows {
		for j := range x.n {
			if j == token {
				x.Own = append(x.Own, r*x.n+j)
			} else {
				x.Silent = append(x.Silent, r*x.n+j)
			}
		}
	}
}

// newPatchExample is the example of rows with n tokens to predict in each, on
// the model with the patches so far, t's among them.
func newPatchExample(w *work, t *trained, head lm.Head, rows []lm.HeadRow, n int) *patchExample {
	x := &patchExample{rows: len(rows), n: n, width: w.site.Width}
	x.Head = head
	for _, r := range rows {
		x.Targets = append(x.Targets, r.Target...)
	}
	q := head.Queries()
	x.Earlier, x.grad, x.nll = make([]float32, len(q)), make([]float32, len(q)), make([]float64, len(rows)*n)
	for _, neuron := range slices.Concat(w.neurons(), w.replaced(len(t.neurons)), t.neurons) {
		x.include(w.site, neuron)
	}
	return x
}
