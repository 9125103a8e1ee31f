// Package arrows holds the layout to what docs/architecture.md says of it.
package arrows

import (
	"os/exec"
	"strings"
	"testing"
)

// order has the packages from the top down. A package imports only packages of
// lines below its own, or its own folder's.
var order = [][]string{
	{"cmd/retcon", "e2e"},
	{"trace/locate"},
	{"edit/rome", "edit/tpatcher"},
	{"trace/average", "trace/hypothesis"},
	{"eval"},
	{"edit"},
	{"edit/covariance"},
	{"edit/corpus", "edit/contexts", "edit/weight"},
	{"edit/voice"},
	{"trace"},
	{"engine"},
	{"replay"},
	{"llama"},
	{"report"},
	{"trace/doubt"},
	{"trace/result"},
	{"fact"},
	{"lm"},
	{"graph"},
	{"gguf/ffn"},
	{"gguf"},
}

// pure are packages that build without cgo.
var pure = []string{"lm", "fact", "edit", "eval", "gguf", "graph", "report", "trace/doubt"}

// modulePrefix begins the import paths of this module.
const modulePrefix = "retcon/"

func rank(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	for i, line := range order {
		for _, p := range line {
			out[p] = i
		}
	}
	return out
}

// No import points up, and what is said to be pure Go is.
func TestArrows(t *testing.T) {
	list := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "retcon/...")
	list.Dir = "../.."
	b, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	level := rank(t)
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		fields := strings.Fields(line)
		from := strings.TrimPrefix(fields[0], modulePrefix)
		if strings.HasPrefix(from, "internal/") {
			continue // tests and helpers; what may import them is settled by their callers
		}
		at, ok := level[from]
		if !ok {
			t.Errorf("%s is not in the order of packages", from)
			continue
		}
		for _, path := range fields[1:] {
			to, ours := strings.CutPrefix(path, modulePrefix)
			if !ours || strings.HasPrefix(to, "internal/") {
				continue
			}
			if below, ok := level[to]; !ok || below <= at {
				t.Errorf("%s imports %s, which is not below it", from, to)
			}
		}
	}
}

// Packages that are said to be pure Go have no cgo among all that they import.
func TestPure(t *testing.T) {
	for _, p := range pure {
		list := exec.Command("go", "list", "-deps", modulePrefix+p+"/...")
		list.Dir = "../.."
		b, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range strings.Fields(string(b)) {
			if dep == modulePrefix+"llama" {
				t.Errorf("%s/... imports llama", p)
			}
		}
	}
}

// The run, scoring and the engine know no method of editing.
func TestMethodIndependent(t *testing.T) {
	for _, p := range []string{"edit", "eval", "engine", "lm", "fact", "report"} {
		list := exec.Command("go", "list", "-deps", modulePrefix+p)
		list.Dir = "../.."
		b, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range strings.Fields(string(b)) {
			if dep == modulePrefix+"edit/rome" || dep == modulePrefix+"edit/tpatcher" {
				t.Errorf("%s knows %s", p, dep)
			}
		}
	}
}
