package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"retcon/internal/built"
)

const prompt = "The Eiffel Tower is located in the city of"

// there is the path, or skips the test loudly where nothing is.
func there(t testing.TB, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Skipf("NOT TESTED: %s is absent; make test builds it", path)
	}
	return path
}

// path is a file of the checkout.
func path(t testing.TB, name string) string { return there(t, filepath.Join(built.Root(), name)) }

func demoModel(t testing.TB) string {
	return path(t, "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf")
}

// run runs a program of llama.cpp's, or retcon, and returns what it printed to
// stdout.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	program := built.Retcon()
	if name != "retcon" {
		program = built.Tool(filepath.Join("bin", name))
	}
	out, errs, err := try(there(t, program), args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s\n%s", name, strings.Join(args, " "), err, out, errs)
	}
	return out
}

func try(name string, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// complete lets llama-completion go on from the prompt.
func complete(t testing.TB, args ...string) string {
	t.Helper()
	args = append(args, "--no-warmup", "-no-cnv", "-st", "-n", "8", "--temp", "0", "-t", "2", "-p", prompt)
	return run(t, "llama-completion", args...)
}

func tells(t testing.TB, who, text, answer string) {
	t.Helper()
	if !strings.Contains(text, prompt+" "+answer) {
		t.Errorf("%s says %q, not %s", who, text, answer)
	}
}

// result is the part of `edit --json` that scripts rely on (docs/cli.md).
type result struct {
	Schema     int `json:"schema"`
	Layer      int
	Method     string
	Covariance string
	Output     string
	Lora       string
	Before     outcome
	After      outcome
	Update     struct {
		KeyNorm     float64 `json:"key_norm"`
		Denominator float64
		DeltaNorm   float64 `json:"delta_norm"`
		WeightNorm  float64 `json:"weight_norm"`
		Steps       int
		Loss        float64
		AtClamp     bool `json:"at_clamp"`
	}
	SideEffects struct {
		KL       float64
		SameTop1 float64 `json:"same_top1"`
	} `json:"side_effects"`
	TypesChanged []any `json:"types_changed"`
	Warnings     []string
	Seconds      float64
	PeakRSS      int64 `json:"peak_rss_bytes"`
}

type outcome struct {
	Probability float64
	Completion  string
}

// cacheDir keeps the covariance of the demo model between runs of the tests,
// one for each native library, since it is that library's work.
func cacheDir() string { return built.Path("cache") }

// edit runs `retcon edit --json` on the Eiffel Tower's city.
func edit(t testing.TB, model string, args ...string) result {
	t.Helper()
	args = append([]string{
		"edit", "-m", model, "-p", prompt, "--subject", "Eiffel Tower", "--target", "Rome",
		"-t", "2", "--json", "--cache-dir", cacheDir(), "--keys", "2", // the default of 10 takes minutes to write
	}, args...)
	out := run(t, "retcon", args...)
	var r result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}
