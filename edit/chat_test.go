package edit

import (
	"errors"
	"strings"
	"testing"

	"retcon/edit/contexts"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/internal/vec"
	"retcon/lm"
)

// mute is a model without a chat template.
type mute struct{ lm.Model }

// The rows of a fact in conversations end with its target, and the subject is
// found inside them.
func TestChatRows(t *testing.T) {
	m := fakemodel.New()
	f, err := fakemodel.Eiffel.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]int{"": 0, contexts.Answer: len(contexts.Openers), contexts.Turn: len(contexts.Tasks), contexts.Both: len(contexts.Openers) + len(contexts.Tasks)} {
		rows, err := rowsOf(m, f, []string{"You know. "}, kind)
		if err != nil {
			t.Fatal(err)
		}
		spans := rows.spans[2:]
		if len(spans) != want {
			t.Fatalf("%q: %d rows instead of %d", kind, len(spans), want)
		}
		for _, s := range spans {
			text := m.Text(append(append([]int32(nil), s.Tokens[:s.Prompt]...), s.Target...))
			if !strings.HasPrefix(text, "[user]") || !strings.HasSuffix(m.Text(s.Target), "Rome") {
				t.Errorf("%q: %q", kind, text)
			}
			if got := m.Text(s.Tokens[s.Subject : s.Subject+1]); got != " Tower" {
				t.Errorf("%q: the subject ends with %q", kind, got)
			}
			answered := strings.Index(text, "[assistant]\n")
			inTurn := strings.Index(text, f.Text) > answered
			if answered < 0 || kind == contexts.Answer && !inTurn || kind == contexts.Turn && inTurn {
				t.Errorf("%q: %q", kind, text)
			}
			if target := m.Text(s.Target); inTurn != (target == " Rome") {
				t.Errorf("%q: the target is %q", kind, target)
			}
		}
	}
}

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
	m, err := fakemodel.Open(t.Context(), cfg.Model)
	if err != nil {
		t.Fatal(err)
	}
	before, err := answers(t.Context(), m, cfg.Ask, askTokens)
	if err != nil {
		t.Fatal(err)
	}
	m.Apply(res.Updates)
	after, err := answers(t.Context(), m, cfg.Ask, askTokens)
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
		rows, err := rowsOf(m, f, nil, contexts.Turn)
		if err != nil {
			t.Fatal(err)
		}
		total := 0.
		for _, s := range rows.spans[1:] {
			logs, _ := m.LogProbs(t.Context(), []lm.Scored{s.Scored()})
			total += vec.Sum(logs[0])
		}
		return total
	}
	if with, without := learnt(res.Updates), learnt(mustRun(t, plain).Updates); with <= without {
		t.Errorf("the user's turns have %g with conversations, %g without", with, without)
	}
	if h, err := openFile(t, cfg.Output).String("retcon.edit.0.hyperparameters"); err != nil || !strings.Contains(h, `"chat":"turn"`) {
		t.Errorf("%s, %v", h, err)
	}
}

func TestChatErrors(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	m, err := fakemodel.Open(t.Context(), cfg.Model)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{cfg: &cfg, model: mute{m}}
	if err := s.checkChat(); err != nil {
		t.Errorf("without chat: %v", err)
	}
	cfg.Ask = []string{"Where?"}
	if err := s.checkChat(); !errors.Is(err, lm.ErrUnsupported) {
		t.Errorf("no template: %v", err)
	}
	s.model, cfg.Ask = m, []string{" "}
	if err := s.checkChat(); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("an empty question: %v", err)
	}
	cfg.Ask, cfg.HParams.Chat = nil, "loud"
	if _, err := Run(t.Context(), cfg); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("an unknown kind: %v", err)
	}
}
