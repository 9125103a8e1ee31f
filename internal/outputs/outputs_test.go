package outputs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"retcon/gguf"
)

// folder has in, hard and soft, which are one file, other, and linked, which
// leads to sub.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(
		os.WriteFile(at("in"), []byte("input"), 0o666), os.WriteFile(at("other"), []byte("input"), 0o666),
		os.Mkdir(at("sub"), 0o777), os.MkdirAll(at("far/below"), 0o777),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Link(at("in"), at("hard")), os.Symlink("in", at("soft")), os.Symlink("sub", at("linked")), os.Symlink("far/below", at("deep"))); err != nil {
		t.Skip(err)
	}
	t.Chdir(dir)
	return dir
}

func TestSame(t *testing.T) {
	dir := folder(t)
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"in", "in", true},
		{"in", "hard", true},
		{"in", "soft", true},
		{"hard", "soft", true},
		{"in", "./sub/../in", true},
		{"in", filepath.Join(dir, "in"), true},
		{"in", "other", false},
		{"in", "new", false},
		{"new", "new", true},
		{"new", "./new", true},
		{"new", filepath.Join(dir, "sub", "..", "new"), true},
		{"sub/new", "linked/new", true},
		{"sub/new", filepath.Join(dir, "linked") + "/new", true},
		{"sub/new", "linked/other", false},
		{"new", "sub/new", false},
		{"far/new", "deep/../new", true}, // above the folder that the link leads to
		{"new", "deep/../new", false},
		{"nowhere/new", "./nowhere/new", true},
	} {
		if got := Same(c.a, c.b); got != c.same || Same(c.b, c.a) != c.same {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

func TestPlan(t *testing.T) {
	folder(t)
	shard := gguf.SplitName("part", 0, 3)
	if err := os.WriteFile(gguf.SplitName("part", 2, 3), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	stdin, err := os.Open("in")
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	for name, c := range map[string]struct {
		plan func(p *Plan)
		want error
		word string
	}{
		"nothing":              {func(p *Plan) { p.Read("--text", ""); p.Write("-o", "") }, nil, ""},
		"other files":          {func(p *Plan) { p.Read("--text", "in"); p.Write("-o", "other"); p.Write("--lora", "new") }, nil, ""},
		"one input twice":      {func(p *Plan) { p.Read("--text", "in"); p.Read("--corpus", "soft") }, nil, ""},
		"an input":             {func(p *Plan) { p.Read("--text", "in"); p.Write("-o", "in") }, ErrInput, "-o in: output is the same file as an input, --text in"},
		"a symbolic link":      {func(p *Plan) { p.Model("-m", "in"); p.Write("-o", "soft") }, ErrInput, "-m in"},
		"a hard link":          {func(p *Plan) { p.Model("-m", "hard"); p.Write("-o", "in") }, ErrInput, "-m hard"},
		"the second of many":   {func(p *Plan) { p.Read("--merge", "other", "in"); p.Write("-o", "./in") }, ErrInput, "--merge in"},
		"another shard":        {func(p *Plan) { p.Model("-m", shard); p.Write("-o", gguf.SplitName("./part", 2, 3)) }, ErrInput, "00003"},
		"a shard to come":      {func(p *Plan) { p.Model("-m", shard); p.Write("-o", gguf.SplitName("./part", 1, 3)) }, ErrInput, "00002"},
		"two outputs":          {func(p *Plan) { p.Write("-o", "new"); p.Write("--lora", "./new") }, ErrShared, "-o new and --lora ./new"},
		"two in a linked one":  {func(p *Plan) { p.Write("-o", "sub/new"); p.Write("--lora", "linked/new") }, ErrShared, "a file each"},
		"two links":            {func(p *Plan) { p.Write("-o", "hard"); p.Write("--lora", "soft") }, ErrShared, "--lora soft"},
		"to a stream":          {func(p *Plan) { p.Write("-o", "-") }, ErrStream, "-o -: it cannot be a stream: it is written to a file"},
		"to what is open":      {func(p *Plan) { p.Write("-o", "/dev/stdout") }, ErrStream, "-o /dev/stdout: "},
		"to a descriptor":      {func(p *Plan) { p.Write("-o", "/dev/../dev/fd/63") }, ErrStream, "written to a file"},
		"to a device":          {func(p *Plan) { p.Write("-o", os.DevNull) }, ErrStream, "written to a file"},
		"to a file called -":   {func(p *Plan) { p.Write("-o", "./-") }, nil, ""},
		"a model in a stream":  {func(p *Plan) { p.Model("-m", "-") }, ErrStream, "-m -: "},
		"stdin":                {func(p *Plan) { p.Read("--data", "-"); p.Write("-o", "new") }, nil, ""},
		"stdin twice":          {func(p *Plan) { p.Read("--data", "-"); p.Read("--text", "-") }, ErrTwice, "--data - and --text -"},
		"stdin and its file":   {func(p *Plan) { p.Stdin = stdin; p.Read("--data", "-"); p.Read("--text", "in") }, nil, ""},
		"what is printed to":   {func(p *Plan) { p.Stdout = stdin; p.Read("--data", "hard") }, ErrInput, "standard output: output is the same file as an input, --data hard"},
		"printed to elsewhere": {func(p *Plan) { p.Stdout = stdin; p.Read("--data", "other"); p.Write("-o", "new") }, nil, ""},
		"printed to an output": {func(p *Plan) { p.Stdout = stdin; p.Write("-o", "soft") }, ErrShared, "standard output"},
		"a folder":             {func(p *Plan) { p.Folder("--cache-dir", "-") }, ErrStream, "--cache-dir -: "},
		"what stdin reads":     {func(p *Plan) { p.Stdin = stdin; p.Read("--data", "-"); p.Write("-o", "in") }, ErrInput, "--data -"},
		"a device twice":       {func(p *Plan) { p.Read("--data", os.DevNull); p.Read("--text", os.DevNull) }, ErrTwice, "--text"},
	} {
		t.Run(name, func(t *testing.T) {
			var p Plan
			c.plan(&p)
			err := p.Check()
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err != nil && (!strings.Contains(err.Error(), c.word) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%q has no %q", err, c.word)
			}
		})
	}
}
