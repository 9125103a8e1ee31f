package edit

import (
	"context"
	"fmt"
	"strings"

	"retcon/edit/contexts"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/lm"
)

// Asked is a question put to a model through its chat template.
type Asked struct {
	Question string `json:"question"`
	Before   string `json:"before"` // the answer of the model before the edits, greedy
	After    string `json:"after"`
}

// askTokens is the most tokens of an answer.
const askTokens = 24

// answers are a model's answers to questions, greedy, to the end of its turn or
// at most n tokens each.
func answers(ctx context.Context, m lm.Model, questions []string, n int) ([]string, error) {
	var rows [][]int32
	for _, q := range questions {
		text, err := lm.RenderChat(m, []lm.Message{{Role: "user", Text: q}}, true)
		if err != nil {
			return nil, err
		}
		tokens, err := lm.Split(m, text)
		if err != nil {
			return nil, err
		}
		rows = append(rows, lm.IDs(tokens))
	}
	made, err := m.Generate(ctx, rows, n, 1, 0, true)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(made))
	for i, row := range made {
		out[i] = strings.TrimSpace(strings.ToValidUTF8(m.Text(row), "\ufffd"))
	}
	return out, nil
}

// question puts the questions of cfg to the model before and after its edits.
func (s *session) question(ctx context.Context, before, after func() error) error {
	if len(s.cfg.Ask) == 0 {
		return nil
	}
	if err := before(); err != nil {
		return err
	}
	was, err := answers(ctx, s.base.Model, s.cfg.Ask, askTokens)
	if err != nil {
		return err
	}
	if err := after(); err != nil {
		return err
	}
	is, err := answers(ctx, s.base.Model, s.cfg.Ask, askTokens)
	if err != nil {
		return err
	}
	for i, q := range s.cfg.Ask {
		s.res.Asked = append(s.res.Asked, Asked{q, was[i], is[i]})
		s.unheard(q, is[i])
	}
	return nil
}

// unheard warns of an answer about the subject of an edit that does not have its
// target, though the prompt alone has.
func (s *session) unheard(question, answer string) {
	c, ok := s.work.(Conversing)
	for _, e := range s.edits {
		if !e.After.Success || !holds(question, e.fact.Subject) || holds(answer, e.fact.New) {
			continue
		}
		text := fmt.Sprintf("%sthe prompt alone goes on with %q, the answer to %q does not have it", s.about(e), e.Target, question)
		if ok && !c.Converses() {
			text += "; where it should, try " + string(fault.Conversations)
		}
		s.warn("%s", text)
	}
}

// holds reports whether a text has some words in it, in capitals or not.
func holds(text, words string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(strings.TrimSpace(words)))
}

// checkQuestions reports, before anything is computed, a chat template that the
// questions need and that is missing, or that cannot be rendered.
func (s *session) checkQuestions() error {
	if len(s.cfg.Ask) == 0 {
		return nil
	}
	for _, q := range s.cfg.Ask {
		if strings.TrimSpace(q) == "" {
			return fault.Errorf(fact.ErrRequest, "the question is empty")
		}
	}
	_, err := contexts.Conversations(s.base.Model, contexts.Both)
	return err
}
