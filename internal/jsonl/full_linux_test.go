package jsonl

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A record that does not fit on the disk is taken back, and a shorter one can
// follow. A limit on the size of files, which holds for a whole process, stands
// in for a disk that is full.
func TestNoSpace(t *testing.T) {
	const pathVar = "JSONL_TEST_PATH"
	path := os.Getenv(pathVar)
	if path == "" {
		path = filepath.Join(t.TempDir(), "n.jsonl")
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoSpace$")
		cmd.Env = append(os.Environ(), pathVar+"="+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var got []int
		if torn, err := numbers.Read(path, reader(&got)); err != nil || torn || !slices.Equal(got, []int{1, 2}) {
			t.Errorf("%v %v %v", got, torn, err)
		}
		return
	}
	f, err := Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	add(t, f, head, 1)
	limit := syscall.Rlimit{Cur: 4096, Max: 4096}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := f.Add(strings.Repeat("9", 8192)); !errors.Is(err, syscall.EFBIG) || !strings.HasPrefix(err.Error(), path) {
		t.Errorf("past the limit: %v", err)
	}
	add(t, f, 2)
	closed(t, f)
}
