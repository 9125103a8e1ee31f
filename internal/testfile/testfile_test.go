package testfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"retcon/internal/built"
	"retcon/internal/testfile"
)

func TestDataSet(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RETCON_DATA", dir)
	if testfile.HasDataSet(t, "a.json") {
		t.Error("a.json is in an empty folder")
	}
	ran := false
	t.Run("absent", func(t *testing.T) {
		testfile.DataSet(t, "a.json")
		ran = true
	})
	if ran {
		t.Error("a test without its data set goes on")
	}
	want := filepath.Join(dir, "a.json")
	if err := os.WriteFile(want, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := testfile.DataSet(t, "a.json"); got != want || !testfile.HasDataSet(t, "a.json") {
		t.Errorf("%s, not %s", got, want)
	}
	t.Setenv("RETCON_DATA", "internal") // from the checkout, wherever the test runs
	if got := testfile.DataSet(t, "testfile"); got != filepath.Join(built.Root(), "internal", "testfile") {
		t.Error(got)
	}
}
