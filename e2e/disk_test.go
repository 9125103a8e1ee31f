//go:build unix

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"retcon/internal/built"
)

// disk is what a command does that cannot write, or read, as it wants.
type disk struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
}

func onDisk(t *testing.T, dir string, args ...string) *disk {
	cmd := exec.Command(there(t, built.Retcon()), append(args, "-t", "1", "--quiet")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RETCON_CACHE_DIR="+filepath.Join(dir, "cache"), "TMPDIR="+dir)
	return &disk{t, dir, cmd}
}

// limited bounds the size of the files that it writes, in units of 512 bytes at
// least: what stands in for a disk that is full.
func (d *disk) limited(units int) *disk {
	quoted := []string{}
	for _, a := range d.cmd.Args {
		quoted = append(quoted, "'"+a+"'")
	}
	script := fmt.Sprintf("ulimit -f %d; exec %s", units, strings.Join(quoted, " "))
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir, cmd.Env = d.cmd.Dir, d.cmd.Env
	d.cmd = cmd
	return d
}

// fails runs it: an exit code and one line with some words are right.
func (d *disk) fails(code int, words ...string) {
	d.t.Helper()
	before := names(d.t, d.dir)
	var out, said bytes.Buffer
	if d.cmd.Stdout == nil {
		d.cmd.Stdout = &out
	}
	d.cmd.Stderr = &said
	err := d.cmd.Run()
	text := said.String()
	if d.cmd.ProcessState == nil || d.cmd.ProcessState.ExitCode() != code || strings.Count(text, "\n") != 1 || out.Len() > 0 {
		d.t.Fatalf("%s: %v, not exit code %d with one line\n%s%s", d.cmd.Args, err, code, out.String(), text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			d.t.Errorf("%s: it says %q without %q", d.cmd.Args, text, w)
		}
	}
	if left := names(d.t, d.dir); !slices.Equal(without(left, "cache"), without(before, "cache")) {
		d.t.Errorf("%s: before there was %q, now %q", d.cmd.Args, before, left)
	}
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == name })
}

var (
	quickRome  = []string{"--covariance", "identity", "--prefixes", "prefixes.txt", "--steps", "5", "--layer", "1"}
	quickEdit  = append([]string{"edit", "-m", "m.gguf", "-p", "The Eiffel Tower is in the city of", "--subject", "Eiffel Tower", "--target", "Rome", "--text-tokens", "32", "--force"}, quickRome...)
	quickBench = append(benchOf("m.gguf"), quickRome...)
	quickTrace = []string{"trace", "-m", "m.gguf", "--requests", "facts.jsonl", "--average", "--samples", "2"}
)

func benchOf(model string) []string {
	return []string{"bench", "-m", model, "--data", "requests.jsonl", "--metrics", "likelihood,match"}
}

func with(command []string, args ...string) []string { return append(slices.Clone(command), args...) }

// A disk that is full ends a run in a line that names the file, and leaves what
// was there; results keep their whole lines, and a run with room goes on.
func TestFullDisk(t *testing.T) {
	dir := robustFolder(t)
	onDisk(t, dir, with(quickEdit, "-o", "out.gguf")...).limited(16).fails(1, "out.gguf", "file too large")
	onDisk(t, dir, with(quickEdit, "-o", "out.gguf", "--lora", "lora.gguf")...).limited(16).fails(1, "out.gguf")
	for name, command := range map[string][]string{"bench.jsonl": quickBench, "trace.jsonl": quickTrace} {
		args := with(command, "-o", name, "--resume")
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o666); err != nil { // the name is there before, and stays
			t.Fatal(err)
		}
		onDisk(t, dir, args...).limited(6).fails(1, name, "file too large")
		cut, err := os.ReadFile(path)
		if err != nil || len(cut) > 0 && cut[len(cut)-1] != '\n' {
			t.Errorf("%s: %v, %d bytes", name, err, len(cut))
		}
		mustSucceed(t, onDisk(t, dir, args...).cmd)
		whole, err := os.ReadFile(path)
		if err != nil || len(whole) <= len(cut) || !bytes.HasPrefix(whole, cut) {
			t.Errorf("%s: %v, %d bytes after %d", name, err, len(whole), len(cut))
		}
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("NOT TESTED: a result that nobody gets, as there is no /dev/full")
	}
	defer full.Close()
	d := onDisk(t, dir, quickEdit...)
	d.cmd.Stdout = full
	d.fails(1, "no space left on device")
}

// A folder that cannot be written to, and a path that cannot be, are said before
// anything is loaded.
func TestReadOnlyFolder(t *testing.T) {
	dir := robustFolder(t)
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o555); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"m.gguf", "none"} {
		onDisk(t, dir, with(quickEdit, "-o", folder+"/out.gguf")...).fails(1, folder, "director")
		onDisk(t, dir, with(quickBench, "-o", folder+"/out.jsonl")...).fails(1, folder, "director")
		onDisk(t, dir, with(quickTrace, "-o", folder+"/out.jsonl")...).fails(1, folder, "director")
	}
	user := asNobody(t, dir)
	for _, command := range [][]string{with(quickEdit, "-o", "closed/out.gguf"), with(quickEdit, "--lora", "closed/out.gguf"), with(quickBench, "-o", "closed/out.gguf"), with(quickTrace, "-o", "closed/out.gguf")} {
		d := onDisk(t, dir, command...)
		user(d.cmd)
		d.fails(1, "closed", "permission denied")
	}
}

// asNobody gives commands a user that files say something to: root may all.
func asNobody(t *testing.T, dir string) func(*exec.Cmd) {
	t.Helper()
	if os.Getuid() != 0 {
		return func(*exec.Cmd) {}
	}
	program := filepath.Join(dir, "retcon")
	in, err := os.Open(built.Retcon())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	out.Close()
	for at := dir; at != filepath.Dir(at); at = filepath.Dir(at) { // a test's folder is its user's alone
		if st, err := os.Stat(at); err != nil || st.Mode().Perm()&0o005 != 0o005 {
			if err := os.Chmod(at, st.Mode().Perm()|0o055); err != nil {
				t.Fatal(err)
			}
		}
		if at == os.TempDir() {
			break
		}
	}
	return func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args[0] = program, program
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Env = append(cmd.Env, "RETCON_CACHE_DIR="+os.TempDir(), "TMPDIR="+os.TempDir())
	}
}

// A model that another program cuts short while it is mapped into memory ends
// the run in a line, with the results so far.
func TestModelCutShort(t *testing.T) {
	dir := robustFolder(t)
	requests, err := os.ReadFile(filepath.Join(dir, "requests.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "requests.jsonl"), bytes.Repeat(requests, 500), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, threads := range []string{"1", "2"} { // Go's threads have a stack for signals, others have not
		good, err := os.ReadFile(filepath.Join(dir, "m.gguf"))
		if err != nil {
			t.Fatal(err)
		}
		name := "results" + threads
		if err := os.WriteFile(filepath.Join(dir, "cut.gguf"), good, 0o666); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var said bytes.Buffer
		d := onDisk(t, dir, with(append(benchOf("cut.gguf"), quickRome...), "-o", name)...)
		d.cmd.Stderr = &said
		d.cmd.Args = append(d.cmd.Args, "-t", threads)
		if err := d.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for size := int64(0); size < 2500 && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			if st, err := os.Stat(filepath.Join(dir, name)); err == nil {
				size = st.Size()
			}
		}
		if err := os.Truncate(filepath.Join(dir, "cut.gguf"), 4096); err != nil {
			t.Fatal(err)
		}
		d.cmd.Wait()
		text := said.String()
		if d.cmd.ProcessState.ExitCode() != 1 || strings.Count(text, "\n") != 1 || !strings.Contains(text, "cut.gguf: it has become shorter") {
			t.Errorf("exit code %d, and it says\n%.2000s", d.cmd.ProcessState.ExitCode(), text)
		}
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || bytes.Count(b, []byte("\n")) < 2 {
			t.Errorf("%v: %d bytes of results are left", err, len(b))
		}
	}
}

// What was cut short before is named.
func TestCutShort(t *testing.T) {
	dir := robustFolder(t)
	if err := os.Truncate(filepath.Join(dir, "m.gguf"), 100_000); err != nil {
		t.Fatal(err)
	}
	onDisk(t, dir, with(quickEdit, "-o", "out.gguf")...).fails(1, "m.gguf", "incomplete")
}
