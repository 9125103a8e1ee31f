package ffn_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/gguf/ffn"
)

// In every type, old rows keep their bytes and what is added is zero bytes.
func TestOldBytesStay(t *testing.T) {
	for _, typ := range gguf.Types() {
		for _, s := range []shape{
			llamaShape(typ),
			{arch: "phi3", embd: 256, ff: 512, layers: 2, fused: true, typ: typ},
			{arch: "gpt2", embd: 256, ff: 256, layers: 3, biases: true, typ: typ},
		} {
			t.Run(typ.String()+" "+s.arch, func(t *testing.T) {
				f := s.file(t)
				g, r := remade(t, f, ffn.Widen{}, 3, nil, nil)
				if r.Pad[0] != 256 || r.Width != s.ff+256 {
					t.Fatalf("layers grow by %v to %d", r.Pad, r.Width)
				}
				for _, old := range f.Tensors {
					was, is := data(t, f, old.Name), data(t, g, old.Name)
					if strings.Contains(old.Name, "ffn_down") {
						checkColumns(t, old, was, is)
						continue
					}
					halves := 1
					if s.fused {
						halves = 2
					}
					checkRows(t, old.Name, was, is, halves)
				}
				if n, err := g.Uint(s.arch + ".feed_forward_length"); err != nil || n != uint64(r.Width) {
					t.Errorf("feed_forward_length is %d, %v", n, err)
				}
			})
		}
	}
}

func checkColumns(t *testing.T, old gguf.TensorInfo, was, is []byte) {
	t.Helper()
	n := len(was) / int(old.Rows())
	m := len(is) / int(old.Rows())
	for row := range int(old.Rows()) {
		got := is[row*m : (row+1)*m]
		if !bytes.Equal(got[:n], was[row*n:(row+1)*n]) || !isZero(got[n:]) {
			t.Fatalf("%s: row %d changed", old.Name, row)
		}
	}
}

func checkRows(t *testing.T, name string, was, is []byte, halves int) {
	t.Helper()
	n, m := len(was)/halves, len(is)/halves
	for h := range halves {
		got := is[h*m : (h+1)*m]
		if !bytes.Equal(got[:n], was[h*n:(h+1)*n]) || !isZero(got[n:]) {
			t.Fatalf("%s: half %d changed", name, h)
		}
	}
}

func isZero(b []byte) bool { return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 }) }

// What was widened and narrowed again is the same file.
func TestNarrow(t *testing.T) {
	for _, s := range []shape{
		llamaShape(gguf.Q4_K),
		{arch: "glm4", embd: 64, ff: 96, layers: 2, fused: true, biases: true, typ: gguf.Q4_1},
		{arch: "openelm", embd: 32, ff: 64, layers: 2, gate: true, typ: gguf.F32},
	} {
		f := s.file(t)
		g, r := remade(t, f, ffn.Widen{}, 33, nil, nil)
		back, _ := remade(t, g, ffn.Narrow{By: r.Pad[len(r.Pad)-1]}, 0, nil, nil)
		d, err := gguf.Diff(t.Context(), f, back, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.TensorsChanged)+len(d.TensorsAdded)+len(d.TensorsRemoved) > 0 {
			t.Errorf("%s: %+v", s.arch, d.TensorsChanged)
		}
	}
}

// The padding is the smallest that keeps a file quantisable as it was.
func TestStep(t *testing.T) {
	for _, c := range []struct {
		s    shape
		n    int
		want int64
	}{
		{shape{arch: "llama", embd: 256, ff: 1536, layers: 1, gate: true, typ: gguf.Q4_1}, 1, 256},
		{shape{arch: "llama", embd: 256, ff: 1568, layers: 1, gate: true, typ: gguf.Q4_1}, 33, 64},
		{shape{arch: "llama", embd: 256, ff: 1000, layers: 1, gate: true, typ: gguf.F16}, 3, 3},
		{shape{arch: "llama", embd: 256, ff: 512, layers: 1, gate: true, typ: gguf.Q6_K}, 300, 512},
		{shape{arch: "llama", embd: 256, ff: 512, layers: 1, gate: true, typ: gguf.Q6_K}, 0, 0},
	} {
		f := c.s.file(t)
		_, r := remade(t, f, ffn.Widen{}, c.n, nil, nil)
		if r.Pad[0] != c.want {
			t.Errorf("%v of %d: %d neurons take %d, not %d", c.s.typ, c.s.ff, c.n, r.Pad[0], c.want)
		}
	}
}

// Free slots are used before the layer grows.
func TestFree(t *testing.T) {
	f := llamaShape(gguf.F32).file(t)
	_, r := remade(t, f, ffn.Widen{Free: []int64{7, 3}}, 2, nil, nil)
	if !slices.Equal(r.Slots, []int64{7, 3}) || r.Width != 256 {
		t.Errorf("slots %v of %d", r.Slots, r.Width)
	}
	_, r = remade(t, f, ffn.Widen{Free: []int64{7, 3}}, 3, nil, nil)
	if !slices.Equal(r.Slots[:4], []int64{7, 3, 256, 257}) || r.Width != 512 {
		t.Errorf("slots %v of %d", r.Slots, r.Width)
	}
}

// Neurons stand where they belong, in both halves of a fused tensor too.
func TestNeurons(t *testing.T) {
	row := func(v float32) []float32 { return slices.Repeat([]float32{v}, 64) }
	for _, s := range []shape{
		{arch: "llama", embd: 64, ff: 96, layers: 2, gate: true, typ: gguf.F32},
		{arch: "chatglm", embd: 64, ff: 96, layers: 2, fused: true, typ: gguf.F32},
		{arch: "gpt2", embd: 64, ff: 96, layers: 2, biases: true, typ: gguf.F32},
	} {
		t.Run(s.arch, func(t *testing.T) {
			f := s.file(t)
			n := ffn.Neuron{Up: row(2), Down: row(3)}
			if s.gate || s.fused {
				n.Gate = row(1)
			}
			if s.biases {
				n.UpBias = 5
			}
			if s.gate {
				n.GateBias, n.UpBias = 4, 5
			}
			g, r := remade(t, f, ffn.Widen{}, 2, map[int64]ffn.Neuron{97: n, 4: n}, nil)
			for _, slot := range []int{97, 4} {
				up := floats(t, g, "blk.1.ffn_up.weight")
				if s.fused {
					up = up[int(r.Width)*64:]
					checkAll(t, "gate half", floats(t, g, "blk.1.ffn_up.weight")[slot*64:][:64], 1)
				}
				checkAll(t, "up", up[slot*64:][:64], 2)
				if s.gate {
					checkAll(t, "gate", floats(t, g, "blk.1.ffn_gate.weight")[slot*64:][:64], 1)
					checkAll(t, "gate bias", floats(t, g, "blk.1.ffn_gate.bias")[slot:][:1], 4)
				}
				if s.gate || s.biases {
					checkAll(t, "up bias", floats(t, g, "blk.1.ffn_up.bias")[slot:][:1], 5)
				}
				down := floats(t, g, "blk.1.ffn_down.weight")
				for i := range 64 {
					checkAll(t, "down", down[i*int(r.Width)+slot:][:1], 3)
				}
			}
			for _, name := range []string{"blk.0.ffn_up.weight", "blk.0.ffn_down.weight"} {
				for _, v := range floats(t, g, name) {
					if v == 2 || v == 3 {
						t.Errorf("%s holds a neuron", name)
					}
				}
			}
		})
	}
}

func checkAll(t *testing.T, what string, got []float32, want float32) {
	t.Helper()
	for _, v := range got {
		if v != want {
			t.Fatalf("%s is %g, not %g", what, v, want)
		}
	}
}

func floats(t *testing.T, f *gguf.File, name string) []float32 {
	t.Helper()
	b := data(t, f, name)
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// Deci widens the last layer alone and renames every key.
func TestDeci(t *testing.T) {
	f := llamaShape(gguf.Q4_1).file(t)
	g, r := remade(t, f, ffn.Deci{}, 5, nil, nil)
	if !slices.Equal(r.Pad, []int64{0, 256}) {
		t.Errorf("layers grow by %v", r.Pad)
	}
	if arch, _ := g.String("general.architecture"); arch != "deci" {
		t.Errorf("the architecture is %s", arch)
	}
	if n, err := g.Ints("deci.feed_forward_length"); err != nil || !slices.Equal(n, []int64{256, 512}) {
		t.Errorf("widths %v, %v", n, err)
	}
	if n, err := g.Uint("deci.context_length"); err != nil || n != 64 {
		t.Errorf("context_length %d, %v", n, err)
	}
	for _, kv := range g.KV {
		if strings.HasPrefix(kv.Key, "llama.") {
			t.Errorf("%s stayed", kv.Key)
		}
	}
	if !bytes.Equal(data(t, f, "blk.0.ffn_down.weight"), data(t, g, "blk.0.ffn_down.weight")) {
		t.Error("the first layer changed")
	}
	// once more, on what is deci already
	_, r = remade(t, g, ffn.Deci{}, 1, nil, nil)
	if !slices.Equal(r.Pad, []int64{0, 256}) {
		t.Errorf("layers of the written file grow by %v", r.Pad)
	}
}

func TestRefusals(t *testing.T) {
	halves := gguf.ValueOf(uint32(300))
	for name, s := range map[string]shape{
		"mixture": {arch: "llama", embd: 32, ff: 64, layers: 1, gate: true, experts: true},
		"up":      {arch: "llama", embd: 32, ff: 64, layers: 1, gate: true, upMore: 1},
		"key":     {arch: "llama", embd: 32, ff: 64, layers: 1, gate: true, lengths: &halves},
	} {
		if _, err := ffn.Read(s.file(t)); !errors.Is(err, ffn.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := llamaShape(gguf.Q4_K).file(t)
	m, err := ffn.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]ffn.Strategy{
		"pad":        ffn.Widen{Pad: 32},
		"small pad":  ffn.Widen{Pad: 256, Free: []int64{1}},
		"free":       ffn.Widen{Free: []int64{256}},
		"reuse few":  ffn.Reuse{Order: []int64{1}},
		"reuse same": ffn.Reuse{Order: slices.Repeat([]int64{1}, 300)},
		"narrow":     ffn.Narrow{By: 256},
	} {
		if _, err := s.Room(f, m, 258); !errors.Is(err, ffn.ErrRoom) {
			t.Errorf("%s: %v", name, err)
		}
	}
	qwen := shape{arch: "qwen2", embd: 32, ff: 64, layers: 1, gate: true}.file(t)
	m, err = ffn.Read(qwen)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (ffn.Deci{}).Room(qwen, m, 1); !errors.Is(err, ffn.ErrUnsupported) {
		t.Errorf("deci of qwen2: %v", err)
	}
	r, err := ffn.Widen{}.Room(qwen, m, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]ffn.Neuron{
		"bias":  {GateBias: 1},
		"short": {Up: make([]float32, 3)},
	} {
		if _, err := r.Edits(noQuantizer{}, map[int64]ffn.Neuron{64: n}, nil); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// The widths of qwen are half of what its key says.
func TestQwenKey(t *testing.T) {
	double := gguf.ValueOf(uint32(512))
	f := shape{arch: "qwen", embd: 32, ff: 256, layers: 2, gate: true, lengths: &double}.file(t)
	g, _ := remade(t, f, ffn.Widen{}, 1, nil, nil)
	if n, err := g.Uint("qwen.feed_forward_length"); err != nil || n != 1024 {
		t.Errorf("feed_forward_length is %d, %v", n, err)
	}
}
