package hypothesis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"retcon/llama"
	"retcon/trace"
)

// A part that cannot be measured is left out, with its reason; other errors, and
// all parts left out, are errors.
func TestRunLeavesOut(t *testing.T) {
	gives := func(err error) func(func(int, int)) error {
		return func(progress func(int, int)) error {
			progress(1, 2)
			return err
		}
	}
	no := fmt.Errorf("%w: no such attention", llama.ErrUnsupported)
	short := fmt.Errorf("%w: too short", trace.ErrPrompt)
	var said []string
	r := &Results{}
	err := r.run(func(stage string, done, total int) { said = append(said, fmt.Sprint(stage, done, total)) },
		[]part{{"a", "doing a", gives(no)}, {"b", "doing b", gives(nil)}, {"c", "doing c", gives(short)}})
	if err != nil || len(r.LeftOut) != 2 || r.LeftOut[0] != "a left out: "+no.Error() || !strings.HasPrefix(r.LeftOut[1], "c left out: ") {
		t.Errorf("%v, %q", err, r.LeftOut)
	}
	if len(said) != 3 || said[1] != "doing b1 2" {
		t.Errorf("progress %q", said)
	}
	if err := (&Results{}).run(nil, []part{{"a", "", gives(no)}, {"c", "", gives(short)}}); !errors.Is(err, trace.ErrPrompt) {
		t.Errorf("nothing is left: %v", err)
	}
	if err := (&Results{}).run(nil, []part{{"a", "", gives(context.Canceled)}, {"b", "", gives(nil)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Results come back from their JSON; what was asked is any part's.
func TestResultsJSON(t *testing.T) {
	r := &Results{Layers: &LayersResult{Fact: Fact{Answer: " Paris", PClean: 0.5}, TextTokens: 9}, LeftOut: []string{"x"}}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Parse(data)
	if err != nil || back.Asked().Answer != " Paris" || !back.HasText() || back.Memory != nil {
		t.Errorf("%+v, %v", back, err)
	}
	if r, err := Parse(nil); r != nil || err != nil || r.HasText() {
		t.Errorf("no results: %+v, %v", r, err)
	}
	if _, err := Parse([]byte("3")); err == nil {
		t.Error("a number is no result")
	}
	if a := (&Results{}).Asked(); a.Answer != "" {
		t.Errorf("nobody asked: %+v", a)
	}
}

// The text is measured with the first prompt alone.
func TestTesterText(t *testing.T) {
	if NewTester(nil, Config{}, nil, &Results{}).cfg.NoText {
		t.Error("the text was never measured")
	}
	if !NewTester(nil, Config{}, nil, &Results{Layers: &LayersResult{TextTokens: 3}}).cfg.NoText {
		t.Error("the text was measured before")
	}
}

// Texts are known by what they say; the built-in one says so.
func TestTextName(t *testing.T) {
	own := TextName("")
	if !strings.HasPrefix(own, "neutral text ") || own == "neutral text" || TextName("a") == TextName("b") {
		t.Errorf("%q, %q, %q", own, TextName("a"), TextName("b"))
	}
}

func TestAverage(t *testing.T) {
	if a, warnings, err := Average([]*Results{nil, nil}); a != nil || warnings != nil || err != nil {
		t.Errorf("no results: %+v %q %v", a, warnings, err)
	}
	knockout := func(p float64) *KnockoutResult {
		return &KnockoutResult{Fact: Fact{PClean: p}, Window: 1, SubjectCut: []float64{p}, SelfCut: []float64{p}}
	}
	a, warnings, err := Average([]*Results{{Knockout: knockout(0.5)}, nil, {Knockout: knockout(0.7), LeftOut: []string{"the rest"}}})
	if err != nil || a.Knockout == nil || a.Knockout.Facts != 2 || a.Memory != nil || a.Layers != nil {
		t.Errorf("%+v, %v", a, err)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0], "on 1 facts: the rest") {
		t.Errorf("%q", warnings)
	}
	other := knockout(0.1)
	other.Window = 9
	if _, _, err := Average([]*Results{{Knockout: knockout(0.5)}, {Knockout: other}}); err == nil {
		t.Error("results of two experiments are averaged")
	}
}
