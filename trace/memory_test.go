package trace

import (
	"context"
	"slices"
	"testing"

	"retcon/llama"
	"retcon/replay"
)

// unplanned is a job that has no plan yet.
func unplanned(tr *Tracer, p Prompt, cfg Config) *job {
	if err := tr.look(context.Background()); err != nil {
		panic(err)
	}
	j := &job{Tracer: tr, cfg: cfg, prompt: p, layers: tr.model.Info().Layers, result: newResult(tr.model, p, &cfg)}
	j.policy = j.choosePolicy()
	return j
}

// planned is a job of a prompt, planned and not run.
func planned(m *llama.Model, p Prompt, o Options, change func(*Config)) *job {
	tr := New(m, o)
	cfg := experiments(tr, p)
	change(&cfg)
	j := unplanned(tr, p, cfg)
	j.plan = j.newPlan()
	return j
}

// longer is a prompt of so many tokens with the same subject.
func longer(p Prompt, tokens int) Prompt {
	p.Tokens = slices.Clone(p.Tokens)
	for len(p.Tokens) < tokens {
		p.Tokens = append(p.Tokens, p.Tokens[len(p.Tokens)-1])
	}
	return p
}

// Whatever the prompt's length, the parts of a trace and the copies of weights
// fit the memory; but for one run at a time, than which nothing is smaller.
func TestPlanFitsMemory(t *testing.T) {
	m, p := tiny(t)
	for _, tokens := range []int{len(p.Tokens), 20, 60, 250, 1000} {
		for _, samples := range []int{1, 10, 100} {
			for _, memory := range []int64{replay.ProcessBytes(m.Info().Vocab) + 8<<20, 128 << 20, 512 << 20} {
				for _, approx := range []*Approx{nil, {Steps: 1}, {Steps: 2, Refine: 24}} {
					for _, exact := range []bool{false, true} { // without copies, and so with larger batches
						long := longer(p, tokens)
						j := planned(m, long, Options{Memory: memory, Exact: exact}, func(c *Config) {
							c.Approx = approx
							c.Corruption.Noise = GaussianNoise(1, samples, p.End-p.Begin, m.Info().Width, 1)
						})
						checkPlan(t, j, memory)
					}
				}
			}
		}
	}
}

func checkPlan(t *testing.T, j *job, memory int64) {
	t.Helper()
	single, count := true, 0
	for _, chunk := range j.plan.samples {
		count += len(chunk)
		single = single && len(chunk) == 1
		for _, g := range j.plan.groups(chunk) {
			rows := j.plan.rowsOf(g)
			if rows > j.plan.rows || len(g.cells) > j.plan.runs {
				t.Errorf("a group of %d rows, %d runs in a context for %d, %d", rows, len(g.cells), j.plan.rows, j.plan.runs)
			}
			single = single && (g.sever || len(g.cells) == 1)
		}
	}
	if count != j.cfg.Corruption.Samples() {
		t.Errorf("%d samples are planned of %d", count, j.cfg.Corruption.Samples())
	}
	if total := j.plan.held + j.plan.copies; total > memory && !single {
		t.Errorf("%d tokens, %d samples: %d MiB are held of %d", len(j.prompt.Tokens), count, total>>20, memory>>20)
	}
}
