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
// and in their directory unknown.gguf, of an architecture that does not exist,
// and in kinds files that are no models: adapter.gguf and so on.
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
			if err := otherKinds(env.WorkDir); err != nil {
				return err
			}
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

// otherKinds writes GGUF files that are no models, and one with a layer.
func otherKinds(dir string) error {
	dir = filepath.Join(dir, "kinds")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	floats := func(name string, n int64) gguf.Tensor {
		return gguf.Tensor{Name: name, Type: gguf.F32, Dims: []int64{n}, Data: gguf.Bytes(bytes.Repeat([]byte{0, 0, 128, 63}, int(n)))}
	}
	text := func(key, value string) gguf.KeyValue { return gguf.KeyValue{Key: key, Value: gguf.ValueOf(value)} }
	const down = "blk.0.ffn_down.weight"
	for name, f := range map[string]struct {
		keys    []gguf.KeyValue
		tensors []gguf.Tensor
	}{
		"adapter": {[]gguf.KeyValue{text("general.type", "adapter"), text("general.architecture", "nosuch")}, []gguf.Tensor{floats(down+".lora_a", 4)}},
		"imatrix": {[]gguf.KeyValue{text("general.type", "imatrix")}, []gguf.Tensor{floats(down+".in_sum2", 4), floats(down+".counts", 1)}},
		"mmproj":  {[]gguf.KeyValue{text("general.architecture", "clip")}, []gguf.Tensor{floats("v.patch_embd.weight", 4)}},
		"vocab":   {[]gguf.KeyValue{text("general.architecture", "nosuch"), text("tokenizer.ggml.model", "gpt2")}, nil},
		"layer": {[]gguf.KeyValue{text("general.architecture", "nosuch"), {Key: "nosuch.block_count", Value: gguf.ValueOf(uint32(1))}},
			[]gguf.Tensor{floats(down, 8)}},
	} {
		b := gguf.NewBuilder()
		for _, kv := range f.keys {
			b.Set(kv.Key, kv.Value)
		}
		for _, t := range f.tensors {
			b.Add(t)
		}
		var out bytes.Buffer
		if _, err := b.WriteTo(&out); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".gguf"), out.Bytes(), 0o666); err != nil {
			return err
		}
	}
	return nil
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
