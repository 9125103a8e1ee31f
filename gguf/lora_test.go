package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The product of a pair is the sum of its updates, whatever the rank.
func TestAddLoRA(t *testing.T) {
	left := [][]float32{{1, -2, 3}, {0.5, 4, 0}}
	right := [][]float32{{2, 7}, {-1, 8}}
	for _, rank := range []int{2, 4} {
		b := NewBuilder()
		b.AddLoRA("w", left, right, rank)
		var buf bytes.Buffer
		if _, err := b.WriteTo(&buf); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "lora.gguf")
		if err := os.WriteFile(path, buf.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		down, up := floats(t, f, "w.lora_a", 3, rank), floats(t, f, "w.lora_b", rank, 2)
		for i := range 2 {
			for j := range 3 {
				var got float32
				for r := range rank {
					got += up[i*rank+r] * down[r*3+j]
				}
				if want := right[0][i]*left[0][j] + right[1][i]*left[1][j]; got != want {
					t.Errorf("rank %d: (%d, %d) is %g, want %g", rank, i, j, got, want)
				}
			}
		}
	}
}

// floats are the values of an F32 tensor {columns, rows}.
func floats(t *testing.T, f *File, name string, columns, rows int) []float32 {
	t.Helper()
	d, ok := f.Tensor(name)
	if !ok || d.Type != F32 || len(d.Dims) != 2 || d.Dims[0] != int64(columns) || d.Dims[1] != int64(rows) {
		t.Fatalf("%s: %+v", name, d)
	}
	raw, err := f.ReadTensor(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, columns*rows)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}
