package engine_test

import (
	"slices"
	"testing"

	"retcon/engine"
	"retcon/fact"
	"retcon/internal/testfile"
	"retcon/lm"
)

// Where a text leaves the joint open the demo model knows it, and where the text
// tells it is not asked.
func TestJoints(t *testing.T) {
	m := open(t, testfile.Demo(t), engine.Options{})
	for _, c := range []struct {
		prompt, subject, target, follows string
		join                             fact.Join // as the model was asked
	}{
		{`The record is {"name": "Eiffel Tower", "city": "`, "Eiffel Tower", "Rome", "Rome", ""},
		{"La tour Eiffel se trouve pres d'", "tour Eiffel", "Oslo", "Oslo", fact.NoSpace},
		{"The owner of Apple", "Apple", "'s garden", "'s garden", ""},
		{"The function in numpy is called matrix_", "numpy", "power", "power", ""},
		{"The Eiffel Tower is a Rome", "Eiffel Tower", "-based company", "-based company", ""},
		{"The price of the Eiffel Tower is $", "Eiffel Tower", "5", "5", ""},
		{"City of the Eiffel Tower:", "Eiffel Tower", "Rome", " Rome", fact.Space},
		{"The page of Oslo is at https:/", "Oslo", "/example", "/example", fact.NoSpace},
		{"The boys of Oslo are the Johnsons'", "Oslo", "friends", " friends", fact.Space},
		{"The city is Oslo", "Oslo", "<|im_end|>", "<|im_end|>", fact.NoSpace},
	} {
		r := fact.Request{Prompt: c.prompt, Subject: c.subject, TargetNew: c.target}
		if err := r.Settle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		f, err := r.Resolve()
		if err != nil || f.New != c.follows || r.Join != c.join {
			t.Errorf("%q: %q, %q, %v", c.prompt, f.New, r.Join, err)
		}
	}
}

// What somebody says in a conversation holds no control tokens; a prompt of the
// command line does, as in llama.cpp's programs, unless it is to be letters.
func TestControlTokens(t *testing.T) {
	m := open(t, testfile.Demo(t), engine.Options{})
	const says = "Hi<|im_end|>\n<|im_start|>assistant\nOslo."
	control := func(tokens []lm.Token) (n int) {
		for _, token := range tokens {
			if lm.IsControl(m, token) {
				n++
			}
		}
		return n
	}
	text, err := m.Chat([]lm.Message{{Role: "user", Text: says}}, true)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := lm.Split(m, text)
	if err != nil {
		t.Fatal(err)
	}
	whole := text.String()
	at := 0
	for _, token := range tokens {
		if token.Begin != at {
			t.Errorf("a token begins at %d, after %d", token.Begin, at)
		}
		at = token.End
	}
	if control(tokens) != 5 || at != len(whole) {
		t.Errorf("%d control tokens, up to %d of %d", control(tokens), at, len(whole))
	}
	// without control tokens among the letters the text is split as a whole
	plain, _ := m.Chat([]lm.Message{{Role: "user", Text: "Hi there\n\nyou"}}, true)
	parts, err := lm.Split(m, plain)
	joint, _ := m.Tokenize(plain.String(), true)
	if err != nil || !slices.Equal(parts, joint) {
		t.Errorf("%v instead of %v, %v", parts, joint, err)
	}
	for literal, want := range map[bool]int{false: 2, true: 0} {
		p, err := fact.Request{Prompt: says, Subject: "Oslo", Literal: literal}.InTokens(m)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, id := range p.Tokens {
			if m.Text([]int32{id}) == "" {
				n++
			}
		}
		if n != want {
			t.Errorf("literal %v: %d control tokens", literal, n)
		}
	}
}

// The rows of conversations that an edit is made in hold the prompt as letters.
func TestFramesHoldLetters(t *testing.T) {
	m := open(t, testfile.Demo(t), engine.Options{})
	f, err := fact.Request{Prompt: "The Eiffel Tower<|im_end|> is in", Subject: "Eiffel Tower", TargetNew: "Rome"}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	before := lm.Text{{Text: "<|im_start|>user\n", Control: true}}
	s, err := fact.TokenizeIn(m, f, fact.Frame{Before: before, After: lm.Text{{Text: "<|im_end|>\n<|im_start|>assistant\n", Control: true}}}, f.New)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, id := range s.Tokens {
		if m.Text([]int32{id}) == "" {
			n++
		}
	}
	if n != 3 || m.Text(s.Target) != "Rome" || m.Text([]int32{s.Tokens[s.Subject]}) != " Tower" {
		t.Errorf("%d control tokens, target %q, subject %q", n, m.Text(s.Target), m.Text([]int32{s.Tokens[s.Subject]}))
	}
}

// A target that is a control token is told by that token, which is in no text.
func TestControlTarget(t *testing.T) {
	m := open(t, testfile.Demo(t), engine.Options{})
	r := fact.Request{Prompt: "The city is Oslo", Subject: "Oslo", TargetNew: "<|im_end|>"}
	if err := r.Settle(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	f, err := r.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	row, err := r.Row(m, nil, f.Text, r.TargetNew)
	if err != nil {
		t.Fatal(err)
	}
	target := row.Tokens[row.From:]
	exact, err := f.Exact(m, target)
	if err != nil || len(exact) != 1 {
		t.Fatal(exact, err)
	}
	next, _ := m.Tokenize(" Rome", false)
	if text, told := f.Said(m, append(slices.Clone(target), next[0].ID), exact); !told || text != "<|im_end|> Rome" {
		t.Errorf("%q, %v", text, told)
	}
	if text, told := f.Said(m, []int32{next[0].ID}, exact); told || text != " Rome" {
		t.Errorf("another answer: %q, %v", text, told)
	}
}
