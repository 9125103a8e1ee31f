package eval

import (
	"context"
	"encoding/json"

	"retcon/edit"
	"retcon/fact"
)

// Editor makes the edits of one method in an open model, in one way. What the
// method is scoring does not know.
type Editor interface {
	// Settings are the fields of [Settings] that the editor decides, as an
	// object of JSON: method, layer, covariance and so on.
	Settings() (json.RawMessage, error)
	// Compute computes the edit of a fact on the unedited model with what was
	// kept. step, if not nil, is told of each step of the optimisation.
	Compute(ctx context.Context, r fact.Request, step func(done, most int)) (*edit.Computed, error)
	// ComputeAll computes several edits at once; for each there is an edit or
	// an error.
	ComputeAll(ctx context.Context, rs []fact.Request, step func(done, most int)) ([]*edit.Computed, []error)
	// Keep lets later edits be computed on top of this one.
	Keep(c *edit.Computed)
	// Apply makes the model compute as edited by these edits and by no others;
	// none restores it.
	Apply(edits ...*edit.Computed) error
	// Bake writes the model with one edit to a temporary file in dir.
	Bake(ctx context.Context, r fact.Request, c *edit.Computed, dir string) (*edit.Baked, error)
	// Close gives up what the editor holds; the model stays open.
	Close() error
}
