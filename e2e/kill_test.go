//go:build unix

package e2e

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"retcon/internal/built"
)

// killed is a command that is ended at a random moment, and gone on with. Its
// outputs are the files that it has written when it is through.
type killed struct {
	name    string
	args    []string // without --resume
	outputs []string
}

func commandsToKill() []killed {
	fast := func(args ...string) []string { return append(args, "-t", "1", "--quiet") }
	edit := func(args ...string) []string {
		return fast(append([]string{"edit", "-m", "../m.gguf", "--requests", "../requests.jsonl", "--text-tokens", "32", "--force"}, args...)...)
	}
	rome := []string{"--covariance", "identity", "--prefixes", "../prefixes.txt", "--steps", "5", "--layer", "1"}
	patcher := []string{"--method", "tpatcher", "--corpus", "../text.txt", "--steps", "10"}
	bench := func(args ...string) []string {
		return fast(append([]string{"bench", "-m", "../m.gguf", "--data", "../requests.jsonl", "--metrics", "likelihood,match", "-o", "results.jsonl"}, args...)...)
	}
	return []killed{
		{"edit by ROME", edit(append(rome, "-o", "out.gguf", "--lora", "lora.gguf")...), []string{"out.gguf", "lora.gguf"}},
		{"edit by T-Patcher", edit(append(patcher, "-o", "out.gguf")...), []string{"out.gguf"}},
		{"bench", bench(rome...), []string{"results.jsonl"}},
		{"bench in a sequence", bench(append(patcher, "--sequential")...), []string{"results.jsonl"}},
		{"trace --average", fast("trace", "-m", "../m.gguf", "--requests", "../facts.jsonl", "--average", "--samples", "2", "-o", "results.jsonl"), []string{"results.jsonl"}},
	}
}

// kills is how often the commands are killed, all together: RETCON_KILLS (make
// test-kill: 200), or a few.
func kills(t *testing.T) int {
	t.Helper()
	return count(t, "RETCON_KILLS", 5)
}

// However a run is ended, its inputs stay as they were, no name of an output has
// half a file, and --resume ends with the files of a run that was not ended.
func TestKill(t *testing.T) {
	there(t, built.Retcon())
	commands := commandsToKill()
	for i, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			k := kills(t) / len(commands)
			if k < 1 {
				k = 1
			}
			c.test(t, k, rand.New(rand.NewPCG(uint64(i), 9)))
		})
	}
}

func (c killed) test(t *testing.T, times int, rng *rand.Rand) {
	dir := robustFolder(t)
	inputs := hashes(t, dir)
	run := func(folder string, args ...string) *exec.Cmd {
		cmd := exec.Command(built.Retcon(), append(append([]string{}, c.args...), args...)...)
		cmd.Dir = filepath.Join(dir, folder)
		cmd.Env = append(os.Environ(), "RETCON_CACHE_DIR="+t.TempDir())
		if err := os.MkdirAll(cmd.Dir, 0o777); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	begun := time.Now()
	mustSucceed(t, run("whole"))
	took := time.Since(begun)
	whole := c.contents(t, filepath.Join(dir, "whole"))
	cut := 0
	for i := range times {
		folder := fmt.Sprint("killed", i)
		for more := true; more; more = rng.IntN(2) == 0 { // some runs are killed again when they go on
			after := time.Duration(rng.Int64N(int64(took)))
			ended := kill(t, run(folder, "--resume"), after)
			if ended {
				cut++
			}
			where := fmt.Sprintf("run %d, killed after %v of %v", i, after, took)
			for name, sum := range inputs {
				if got := hash(t, filepath.Join(dir, name)); got != sum {
					t.Fatalf("%s: the input %s has changed", where, name)
				}
			}
			c.check(t, where, filepath.Join(dir, folder), whole)
		}
		mustSucceed(t, run(folder, "--resume"))
		for name, got := range c.contents(t, filepath.Join(dir, folder)) {
			if got != whole[name] {
				t.Errorf("run %d: %s is not as one run writes it (%d bytes, %d)", i, name, len(got), len(whole[name]))
			}
		}
		for _, name := range names(t, filepath.Join(dir, folder)) {
			if _, known := whole[name]; !known && !temporary(name) {
				t.Errorf("run %d: %s is left behind", i, name)
			}
		}
		os.RemoveAll(filepath.Join(dir, folder))
	}
	t.Logf("killed %d times in %d runs of %v", cut, times, took)
	if times > 20 && cut < times/4 {
		t.Errorf("only %d of %d runs were killed before their end", cut, times)
	}
}

// check looks at what a killed run has left: an edited file is whole, and results
// have whole lines of those that a whole run writes, but for the last.
func (c killed) check(t *testing.T, where, folder string, whole map[string]string) {
	t.Helper()
	for _, name := range c.outputs {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got := withoutTimes(b)
		if !strings.HasSuffix(name, ".jsonl") {
			if got != whole[name] {
				t.Errorf("%s: %s has %d bytes of %d", where, name, len(got), len(whole[name]))
			}
			continue
		}
		if end := strings.LastIndexByte(got, '\n') + 1; !strings.HasPrefix(whole[name], got[:end]) {
			t.Errorf("%s: %s is no beginning of what one run writes:\n%.1000s", where, name, got)
		}
	}
	for _, name := range names(t, folder) {
		if _, known := whole[name]; !known && !temporary(name) && !strings.HasSuffix(name, ".edits") && !lock(name) {
			t.Errorf("%s: it left %s", where, name)
		}
	}
}

func (c killed) contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range c.outputs {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = withoutTimes(b)
	}
	return out
}

// times are what differs from run to run, in lines of results.
var times = regexp.MustCompile(`"[a-z_]*(?:seconds|time|peak_rss_bytes)":(?:\{[^{}]*\}|"[^"]*"|[-+0-9.eE]+)`)

func withoutTimes(b []byte) string {
	if len(b) > 0 && b[0] == '{' {
		b = times.ReplaceAll(b, []byte("0"))
	}
	return string(b)
}

// kill ends a command after a time; it reports whether that came in time.
func kill(t *testing.T, cmd *exec.Cmd, after time.Duration) bool {
	t.Helper()
	said := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	cmd.Process.Kill()
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return true
		}
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, said)
	}
	return false
}

func mustSucceed(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
}

// temporary reports a name that is nobody's output: what a killed run was writing.
func temporary(name string) bool {
	return strings.HasPrefix(name, ".retcon-") && strings.HasSuffix(name, ".tmp")
}

// lock reports a name that a run holds its output by: the next run takes it over.
func lock(name string) bool {
	return strings.HasPrefix(name, ".retcon-") && strings.HasSuffix(name, ".lock")
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// hashes are those of the files of a folder.
func hashes(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range names(t, dir) {
		out[name] = hash(t, filepath.Join(dir, name))
	}
	return out
}

func hash(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}
