package replay_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/graph"
	"retcon/internal/built"
	"retcon/llama"
	"retcon/replay"
)

var archDir = built.Tool("archs")

// archRow is a line of the table: an architecture and, for each kind of site,
// the worst over its layers.
type archRow struct {
	name    string
	refused string
	replay  map[string]float64
	grad    map[string]float64
	hooks   map[string]float64
	missing map[string]string
}

var siteKinds = []string{"embedding", "key", "ffn", "attention", "residual"}

// sitesOf lists the sites of a decode by kind.
func sitesOf(s *graph.Sites) map[string][]graph.ID {
	m := map[string][]graph.ID{"embedding": {s.Embedding}}
	for _, l := range s.Layers {
		m["key"] = append(m["key"], l.Key)
		m["ffn"] = append(m["ffn"], l.FFN)
		m["attention"] = append(m["attention"], l.Attention)
		m["residual"] = append(m["residual"], l.Residual)
	}
	return m
}

// architecturesCovered is the number of fixtures of llama.cpp v0.5.0 whose every
// site is found, replayed and differentiated. It only grows.
const architecturesCovered = 62

func TestArchitectures(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(archDir, "*.gguf"))
	if len(files) == 0 {
		t.Skip("no fixtures: run make archs")
	}
	var rows []archRow
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".gguf")
		t.Run(name, func(t *testing.T) {
			rows = append(rows, testArch(t, name, f))
		})
	}
	text := archTable(rows)
	t.Log("\n" + text)
	covered := 0
	for _, r := range rows {
		if r.refused == "" && len(r.replay) == len(siteKinds) {
			covered++
		}
	}
	// with -run on one of them there are fewer rows
	if len(rows) == len(files) && covered < architecturesCovered {
		t.Errorf("%d architectures are covered, %d were", covered, architecturesCovered)
	}
	if out := os.Getenv("RETCON_ARCH_TABLE"); out != "" {
		if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func testArch(t *testing.T, name, path string) archRow {
	row := archRow{name: name, replay: map[string]float64{}, grad: map[string]float64{}, hooks: map[string]float64{}, missing: map[string]string{}}
	ctx := context.Background()
	m, err := llama.LoadModel(ctx, path, llama.ModelParams{CPUOnly: true})
	if err != nil {
		row.refused = "does not load"
		return row
	}
	defer m.Close()
	c, err := m.NewContext(llama.ContextParams{Cells: 64, Batch: 32, Sequences: 2})
	if err != nil {
		row.refused = "no context"
		return row
	}
	defer c.Close()
	if err := replay.Supported(m.Info()); err != nil {
		row.refused = err.Error()
		return row
	}
	d, err := replay.Record(ctx, c, twoSequences(t, c, m.Info().Vocab))
	if err != nil {
		if !errors.Is(err, llama.ErrUnsupported) {
			t.Error(err)
		}
		row.refused = err.Error()
		return row
	}
	for kind, ids := range sitesOf(d.Sites) {
		for i, id := range ids {
			if id < 0 {
				row.missing[kind] = "no site"
				t.Errorf("layer %d has no %s", i, kind)
				continue
			}
			e, g, err := checkSite(d, id)
			if err != nil {
				row.missing[kind] = err.Error()
				t.Errorf("%s of layer %d: %v", kind, i, err)
				continue
			}
			h, err := checkHooks(d, id)
			if err != nil {
				t.Errorf("%s of layer %d: hooks: %v", kind, i, err)
			}
			row.replay[kind] = max(row.replay[kind], e)
			row.grad[kind] = max(row.grad[kind], g)
			row.hooks[kind] = max(row.hooks[kind], h)
			if e != 0 || h != 0 || !(g < 1e-2) {
				t.Errorf("%s of layer %d: replay differs by %g, from hooks by %g, gradient by %g", kind, i, e, h, g)
			}
		}
	}
	return row
}

// checkSite gives the largest difference of a replay's logits from the
// decode's, and the relative error of the gradient along a random direction.
func checkSite(d *replay.Decode, site graph.ID) (replayError, gradError float64, err error) {
	ctx := context.Background()
	b, err := replay.NewBelow(ctx, d, site, true)
	if err != nil {
		return 0, 0, err
	}
	defer b.Close()
	x := b.Original()
	ls := b.LogitsShape()
	logits := make([]float32, ls[0]*ls[1])
	if err := b.Run(ctx, x, logits); err != nil {
		return 0, 0, err
	}
	if replayError, err = fromDecode(d, logits); err != nil {
		return 0, 0, err
	}
	rng := rand.New(rand.NewPCG(1, uint64(site)))
	seed := make([]float32, len(logits))
	for i := range seed {
		seed[i] = float32(rng.NormFloat64())
	}
	grad := make([]float32, len(x))
	if err := b.Gradient(ctx, x, seed, grad); err != nil {
		return 0, 0, err
	}
	gradError, err = directional(ctx, b, x, seed, grad, logits, rng)
	return replayError, gradError, err
}

// checkHooks changes rows of a site with hooks in a real decode and in a
// replay, and gives the largest difference of the logits. Captured rows must be
// the replay's own value of the site.
func checkHooks(d *replay.Decode, site graph.ID) (float64, error) {
	ctx := context.Background()
	b, err := replay.NewBelow(ctx, d, site, false)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	place, err := llama.PlaceOf(d.Graph, site)
	if err != nil {
		return 0, err
	}
	x, width := b.Original(), int(b.SiteShape()[0])
	last := int(b.SiteShape()[1]) - 1
	add, set, seen := make([]float32, width), make([]float32, width), make([]float32, width)
	for i := range width {
		add[i] = float32(math.Sin(float64(i))) * 0.3
		set[i] = x[i] * 0.5
	}
	hooks := []llama.Hook{
		{Place: place, Action: llama.Capture, Width: width, Rows: []int32{int32(last)}, Data: seen},
		{Place: place, Action: llama.Add, Width: width, Rows: []int32{int32(last)}, Data: add},
		{Place: place, Action: llama.Set, Width: width, Rows: []int32{0}, Data: set},
	}
	if err := d.Rewind(); err != nil {
		return 0, err
	}
	if err := d.Context.DecodeHooked(ctx, &d.Batch, hooks); err != nil {
		return 0, err
	}
	for i, v := range seen {
		if v != x[last*width+i] {
			return 0, fmt.Errorf("captured %g where the decode had %g", v, x[last*width+i])
		}
		x[last*width+i] += add[i]
	}
	copy(x, set)
	ls := b.LogitsShape()
	logits := make([]float32, ls[0]*ls[1])
	if err := b.Run(ctx, x, logits); err != nil {
		return 0, err
	}
	diff, err := fromDecode(d, logits)
	if err != nil {
		return 0, err
	}
	// leave the decode as it was recorded
	if err := d.Rewind(); err != nil {
		return 0, err
	}
	return diff, d.Context.Decode(ctx, &d.Batch)
}

// fromDecode compares logits with those of the decode.
func fromDecode(d *replay.Decode, logits []float32) (float64, error) {
	n := d.Context.Model().Info().Vocab
	row := make([]float32, n)
	worst, r := 0.0, 0
	for i, want := range d.Batch.Logits {
		if !want {
			continue
		}
		if err := d.Context.Logits(row, i); err != nil {
			return 0, err
		}
		for j, v := range row {
			diff := math.Abs(float64(v - logits[r*n+j]))
			if !(diff <= worst) {
				worst = diff
			}
		}
		r++
	}
	return worst, nil
}

// directional compares grad with four-point central differences of Σ seed·logits
// along the gradient's own direction mixed with a random one. The step is such
// that the loss changes by about 1, where one logit's weight in it is about 1:
// well above the resolution of ggml's F16 tables, and the same at a site whose
// output a scale behind it makes small.
func directional(ctx context.Context, b *replay.Below, x, seed, grad, logits []float32, rng *rand.Rand) (float64, error) {
	dir := make([]float64, len(x))
	gn := 0.0
	for i := range x {
		gn += float64(grad[i]) * float64(grad[i])
	}
	gn = math.Sqrt(gn)
	if gn == 0 || math.IsNaN(gn) {
		return math.NaN(), fmt.Errorf("the gradient's norm is %g", gn)
	}
	norm := 0.0
	for i := range dir {
		dir[i] = float64(grad[i])/gn + rng.NormFloat64()/math.Sqrt(float64(len(x)))
		norm += dir[i] * dir[i]
	}
	norm = math.Sqrt(norm)
	want := 0.0
	for i := range dir {
		dir[i] /= norm
		want += dir[i] * float64(grad[i])
	}
	at := make([]float32, len(x))
	loss := func(h float64) (float64, error) {
		for i := range at {
			at[i] = x[i] + float32(h*dir[i])
		}
		if err := b.Run(ctx, at, logits); err != nil {
			return 0, err
		}
		sum := 0.0
		for i, l := range logits {
			sum += float64(l) * float64(seed[i])
		}
		return sum, nil
	}
	best := math.Inf(1)
	for _, change := range []float64{1, 0.25, 4} {
		h := change / math.Abs(want)
		var f [4]float64
		for i, k := range []float64{-2, -1, 1, 2} {
			var err error
			if f[i], err = loss(k * h); err != nil {
				return 0, err
			}
		}
		got := (f[0] - 8*f[1] + 8*f[2] - f[3]) / (12 * h)
		best = min(best, math.Abs(got-want)/math.Abs(want))
		if best < 1e-3 {
			break
		}
	}
	return best, nil
}

func archTable(rows []archRow) string {
	var b strings.Builder
	b.WriteString("| architecture | " + strings.Join(siteKinds, " | ") + " |\n|---|---|---|---|---|---|\n")
	slices.SortStableFunc(rows, func(a, b archRow) int { return cmp.Compare(min(len(a.refused), 1), min(len(b.refused), 1)) })
	for _, r := range rows {
		if r.refused != "" {
			fmt.Fprintf(&b, "| %s | refused: %s | | | | |\n", r.name, strings.TrimPrefix(r.refused, "unsupported: "))
			continue
		}
		fmt.Fprintf(&b, "| %s |", r.name)
		for _, k := range siteKinds {
			if why, ok := r.missing[k]; ok {
				fmt.Fprintf(&b, " %s |", why)
				continue
			}
			fmt.Fprintf(&b, " %.2g, %.2g, %.1e |", r.replay[k], r.hooks[k], r.grad[k])
		}
		b.WriteString("\n")
	}
	return b.String()
}
