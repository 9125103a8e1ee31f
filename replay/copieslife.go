package replay

import (
	"context"
	"maps"

	"retcon/graph"
)

// What is kept, for how long, and what goes when memory is short. Whether a
// weight has a copy decides the last bits of what is computed, so it must depend
// on the work in hand alone, never on what was copied for another.

// StartSlice begins work on a slice of the network: copies of other weights, and
// copies that no gradient needs, are freed, and new ones are of its weights only.
func (c *Copies) StartSlice(s *graph.Slice) {
	if c == nil {
		return
	}
	of := map[uint64]bool{}
	for _, id := range weightsOf(&s.Graph) {
		of[s.Node(id).Handle] = true
	}
	c.scope = func(w uint64) bool { return of[w] }
	for h, copied := range c.of {
		if !copied.reverse || !of[h] {
			c.free(h)
		}
	}
	c.SetBudget(0)
	for h := range c.transposes {
		if !of[h] {
			c.freeTurned(h)
		}
	}
}

// Reserve makes what the gradients through a slice need, first of all: it saves
// more a byte than copies for products do. Only where all of it fits, though: a
// few transposes would save little and leave no room for values. Until DropAside a
// quarter as much again may go to copies of other weights, since several programs
// meet these on their way to the slice.
func (c *Copies) Reserve(ctx context.Context, s *graph.Slice, budget int64) error {
	if c == nil {
		return nil
	}
	if c.ReverseBytes(s) > budget {
		budget = 0
		c.DropTransposes()
	}
	c.Fit(budget)
	if _, err := c.Transposes(ctx, s); err != nil {
		return err
	}
	c.setAside(budget / 4)
	return nil
}

// setAside lets products of the weights out of scope use copies too.
func (c *Copies) setAside(budget int64) {
	c.DropAside()
	policy, inside := c.policy, c.scope
	policy.Copy = policy.Many
	c.aside = NewCopies(c.ctx, policy, budget)
	c.aside.scope = func(w uint64) bool { return !inside.has(w) }
}

// DropAside frees the copies of other weights than the slice's.
func (c *Copies) DropAside() {
	if c == nil {
		return
	}
	c.aside.Drop()
	c.aside = nil
}

// NextLayer frees copies that are kept for a layer only.
func (c *Copies) NextLayer() {
	if c != nil && c.policy.Life == ForLayer {
		c.Drop()
	}
}

// Follow changes the policy. Copies that it would have in another type are freed.
func (c *Copies) Follow(p Policy) {
	if c == nil {
		return
	}
	if p.Copy != c.policy.Copy || p.Products != c.policy.Products {
		c.Drop()
	}
	p.Own = c.policy.Own // the context's, whatever the policy
	c.policy = p
}

// Forget frees the copies of weights of so many rows.
func (c *Copies) Forget(rows int) {
	if c == nil {
		return
	}
	for h, s := range c.of {
		if s.rows == int64(rows) {
			c.free(h)
		}
	}
}

// SetBudget changes how much the copies may take; those that are there stay.
func (c *Copies) SetBudget(bytes int64) {
	if c != nil {
		c.budget, c.full = bytes, false
	}
}

// Fit is SetBudget that frees the copies made last until the rest fit. Transposes
// stay: programs that were built read them.
func (c *Copies) Fit(bytes int64) {
	if c == nil {
		return
	}
	c.SetBudget(bytes)
	for c.bytes > bytes && len(c.order) > 0 {
		c.free(c.order[len(c.order)-1])
	}
}

// Freeze lets no copy be made beside those that are there.
func (c *Copies) Freeze() { c.SetBudget(c.Bytes()) }

// KeepReverse frees all copies but those that gradients need, and reports whether
// there were any. The budget stays.
func (c *Copies) KeepReverse() bool {
	own := c.TransposedBytes()
	if c.Bytes() == own {
		return false
	}
	budget := c.budget
	c.Fit(own)
	c.SetBudget(budget)
	return true
}

// DropTransposes frees the transposes alone.
func (c *Copies) DropTransposes() {
	if c == nil {
		return
	}
	for h := range c.transposes {
		c.freeTurned(h)
	}
}

// Drop frees the copies. No program that uses them may run any more.
func (c *Copies) Drop() {
	if c == nil {
		return
	}
	c.DropAside()
	for _, s := range c.of {
		s.Close()
	}
	maps.DeleteFunc(c.of, func(uint64, weightCopy) bool { return true })
	c.order, c.full = nil, false
	c.DropTransposes()
	c.bytes = 0
}
