package rome

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"retcon/fact"
	"retcon/lm"
)

// What Windows writes is read as what it says.
func TestHParamsEncodings(t *testing.T) {
	want := DefaultHParams()
	want.Layers, want.Steps, want.Clamp = []int{7}, 3, 2
	for _, text := range []string{
		`{"layers": [7], "v_num_grad_steps": 3, "clamp_norm_factor": 2}`,
		"layers:\r\n- 7\r\nv_num_grad_steps: 3\r\nclamp_norm_factor: 2\r\nmodel_name: \"C:\\models\\x\"\r\n",
	} {
		for name, raw := range map[string]string{"UTF-8": text, "marked": "\ufeff" + text, "UTF-16": "\xff\xfe" + strings.Join(strings.Split(text, ""), "\x00") + "\x00"} {
			h, warnings, err := ReadHParams(strings.NewReader(raw), DefaultHParams())
			if err != nil || len(warnings) > 0 || !reflect.DeepEqual(h, want) {
				t.Errorf("%s: %+v, %q, %v", name, h, warnings, err)
			}
		}
		if _, _, err := ReadHParams(strings.NewReader(text+"\xff"), DefaultHParams()); !errors.Is(err, fact.ErrRequest) || !strings.Contains(err.Error(), "at byte ") {
			t.Error(err)
		}
	}
	_, _, err := ReadHParams(strings.NewReader("\ufeffalg_name: \"MEMIT\"\nlayers: [5]\n"), DefaultHParams())
	if !errors.Is(err, lm.ErrUnsupported) {
		t.Error(err)
	}
	h, _, err := ReadHParams(strings.NewReader("context_template_length_params:\n- - 5\n  - 10\n- - 10\n  - 10\n"), DefaultHParams())
	if err != nil || !slices.Equal(h.PrefixLengths, [][2]int{{5, 10}, {10, 10}}) {
		t.Errorf("%v, %v", h.PrefixLengths, err)
	}
}

func TestHParams(t *testing.T) {
	const yaml = `alg_name: "ROME"
model_name: "./hugging_cache/llama"
device: 0
layers: [5]
fact_token: "subject_last"
v_num_grad_steps: 25   # steps
v_lr: 5e-1
v_loss_layer: 31
v_weight_decay: 1e-3
clamp_norm_factor: 4
kl_factor: 0.0625
mom2_adjustment: false
context_template_length_params: [[5, 10], [10, 10]]
rewrite_module_tmp: "model.layers.{}.mlp.down_proj"
brand_new: yes
`
	h, warnings, err := ReadHParams(strings.NewReader(yaml), DefaultHParams())
	if err != nil {
		t.Fatal(err)
	}
	if h.Steps != 25 || h.WeightDecay != 1e-3 || h.Covariance != "identity" || !slices.Equal(h.Layers, []int{5}) || len(h.PrefixLengths) != 2 {
		t.Errorf("%+v", h)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "brand_new") {
		t.Error(warnings)
	}
	h, _, err = ReadHParams(strings.NewReader("layers:\n  - 17\nkl_position: end\n"), DefaultHParams())
	if err != nil || !slices.Equal(h.Layers, []int{17}) || h.KLPosition != KLEnd || h.Optimizer != Polyak {
		t.Errorf("%+v %v", h, err)
	}
	h, _, err = ReadHParams(strings.NewReader(`{"v_lr": 0.5}`), DefaultHParams())
	if err != nil || h.Optimizer != Adam || h.StopNLL != 0 {
		t.Errorf("a learning rate alone: %+v %v", h, err)
	}
	h, _, err = ReadHParams(strings.NewReader(`{"v_lr": 0.5, "optimizer": "polyak", "max_step": 0.5, "stop_nll": 0.2}`), DefaultHParams())
	if err != nil || h.Optimizer != Polyak || h.MaxStep != 0.5 || h.StopNLL != 0.2 {
		t.Errorf("what an edit records: %+v %v", h, err)
	}
	h, warnings, err = ReadHParams(strings.NewReader("---\r\n# all sorts of YAML\r\nseed: 18446744073709551615\r\nv_lr: .5\r\noptimizer: 'adam'\r\nprefixes:\r\n- \"a # b\\n\"\r\n- >-\r\n  c\r\n  d\r\nlayers: [1,\r\n  2]\r\nclamp_norm_factor: ~\r\nmom2_adjustment: True\r\n"), DefaultHParams())
	if err != nil || len(warnings) > 0 || h.Seed != 1<<64-1 || h.LR != 0.5 || !slices.Equal(h.Prefixes, []string{"a # b\n", "c d"}) ||
		!slices.Equal(h.Layers, []int{1, 2}) || h.Clamp != DefaultHParams().Clamp || h.Covariance != DefaultHParams().Covariance {
		t.Errorf("%+v %q %v", h, warnings, err)
	}
	if h, _, err := ReadHParams(strings.NewReader("# nothing\n"), DefaultHParams()); err != nil || h.Steps != DefaultHParams().Steps {
		t.Errorf("an empty file: %+v %v", h, err)
	}
	for text, want := range map[string]error{
		"v_lr: .inf": fact.ErrRequest, "seed: 1\n---\nseed: 2": fact.ErrRequest, "- seed": fact.ErrRequest, "seed: {1: 2}": fact.ErrRequest, "layers: [5": fact.ErrRequest, "v_lr: 1\nv_lr: 2": fact.ErrRequest, "alg_name: MEMIT": lm.ErrUnsupported,
		`{"fact_token": "last"}`: lm.ErrUnsupported, `{"alg_name": "MEMIT"}`: lm.ErrUnsupported, `{"v_lr": "much"}`: fact.ErrRequest, `{"layers": 5`: fact.ErrRequest, "nonsense": fact.ErrRequest,
	} {
		if _, _, err := ReadHParams(strings.NewReader(text), DefaultHParams()); !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, c := range []struct {
		arch         string
		layers, want int
	}{{"llama", 30, 5}, {"llama", 32, 5}, {"gptj", 28, 5}, {"gpt2", 24, 8}, {"gpt2", 36, 12}, {"gpt2", 48, 16}, {"llama", 1, 0}} {
		if got := DefaultLayer(c.arch, c.layers); got != c.want {
			t.Errorf("%s of %d layers: %d", c.arch, c.layers, got)
		}
	}
}
