package eval

import (
	"context"

	"retcon/edit"
	"retcon/fact"
)

// Editor makes the edits of one method in an open model, in one way; edit.Editor
// does. What the method is scoring does not know.
type Editor interface {
	// Settings are all that decides an edit besides the model and the fact.
	Settings() edit.Settings
	// Compute computes the edit of a fact on the unedited model with what was
	// kept. step, if not nil, is told of each step of the optimisation.
	Compute(ctx context.Context, r fact.Request, step func(done, most int)) (*edit.Computed, error)
	// ComputeAll computes several edits at once; for each there is an edit or
	// an error.
	ComputeAll(ctx context.Context, rs []fact.Request, step func(done, most int)) ([]*edit.Computed, []error)
	// Keep lets later edits be computed on top of this one.
	Keep(c *edit.Computed)
	// Restore readies an edit that was read from JSON.
	Restore(c *edit.Computed) error
	// Apply makes the model compute as edited by these edits and by no others;
	// none restores it.
	Apply(edits ...*edit.Computed) error
	// Bake writes the model with one edit to a temporary file in dir.
	Bake(ctx context.Context, r fact.Request, c *edit.Computed, dir string) (*edit.Baked, error)
	// Close gives up what the editor holds; the model stays open.
	Close() error
}
