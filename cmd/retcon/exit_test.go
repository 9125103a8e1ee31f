package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/eval"
	"retcon/fact"
	"retcon/internal/atomicfile"
	"retcon/internal/outputs"
	"retcon/llama"
	"retcon/lm"
	"retcon/trace/average"
)

func TestExitCodes(t *testing.T) {
	live := context.Background()
	done, cancel := context.WithCancel(live)
	cancel()
	wrap := func(err error) error { return fmt.Errorf("x: %w", err) }
	for _, test := range []struct {
		ctx  context.Context
		err  error
		want int
	}{
		{live, nil, 0},
		{done, nil, 0},
		{live, fs.ErrNotExist, 1},
		{live, edit.ErrStats, 1},
		{live, wrap(edit.ErrOutput), 1},
		{live, usagef("no model"), 2},
		{live, wrap(fact.ErrRequest), 2},
		{live, &fact.RecordError{Record: 3, Err: wrap(fact.ErrRequest)}, 2},
		{live, fmt.Errorf("%w: %w", edit.ErrOutput, atomicfile.ErrExists), 2},
		{live, fmt.Errorf("%w: %w", edit.ErrOutput, outputs.ErrInput), 2},
		{live, wrap(outputs.ErrShared), 2},
		{live, wrap(outputs.ErrStream), 2},
		{live, wrap(outputs.ErrTwice), 2},
		{live, wrap(average.ErrFacts), 2},
		{live, wrap(average.ErrSettings), 2},
		{live, wrap(average.ErrResults), 1},
		{live, wrap(edit.ErrRefused), 3},
		{live, errors.Join(wrap(edit.ErrRefused), nil), 3},
		{live, wrap(edit.ErrVerify), 4},
		{live, wrap(lm.ErrUnsupported), 5},
		{live, wrap(llama.ErrUnsupported), 5},
		{live, wrap(context.Canceled), 130},
		{done, errors.New("llama.cpp was stopped"), 130},
	} {
		if got := exitCode(test.ctx, test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
}

// A bench that was interrupted says where its results are.
func TestInterruptedResults(t *testing.T) {
	err := &eval.KeptError{Err: fmt.Errorf("x: %w", context.Canceled), Path: "out.jsonl"}
	code := exitCode(context.Background(), err)
	if text := message(code, err); code != exitInterrupted || !strings.Contains(text, "out.jsonl") || strings.Contains(text, "nothing was written") {
		t.Errorf("%d, %q", code, text)
	}
	if text := message(exitInterrupted, context.Canceled); !strings.Contains(text, "nothing was written") {
		t.Errorf("without results: %q", text)
	}
}

func TestOneLine(t *testing.T) {
	got := message(1, errors.New("a\nb\t\x1b[31mred\u202e é 東京"))
	if want := `a b \x1b[31mred\u202e é 東京`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := message(2, fmt.Errorf("out.gguf: %w", atomicfile.ErrExists)); !strings.Contains(got, "--force") {
		t.Error(got)
	}
	kept := interruptedAverage{error: context.Canceled, path: "r.jsonl", done: 3, total: 9}
	if got := message(exitInterrupted, kept); !strings.Contains(got, "r.jsonl has 3 of 9 facts") || !errors.Is(kept, context.Canceled) {
		t.Error(got)
	}
}
