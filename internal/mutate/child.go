package mutate

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childVar tells a process that it is the one that reads damaged files.
const childVar = "RETCON_MUTATE_CHILD"

// Child reports whether this process is a child that Children has started; it is
// to call Serve then.
func Child() bool { return os.Getenv(childVar) != "" }

// Serve reads the numbers of damaged files from standard input, and has read,
// which gives an outcome and the file's size in bytes, read them. What it says of
// each goes to the file that Children named.
func Serve(read func(n int) (outcome string, size int64)) {
	out := os.NewFile(3, "outcomes")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		n, err := strconv.Atoi(in.Text())
		if err != nil {
			return
		}
		before := resident(true)
		outcome, size := read(n)
		over := resident(false) - before - size - MostMemory
		fmt.Fprintf(out, "%d %d %q\n", n, over, outcome)
	}
}

// Children runs the calling test again, in a process of its own, on n damaged
// files or as many as Cases says, one file after the other. A file that ends the
// process, takes longer than Slowest, or more than MostMemory beyond its size,
// fails the test; another process goes on after it. Each outcome goes to seen.
func Children(t *testing.T, files []File, n int, seen func(outcome string)) {
	t.Helper()
	var c *child
	defer func() { c.end() }()
	failures := 0
	for _, i := range Cases(t, n) {
		if c == nil {
			c = start(t)
		}
		name := Make(files, i).Name
		outcome, over, err := c.read(i)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			c.end()
			c = nil
		} else if over > 0 {
			t.Errorf("%s: it takes %d MB too much memory (%s)", name, over>>20, outcome)
		} else {
			seen(outcome)
			continue
		}
		if failures++; failures > 30 {
			t.Fatal("enough is known")
		}
	}
}

// child is such a process.
type child struct {
	cmd      *exec.Cmd
	in       *os.File
	outcomes chan string
	said     *bytes.Buffer
}

func start(t *testing.T) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$"), outcomes: make(chan string), said: &bytes.Buffer{}}
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in = in
	c.cmd.Env = append(os.Environ(), childVar+"=1", "GGML_NO_BACKTRACE=1")
	c.cmd.Stdin, c.cmd.ExtraFiles = stdin, []*os.File{out}
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.said
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	out.Close()
	go func() {
		defer close(c.outcomes)
		defer from.Close()
		lines := bufio.NewScanner(from)
		for lines.Scan() {
			c.outcomes <- lines.Text()
		}
	}()
	return c
}

// read has the child read a file. It gives the outcome, and how many bytes too
// many that took.
func (c *child) read(n int) (outcome string, over int64, err error) {
	fmt.Fprintln(c.in, n)
	select {
	case line, ok := <-c.outcomes:
		if !ok {
			err := c.cmd.Wait()
			return "", 0, fmt.Errorf("the process has died (%v)\n%s", err, tail(c.said.String()))
		}
		var got int
		if _, err := fmt.Sscanf(line, "%d %d %q", &got, &over, &outcome); err != nil || got != n {
			return "", 0, fmt.Errorf("it says %q (%v)", line, err)
		}
		return outcome, over, nil
	case <-time.After(Slowest):
		return "", 0, fmt.Errorf("it takes more than %v", Slowest)
	}
}

// tail is what tells why a process died.
func tail(said string) string {
	for _, sign := range []string{"GGML_ASSERT", "SIG", "fatal error", "panic", "terminate"} {
		if i := strings.Index(said, sign); i >= 0 {
			said = said[max(0, i-200):]
			break
		}
	}
	return said[:min(len(said), 1500)]
}

func (c *child) end() {
	if c == nil {
		return
	}
	c.in.Close()
	c.cmd.Process.Kill()
	for range c.outcomes {
	}
	c.cmd.Wait()
}
