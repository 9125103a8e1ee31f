package edit

import (
	"context"

	"retcon/lm"
)

// Answers are a model's answers to questions, as a run asks them.
func Answers(ctx context.Context, m lm.Model, questions []string) ([]string, error) {
	return answers(ctx, m, questions, askTokens)
}

// CheckQuestions checks questions to a model.
func CheckQuestions(m lm.Model, questions []string) error {
	s := &session{cfg: &Config{Ask: questions}, base: &Base{Model: m}}
	return s.checkQuestions()
}
