package eval

import (
	"context"
	"testing"
)

// A model that says the words of the target counts, one that says a longer word
// does not.
func TestMatch(t *testing.T) {
	for _, c := range []struct {
		say             map[string]float64
		prompt, phrases float64
	}{
		{map[string]float64{" Rome": 50}, 100, 100},
		{map[string]float64{" Rome": 50, "s": 0}, 100, 100},
		{map[string]float64{" Paris": 50}, 0, 0},
		{map[string]float64{" Romes": 50}, 0, 0},
	} {
		m := newFake()
		m.shift = c.say
		rec := capital()
		rec.Request.TargetNew = "Rome"
		fact, err := rec.Request.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		g, err := newMatch(m, &rec, fact)
		if err != nil {
			t.Fatal(err)
		}
		if len(g.prompts) != 3 || g.length != 1+beyond {
			t.Errorf("%d prompts, %d tokens", len(g.prompts), g.length)
		}
		v := Values{}
		if _, err := g.run(context.Background(), m, v); err != nil {
			t.Fatal(err)
		}
		if v[ExactMatch] != c.prompt || v[ExactMatchParaphrase] != c.phrases {
			t.Errorf("%v: %v", c.say, v)
		}
	}
}
