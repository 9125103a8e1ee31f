package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"retcon/gguf"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"retcon": main})
}

// TestScripts runs the command as its users do. Scripts find in their
// environment:
//
//	MODEL      the demo model, empty where it was not fetched
//	RECURRENT  a recurrent model, empty where the fixtures were not made
//	CORPUS     a short text
//
// and in their directory unknown.gguf, of an architecture that does not exist.
// They have a command, sametensors.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	existing := func(parts ...string) string {
		path := filepath.Join(append([]string{root}, parts...)...)
		if _, err := os.Stat(path); err != nil {
			return ""
		}
		return path
	}
	model := existing("third_party", "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
	if model == "" {
		t.Log("SKIPPING the scripts that edit the demo model: it is not there; make model fetches it")
	}
	unknown := unknownModel(t)
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"sametensors": sametensors},
		Setup: func(env *testscript.Env) error {
			for _, v := range []string{"LLAMA_ARG_MODEL", "LLAMA_ARG_THREADS", "LLAMA_ARG_N_GPU_LAYERS", "LLAMA_ARG_RPC"} {
				env.Setenv(v, "")
			}
			env.Setenv("MODEL", model)
			env.Setenv("RECURRENT", existing("build", "archs", "mamba-dense.gguf"))
			env.Setenv("CORPUS", existing("internal", "neutral", "neutral.txt"))
			env.Setenv("RETCON_CACHE_DIR", filepath.Join(env.WorkDir, "cache"))
			return os.WriteFile(filepath.Join(env.WorkDir, "unknown.gguf"), unknown, 0o666)
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "model":
				return model != "", nil
			case "archs":
				return existing("build", "archs", "mamba-dense.gguf") != "", nil
			}
			return false, nil
		},
	})
}

// unknownModel is a file that is good GGUF and no model.
func unknownModel(t *testing.T) []byte {
	b := gguf.NewBuilder()
	b.Set("general.architecture", gguf.ValueOf("nosuch"))
	b.Add(gguf.Tensor{Name: "token_embd.weight", Type: gguf.F32, Dims: []int64{4, 4}, Data: gguf.Bytes(make([]byte, 64))})
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
