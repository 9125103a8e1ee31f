package edit_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/edit/contexts"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/vec"
	"retcon/lm"
)

// mute is a model without a chat template.
type mute struct{ lm.Model }

// Prompts inside conversations are learnt, questions are asked before and after,
// and the conversations are in the file's history.
func TestRunChat(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.HParams.Chat, cfg.Force = contexts.Turn, true
	cfg.Ask = []string{"Where is the Eiffel Tower?", "And?"}
	cfg.Output = t.TempDir() + "/out.gguf"
	res := mustRun(t, cfg)
	if len(res.Asked) != 2 || res.Asked[0].Question != cfg.Ask[0] || res.Asked[0].Before == "" {
		t.Fatalf("%+v", res.Asked)
	}
	m := openFake(t, cfg.Model)
	before, err := edit.Answers(t.Context(), m, cfg.Ask)
	if err != nil {
		t.Fatal(err)
	}
	m.Apply(updates(res))
	after, err := edit.Answers(t.Context(), m, cfg.Ask)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range res.Asked {
		if a.Before != before[i] || a.After != after[i] {
			t.Errorf("%+v instead of %q and %q", a, before[i], after[i])
		}
	}
	if before[0] == after[0] {
		t.Errorf("the edit does not show: %q", after[0])
	}
	plain := testConfig(t, gguf.F32)
	plain.Model, plain.Force = cfg.Model, true
	f, err := cfg.Requests[0].Resolve()
	if err != nil {
		t.Fatal(err)
	}
	learnt := func(u []lm.Update) float64 {
		m.Apply(u)
		frames, err := contexts.Conversations(m, contexts.Turn)
		if err != nil {
			t.Fatal(err)
		}
		total := 0.
		for _, frame := range frames {
			s, err := fact.TokenizeIn(m, f, frame, f.New)
			if err != nil {
				t.Fatal(err)
			}
			logs, _ := m.LogProbs(t.Context(), []lm.Scored{s.Scored()})
			total += vec.Sum(logs[0])
		}
		return total
	}
	if with, without := learnt(updates(res)), learnt(updates(mustRun(t, plain))); with <= without {
		t.Errorf("the user's turns have %g with conversations, %g without", with, without)
	}
	if h, err := openFile(t, cfg.Output).String("retcon.edit.0.hyperparameters"); err != nil || !strings.Contains(h, `"chat":"turn"`) {
		t.Errorf("%s, %v", h, err)
	}
}

func TestChatErrors(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	m := openFake(t, cfg.Model)
	if err := edit.CheckQuestions(mute{m}, nil); err != nil {
		t.Errorf("without chat: %v", err)
	}
	if err := edit.CheckQuestions(mute{m}, []string{"Where?"}); !errors.Is(err, lm.ErrUnsupported) {
		t.Errorf("no template: %v", err)
	}
	if err := edit.CheckQuestions(m, []string{" "}); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("an empty question: %v", err)
	}
	open := cfg.Open
	cfg.Open = func(ctx context.Context, path string, adapters ...string) (lm.Model, error) {
		m, err := open(ctx, path, adapters...)
		return mute{m}, err
	}
	cfg.HParams.Chat = contexts.Answer
	if _, err := cfg.run(t); !errors.Is(err, lm.ErrUnsupported) {
		t.Errorf("conversations without a template: %v", err)
	}
	cfg.Open = open
	cfg.HParams.Chat = "loud"
	if _, err := cfg.run(t); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("an unknown kind: %v", err)
	}
}
