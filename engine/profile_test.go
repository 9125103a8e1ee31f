package engine

import (
	"context"
	"io"

	"retcon/llama"
	"retcon/lm"
)

// WriteProfile takes a step of an objective of the model and writes where its
// time goes. What [Options] has as a profile is left alone.
func (m *Model) WriteProfile(ctx context.Context, w io.Writer, o lm.Objective) error {
	p := &llama.Profile{}
	m.model.SetProfile(p)
	defer m.model.SetProfile(m.opts.Profile)
	delta, grad := make([]float32, m.info.Width), make([]float32, m.info.Width)
	if _, err := o.Step(ctx, 0, delta, grad); err != nil {
		return err
	}
	return p.Write(w)
}
