package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares what was printed with a file under testdata/golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got; go test -update rewrites it)\n%s", name, d)
	}
}

// sample is the result of one edit.
func sample() *edit.Result {
	return &edit.Result{
		Schema: 1, Model: "models/demo.Q4_1.gguf", Method: "rome", Layer: 5, LayerFrom: "default", Covariance: "full", Seed: 1,
		Stats: covariance.Stats{Kind: covariance.KindFull, Source: "sampled", Cached: true, Made: covariance.Made{Keys: 15360, Ridge: 1e-8}},
		Edits: []*edit.Edit{{
			Prompt: "The Eiffel Tower is located in the city of", Subject: "Eiffel Tower", Target: "Rome",
			Before: edit.Outcome{Probability: 0.0054, Completion: " Paris, France.\n\nThe", LogProb: -5.2},
			After:  edit.Outcome{Probability: 0.9973, Completion: " Rome, Italy. The", LogProb: -0.0027, Success: true},
			Update: &edit.UpdateReport{KeyNorm: 10.4, Denominator: 7.27, DeltaNorm: 8.38, WeightNorm: 172, ValueNorm: 61, OutputNorm: 52,
				BareShare: 0.99, Keys: 1, Steps: 9, Loss: 0.05, NLL: 0.008},
			Losses: []edit.StepLoss{{Total: 5.8, NLL: 5.8}, {Total: 0.05, NLL: 0.008, KL: 0.01, Decay: 0.032}},
		}},
		Lines: []edit.Line{
			{Label: "method", Text: "rome at layer 5, the default for a model of this depth; " + string(fault.SeveralLayers) + " may be better"},
			{Label: "covariance", Text: "full, of 15,360 tokens that the model wrote (cached)"},
			{Label: "update", Text: "norm 8.38, 4.87 % of the weight's norm 172; key 10.4, denominator 7.27; 9 steps to loss 0.05"},
		},
		SideEffects:  &edit.SideEffects{KL: 0.0035, SameTop1: 0.949, Tokens: 512},
		TypesChanged: []edit.TypeChange{}, Warnings: []string{},
		LoadSeconds: 0.2, StatsSeconds: 0.1, Seconds: 4.2, WriteSeconds: 1.4, PeakRSS: 300 << 20, PeakOwn: 220 << 20, PeakMapped: 80 << 20,
	}
}

func written() *edit.Result {
	r := sample()
	r.Output, r.LoRA = "out.gguf", "it's lora.gguf"
	r.Edits[0].Written = &edit.Outcome{Probability: 0.994, Completion: " Rome, Italy.", LogProb: -0.006, Success: true}
	r.TypesChanged = []edit.TypeChange{{Tensor: "blk.5.ffn_down.weight", From: "Q4_1", To: "Q8_0", Reason: "in Q4_1 40 % of the gain is left"}}
	r.Warnings = []string{"the value is at its bound (--clamp 4 times the output): a higher bound or another layer may do better"}
	return r
}

func several() *edit.Result {
	r := sample()
	one := r.Edits[0]
	one.Record = 1
	r.LayerFrom, r.Layer, r.Output, r.LoRA = "auto", 7, "out.gguf", "lora.gguf"
	r.Lines[0].Text, r.Lines[2].Label = "rome at layer 7, the best of 3 that were tried", "update 1"
	r.Edits = []*edit.Edit{one, {Record: 2, Subject: "Mount Fuji", Target: "China", Error: "the target is empty"}}
	r.LayersTried = []edit.LayerTrial{{Layer: 5, Score: -0.2, LogProb: -0.1, KL: 0.01}, {Layer: 7, Score: -0.1, LogProb: -0.05, KL: 0.005}, {Layer: 9, Error: "not finite"}}
	return r
}

func TestReports(t *testing.T) {
	refused := errors.New("edit refused: the model still says so")
	bad := sample()
	bad.Edits[0].Error = "the model still says so"
	traced := several()
	traced.LayerFrom, traced.LayersTried = "trace", nil
	traced.Located = &edit.Located{Layer: 7, Window: [2]int{2, 12}, Effect: 0.213, RunnerUp: &edit.RunnerUp{Layer: 6, Effect: 0.2},
		PClean: 0.704, PCorrupted: 0.004, Facts: 2, Caveat: "it need not be the best to edit"}
	traced.Lines[0].Text = "rome at layer 7, to which the trace points"
	traced.Lines = slices.Insert(traced.Lines, 1, edit.Line{Label: "trace", Text: "FFN outputs of layers 2 to 11 at the subject's last token raise the answer's probability by 0.213, " +
		"from 0.004 (clean: 0.704), means over 2 requests; next is layer 6 with 0.2"}, edit.Line{Label: " ", Text: "it need not be the best to edit"})
	early := &edit.Result{Schema: 1, Model: "m.gguf", Edits: []*edit.Edit{{Prompt: "p", Subject: "s", Target: "t", Error: "the model already says it"}}}
	for _, test := range []struct {
		name string
		r    *edit.Result
		err  error
		s    style
	}{
		{"shown.txt", sample(), nil, style{}},
		{"colour.txt", sample(), nil, style{true}},
		{"written.txt", written(), nil, style{}},
		{"several.txt", several(), nil, style{}},
		{"refused.txt", bad, refused, style{}},
		{"traced.txt", traced, nil, style{}},
		{"early.txt", early, refused, style{}},
	} {
		var out bytes.Buffer
		printReport(&out, test.s, test.r, test.err)
		golden(t, test.name, out.Bytes())
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &output{w: &out}}
	if err := a.printJSON(several()); err != nil {
		t.Fatal(err)
	}
	golden(t, "several.json", out.Bytes())
}

func TestPlanReports(t *testing.T) {
	p := edit.Plan{
		Schema: 1, Model: "m.gguf", Method: "rome", Arch: "llama", Layer: 5, LayerFrom: "auto", Tensor: "blk.5.ffn_down.weight", Type: "Q4_1",
		Shape: "1536x576", TensorBytes: 552960, Requests: 2, Tokens: 407, Covariance: "full", StatsKeys: 15360, StatsBytes: 9 << 20,
		OutputBytes: 98 << 20, LoRABytes: 13 << 10, MemoryBytes: 25 << 20, Seconds: 12, StatsTime: 150, Warnings: []string{},
		Lines: []edit.Line{
			{Label: "method", Text: "rome at layer 5 and others around it, of which the best is taken"},
			{Label: "tensor", Text: "blk.5.ffn_down.weight, Q4_1 1536x576, 540 KB"},
			{Label: "covariance", Text: "full, to be made from 15,360 tokens in about 2 min, then cached in 9.0 MB"},
		},
	}
	var out bytes.Buffer
	printPlan(&out, style{}, &p)
	golden(t, "plan.txt", out.Bytes())
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"a-b.gguf": "a-b.gguf", "a b": `"a b"`, "": `""`, "it's": `"it's"`, `say "x"`: `'say "x"'`, "$HOME's": `'$HOME'\''s'`, "x;rm": `"x;rm"`,
		"a\nb's": `$'a\nb\'s'`, "\x1b[31m\u009b": `$'\x1b[31m\xc2\x9b'`,
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestOllamaName(t *testing.T) {
	for in, want := range map[string]string{"a/Rome Q4.gguf": "rome-q4", "東京.gguf": "edited", ".gguf": "edited"} {
		if got := ollamaName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
