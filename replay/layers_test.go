package replay_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/graph"
	"retcon/internal/testmodel"
	"retcon/llama"
	"retcon/replay"
)

// logitsOf runs layers over a decode, and the head after them.
func logitsOf(t *testing.T, l *replay.Layered, h *replay.Head, layers ...int) []float32 {
	t.Helper()
	x := l.Begin()
	if err := l.Run(context.Background(), x, layers...); err != nil {
		t.Fatal(err)
	}
	var out []float32
	if err := h.Each(context.Background(), x, func(_ int, logits []float32) { out = append(out, logits...) }); err != nil {
		t.Fatal(err)
	}
	return out
}

// layered is a decode of a batch as layers and a head of as many rows.
func layered(t *testing.T, c *llama.Context, b llama.Batch) (*replay.Decode, *replay.Layered, *replay.Head) {
	t.Helper()
	ctx := context.Background()
	h, err := replay.NewHead(ctx, c, b.Len())
	if err != nil {
		t.Fatal(err)
	}
	d, err := replay.Record(ctx, c, b)
	if err != nil {
		t.Fatal(err)
	}
	l, err := replay.NewLayered(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	return d, l, h
}

func inOrder(layers int) []int {
	var out []int
	for i := range layers {
		out = append(out, i)
	}
	return out
}

// A layer left out is a real decode in which hooks make both its modules'
// outputs nothing, where modules are only added to the stream.
func TestDroppedLayerEqualsHooks(t *testing.T) {
	m := tinyModel(t)
	c := newContext(t, m)
	b := prompt([]int32{3, 99, 41, 7, 150, 12}, 0, 0)
	b.Add(8, 0, 1, true)
	b.Add(27, 1, 1, true)
	d, l, h := layered(t, c, b)
	width, vocab := m.Info().Width, m.Info().Vocab
	all := make([]int32, b.Len())
	for i := range all {
		all[i] = int32(i)
	}
	for drop, sites := range d.Sites.Layers {
		got := logitsOf(t, l, h, slices.Delete(inOrder(m.Info().Layers), drop, drop+1)...)
		other := newContext(t, m)
		var hooks []llama.Hook
		for _, site := range []graph.ID{sites.Attention, sites.FFN} {
			place, err := llama.PlaceOf(d.Graph, site)
			if err != nil {
				t.Fatal(err)
			}
			hooks = append(hooks, llama.Hook{Place: place, Action: llama.Set, Width: width, Rows: all, Data: make([]float32, width)})
		}
		if err := other.DecodeHooked(context.Background(), &b, hooks); err != nil {
			t.Fatal(err)
		}
		want := make([]float32, b.Len()*vocab)
		for i := range b.Len() {
			if err := other.Logits(want[i*vocab:][:vocab], i); err != nil {
				t.Fatal(err)
			}
		}
		if e := apart(got, want); e != 0 {
			t.Errorf("without layer %d: %g from the same with hooks", drop, e)
		}
	}
}

// Two layers exchanged are the model whose file has them exchanged.
func TestExchangedLayersEqualFile(t *testing.T) {
	tiny := testmodel.Small(gguf.F32)
	tiny.Layers = 4
	src := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := tiny.Write(src); err != nil {
		t.Fatal(err)
	}
	c := newContext(t, load(t, src))
	b := prompt([]int32{3, 99, 41, 7, 150, 12}, 0, 0)
	d, l, h := layered(t, c, b)
	whole := logitsOf(t, l, h, inOrder(4)...)
	for i := range 3 {
		order := inOrder(4)
		order[i], order[i+1] = i+1, i
		got := logitsOf(t, l, h, order...)
		dst := filepath.Join(t.TempDir(), "exchanged.gguf")
		if err := testmodel.Exchange(dst, src, i, i+1); err != nil {
			t.Fatal(err)
		}
		if e := apart(got, decoded(t, newContext(t, load(t, dst)), d.Batch)); e != 0 {
			t.Errorf("layers %d and %d: %g from the file", i, i+1, e)
		}
		if e := apart(got, whole); !(e > 1e-3) {
			t.Errorf("layers %d and %d: %g from the layers in order", i, i+1, e)
		}
	}
}

// layersByNumber lists architectures whose layers do something by their number
// and not by their weights: only some have rotary positions. There a layer moved
// brings its own along, and a file with the weights exchanged is another
// experiment.
var layersByNumber = map[string]bool{"cohere2-dense": true, "muse-glimmer-dense": true}

// headless lists architectures whose logits read more than the last residual
// stream.
var headless = map[string]bool{"talkie-dense": true}

// In order the layers are the decode, and exchanged they are the file with
// their weights exchanged, for every architecture, bit for bit.
func TestLayeredArchitectures(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(archDir, "*.gguf"))
	if len(files) == 0 {
		t.Skip("no fixtures: run make archs")
	}
	covered := 0
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".gguf")
		t.Run(name, func(t *testing.T) {
			d := recordArch(t, f)
			switch {
			case d == nil:
			case headless[name]:
				if _, err := replay.NewHead(context.Background(), newContext(t, d.Context.Model()), 4); !errors.Is(err, llama.ErrUnsupported) {
					t.Errorf("got %v", err)
				}
			default:
				covered++
				checkLayered(t, f, d, layersByNumber[name])
			}
		})
	}
	if want := architecturesCovered - len(headless); len(files) > 100 && covered < want {
		t.Errorf("%d architectures are covered, %d were", covered, want)
	}
}

func checkLayered(t *testing.T, file string, d *replay.Decode, byNumber bool) {
	d, l, h := layered(t, newContext(t, d.Context.Model()), d.Batch)
	layers := len(d.Sites.Layers)
	whole := logitsOf(t, l, h, inOrder(layers)...)
	diff, err := fromDecode(d, whole)
	if err != nil {
		t.Fatal(err)
	}
	if diff != 0 {
		t.Errorf("the layers in order differ from the decode by %g", diff)
	}
	for i := range layers - 1 {
		order := inOrder(layers)
		order[i], order[i+1] = i+1, i
		got := logitsOf(t, l, h, order...)
		if e := apart(got, whole); !(e > 1e-5) {
			t.Errorf("layers %d and %d: %g from the layers in order", i, i+1, e)
		}
		dst := filepath.Join(t.TempDir(), "exchanged.gguf")
		if err := testmodel.Exchange(dst, file, i, i+1); err != nil {
			t.Fatal(err)
		}
		want := decoded(t, newContext(t, load(t, dst)), d.Batch)
		if e := apart(got, want); e != 0 && !byNumber || !(e < 1e-3) {
			t.Errorf("layers %d and %d: %g from the file", i, i+1, e)
		}
	}
}
