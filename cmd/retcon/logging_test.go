package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"retcon/edit/voice"
)

func TestLines(t *testing.T) {
	var out strings.Builder
	l := newLogger(&out, "text", slog.LevelInfo)
	l.Info("the model writes", "tokens", 15360)
	l.Warn("odd\nthing")
	l.Debug("hidden")
	l.With("from", "llama.cpp").Error("bad")
	want := "retcon: the model writes (tokens 15360)\nretcon: warning: odd thing\nllama.cpp: error: bad\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestKeeper(t *testing.T) {
	var out strings.Builder
	k := keeper{newLogger(&out, "text", slog.LevelInfo).Handler(), new([]slog.Record)}
	l := slog.New(k)
	l.Warn("kept")
	l.Info("told")
	v := voice.Voice{Logger: l}
	v.WarnFirst("%d words", 2)
	if out.String() != "retcon: told\nretcon: warning: 2 words\n" || len(v.Warnings()) != 1 {
		t.Errorf("before: %q, %q", out.String(), v.Warnings())
	}
	out.Reset()
	k.flush(context.Background())
	k.flush(context.Background())
	if out.String() != "retcon: warning: kept\n" {
		t.Errorf("after: %q", out.String())
	}
}
