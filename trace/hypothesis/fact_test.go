package hypothesis

import (
	"context"
	"errors"
	"testing"

	"retcon/llama"
	"retcon/trace"
)

// parts runs each part in its smallest form.
var parts = map[string]func(ctx context.Context, m *llama.Model, p trace.Prompt, progress func(done, total int)) error{
	"memory": func(ctx context.Context, m *llama.Model, p trace.Prompt, progress func(done, total int)) error {
		_, err := Recall(ctx, m, p, 2, RecallConfig{Neurons: 1, Progress: progress})
		return err
	},
	"knockout": func(ctx context.Context, m *llama.Model, p trace.Prompt, progress func(done, total int)) error {
		_, err := Knockout(ctx, m, p, 2, KnockoutConfig{Progress: progress})
		return err
	},
	"layers": func(ctx context.Context, m *llama.Model, p trace.Prompt, progress func(done, total int)) error {
		_, err := Layers(ctx, m, p, 2, LayersConfig{NoText: true, Progress: progress})
		return err
	},
}

// Progress counts up to its total; a cancelled context ends a part, and the
// model can be closed after it: nothing is left open.
func TestProgressAndCancel(t *testing.T) {
	for name, run := range parts {
		t.Run(name, func(t *testing.T) {
			m, p := tinyModel(t)
			last, all := 0, 0
			if err := run(context.Background(), m, p, func(done, total int) {
				if done <= last || all != 0 && total != all {
					t.Errorf("%d of %d after %d of %d", done, total, last, all)
				}
				last, all = done, total
			}); err != nil {
				t.Fatal(err)
			}
			if last != all || all == 0 {
				t.Errorf("the end is %d of %d", last, all)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if err := run(ctx, m, p, func(int, int) { cancel() }); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			if err := run(context.Background(), m, trace.Prompt{Tokens: p.Tokens, Begin: 2, End: 9}, nil); !errors.Is(err, trace.ErrPrompt) {
				t.Errorf("a subject past the end: %v", err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
