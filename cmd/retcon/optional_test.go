package main

import (
	"slices"
	"strings"
	"testing"
)

// A value that is optional may follow after a space, in every command.
func TestOptionalValues(t *testing.T) {
	for in, want := range map[string]string{
		"edit -m m --chat turn -p x":           "edit -m m --chat=turn -p x",
		"edit --chat trun":                     "edit --chat=trun",
		"edit --chat -p x":                     "edit --chat -p x",
		"edit --chat":                          "edit --chat",
		"edit --chat=turn both":                "edit --chat=turn both",
		"edit -p --chat turn":                  "edit -p --chat turn",
		"edit --prompt --chat turn":            "edit --prompt --chat turn",
		"edit --contrast false --chat":         "edit --contrast=false --chat",
		"edit --json true":                     "edit --json=true",
		"edit -v false":                        "edit -v=false",
		"edit --force out.gguf":                "edit --force out.gguf",
		"edit -- --chat turn":                  "edit -- --chat turn",
		"--json edit --chat turn":              "--json edit --chat=turn",
		"bench --chat off,both --sequential x": "bench --chat=off,both --sequential x",
		"bench --merge a.jsonl b.jsonl":        "bench --merge a.jsonl b.jsonl",
		"trace --merge a.jsonl":                "trace --merge a.jsonl",
		"nosuch --chat turn":                   "nosuch --chat turn",
		"__complete edit --chat turn":          "__complete edit --chat turn",
	} {
		root := testApp().root()
		if got := optionalValues(root, strings.Fields(in), valueFlags(root)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s is %q", in, got)
		}
	}
}
