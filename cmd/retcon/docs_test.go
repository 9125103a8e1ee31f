package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestDocumented holds docs/cli.md to naming every flag and every variable.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	need := func(what string) {
		if !strings.Contains(string(doc), "`"+what) {
			t.Errorf("docs/cli.md does not have %s", what)
		}
	}
	root := testApp().root()
	for _, cmd := range append(root.Commands(), root) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			need("--" + f.Name)
			if f.Shorthand != "" {
				need("-" + f.Shorthand)
			}
			for _, v := range f.Annotations[variableKey] {
				need(v)
			}
		})
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { need("--" + f.Name) })
	}
}
