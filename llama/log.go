package llama

/*
#include "bridge.h"
#include <stdlib.h>

extern void goLog(int level, char * text);
static void log_trampoline(int level, const char * text) { goLog(level, (char *) text); }
static void init_with_log(void) { rc_init(log_trampoline); }
*/
import "C"

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

var (
	initOnce sync.Once
	logger   atomic.Pointer[slog.Logger]
)

// SetLogger sends llama.cpp's log to l; nil drops it. Its levels map to
// slog's. Warnings and errors since the last failure are also kept and join
// the error that a failing load returns.
func SetLogger(l *slog.Logger) { logger.Store(l) }

// setup starts llama.cpp's backends once.
func setup() { initOnce.Do(func() { C.init_with_log() }) }

// logTail keeps the last complaints of llama.cpp, for the error of a load.
var logTail tail

type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if len(t.lines) > 4 {
		t.lines = t.lines[1:]
	}
}

// take returns the lines kept and forgets them.
func (t *tail) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines
	t.lines = nil
	return lines
}

func levelOf(level int) slog.Level {
	switch level {
	case 4:
		return slog.LevelError
	case 3:
		return slog.LevelWarn
	case 2:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func logLine(level slog.Level, text string) {
	if level >= slog.LevelWarn {
		logTail.add(text)
	}
	if l := logger.Load(); l != nil {
		l.Log(context.Background(), level, text, slog.String("from", "llama.cpp"))
	}
}
