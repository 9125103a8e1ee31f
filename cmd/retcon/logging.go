package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"retcon/edit/voice"
)

func note(level slog.Level, text string) slog.Record {
	return slog.NewRecord(time.Now(), level, text, 0)
}

// newLogger logs to w, from level on, as lines for people or as JSON.
func newLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(&lineHandler{w: w, mu: &sync.Mutex{}, level: level})
}

// lineHandler writes "retcon: warning: text (key value, key value)".
type lineHandler struct {
	w     io.Writer
	mu    *sync.Mutex
	level slog.Level
	attrs []slog.Attr
}

func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	from := "retcon"
	var about []string
	add := func(a slog.Attr) bool {
		if a.Key == "from" {
			from = a.Value.String()
		} else {
			about = append(about, a.Key+" "+a.Value.String())
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	line := from + ": "
	switch {
	case r.Level >= slog.LevelError:
		line += "error: "
	case r.Level >= slog.LevelWarn:
		line += "warning: "
	}
	line += r.Message
	if len(about) > 0 {
		line += " (" + strings.Join(about, ", ") + ")"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := fmt.Fprintln(h.w, oneLine(words(line)))
	return err
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(c.attrs[:len(c.attrs):len(c.attrs)], attrs...)
	return &c
}

// WithGroup is not used here and keeps keys as they are.
func (h *lineHandler) WithGroup(string) slog.Handler { return h }

// keeper is a handler that keeps warnings back, but for those that are to be read
// before the work. They are part of the report that follows; should none follow,
// flush logs them.
type keeper struct {
	slog.Handler
	kept *[]slog.Record
}

func (k keeper) Handle(ctx context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn && !voice.IsFirst(ctx) {
		*k.kept = append(*k.kept, r.Clone())
		return nil
	}
	return k.Handler.Handle(ctx, r)
}

func (k keeper) WithAttrs(attrs []slog.Attr) slog.Handler {
	return keeper{k.Handler.WithAttrs(attrs), k.kept}
}

func (k keeper) WithGroup(name string) slog.Handler {
	return keeper{k.Handler.WithGroup(name), k.kept}
}

func (k keeper) flush(ctx context.Context) {
	for _, r := range *k.kept {
		if k.Enabled(ctx, r.Level) {
			k.Handler.Handle(ctx, r)
		}
	}
	*k.kept = nil
}
