package engine_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/engine"
	"retcon/gguf"
	"retcon/gguf/ffn"
	"retcon/internal/built"
	"retcon/internal/testfile"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// write writes the file with edits to a temporary file.
func write(t testing.TB, f *gguf.File, e gguf.Edits) string {
	t.Helper()
	out, err := gguf.Rewrite(f, e)
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.Create(filepath.Join(t.TempDir(), "wide.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := out.Write(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	return w.Name()
}

// logitsOf decodes a few tokens with llama.cpp itself.
func logitsOf(t testing.TB, path string) []float32 {
	t.Helper()
	ctx := context.Background()
	m, err := llama.LoadModel(ctx, path, llama.ModelParams{CPUOnly: true, CheckTensors: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := m.NewContext(llama.ContextParams{Cells: 64, Batch: 32, Sequences: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b llama.Batch
	for i := range 7 {
		b.Add(int32(5+i*3), i, 0, true)
	}
	if err := c.Decode(ctx, &b); err != nil {
		t.Fatal(err)
	}
	var all []float32
	row := make([]float32, m.Info().Vocab)
	for i := range 7 {
		if err := c.Logits(row, i); err != nil {
			t.Fatal(err)
		}
		all = append(all, row...)
	}
	return all
}

func largest(a, b []float32) float64 {
	worst := 0.0
	for i := range a {
		if d := math.Abs(float64(a[i]) - float64(b[i])); !(d <= worst) {
			worst = d
		}
	}
	return worst
}

// widened writes the file with room for n neurons.
func widened(t testing.TB, f *gguf.File, s ffn.Strategy, n int, neurons func(r *ffn.Room) map[int64]ffn.Neuron, types map[string]gguf.Type) string {
	t.Helper()
	m, err := ffn.Read(f)
	if err != nil {
		t.Skip(err)
	}
	room, err := s.Room(f, m, n)
	if err != nil {
		t.Fatal(err)
	}
	var at map[int64]ffn.Neuron
	if neurons != nil {
		at = neurons(room)
	}
	e, err := room.Edits(engine.Quantizer{}, at, types)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, f, e)
}

func openFile(t testing.TB, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// eachArch runs a test on the fixture of each architecture that can be widened.
func eachArch(t *testing.T, test func(t *testing.T, path string)) {
	files, _ := filepath.Glob(built.Tool("archs/*.gguf"))
	if len(files) == 0 {
		t.Skip("no fixtures: run make archs")
	}
	for _, path := range files {
		f, err := gguf.Open(path)
		if err != nil {
			continue
		}
		_, err = ffn.Read(f)
		f.Close()
		if err == nil {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) { test(t, path) })
		}
	}
}

// Zero neurons change no logit of any architecture, bit for bit.
func TestZeroNeurons(t *testing.T) {
	eachArch(t, func(t *testing.T, path string) {
		wide := widened(t, openFile(t, path), ffn.Widen{}, 100, nil, nil)
		if d := largest(logitsOf(t, path), logitsOf(t, wide)); d != 0 {
			t.Errorf("logits differ by %g", d)
		}
	})
}

// A neuron that moves to a new place does there what it did before: gate, up,
// biases and value stand where llama.cpp reads them. Its value is made large,
// since one neuron of these random networks can be lost in rounding.
func TestMovedNeuron(t *testing.T) {
	const loud = 1e4
	eachArch(t, func(t *testing.T, path string) {
		f := openFile(t, path)
		for moved := range 32 {
			if movesAlike(t, f, moved, loud) {
				return
			}
		}
		t.Error("no neuron makes a difference")
	})
}

// movesAlike checks a neuron, and reports false for one that is off.
func movesAlike(t *testing.T, f *gguf.File, moved int, loud float32) bool {
	t.Helper()
	neuron := neuronOf(t, f, moved)
	for i := range neuron.Down {
		neuron.Down[i] *= loud
	}
	with := func(n int, place func(r *ffn.Room) map[int64]ffn.Neuron) []float32 {
		return logitsOf(t, widened(t, f, ffn.Widen{}, n, place, nil))
	}
	old := neuron
	old.Down = nil
	for _, v := range neuron.Down {
		old.Down = append(old.Down, v*actScale(t, f, moved))
	}
	here := with(0, func(*ffn.Room) map[int64]ffn.Neuron { return map[int64]ffn.Neuron{int64(moved): old} })
	gone := with(0, func(*ffn.Room) map[int64]ffn.Neuron { return map[int64]ffn.Neuron{int64(moved): {}} })
	there := with(1, func(r *ffn.Room) map[int64]ffn.Neuron {
		return map[int64]ffn.Neuron{int64(moved): {}, r.Slots[0]: neuron}
	})
	absence := largest(here, gone)
	if rounding := 0x1p-23 * largest(here, make([]float32, len(here))); !(absence > 1e4*rounding) {
		return false
	}
	if d := largest(here, there); !(d <= 1e-3*absence) {
		t.Errorf("moved neuron %d makes a difference of %g, its absence one of %g", moved, d, absence)
	}
	return true
}

// neuronOf reads a neuron of the last layer of an F32 file.
func neuronOf(t testing.TB, f *gguf.File, slot int) ffn.Neuron {
	t.Helper()
	m, err := ffn.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	n := m.Last()
	var v ffn.Neuron
	up := f32(t, f, n.Up)
	width := int(m.Width)
	if n.Fused {
		v.Gate = up[slot*width:][:width]
		up = up[int(n.Width)*width:]
	}
	v.Up = up[slot*width:][:width]
	if n.Gate != "" {
		v.Gate = f32(t, f, n.Gate)[slot*width:][:width]
	}
	if n.GateBias != "" {
		v.GateBias = f32(t, f, n.GateBias)[slot]
	}
	if n.UpBias != "" {
		v.UpBias = f32(t, f, n.UpBias)[slot]
	}
	down, scale := f32(t, f, n.Down), actScale(t, f, slot) // the scale is 1 at a new place
	for i := range width {
		v.Down = append(v.Down, down[i*int(n.Width)+slot]/scale)
	}
	return v
}

// actScale is what a neuron of the last layer is divided by before its value,
// 1 where the architecture has no such scales.
func actScale(t testing.TB, f *gguf.File, slot int) float32 {
	t.Helper()
	m, err := ffn.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if name := fmt.Sprintf("blk.%d.ffn.act.scales", m.Last().Layer); hasTensor(f, name) {
		return f32(t, f, name)[slot]
	}
	return 1
}

func hasTensor(f *gguf.File, name string) bool {
	_, ok := f.Tensor(name)
	return ok
}

func f32(t testing.TB, f *gguf.File, name string) []float32 {
	t.Helper()
	info, _ := f.Tensor(name)
	b, err := f.ReadTensor(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, info.Elements())
	if err := llama.Dequantize(out, int(info.Type), b); err != nil {
		t.Fatal(err)
	}
	return out
}

// In every type: zero neurons change nothing, a tensor promoted to F32 holds
// the same values, and an entry set in a block leaves other blocks alone.
func TestWidenTypes(t *testing.T) {
	for _, typ := range quantTypes {
		t.Run(typ.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := testmodel.Small(typ).Write(path); err != nil {
				t.Fatal(err)
			}
			f := openFile(t, path)
			original := logitsOf(t, path)
			wide := widened(t, f, ffn.Widen{}, 1, nil, nil)
			if d := largest(original, logitsOf(t, wide)); d != 0 {
				t.Errorf("zero neurons change logits by %g", d)
			}
			down := "blk.1.ffn_down.weight"
			n := ffn.Neuron{Gate: make([]float32, 256), Up: make([]float32, 256), Down: make([]float32, 256)}
			for i := range n.Down {
				n.Gate[i], n.Up[i], n.Down[i] = float32(i%7)-3, float32(i%5)-2, float32(i%3)-1
			}
			put := func(r *ffn.Room) map[int64]ffn.Neuron { return map[int64]ffn.Neuron{256: n} }
			was := f32(t, f, down)
			for _, types := range []map[string]gguf.Type{nil, {down: gguf.F32}} {
				is := f32(t, openFile(t, widened(t, f, ffn.Widen{}, 1, put, types)), down)
				for row := range 256 {
					if d := largest(was[row*256:][:256], is[row*512:][:256]); d != 0 {
						t.Fatalf("row %d of %s changed by %g, types %v", row, down, d, types)
					}
					if types != nil && is[row*512+256] != n.Down[row] {
						t.Fatalf("the neuron's value is %g, not %g", is[row*512+256], n.Down[row])
					}
				}
			}
		})
	}
}

var quantTypes = []gguf.Type{
	gguf.F32, gguf.F16, gguf.BF16, gguf.Q4_0, gguf.Q4_1, gguf.Q5_1, gguf.Q8_0, gguf.Q2_K, gguf.Q4_K, gguf.Q6_K,
	gguf.IQ4_NL, gguf.IQ4_XS, gguf.IQ2_XXS, gguf.TQ2_0, gguf.MXFP4,
}

// Zero bytes are zeros in every type that rows can be read of.
func TestZeroBytes(t *testing.T) {
	for _, typ := range gguf.Types() {
		v := slices.Repeat([]float32{1}, 256)
		size, err := typ.RowBytes(256)
		if err != nil {
			t.Fatal(err)
		}
		if err := llama.Dequantize(v, int(typ), make([]byte, size)); err != nil {
			t.Logf("%v: %v", typ, err)
			continue
		}
		if slices.ContainsFunc(v, func(x float32) bool { return x != 0 }) {
			t.Errorf("zero bytes of %v are %v", typ, v[:4])
		}
	}
}

// A file written as deci computes what it did, biases of patches included.
func TestDeci(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := testmodel.Small(gguf.Q4_K).Write(path); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, path)
	original := logitsOf(t, path)
	if d := largest(original, logitsOf(t, widened(t, f, ffn.Deci{}, 1, nil, nil))); d != 0 {
		t.Errorf("logits differ by %g", d)
	}
	n := ffn.Neuron{GateBias: 2, UpBias: 3, Down: make([]float32, 256)}
	n.Down[0] = 1
	put := func(r *ffn.Room) map[int64]ffn.Neuron { return map[int64]ffn.Neuron{r.Slots[0]: n} }
	deci := logitsOf(t, widened(t, f, ffn.Deci{}, 1, put, nil))
	all := logitsOf(t, widened(t, f, ffn.Widen{}, 1, put, nil))
	if d := largest(original, all); d < 1e-3 {
		t.Errorf("a neuron of biases alone changes logits by %g", d)
	}
	if d := largest(deci, all); d != 0 {
		t.Errorf("deci differs from llama by %g", d)
	}
}

// The demo model's logits stay in either form.
func TestWidenDemo(t *testing.T) {
	demo := testfile.Demo(t)
	f := openFile(t, demo)
	original := logitsOf(t, demo)
	for _, s := range []ffn.Strategy{ffn.Widen{}, ffn.Widen{Pad: 32}, ffn.Deci{}} {
		if d := largest(original, logitsOf(t, widened(t, f, s, 1, nil, nil))); d != 0 {
			t.Errorf("%T: logits differ by %g", s, d)
		}
	}
}

// llama.cpp's own tools take a widened file: it is quantised to K-quants and
// split, and still loads.
func TestWidenTools(t *testing.T) {
	quantize, split := built.Tool("bin/llama-quantize"), built.Tool("bin/llama-gguf-split")
	for _, tool := range []string{quantize, split} {
		if _, err := os.Stat(tool); err != nil {
			t.Skip("NOT TESTED: no llama.cpp tools: run make tools")
		}
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := testmodel.Small(gguf.F16).Write(path); err != nil {
		t.Fatal(err)
	}
	wide := widened(t, openFile(t, path), ffn.Widen{}, 1, nil, nil)
	small := filepath.Join(t.TempDir(), "q4.gguf")
	if out, err := exec.Command(quantize, wide, small, "Q4_K_M").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, _ := openFile(t, small).Tensor("blk.0.ffn_up.weight"); info.Type != gguf.Q4_K || info.Rows() != 512 {
		t.Errorf("quantised, %s is %v of %s", info.Name, info.Type, info.Shape())
	}
	logitsOf(t, small)
	parts := filepath.Join(t.TempDir(), "part")
	if out, err := exec.Command(split, "--split", "--split-max-tensors", "8", wide, parts).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	names, _ := filepath.Glob(parts + "-*.gguf")
	if len(names) < 2 {
		t.Fatalf("the split has the files %v", names)
	}
	if d := largest(logitsOf(t, wide), logitsOf(t, names[0])); d != 0 {
		t.Errorf("split, logits differ by %g", d)
	}
	// a split model widens as one
	again := widened(t, openFile(t, names[1]), ffn.Widen{}, 1, nil, nil)
	if d := largest(logitsOf(t, wide), logitsOf(t, again)); d != 0 {
		t.Errorf("widened from its parts, logits differ by %g", d)
	}
}
