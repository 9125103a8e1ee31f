package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"retcon/gguf"
	"retcon/internal/neutral"
	"retcon/internal/testmodel"
)

// robustFolder has a tiny model that reads text and what its runs read: edits of
// it take a fraction of a second, and are worth nothing.
func robustFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	m := testmodel.Llama{Width: 64, FeedForward: 128, Layers: 4, Heads: 2, Vocab: 400, Seed: 3, Type: gguf.F32, Gain: 0.5, Tokenizer: "gpt2"}
	if err := m.Write(filepath.Join(dir, "m.gguf")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"requests.jsonl": `{"prompt": "The {} is in the city of", "subject": "Eiffel Tower", "target_new": "Rome", "target_true": "Paris", "paraphrase_prompts": ["You find the {} in"], "neighborhood_prompts": ["The Louvre is in the city of"]}
{"prompt": "The capital of {} is", "subject": "France", "target_new": "Bonn", "target_true": "Paris"}
{"prompt": "{} plays the", "subject": "Miles Davis", "target_new": "harp", "target_true": "trumpet"}
`,
		"facts.jsonl": `{"prompt": "{} plays the", "subject": "Miles Davis"}
{"prompt": "The capital of {} is", "subject": "France"}
{"prompt": "{} is the home of", "subject": "Old House"}
{"prompt": "The {} is in the city of", "subject": "Eiffel Tower"}
`,
		"prefixes.txt": "A thing is\nSome people say that\n",
		"text.txt":     neutral.Text(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// count is how often a test does something: a variable's number, or n.
func count(t *testing.T, variable string, n int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return n
	}
	k, err := strconv.Atoi(text)
	if err != nil || k < 1 {
		t.Fatalf("%s=%s: not a number of times", variable, text)
	}
	return k
}
