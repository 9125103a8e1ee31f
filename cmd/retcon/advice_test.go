package main

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"retcon/internal/fault"
)

// Every kind of advice has words of its own, of which none is part of another's
// text, so that each is replaced by its flag.
func TestAdvice(t *testing.T) {
	for _, a := range fault.All {
		if adviceWords[a] == "" || !strings.ContainsRune(adviceWords[a], '-') {
			t.Errorf("%q names no flag", a)
		}
		if got := words(string(a)); got != adviceWords[a] {
			t.Errorf("%q becomes %q", a, got)
		}
		err := fault.Advise(errors.New("it failed"), a, fault.OtherLayer)
		if got, want := words(err.Error()), "it failed; try "+adviceWords[a]+" or another --layer"; got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
	for _, text := range []string{`the subject "more steps" is not there`, `it says "resuming \" forcing it`, `"another layer"`} {
		if got := words(text); got != text {
			t.Errorf("%s becomes %s", text, got)
		}
	}
	if got, want := words(`"x"; try more steps after "y"`), `"x"; try more --steps after "y"`; got != want {
		t.Errorf("%s instead of %s", got, want)
	}
	if len(adviceWords) != len(fault.All) {
		t.Errorf("%d words for %d kinds", len(adviceWords), len(fault.All))
	}
}

// others are programs of llama.cpp, whose flags are no flags of ours.
var others = regexp.MustCompile(`llama-(imatrix|gguf-split) [^:;]*--`)

// notLibrary are folders of the checkout that hold no library.
var notLibrary = []string{"bin", "build", "build-asan", "build-avx2", "build-avx512", "cmd", "third_party"}

// Flags are the command's: no other package has one in a text. Advice is typed,
// and worded here.
func TestLibrariesNameNoFlags(t *testing.T) {
	flag := regexp.MustCompile(`(^|[\s("'])--[a-z]`)
	const root = "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		first, _, _ := strings.Cut(rel, "/")
		switch {
		case err != nil:
			return err
		case d.IsDir() && rel != "." && (strings.HasPrefix(first, ".") || slices.Contains(notLibrary, first) || rel == "internal/testfile"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go"):
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && flag.MatchString(others.ReplaceAllString(s, "")) {
					t.Errorf("%s: %q names a flag", fset.Position(lit.Pos()), s)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
