package llama

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"

	"retcon/graph"
)

// Cost is the time of all nodes of one operator and shape, over all runs, or
// of all decodes of one size.
type Cost struct {
	Op      string // an operator of programs, "decode", or "copy" or "transpose" of a weight
	Shape   string // of the product's weight and rows, of what else is computed, or of the batch
	Nodes   int    // nodes that ran, or decodes
	Seconds float64
	FLOP    float64 // of products; 0 for the rest
}

// Profile collects where the native side spends its time. Programs run node by
// node while one is at work, which makes them slower. A decode is timed as a
// whole, its products counted in its graph. It serves any number of models.
type Profile struct {
	mu    sync.Mutex
	costs map[[2]string]*Cost
}

// SetProfile makes all contexts of the model report to p; nil ends that. It
// must not be called while one of them computes.
func (m *Model) SetProfile(p *Profile) { m.profile = p }

// Costs are the costs so far, dearest first.
func (p *Profile) Costs() []Cost {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Cost
	for _, c := range p.costs {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Cost) int {
		return cmp.Or(cmp.Compare(b.Seconds, a.Seconds), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Shape, b.Shape))
	})
	return out
}

func (p *Profile) add(c Cost) {
	if p.costs == nil {
		p.costs = map[[2]string]*Cost{}
	}
	key := [2]string{c.Op, c.Shape}
	sum := p.costs[key]
	if sum == nil {
		sum = &Cost{Op: c.Op, Shape: c.Shape}
		p.costs[key] = sum
	}
	sum.Nodes += c.Nodes
	sum.Seconds += c.Seconds
	sum.FLOP += c.FLOP
}

// program adds a run of a program, with the seconds of each node.
func (p *Profile) program(g *graph.Graph, seconds []float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, t := range seconds {
		n := g.Node(graph.ID(i))
		if n.Kind != graph.Computed || t == 0 && flop(g, n) == 0 { // a product may take less than the clock's step
			continue // a view takes no time
		}
		c := Cost{Op: string(n.Op), Shape: shapeText(n.Ne), Nodes: 1, Seconds: t, FLOP: flop(g, n)}
		if c.FLOP > 0 {
			a := g.Node(n.Src[0])
			c.Shape = fmt.Sprintf("%s %s x %s", TypeName(int(a.Type)), shapeText(a.Ne), shapeText(g.Node(n.Src[1]).Ne))
		}
		p.add(c)
	}
}

// decode adds a decode with the graph that it ran.
func (p *Profile) decode(g *graph.Graph, tokens int, seconds float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := Cost{Op: "decode", Shape: fmt.Sprintf("%d tokens", tokens), Nodes: 1, Seconds: seconds}
	for i := range g.Nodes {
		c.FLOP += flop(g, &g.Nodes[i])
	}
	p.add(c)
}

// copied adds rows of a weight that were copied without a program.
func (p *Profile) copied(op, shape string, seconds float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(Cost{Op: op, Shape: shape, Nodes: 1, Seconds: seconds})
}

// flop is the arithmetic of a product; that of other operators is not counted.
func flop(g *graph.Graph, n *graph.Node) float64 {
	if n.Kind != graph.Computed || n.Op != graph.OpMulMat {
		return 0
	}
	return 2 * float64(g.Node(n.Src[0]).Ne[0]) * float64(n.Elements())
}

// shapeText is a shape without its last dimensions of 1.
func shapeText(ne [4]int64) string {
	n := len(ne)
	for n > 1 && ne[n-1] == 1 {
		n--
	}
	return fmt.Sprint(ne[:n])
}

// Write writes the costs as a table, dearest first.
func (p *Profile) Write(w io.Writer) error {
	costs := p.Costs()
	var all Cost
	for _, c := range costs {
		all.Nodes, all.Seconds, all.FLOP = all.Nodes+c.Nodes, all.Seconds+c.Seconds, all.FLOP+c.FLOP
	}
	fmt.Fprintln(w, "Programs ran node by node, which makes them slower than without a profile; a decode is timed as a whole.")
	fmt.Fprintln(w, "FLOP are those of products. A shape is [row, rows, ..]; a product's is that of weight x values.")
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "\noperator\tshape\tcount\tseconds\tshare\tGFLOP\tGFLOP/s\n")
	line := func(c Cost) {
		work, rate := "", ""
		if c.FLOP > 0 {
			work = fmt.Sprintf("%.1f", c.FLOP/1e9)
		}
		if c.FLOP > 0 && c.Seconds > 0 {
			rate = fmt.Sprintf("%.1f", c.FLOP/c.Seconds/1e9)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%.4f\t%.1f %%\t%s\t%s\n", c.Op, c.Shape, c.Nodes, c.Seconds, 100*c.Seconds/max(all.Seconds, 1e-9), work, rate)
	}
	for _, c := range costs {
		line(c)
	}
	all.Op = "all"
	line(all)
	return t.Flush()
}
