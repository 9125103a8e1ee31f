package covariance

import (
	"context"
	"errors"

	"retcon/edit/voice"
)

// healing is a cached factor that is made again when it proves damaged.
type healing struct {
	*File
	make  func(context.Context) (Solver, error)
	voice *voice.Voice
	fresh Solver
}

// Solve solves with the file, or with a new factor if that is damaged.
func (h *healing) Solve(ctx context.Context, dst, b []float64) error {
	if h.fresh != nil {
		return h.fresh.Solve(ctx, dst, b)
	}
	x := make([]float64, len(b))
	err := h.File.Solve(ctx, x, b)
	if err == nil {
		copy(dst, x)
		return nil
	}
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNotPositive) {
		return err
	}
	h.voice.Warn("the cached covariance is damaged and is made again: %v", err)
	if h.fresh, err = h.make(ctx); err != nil {
		return err
	}
	return h.fresh.Solve(ctx, dst, b)
}
