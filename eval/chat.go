package eval

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"retcon/fact"
	"retcon/lm"
)

// chat scores a fact in a conversation, as people meet it: through the model's
// chat template. Data sets have prompts to be continued, not questions, so the
// user asks for the rest of the sentence, unless the record has a question.
//
// Two things are measured. The answer runs free: does it hold the new answer,
// does it hold the old one? And the assistant's turn is begun with the prompt:
// which answer is likelier there, what does the model go on with, and what of
// neighbourhood prompts in the same place?
type chat struct {
	question []int32 // the conversation up to the assistant's turn
	length   int     // most tokens of an answer
	new, old string
	fact     fact.Fact
	begun    []int32 // the same with the prompt in the turn; nil for a question alone
	rows     []lm.Scored
	own      pair
	others   []pair
}

// chatTask is how the user asks for the rest of a prompt.
const chatTask = "Complete the sentence: "

// chatTokens is the least bound of an answer's length; a longer prompt, which
// the answer may repeat, has more.
const chatTokens = 24

func newChat(m lm.Model, rec *fact.Record, f fact.Fact) (*chat, error) {
	q := rec.Request
	c := &chat{new: q.TargetNew, old: strings.TrimSpace(f.Old), fact: f, own: pair{-1, -1}}
	question := q.Question
	switch {
	case question == "" && rec.Tokens: // zsRE's prompts are questions
		question = f.Text
	case question == "":
		question = chatTask + f.Text
	}
	text, err := turn(m, question)
	if err != nil {
		return nil, err
	}
	tokens, err := lm.Split(m, text)
	if err != nil {
		return nil, err
	}
	c.question = lm.IDs(tokens)
	row, err := q.Row(m, nil, f.Text, q.TargetNew)
	if err != nil {
		return nil, err
	}
	c.length = max(chatTokens, len(row.Tokens)+beyond)
	if rec.Tokens {
		return c, nil
	}
	return c, c.begin(m, rec, f)
}

// turn is a conversation in which it is the assistant's turn.
func turn(m lm.Model, question string) (lm.Text, error) {
	return lm.RenderChat(m, []lm.Message{{Role: "user", Text: question}}, true)
}

// begin adds the rows of turns that are begun with a prompt.
func (c *chat) begin(m lm.Model, rec *fact.Record, f fact.Fact) error {
	q := rec.Request
	add := func(prompt string) (pair, error) {
		p := pair{-1, -1}
		before, err := turn(m, chatTask+prompt)
		if err != nil {
			return p, err
		}
		if c.begun == nil {
			tokens, err := lm.Split(m, append(before[:len(before):len(before)], lm.Part{Text: prompt}))
			if err != nil {
				return p, err
			}
			c.begun = lm.IDs(tokens)
		}
		if f.Old == "" || f.NewBeginsOld() || f.OldBeginsNew() {
			return p, nil
		}
		for _, t := range []struct {
			row    *int
			target string
		}{{&p.new, q.TargetNew}, {&p.old, q.TargetTrue}} {
			row, err := q.Row(m, before, prompt, t.target)
			if err != nil {
				return p, err
			}
			*t.row = len(c.rows)
			c.rows = append(c.rows, row)
		}
		return p, nil
	}
	var err error
	if c.own, err = add(f.Text); err != nil || c.own.new < 0 {
		return err
	}
	for _, prompt := range q.Neighbours {
		p, err := add(prompt)
		if err != nil {
			return err
		}
		c.others = append(c.others, p)
	}
	return nil
}

// run scores the conversation and returns the free answer.
func (c *chat) run(ctx context.Context, m Model, v Values) (string, error) {
	prompts := [][]int32{c.question}
	if c.begun != nil {
		prompts = append(prompts, c.begun)
	}
	said, err := m.Generate(ctx, prompts, c.length, 1, 0, true)
	if err != nil {
		return "", err
	}
	answer := m.Text(said[0])
	v[ChatNew] = asShare(mentions(answer, c.new, c.old))
	if c.old != "" {
		v[ChatOld] = asShare(mentions(answer, c.old, c.new))
	}
	if c.begun != nil {
		v[ChatMatch] = asShare(c.fact.Told(m.Text(said[1])))
	}
	if len(c.rows) == 0 {
		return answer, nil
	}
	made, err := m.Predict(ctx, c.rows)
	if err != nil {
		return "", err
	}
	likelier := func(p pair) bool { return meanNLL(made[p.new]) < meanNLL(made[p.old]) }
	v[ChatEfficacy] = asShare(likelier(c.own))
	if len(c.others) > 0 {
		kept := 0
		for _, p := range c.others {
			if meanNLL(made[p.old]) < meanNLL(made[p.new]) {
				kept++
			}
		}
		v[ChatNeighbourhood] = 100 * float64(kept) / float64(len(c.others))
	}
	return answer, nil
}

// asShare is a yes or no in per cent.
func asShare(yes bool) float64 {
	if yes {
		return 100
	}
	return 0
}

// mentions reports whether a text holds a target as whole words, in capitals or
// not, and not only as a part of the other answer.
func mentions(text, target, other string) bool {
	text, target, other = strings.ToLower(text), strings.ToLower(strings.TrimSpace(target)), strings.ToLower(strings.TrimSpace(other))
	if target == "" {
		return false
	}
	if len(other) > len(target) && strings.Contains(other, target) {
		text = strings.ReplaceAll(text, other, "\n")
	}
	first, _ := utf8.DecodeRuneInString(target)
	for at := 0; ; {
		i := strings.Index(text[at:], target)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:at+i])
		// StartsWith settles the end of the last word
		if !(spacedRune(before) && spacedRune(first)) && fact.StartsWith(text[at+i:], target) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[at+i:])
		at += i + size
	}
}

// spacedRune reports whether r is part of a word of a script with spaces.
func spacedRune(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsDigit(r)) && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}
