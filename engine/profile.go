package engine

import (
	"context"
	"fmt"
	"io"

	"retcon/edit"
	"retcon/replay"
)

// WriteProfile writes where the time of one step of an objective goes, a table
// for each group of its rows. The objective must be one of this package's.
func WriteProfile(ctx context.Context, w io.Writer, o edit.Objective) error {
	own, ok := o.(*objective)
	if !ok {
		return fmt.Errorf("%T is not an objective of this engine", o)
	}
	for _, g := range own.values {
		costs, err := g.Profile(ctx)
		if err != nil {
			return err
		}
		if err := replay.WriteProfile(w, costs); err != nil {
			return err
		}
	}
	return nil
}
