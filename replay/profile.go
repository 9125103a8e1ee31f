package replay

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"retcon/graph"
)

// Cost is the time of all nodes of a program of one operator and shape.
type Cost struct {
	Op      graph.Op
	Shape   string // of what it reads and gives
	Nodes   int
	Seconds float64
	FLOP    float64 // of products; 0 for the rest
}

// Profile runs one step of a value node by node and gives its costs, dearest
// first. It must have been built.
func (v *Value) Profile(ctx context.Context) ([]Cost, error) {
	sum := map[string]*Cost{}
	for _, s := range v.chain.segments {
		seconds, err := s.reverse.Time(ctx)
		if err != nil {
			return nil, err
		}
		for i, t := range seconds {
			n := s.Reverse.Node(graph.ID(i))
			if n.Kind != graph.Computed {
				continue
			}
			c := costOf(&s.Reverse, n)
			key := string(c.Op) + c.Shape
			if sum[key] == nil {
				sum[key] = &c
			} else {
				sum[key].FLOP += c.FLOP
			}
			sum[key].Nodes++
			sum[key].Seconds += t
		}
	}
	var out []Cost
	for _, c := range sum {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Cost) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return out, nil
}

func costOf(g *graph.Graph, n *graph.Node) Cost {
	c := Cost{Op: n.Op}
	switch {
	case n.Op == graph.OpMulMat:
		a := g.Node(n.Src[0])
		c.FLOP = 2 * float64(a.Ne[0]) * float64(n.Elements())
		c.Shape = fmt.Sprintf("type %d %v x %v", a.Type, a.Ne, g.Node(n.Src[1]).Ne)
	default:
		c.Shape = fmt.Sprint(n.Ne)
	}
	return c
}

// WriteProfile writes costs as a table.
func WriteProfile(w io.Writer, costs []Cost) error {
	total := 0.0
	for _, c := range costs {
		total += c.Seconds
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "operator\tshape\tnodes\tms\tshare\tGFLOP/s\n")
	for _, c := range costs {
		rate := ""
		if c.FLOP > 0 && c.Seconds > 0 {
			rate = fmt.Sprintf("%.0f", c.FLOP/c.Seconds/1e9)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%.1f\t%.1f %%\t%s\n", c.Op, c.Shape, c.Nodes, 1e3*c.Seconds, 100*c.Seconds/total, rate)
	}
	fmt.Fprintf(t, "all\t\t\t%.1f\t\t\n", 1e3*total)
	return t.Flush()
}
