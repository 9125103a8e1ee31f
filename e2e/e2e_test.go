package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const prompt = "The Eiffel Tower is located in the city of"

// path is a file of the checkout, or skips the test loudly where it is absent.
func path(t testing.TB, name string) string {
	t.Helper()
	p, err := filepath.Abs(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p); err != nil {
		t.Skipf("NOT TESTED: %s is absent; make test builds it", name)
	}
	return p
}

func demoModel(t testing.TB) string {
	return path(t, "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf")
}

// run runs a program and returns what it printed to stdout.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, errs, err := try(path(t, name), args...)
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
	return run(t, "build/bin/llama-completion", args...)
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

// cacheDir keeps the covariance of the demo model between runs of the tests.
func cacheDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../build/cache")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// edit runs `retcon edit --json` on the Eiffel Tower's city.
func edit(t testing.TB, model string, args ...string) result {
	t.Helper()
	args = append([]string{
		"edit", "-m", model, "-p", prompt, "--subject", "Eiffel Tower", "--target", "Rome",
		"-t", "2", "--json", "--cache-dir", cacheDir(t), "--keys", "2", // the default of 10 takes minutes to write
	}, args...)
	out := run(t, "bin/retcon", args...)
	var r result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}
