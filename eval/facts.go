package eval

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"retcon/gguf"
	"retcon/lm"
)

// Facts says which model it is.
type Facts struct {
	File   string `json:"file"`
	Print  string `json:"fingerprint"`
	Arch   string `json:"architecture"`
	Name   string `json:"name,omitempty"`
	Type   string `json:"type"` // of most of its weights
	Bytes  int64  `json:"bytes"`
	Params int64  `json:"params"`
	Layers int    `json:"layers"`
	Width  int    `json:"width"`
	// Types has the type of each class of tensors, such as ffn_down; several
	// where layers differ.
	Types map[string]string `json:"types,omitempty"`
}

// FactsOf says which model the file at path is; info is the open model's.
func FactsOf(path string, info lm.Info) (Facts, error) {
	file, err := gguf.Open(path)
	if err != nil {
		return Facts{}, err
	}
	defer file.Close()
	f := Facts{
		File: filepath.Base(path), Arch: info.Arch, Name: info.Name, Bytes: file.Size(), Params: info.Params,
		Layers: info.Layers, Width: info.Width, Types: map[string]string{},
	}
	if f.Print, err = gguf.Fingerprint(file); err != nil {
		return f, err
	}
	types, most := map[string]int64{}, int64(0)
	classes := map[string][]string{}
	for _, t := range file.Tensors {
		name := t.Type.String()
		if types[name] += t.Elements(); types[name] > most {
			most, f.Type = types[name], name
		}
		if class := classOf(t.Name); len(t.Dims) > 1 && !slices.Contains(classes[class], name) {
			classes[class] = append(classes[class], name)
		}
	}
	for class, names := range classes {
		f.Types[class] = strings.Join(names, "/")
	}
	return f, nil
}

// classOf is what tensors of all layers have in common: "ffn_down" of
// "blk.3.ffn_down.weight".
func classOf(name string) string {
	name = strings.TrimSuffix(name, ".weight")
	if rest, ok := strings.CutPrefix(name, "blk."); ok {
		if _, class, ok := strings.Cut(rest, "."); ok {
			return class
		}
	}
	return name
}

// types is "attn_k Q4_1, ffn_down Q6_K, ..".
func (f Facts) types() string {
	var out []string
	for _, class := range slices.Sorted(maps.Keys(f.Types)) {
		out = append(out, class+" "+f.Types[class])
	}
	return strings.Join(out, ", ")
}

// classes says in which types the tensors of a model are, by what they do.
func (f Facts) classes() string {
	var out []string
	for _, class := range []struct {
		name  string
		holds func(tensor string) bool
	}{
		{"attention", func(t string) bool { return strings.HasPrefix(t, "attn_") }},
		{"ffn_gate/up", func(t string) bool { return t == "ffn_gate" || t == "ffn_up" }},
		{"ffn_down", func(t string) bool { return t == "ffn_down" }},
		{"embedding", func(t string) bool { return t == "token_embd" }},
		{"output", func(t string) bool { return t == "output" }},
	} {
		if types := f.typesOf(class.holds); types != "" {
			out = append(out, class.name+" "+types)
		}
	}
	if f.Types["output"] == "" && len(out) > 0 {
		out = append(out, "output is the embedding")
	}
	return strings.Join(out, ", ")
}

// typesOf are the types of some tensors, "Q4_K/Q6_K".
func (f Facts) typesOf(holds func(tensor string) bool) string {
	var types []string
	for tensor, names := range f.Types {
		if holds(tensor) {
			types = append(types, strings.Split(names, "/")...)
		}
	}
	slices.Sort(types)
	return strings.Join(slices.Compact(types), "/")
}
