package replay

import (
	"context"
	"runtime/metrics"
	"strings"

	"retcon/graph"
	"retcon/llama"
)

// DefaultMemory is what a process may hold beyond the model's file where nothing
// else is asked for: 512 MiB.
const DefaultMemory = 512 << 20

// ProcessBytes is what a process holds with a model of so many tokens loaded, and
// small things that are not counted one by one while it works: programs' tables,
// threads' panels, stacks. Measured with vocabularies of 49,152 and of 262,144 tokens:
// 59 and 145 MiB before any work is done, so 420 bytes a token, and up to 19 MiB above
// what is counted while an edit or a trace runs.
func ProcessBytes(vocab int) int64 { return 58<<20 + 426*int64(vocab) }

// Memory divides what a process may hold beyond the model's file. Bytes.
type Memory struct {
	Asked   int64 // in all
	Process int64 // ProcessBytes
	Context int64 // for a context: its cache, logits, llama.cpp's own buffer
}

// Free is what is left for values, gradients and copies of weights; negative where
// process and context alone are more than was asked for.
func (m Memory) Free() int64 { return m.Asked - m.Process - m.Context }

// HeapGrowth is how many times the values in use Go's heap may grow to before the
// collector runs. It is the program's to set, by GOGC; where that is off, the heap
// is bounded by other means.
func HeapGrowth() float64 {
	percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(percent)
	if v := percent[0].Value; v.Kind() == metrics.KindUint64 && v.Uint64() <= 100 {
		return 1 + float64(v.Uint64())/100
	}
	return 2
}

// HeapBytes is how large Go's heap may grow for values of so many bytes.
func HeapBytes(values int64) int64 { return int64(float64(values) * HeapGrowth()) }

// Shape is what the memory of experiments on a model follows from.
type Shape struct {
	graph.Widths
	Layers  int
	Cached  int   // the longest key or value of a token in a layer's cache, in numbers
	Cell    int64 // bytes of a token in the cache, all layers
	Queries int   // heads of attention in a layer
	// Weights are the elements of all matrices that a decode multiplies with,
	// Layered of those in layers: all but the output matrix.
	Weights, Layered int64
	// Own: the bridge's own kernel takes every one of them as it is, so that none
	// needs a copy or a transpose.
	Own bool
}

// ShapeOf reads the shape off the sketch of a decode of one token. The context is
// empty, and left so.
func ShapeOf(ctx context.Context, c *llama.Context) (Shape, error) {
	var b llama.Batch
	b.Add(0, 0, 0, true)
	d, err := sketch(ctx, c, b)
	if err != nil {
		return Shape{}, err
	}
	s := Shape{Widths: d.Sites.Widths(d.Graph), Layers: len(d.Sites.Layers), Queries: c.Model().Info().Heads, Own: c.OwnKernel(graph.F32)}
	cells := int64(c.Params().Cells)
	for _, bytes := range d.caches() {
		s.Cached = max(s.Cached, int(bytes/cells/int64(graph.F32.Size())))
		s.Cell += bytes / cells
	}
	for _, id := range weightsOf(d.Graph) {
		w := d.Graph.Node(id)
		s.Own = s.Own && c.OwnKernel(w.Type)
		s.Weights += w.Elements()
		if strings.HasPrefix(w.Name, "blk.") {
			s.Layered += w.Elements()
		}
	}
	return s, nil
}

// ContextBytes is what a context of sizes p holds that decodes nothing: its cache and
// its rows of logits.
func (s Shape) ContextBytes(p llama.ContextParams) int64 {
	return int64(p.Cells)*s.Cell + int64(p.Outputs)*int64(s.Logits)*int64(graph.F32.Size())
}
