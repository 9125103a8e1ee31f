// Package voice is how long work speaks: progress, notes for a log, and
// warnings, which the result has, too.
package voice

import (
	"context"
	"fmt"
	"log/slog"
)

// Voice carries what is said during a run. A nil Voice is silent, and keeps no
// warnings.
type Voice struct {
	// Progress, if not nil, is told how far a stage is.
	Progress func(stage string, done, total int64)
	Logger   *slog.Logger // nil: no log

	warnings []string
}

// Report says how far a stage is.
func (v *Voice) Report(stage string, done, total int64) {
	if v != nil && v.Progress != nil {
		v.Progress(stage, done, total)
	}
}

// Info writes a note to the log.
func (v *Voice) Info(msg string, args ...any) {
	if v != nil && v.Logger != nil {
		v.Logger.Info(msg, args...)
	}
}

// Warn logs a warning and keeps it.
func (v *Voice) Warn(format string, args ...any) { v.warn(context.Background(), format, args) }

// WarnFirst is Warn for what is to be read before the work that follows, and not
// in the report after it alone: the log's handler gets a context of which IsFirst
// is true.
func (v *Voice) WarnFirst(format string, args ...any) {
	v.warn(context.WithValue(context.Background(), first{}, true), format, args)
}

// first marks the context of a warning of WarnFirst.
type first struct{}

// IsFirst reports whether a context is that of a warning of WarnFirst.
func IsFirst(ctx context.Context) bool { return ctx.Value(first{}) != nil }

func (v *Voice) warn(ctx context.Context, format string, args []any) {
	if v == nil {
		return
	}
	msg := fmt.Sprintf(format, args...)
	v.warnings = append(v.warnings, msg)
	if v.Logger != nil {
		v.Logger.WarnContext(ctx, msg)
	}
}

// Warnings are all warnings so far.
func (v *Voice) Warnings() []string {
	if v == nil {
		return nil
	}
	return v.warnings
}
