package trace

import (
	"context"
	"errors"
	"strings"
	"testing"

	"retcon/internal/testfile"
	"retcon/llama"
)

// demo is the demo model, which has a tokeniser.
func demo(t *testing.T) *llama.Model {
	t.Helper()
	m, err := llama.LoadModel(context.Background(), testfile.Demo(t), llama.ModelParams{CPUOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// A swapped prompt differs from the prompt in the subject's tokens alone, and
// swapping back gives the prompt.
func TestSwap(t *testing.T) {
	m := demo(t)
	p, err := NewPrompt(m, "The {} is in the city of", "Eiffel Tower")
	if err != nil {
		t.Fatal(err)
	}
	const want = `"Eiffel Tower" has 3 tokens here and "Louvre" has `
	if _, err := p.Swap(m, "Louvre"); !errors.Is(err, ErrPrompt) || !strings.Contains(err.Error(), want) {
		t.Errorf("another length: %v", err)
	}
	q, err := p.Swap(m, "Space Needle")
	if err != nil {
		t.Fatal(err)
	}
	if q.Text != "The Space Needle is in the city of" || q.Begin != p.Begin || q.End != p.End || len(q.Tokens) != len(p.Tokens) {
		t.Errorf("%+v for %+v", q, p)
	}
	differ := false
	for i := range q.Tokens {
		inside := i >= p.Begin && i < p.End
		if q.Tokens[i] != p.Tokens[i] && !inside {
			t.Errorf("token %d is another", i)
		}
		differ = differ || q.Tokens[i] != p.Tokens[i]
	}
	if !differ {
		t.Error("the prompt is the same")
	}
	if back, err := q.Swap(m, "Eiffel Tower"); err != nil || back.Text != p.Text {
		t.Errorf("back: %q, %v", back.Text, err)
	}
	for _, other := range []string{"", "Eiffel Tower"} {
		if _, err := p.Swap(m, other); !errors.Is(err, ErrPrompt) {
			t.Errorf("%q: %v", other, err)
		}
	}
}

// The first token of what follows is that of the answer after the prompt.
func TestNext(t *testing.T) {
	m := demo(t)
	p, err := NewPrompt(m, "The Eiffel Tower is in the city of", "Eiffel Tower")
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.Next(m, " Seattle")
	if err != nil || !strings.HasPrefix(" Seattle", m.Text([]int32{token})) || m.Text([]int32{token}) == " " {
		t.Errorf("%q, %v", m.Text([]int32{token}), err)
	}
	if token, err := p.Next(m, "fshore"); err != nil || !strings.HasPrefix("fshore", m.Text([]int32{token})) { // "offshore" split apart
		t.Errorf("the rest of a word: token %d, %v", token, err)
	}
	if token, err := p.Next(m, ""); !errors.Is(err, ErrPrompt) {
		t.Errorf("nothing: token %d, %v", token, err)
	}
}
