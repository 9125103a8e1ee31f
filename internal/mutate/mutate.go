// Package mutate makes damaged files for tests of readers: GGUF files by what a
// header's fields are, texts by their tokens. A file is decided by its number
// alone, so that a failure names what runs it again:
//
//	RETCON_MUTATION=17 go test ./gguf -run TestMutated
//
// RETCON_MUTATIONS=10 makes ten times as many (make test-mutated).
package mutate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"
)

const (
	// Slowest is how long a reader may take over a file.
	Slowest = 10 * time.Second
	// MostMemory is what it may take beyond the file's size, in bytes.
	MostMemory = 64 << 20
)

// Mutator changes a copy of a file; the file itself stays.
type Mutator func(rng *rand.Rand, file []byte) []byte

// File is a good file, to be damaged.
type File struct {
	Name string
	Data []byte
	// Mutate is GGUF or Text.
	Mutate Mutator
}

// Case is a damaged file.
type Case struct {
	Name string // what it was made of, and its number
	N    int
	Data []byte
}

// Cases gives the numbers of n damaged files, or of as many more as
// RETCON_MUTATIONS says, or the one that RETCON_MUTATION names.
func Cases(t testing.TB, n int) []int {
	t.Helper()
	if one := os.Getenv("RETCON_MUTATION"); one != "" {
		k, err := strconv.Atoi(one)
		if err != nil {
			t.Fatalf("RETCON_MUTATION: %v", err)
		}
		return []int{k}
	}
	if times := os.Getenv("RETCON_MUTATIONS"); times != "" {
		k, err := strconv.Atoi(times)
		if err != nil || k < 1 {
			t.Fatalf("RETCON_MUTATIONS=%s: not a number of times", times)
		}
		n *= k
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// Make is the n-th damaged file: the files take turns.
func Make(files []File, n int) Case {
	f := files[n%len(files)]
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	return Case{Name: fmt.Sprintf("%s, RETCON_MUTATION=%d", f.Name, n), N: n, Data: f.Mutate(rng, f.Data)}
}

// Each damages files n times and hands each to read, which says by an error that
// the reader did what it must not. A panic, more than Slowest, and more than
// MostMemory beyond the file's size fail the test, too.
func Each(t *testing.T, files []File, n int, read func(c Case) error) {
	t.Helper()
	for _, i := range Cases(t, n) {
		c := Make(files, i)
		if err := Watch(c.Name, int64(len(c.Data)), func() error { return read(c) }); err != nil {
			t.Errorf("%s: %.2000v", c.Name, err)
		}
		if t.Failed() && i%20 == 0 {
			break // enough is known
		}
	}
}

// Watch runs f, which reads a file of a size in bytes. It gives f's error, or
// that f has panicked or taken more memory than it may; all that f has allocated
// counts, whether it was freed or not. The process ends where f does not.
func Watch(name string, size int64, f func() error) (err error) {
	late := time.AfterFunc(Slowest, func() {
		all := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "%s: it takes more than %v\n%s\n", name, Slowest, all[:runtime.Stack(all, true)])
		os.Exit(1)
	})
	defer late.Stop()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	before := allocated()
	err = f()
	if took := allocated() - before; took > MostMemory+size {
		err = errors.Join(err, fmt.Errorf("a file of %d bytes took %d bytes of memory", size, took))
	}
	return err
}

// allocated is what Go's heap has given out so far, in bytes.
func allocated() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}
