package rome

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"retcon/fact"
	"retcon/internal/mutate"
	"retcon/lm"
)

// Damaged hyper-parameters end in settings or in one line of an error of the file.
func TestMutatedHParams(t *testing.T) {
	files := []mutate.File{
		{Name: "YAML", Data: []byte(`alg_name: "ROME"
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
`)},
		{Name: "YAML list", Data: []byte("a: &x [1]\nlayers:\n  - 17\nkl_position: end\ncontext_template_length_params:\n- - 5\n  - 10\n- - 10\n  - 10\n")},
		{Name: "JSON", Data: []byte(`{"layers": [7], "v_lr": 0.5, "optimizer": "polyak", "max_step": 0.5, "stop_nll": 0.2, "v_num_grad_steps": 3, "prefixes": [[5, 10]]}`)},
	}
	for i := range files {
		files[i].Mutate = mutate.Text
	}
	mutate.Each(t, files, 340, func(c mutate.Case) error {
		_, warnings, err := ReadHParams(bytes.NewReader(c.Data), DefaultHParams())
		for _, w := range warnings {
			if len(w) > 1000 {
				return fmt.Errorf("a warning of %d bytes", len(w))
			}
		}
		switch {
		case err == nil:
		case !errors.Is(err, fact.ErrRequest) && !errors.Is(err, lm.ErrUnsupported), len(err.Error()) > 2000, strings.ContainsRune(err.Error(), 0):
			return err
		}
		return nil
	})
}
