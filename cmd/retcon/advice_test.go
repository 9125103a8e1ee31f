package main

import (
	"errors"
	"fmt"
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

func TestAdviceText(t *testing.T) {
	for a := fault.Advice(1); a.String() != ""; a++ {
		if !strings.Contains(adviceFlags[a], "--") {
			t.Errorf("%v: %q names no flag", a, adviceFlags[a])
		}
	}
	err := errors.New("too little text")
	for want, err := range map[string]error{
		"too little text":                         err,
		"too little text; give a longer --corpus": fault.Advise(err, fault.GiveText),
		"x: too little text; give a longer --corpus or take --covariance diagonal": fmt.Errorf("x: %w", fault.Advise(err, fault.GiveText, fault.DiagonalCovariance)),
		"too little text; raise --steps, try another --layer or try --layer auto":  fault.Advise(err, fault.MoreSteps, fault.OtherLayer, fault.AutoLayer),
	} {
		if got := message(exitFailure, err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// flagged are packages whose texts still name flags.
var flagged = []string{"edit", "eval"}

// Flags are the command's: no other package has one in a text. Advice is typed,
// and worded here.
func TestLibrariesNameNoFlags(t *testing.T) {
	flag := regexp.MustCompile(`(^|[\s("'])--[a-z]`)
	const root = "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		switch {
		case err != nil:
			return err
		case d.IsDir() && rel != "." && (strings.HasPrefix(first, ".") || slices.Contains(append(flagged, "build", "cmd", "third_party", "shared"), first)):
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
				if s, err := strconv.Unquote(lit.Value); err == nil && flag.MatchString(s) {
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
