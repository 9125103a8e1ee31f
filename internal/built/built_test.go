package built

import (
	"os"
	"path/filepath"
	"testing"
)

// What make builds is found from any package, and the variables overrule that.
func TestPaths(t *testing.T) {
	for _, v := range []string{"RETCON_BUILD", "RETCON_TOOLS", "RETCON_BIN"} {
		t.Setenv(v, "")
	}
	root := Root()
	if _, err := os.Stat(filepath.Join(root, "internal", "built", "built.go")); err != nil {
		t.Fatalf("%s is not the checkout", root)
	}
	if got, want := Path("cache"), filepath.Join(root, "build", "cache"); got != want {
		t.Errorf("%s, not %s", got, want)
	}
	t.Setenv("RETCON_BUILD", "/elsewhere")
	t.Setenv("RETCON_TOOLS", "/tools")
	t.Setenv("RETCON_BIN", "/programs")
	for got, want := range map[string]string{
		Path("cache"): "/elsewhere/cache", Tool("bin/llama-bench"): "/tools/bin/llama-bench", Retcon(): "/programs/retcon",
	} {
		if got != filepath.FromSlash(want) {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
