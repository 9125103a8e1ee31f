// Package voice is how long work speaks: progress, notes for a log, and
// warnings, which the result has, too.
package voice

import (
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
func (v *Voice) Warn(format string, args ...any) {
	if v == nil {
		return
	}
	msg := fmt.Sprintf(format, args...)
	v.warnings = append(v.warnings, msg)
	if v.Logger != nil {
		v.Logger.Warn(msg)
	}
}

// Warnings are all warnings so far.
func (v *Voice) Warnings() []string {
	if v == nil {
		return nil
	}
	return v.warnings
}
