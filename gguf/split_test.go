package gguf

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// splitModel writes a model in three shards, the first without tensors, as
// llama-gguf-split can. It returns the prefix, the tensors and their data.
func splitModel(t *testing.T, order binary.ByteOrder) (string, []Tensor, map[string][]byte) {
	t.Helper()
	b, data := spec{5, 3, order, 64, 8, false}.builder()
	tensors := b.tensors
	prefix := filepath.Join(t.TempDir(), "model")
	for i, part := range [][]Tensor{nil, tensors[:5], tensors[5:]} {
		s := NewBuilder()
		s.ByteOrder = order
		if i == 0 {
			s.kv = b.kv
		}
		s.Set(keySplitNo, ValueOf(uint16(i)))
		s.Set(keySplitTensors, ValueOf(int32(len(tensors))))
		s.Set(keySplitCount, ValueOf(uint16(3)))
		s.tensors = part
		writeFile(t, SplitName(prefix, i, 3), build(t, s))
	}
	return prefix, tensors, data
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func openPath(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestOpenByAnyShard(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		prefix, tensors, data := splitModel(t, order)
		for i := range 3 {
			f := openPath(t, SplitName(prefix, i, 3))
			if f.NumShards() != 3 || f.Paths()[2] != SplitName(prefix, 2, 3) || f.ByteOrder != order {
				t.Errorf("%d shards: %q", f.NumShards(), f.Paths())
			}
			if arch, err := f.String("general.architecture"); err != nil || arch != "test" {
				t.Errorf("architecture %q, %v", arch, err)
			}
			checkSplitTensors(t, f, tensors, data)
		}
	}
}

// checkSplitTensors is checkTensors, but for alignment: it differs by shard.
func checkSplitTensors(t *testing.T, f *File, want []Tensor, data map[string][]byte) {
	t.Helper()
	f.Alignment = 32
	checkTensors(t, f, want, data)
}

// A split model comes out as one file, edited in any of its shards.
func TestMerge(t *testing.T) {
	prefix, tensors, data := splitModel(t, binary.LittleEndian)
	f := openPath(t, SplitName(prefix, 1, 3))
	abcd := Bytes([]byte("abcd"))
	one, in2 := Tensor{"new", F32, []int64{1}, abcd}, Tensor{tensors[6].Name, F32, []int64{1}, abcd}
	replaced := slices.Clone(tensors)
	replaced[6] = in2
	for name, c := range map[string]struct {
		e    Edits
		want []Tensor
	}{
		"nothing": {Edits{}, tensors},
		"key":     {Edits{Set: []KeyValue{{"k", ValueOf("v")}}}, tensors},
		"tensor":  {Edits{Replace: []Tensor{in2}}, replaced},
		"add":     {Edits{Add: []Tensor{one}}, append(slices.Clone(tensors), one)},
		"drop":    {Edits{Drop: []string{tensors[0].Name}}, tensors[1:]},
	} {
		o, err := Rewrite(f, c.e)
		b := written(t, o, err)
		want := maps.Clone(data)
		for _, t := range slices.Concat(c.e.Replace, c.e.Add) {
			want[t.Name] = []byte("abcd")
		}
		merged := open(t, b)
		checkTensors(t, merged, c.want, want)
		count, ok := merged.Value(keySplitCount)
		if !ok || !count.Equal(ValueOf(uint16(0))) {
			t.Errorf("%s: split.count is %v", name, count)
		}
		if total, ok := merged.Value(keySplitTensors); !ok || !total.Equal(ValueOf(int32(len(c.want)))) {
			t.Errorf("%s: split.tensors.count is %v", name, total)
		}
		// The merged file must open as one, whatever its name.
		path := filepath.Join(t.TempDir(), "merged.gguf")
		writeFile(t, path, b)
		if g := openPath(t, path); g.NumShards() != 1 {
			t.Errorf("%s: the merged file has %d shards", name, g.NumShards())
		}
	}
	for _, e := range []Edits{{Set: []KeyValue{{keySplitCount, ValueOf(uint16(1))}}}, {Delete: []string{keySplitNo}}} {
		if _, err := Rewrite(f, e); !errors.Is(err, ErrEdit) {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

func TestBrokenSplits(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(prefix string) error
		kinds []error
	}{
		"missing": {func(p string) error { return os.Remove(SplitName(p, 2, 3)) }, []error{ErrSplit, fs.ErrNotExist}},
		"renamed": {func(p string) error { return os.Rename(SplitName(p, 0, 3), SplitName(p, 0, 4)) }, []error{ErrSplit}},
		"swapped": {func(p string) error { return copyFile(SplitName(p, 1, 3), SplitName(p, 2, 3)) }, []error{ErrSplit}},
		"foreign": {func(p string) error { return os.WriteFile(SplitName(p, 1, 3), []byte("text"), 0o644) }, []error{ErrFormat}},
		"cut":     {func(p string) error { return os.Truncate(SplitName(p, 1, 3), 300) }, []error{ErrTruncated}},
	} {
		prefix, _, _ := splitModel(t, binary.LittleEndian)
		if err := c.spoil(prefix); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			f, err := Open(SplitName(prefix, i, 3))
			if f != nil || err == nil {
				t.Fatalf("%s: shard %d opened", name, i)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: more than one line: %q", name, err)
			}
			for _, kind := range c.kinds {
				if name != "renamed" && i == 0 && !errors.Is(err, kind) {
					t.Errorf("%s: %v, want %v", name, err, kind)
				}
			}
		}
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

func TestSplitNames(t *testing.T) {
	prefix, shard, count, ok := ParseSplitName(SplitName("dir/m-1", 1, 12))
	if !ok || prefix != "dir/m-1" || shard != 1 || count != 12 {
		t.Errorf("%q %d %d %v", prefix, shard, count, ok)
	}
	for _, name := range []string{
		"m.gguf", "m-00001-of-00002", "-00001-of-00002.gguf", "m-00000-of-00002.gguf", "m-00003-of-00002.gguf",
		"m-1-of-2.gguf", "m-000001-of-00002.gguf", "m-99999999999999999999-of-99999999999999999999.gguf",
	} {
		if prefix, shard, count, ok := ParseSplitName(name); ok {
			t.Errorf("%s: %q %d %d", name, prefix, shard, count)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, ErrFormat) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	var f *File
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
