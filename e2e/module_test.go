package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"retcon/internal/built"
)

// What README says of the library is done as a stranger would do it: another
// module, the two lines, the program, built and run. Go may fetch what modules
// that retcon needs are tested with, as go mod tidy wants.
func TestModule(t *testing.T) {
	model := demoModel(t)
	path(t, "build/lib/libretcon.a")
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	command := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = dir, strangersEnv(t)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
		}
		return out.String()
	}
	lines := readmeBlock(t, "sh", "go mod edit")
	if n := strings.Count(lines, "\n"); n != 2 {
		t.Errorf("README has %d lines, not two:\n%s", n, lines)
	}
	lines = strings.ReplaceAll(lines, "/path/to/checkout", root)
	if !strings.Contains(lines, root) {
		t.Fatalf("README's lines name no /path/to/checkout:\n%s", lines)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(readmeBlock(t, "go", "package main")), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(model, filepath.Join(dir, "model.gguf")); err != nil {
		t.Fatal(err)
	}
	command("go", "mod", "init", "stranger.example/facts")
	command("bash", "-eu", "-c", lines)
	command("go", "build", "-o", "facts", ".")
	out := command("./facts")
	t.Logf("%s", out)
	if !strings.HasPrefix(out, `" Rome`) || !strings.Contains(out, `before " Paris`) {
		t.Errorf("README's program says %q", out)
	}
	if _, err := os.Stat(filepath.Join(dir, "rome-lora.gguf")); err != nil {
		t.Error(err)
	}
}

// readmeBlock is the block of README in a language that holds some text.
func readmeBlock(t *testing.T, language, with string) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(string(readme), -1) {
		if strings.Contains(m[1], with) {
			return m[1]
		}
	}
	t.Fatalf("README has no block of %s with %q", language, with)
	return ""
}

// strangersEnv is the environment without what make sets for the checkout.
func strangersEnv(t *testing.T) []string {
	t.Helper()
	flags, err := os.ReadFile(built.Path("lib/ldflags"))
	if err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "CGO_LDFLAGS="+strings.TrimSpace(string(flags)), "GOFLAGS=-mod=mod", "GOWORK=off")
}
