package engine

import (
	"slices"

	"retcon/lm"
)

// tree is the prefix tree of the tokens of several rows: rows that begin with
// the same tokens share them. Each leaf is a sequence of the KV cache, and each
// token belongs to those of the leaves below it.
type tree struct {
	nodes  []branch
	leaves int
}

// branch is one token of the tree, at position depth of all rows through it.
type branch struct {
	token, depth int32
	next         []int32 // the branches after it
	asked        []asked // predictions that are wanted after it
}

// asked is a token whose probability is wanted: entry at of row.
type asked struct {
	token   int32
	row, at int
}

// treeOf makes the tree of rows. The last token of a row predicts nothing that
// is asked for and is left out.
func treeOf(rows []lm.Scored) *tree {
	t := &tree{nodes: []branch{{depth: -1}}}
	for r, row := range rows {
		at := int32(0)
		for pos, token := range row.Tokens[:len(row.Tokens)-1] {
			at = t.child(at, token)
			if pos+1 >= row.From {
				b := &t.nodes[at]
				b.asked = append(b.asked, asked{row.Tokens[pos+1], r, pos + 1 - row.From})
			}
		}
	}
	for _, b := range t.nodes[1:] {
		if len(b.next) == 0 {
			t.leaves++
		}
	}
	return t
}

// child is the branch with a token after another, made if it is not there.
func (t *tree) child(of, token int32) int32 {
	for _, n := range t.nodes[of].next {
		if t.nodes[n].token == token {
			return n
		}
	}
	n := int32(len(t.nodes))
	t.nodes = append(t.nodes, branch{token: token, depth: t.nodes[of].depth + 1})
	t.nodes[of].next = append(t.nodes[of].next, n)
	return n
}

// tokens is how many there are to decode.
func (t *tree) tokens() int { return len(t.nodes) - 1 }

// walk visits the branches in an order in which each comes after all that it
// follows, with the sequences that it belongs to.
func (t *tree) walk(visit func(b *branch, sequences []int32) error) error {
	all := make([]int32, t.leaves)
	for i := range all {
		all[i] = int32(i)
	}
	first, below := t.spans()
	open := []int32{0}
	for len(open) > 0 {
		n := open[len(open)-1]
		open = open[:len(open)-1]
		b := &t.nodes[n]
		if n > 0 {
			if err := visit(b, all[first[n]:first[n]+below[n]]); err != nil {
				return err
			}
		}
		for _, next := range slices.Backward(b.next) {
			open = append(open, next)
		}
	}
	return nil
}

// spans gives, for each branch, the first leaf below it and how many there are,
// leaves counted in the order of walk. A leaf is below itself.
func (t *tree) spans() (first, below []int32) {
	first, below = make([]int32, len(t.nodes)), make([]int32, len(t.nodes))
	// children come after their parents in nodes
	for n := len(t.nodes) - 1; n >= 0; n-- {
		if len(t.nodes[n].next) == 0 {
			below[n] = 1
		}
		for _, next := range t.nodes[n].next {
			below[n] += below[next]
		}
	}
	for n := range t.nodes {
		at := first[n]
		for _, next := range t.nodes[n].next {
			first[next] = at
			at += below[next]
		}
	}
	return first, below
}
