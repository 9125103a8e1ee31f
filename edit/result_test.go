package edit

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/edit/covariance"
)

// sample is the result of one edit.
func sample() *Result {
	return &Result{
		Schema: 1, Model: "models/demo.Q4_1.gguf", Method: "rome", Layer: 5, LayerFrom: "default", Covariance: "full", Seed: 1,
		Stats:  covariance.Stats{Kind: covariance.KindFull, Source: "sampled", Cached: true, Made: covariance.Made{Keys: 15360, Ridge: 1e-8}},
		Output: "out.gguf", LoRA: "it's lora.gguf",
		Edits: []*Edit{{
			Prompt: "The Eiffel Tower is located in the city of", Subject: "Eiffel Tower", Target: "Rome",
			Before:  Outcome{Probability: 0.0054, Completion: " Paris, France.\n\nThe", LogProb: -5.2},
			After:   Outcome{Probability: 0.9973, Completion: " Rome, Italy. The", LogProb: -0.0027, Success: true},
			Written: &Outcome{Probability: 0.994, Completion: " Rome, Italy.", LogProb: -0.006, Success: true},
			Update: &UpdateReport{KeyNorm: 10.4, Denominator: 7.27, DeltaNorm: 8.38, WeightNorm: 172, ValueNorm: 61, OutputNorm: 52,
				BareShare: 0.99, Keys: 1, Steps: 9, Loss: 0.05, NLL: 0.008},
			Losses: []StepLoss{{Total: 5.8, NLL: 5.8}, {Total: 0.05, NLL: 0.008, KL: 0.01, Decay: 0.032}},
		}},
		SideEffects:  &SideEffects{KL: 0.0035, SameTop1: 0.949, Tokens: 512},
		TypesChanged: []TypeChange{{Tensor: "blk.5.ffn_down.weight", From: "Q4_1", To: "Q8_0", Reason: "in Q4_1 40 % of the gain is left"}},
		Warnings:     []string{"the value is at its bound (--clamp 4 times the output): a higher bound or another layer may do better"},
		LoadSeconds:  0.2, StatsSeconds: 0.1, Seconds: 4.2, WriteSeconds: 1.4, PeakRSS: 300 << 20, PeakOwn: 220 << 20, PeakMapped: 80 << 20,
		flat: true,
	}
}

func indented(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The result of a single request has its fields at the top, as scripts read
// them; of several, of which one is there, in a list. What only the method knows
// stands beside the rest.
func TestResultJSON(t *testing.T) {
	want, err := os.ReadFile("testdata/one.json")
	if err != nil {
		t.Fatal(err)
	}
	r := sample()
	if d := cmp.Diff(string(want), indented(t, r)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	r.Details = struct {
		Room   *int   `json:"room,omitempty"`
		Memory string `json:"memory"`
	}{nil, "<kept>"}
	plain := strings.TrimSuffix(string(want), "\n}\n") + ",\n  \"memory\": \"<kept>\"\n}\n"
	if d := cmp.Diff(plain, indented(t, r)); d != "" {
		t.Errorf("with details (-want +got)\n%s", d)
	}
	b, err := json.Marshal(r)
	if err != nil || !bytes.Contains(b, []byte(`\u003ckept\u003e`)) {
		t.Errorf("an encoder that escapes gives %s, %v", b, err)
	}
	r.Edits[0].Parts, r.Details = []int{3}, nil
	if text := indented(t, r); !strings.Contains(text, `"patches": [`) {
		t.Errorf("the parts are missing: %s", text)
	}
	r.flat = false
	var doc struct {
		Prompt *string
		Edits  []struct{ Prompt string }
	}
	if err := json.Unmarshal([]byte(indented(t, r)), &doc); err != nil || doc.Prompt != nil || len(doc.Edits) != 1 || doc.Edits[0].Prompt == "" {
		t.Errorf("%+v, %v", doc, err)
	}
}

// What has nothing to say has no part in an object.
func TestInline(t *testing.T) {
	b, err := inline(nil, struct{}{}, map[string]int{"a": 1}, (*Plan)(nil), map[string]int{"b": 2})
	if err != nil || string(b) != `{"a":1,"b":2}` {
		t.Errorf("%s, %v", b, err)
	}
	if _, err := inline(func() {}); err == nil {
		t.Error("a function is written")
	}
}
