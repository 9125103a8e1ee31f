package atomicfile

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A limit on the size of files stands in for a disk that is full. It holds for
// a whole process, hence the second one.
func TestNoSpace(t *testing.T) {
	const dirVar = "ATOMICFILE_TEST_DIR"
	if dir := os.Getenv(dirVar); dir != "" {
		writeLimited(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNoSpace$")
	cmd.Env = append(os.Environ(), dirVar+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantFiles(t, dir)
}

func writeLimited(t *testing.T, dir string) {
	limit := syscall.Rlimit{Cur: 4096, Max: 4096}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	f, err := Create(filepath.Join(dir, "out"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 8192)); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("Write past the limit: %v", err)
	}
	if err := f.Commit(); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("Commit after a failed write: %v", err)
	}
}
