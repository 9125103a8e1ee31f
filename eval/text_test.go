package eval

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"retcon/fact"
)

// softmax is a distribution in float64, computed the plain way.
func softmax(l []float32) []float64 {
	var sum float64
	out := make([]float64, len(l))
	for i, v := range l {
		out[i] = math.Exp(float64(v))
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

func argmax(p []float64) int {
	at := 0
	for i := range p {
		if p[i] > p[at] {
			at = i
		}
	}
	return at
}

func TestText(t *testing.T) {
	m := newFake()
	ctx := context.Background()
	words := "the cat sat on a mat and the dog ran"
	text, err := NewText(ctx, m, strings.Repeat(words+" ", 20), 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	if len(text.windows) != 2 || text.Tokens() != 100 {
		t.Fatalf("%d windows of %d tokens in all", len(text.windows), text.Tokens())
	}
	edited := newFake()
	edited.ids, edited.words = m.ids, m.words
	edited.shift[" cat"] = 3
	var nll, nllEdited, kl, n float64
	same := 0
	for _, w := range text.windows {
		for i := range w {
			p, q := softmax(m.logits(w[:i+1])), softmax(edited.logits(w[:i+1]))
			for k := range p {
				kl += p[k] * math.Log(p[k]/q[k])
			}
			if argmax(p) == argmax(q) {
				same++
			}
			if i+1 < len(w) {
				nll -= math.Log(p[w[i+1]])
				nllEdited -= math.Log(q[w[i+1]])
				n++
			}
		}
	}
	v := Values{}
	if err := text.Compare(ctx, edited, v); err != nil {
		t.Fatal(err)
	}
	near(t, "base perplexity", text.Perplexity(), math.Exp(nll/n))
	near(t, "perplexity", v[Perplexity], math.Exp(nllEdited/n))
	near(t, "KL", v[KL], kl/100)
	near(t, "same top-1", v[SameTop1], float64(same))
	if same == 100 || same == 0 {
		t.Errorf("%d of 100 unchanged: the test says nothing", same)
	}
	// the base compared with itself, twice, as the file is read again
	for range 2 {
		if err := text.Compare(ctx, m, v); err != nil {
			t.Fatal(err)
		}
		if v[KL] > 1e-15 || v[SameTop1] != 100 || v[Perplexity] != text.Perplexity() {
			t.Errorf("with itself: %v", v)
		}
	}
	name := text.logits.Name()
	if err := text.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary file is still there: %v", err)
	}
}

func TestTextErrors(t *testing.T) {
	for _, text := range []string{"", "word"} {
		if _, err := NewText(context.Background(), newFake(), text, 100, nil); !errors.Is(err, fact.ErrRequest) {
			t.Errorf("%q: %v", text, err)
		}
	}
	bos := newFake()
	bos.bos = true
	text, err := NewText(context.Background(), bos, strings.Repeat("a b ", 100), 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	for _, w := range text.windows {
		if w[0] != 0 {
			t.Errorf("a window begins with %d instead of BOS", w[0])
		}
	}
}
