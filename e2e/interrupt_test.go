//go:build unix

package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"retcon/internal/built"
)

// Ctrl-C ends an edit within a second, with its own exit code and no file left.
func TestInterrupt(t *testing.T) {
	model, program := demoModel(t), there(t, built.Retcon())
	for _, after := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
		dir := t.TempDir()
		cmd := exec.Command(program, "edit", "-m", model, "-p", prompt, "--subject", "Eiffel Tower", "--target", "Rome",
			"-o", filepath.Join(dir, "out.gguf"), "--lora", filepath.Join(dir, "lora.gguf"), "-t", "2", "--cache-dir", filepath.Join(dir, "cache"))
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		start := time.Now()
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		took := time.Since(start)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 130 {
			t.Errorf("after %v: %v, not exit code 130\n%s", after, err, errs.String())
		}
		// a second is what is promised on a quiet machine; here others may run
		t.Logf("after %v: ended within %v", after, took)
		if took > 10*time.Second {
			t.Errorf("it took %v to end", took)
		}
		left, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range left {
			if st, err := os.Stat(f); err == nil && !st.IsDir() {
				t.Errorf("left behind: %s", f)
			}
		}
	}
}
