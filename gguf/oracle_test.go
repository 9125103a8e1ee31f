package gguf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/internal/built"
)

// readWithPython prints what the gguf package of llama.cpp finds in a file.
const readWithPython = `
import json, sys
from gguf import GGUFReader, GGUFValueType
r = GGUFReader(sys.argv[1])
keys = []
for f in r.fields.values():
    if f.name.startswith("GGUF."):
        continue
    text = f.types[-1] == GGUFValueType.STRING
    raw = [bytes(f.parts[i]) if text else f.parts[i].astype(f.parts[i].dtype.newbyteorder("<")).tobytes() for i in f.data]
    keys.append([f.name, [int(t) for t in f.types[:2]], [b.hex() for b in raw]])
tensors = [[t.name, int(t.tensor_type), [int(d) for d in t.shape], t.data.tobytes().hex()] for t in r.tensors]
json.dump({"keys": keys, "tensors": tensors}, sys.stdout)
`

// The reference reader must find in our files what we put there.
func TestPythonReadsOurs(t *testing.T) {
	if err := exec.Command("python3", "-c", "import gguf").Run(); err != nil {
		t.Skip("NOT CHECKED against the Python gguf package: python3 cannot import it")
	}
	// Older packages lack the newest types, and have a wrong size for Q8_1,
	// which llama.cpp computes with but never stores.
	var known []Type
	runJSON(t, &known, "python3", "-c", "import gguf; print([int(t) for t in gguf.GGMLQuantizationType])")
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		b, data := everyType(order)
		b.tensors = slices.DeleteFunc(b.tensors, func(w Tensor) bool { return !slices.Contains(known, w.Type) || w.Type == Q8_1 })
		path := filepath.Join(t.TempDir(), "every.gguf")
		writeFile(t, path, build(t, b))
		var got struct{ Keys, Tensors [][]any }
		runJSON(t, &got, "python3", "-c", readWithPython, path)
		if len(got.Keys) != len(b.kv) || len(got.Tensors) != len(b.tensors) {
			t.Fatalf("%v: %d keys, %d tensors", order, len(got.Keys), len(got.Tensors))
		}
		for i, kv := range b.kv {
			if want := pythonKey(kv); !sameJSON(got.Keys[i], want) {
				t.Errorf("%v: key %s is %v, want %v", order, kv.Key, got.Keys[i], want)
			}
		}
		for i, w := range b.tensors {
			want := []any{w.Name, w.Type, w.Dims, hex.EncodeToString(data[w.Name])}
			if !sameJSON(got.Tensors[i], want) {
				t.Errorf("%v: tensor is %v, want %v", order, got.Tensors[i], want)
			}
		}
	}
}

// everyType has a key of every kind and a tensor of every type.
func everyType(order binary.ByteOrder) (*Builder, map[string][]byte) {
	s := spec{31, 3, order, 64, 0, false}
	b, data := s.builder()
	var kv []KeyValue
	for _, e := range b.kv {
		// The reader decodes no empty array's type and takes strings as UTF-8.
		if e.Value.Len() > 0 && e.Key != "string.invalid" {
			kv = append(kv, e)
		}
	}
	b.kv = kv
	for _, typ := range Types() {
		name := "t." + typ.String()
		raw := bytes.Repeat([]byte{byte(typ) + 1}, int(typ.BlockBytes())*2*3)
		data[name] = raw
		b.Add(Tensor{name, typ, []int64{2 * typ.BlockSize(), 3}, Bytes(raw)})
	}
	return b, data
}

// pythonKey is what readWithPython prints for a key.
func pythonKey(kv KeyValue) []any {
	kinds := []Kind{kv.Value.Kind()}
	if kv.Value.Kind() == KindArray {
		kinds = append(kinds, kv.Value.Elem())
	}
	var raw []string
	for i := range kv.Value.Len() {
		e := kv.Value.At(i)
		if s, ok := e.Text(); ok {
			raw = append(raw, hex.EncodeToString([]byte(s)))
		} else {
			raw = append(raw, hex.EncodeToString(e.raw()))
		}
	}
	return []any{kv.Key, kinds, raw}
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func runJSON(t *testing.T, into any, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
}

// Splitting with llama.cpp's own tool and merging with either gives the same.
func TestMergeLikeGGUFSplit(t *testing.T) {
	tool := built.Tool("bin/llama-gguf-split")
	if _, err := os.Stat(tool); err != nil {
		t.Skip("NOT CHECKED against llama-gguf-split: run make tools")
	}
	dir := t.TempDir()
	prefix, theirs := filepath.Join(dir, "split"), filepath.Join(dir, "theirs.gguf")
	run := func(args ...string) {
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	b, data := everyType(binary.LittleEndian)
	b.Set(keyAlignment, ValueOf(uint32(32))) // the tool pads to no other
	whole := filepath.Join(dir, "whole.gguf")
	writeFile(t, whole, build(t, b))
	run("--split", "--split-max-tensors", "10", whole, prefix)
	run("--merge", SplitName(prefix, 0, 4), theirs)
	f := openPath(t, SplitName(prefix, 2, 4))
	checkTensors(t, f, b.tensors, data)
	o, err := Rewrite(f, Edits{})
	want, _ := os.ReadFile(theirs)
	if got := written(t, o, err); !bytes.Equal(got, want) {
		t.Errorf("our merge has %d bytes, theirs %d, and they differ", len(got), len(want))
	}
}
