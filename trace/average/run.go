package average

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Tracer traces a fact. It sets the record's Status, and what it found; the rest
// is filled in by Run. An error is kept as a failed record, unless it wraps
// ErrStop or the context is done.
type Tracer func(ctx context.Context, f Fact) (Record, error)

// Run traces the facts that out has no record of, or one that failed, and adds
// each record to it as soon as it is made. It stops with the context's error when that is done, with
// errors of writing, and with errors of trace that wrap ErrStop; any other
// error of a fact is kept in its record, and the next fact follows. progress,
// if not nil, is told how many of the facts have a record, and the newest.
func Run(ctx context.Context, facts []Fact, out *Results, trace Tracer, progress func(done, total int, newest *Record)) error {
	if progress == nil {
		progress = func(int, int, *Record) {}
	}
	var todo []Fact
	for _, f := range facts {
		if !out.Has(f.Record) {
			todo = append(todo, f)
		}
	}
	done := len(facts) - len(todo)
	progress(done, len(facts), nil)
	for _, f := range todo {
		if err := ctx.Err(); err != nil {
			return err
		}
		start := time.Now()
		rec, err := trace(ctx, f)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrStop):
			return fmt.Errorf("record %d: %w", f.Record, err)
		case err == nil:
			err = rec.check(out.Header.Settings)
		}
		if err != nil {
			rec = Record{Status: Failed, Said: rec.Said, Seconds: rec.Seconds, Error: err.Error()}
		}
		rec.Fact = f
		rec.asText()
		if rec.Seconds == 0 {
			rec.Seconds = time.Since(start).Seconds()
		}
		if err := out.Append(rec); err != nil {
			return err
		}
		done++
		progress(done, len(facts), &rec)
	}
	return nil
}
