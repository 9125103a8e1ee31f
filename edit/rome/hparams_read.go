package rome

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/human"
	"retcon/internal/textfile"
	"retcon/lm"
)

// unused are keys of the two code bases that have no meaning here: names of
// modules and files, precision, and what the layer statistics are made from.
var unused = []string{
	"model_name", "stats_dir", "device", "alg_name", "model_parallel", "fp16", "bf16", "max_length", "batch_size",
	"model_class", "tokenizer_class", "tokenizer_name", "model_type", "v_loss_layer", "mom2_dataset", "mom2_n_samples", "mom2_dtype",
	"rewrite_module_tmp", "layer_module_tmp", "mlp_module_tmp", "attn_module_tmp", "ln_f_module", "lm_head_module",
}

// Bounds on a file, in bytes; a value of YAML takes a thousand times its length
// while it is read.
const (
	mostJSON = 1 << 20
	mostYAML = 32 << 10
)

// mostWords bounds what an error says of a file, in characters: it may quote the
// whole of it.
const mostWords = 400

// ReadHParams reads hyper-parameters over base: kmeng01/rome's JSON, EasyEdit's
// YAML, or what this package wrote. A learning rate without an optimiser makes
// that Adam. It returns a warning for each key that it does not know. Errors wrap
// ErrRequest, or ErrUnsupported where a value asks for something that is not
// offered.
func ReadHParams(r io.Reader, base HParams) (h HParams, warnings []string, err error) {
	values, err := readValues(r)
	if err != nil {
		return base, nil, err
	}
	h = base
	if _, ok := values["v_lr"]; ok && values["optimizer"] == nil {
		h.Optimizer, h.StopNLL = Adam, 0 // what it is the learning rate of, in both code bases
	}
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		known, err := h.set(k, values[k])
		if err != nil {
			return base, nil, err
		}
		if !known {
			warnings = append(warnings, fmt.Sprintf("hyper-parameter %s is not known and has no effect", human.Quote(k, 60)))
		}
	}
	return h, warnings, nil
}

// readValues reads a mapping of JSON or YAML, each value as JSON.
func readValues(r io.Reader) (values map[string]json.RawMessage, err error) {
	b, err := io.ReadAll(io.LimitReader(textfile.NewReader(r), mostJSON+1))
	if err != nil {
		return nil, err
	}
	switch isJSON := bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")); {
	case len(b) > mostJSON:
		return nil, fault.Errorf(fact.ErrRequest, "the file of hyper-parameters is longer than a megabyte")
	case isJSON:
		err = json.Unmarshal(b, &values)
	case len(b) > mostYAML:
		return nil, fault.Errorf(fact.ErrRequest, "hyper-parameters of %d bytes in YAML: at most %d are read, and a megabyte of JSON", len(b), mostYAML)
	default:
		values, err = yamlValues(b)
		if fixed := windowsPaths(b); err != nil && !bytes.Equal(fixed, b) {
			if again, e := yamlValues(fixed); e == nil {
				values, err = again, nil
			}
		}
	}
	if err != nil {
		return nil, fault.Errorf(fact.ErrRequest, "hyper-parameters: %s", human.Short(err.Error(), mostWords))
	}
	return values, nil
}

// set takes one key; it reports false for one that is not known.
func (h *HParams) set(key string, value json.RawMessage) (known bool, err error) {
	var dst any
	switch key {
	case "layers":
		dst = &h.Layers
	case "layer_auto":
		dst = &h.Auto
	case "v_num_grad_steps":
		dst = &h.Steps
	case "v_lr":
		dst = &h.LR
	case "optimizer":
		dst = &h.Optimizer
	case "max_step":
		dst = &h.MaxStep
	case "stop_loss":
		dst = &h.StopLoss
	case "stop_nll":
		dst = &h.StopNLL
	case "kl_factor":
		dst = &h.KLFactor
	case "kl_position":
		dst = &h.KLPosition
	case "v_weight_decay":
		dst = &h.WeightDecay
	case "clamp_norm_factor":
		dst = &h.Clamp
	case "context_template_length_params":
		dst = &h.PrefixLengths
	case "prefixes":
		dst = &h.Prefixes
	case "chat":
		dst = &h.Chat
	case "denominator":
		dst = &h.Denominator
	case "covariance":
		dst = &h.Covariance
	case "rows_per_step":
		dst = &h.StepRows
	case "seed":
		dst = &h.Seed
	case "fact_token", "alg_name":
		return true, only(key, value)
	case "mom2_adjustment":
		on := true
		dst = &on
		defer func() {
			if !on {
				h.Covariance = covariance.KindIdentity
			}
		}()
	default:
		return slices.Contains(unused, key), nil
	}
	if err := json.Unmarshal(value, dst); err != nil {
		return true, fault.Errorf(fact.ErrRequest, "hyper-parameter %s: %.60s is not a value for it", key, value)
	}
	return true, nil
}

// only refuses the values of a key that are not offered.
func only(key string, value json.RawMessage) error {
	var s string
	json.Unmarshal(value, &s)
	switch {
	case key == "fact_token" && s != "subject_last":
		return fault.Errorf(lm.ErrUnsupported, "fact_token %s: only subject_last is", human.Short(string(value), 60))
	case key == "alg_name" && !slices.Contains([]string{"rome", "r-rome"}, strings.ToLower(s)):
		return fault.Errorf(lm.ErrUnsupported, "hyper-parameters for method %s: only ROME's are", human.Short(string(value), 60))
	}
	return nil
}

// windowsPaths takes the backslashes of lines with a path such as "C:\models" for
// what they are, not for escapes.
func windowsPaths(b []byte) []byte {
	lines := bytes.Split(b, []byte("\n"))
	for i, l := range lines {
		if bytes.Contains(l, []byte(`:\`)) {
			lines[i] = bytes.ReplaceAll(l, []byte(`\`), []byte(`\\`))
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// yamlValues reads a mapping of YAML, each value as the JSON that says the same.
func yamlValues(b []byte) (map[string]json.RawMessage, error) {
	var docs []any
	if err := yaml.Load(b, &docs, yaml.WithAllDocuments()); err != nil {
		return nil, err
	}
	if len(docs) == 0 || len(docs) == 1 && docs[0] == nil {
		return nil, nil // nothing, or comments
	}
	doc, ok := docs[0].(map[string]any)
	if len(docs) > 1 || !ok {
		return nil, errors.New("not one list of \"key: value\"")
	}
	values := map[string]json.RawMessage{}
	for key, v := range doc {
		j, err := json.Marshal(v)
		if err != nil { // infinite, or a mapping by what is no text
			return nil, fmt.Errorf("%s is not a value for %s", human.Short(fmt.Sprint(v), 60), human.Short(key, 60))
		}
		values[key] = j
	}
	return values, nil
}
