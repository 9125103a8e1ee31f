package average

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"retcon/internal/jsonl"
	"retcon/internal/shard"
)

// Schema is the version of the results file.
const Schema = 1

// fileKind tells a results file from other JSON lines.
const fileKind = "retcon trace average"

// Header is the first line of a results file.
type Header struct {
	Schema   int         `json:"schema"`
	Kind     string      `json:"kind"`
	Model    string      `json:"model"`    // path of the model, for people
	Requests string      `json:"requests"` // path of the facts, for people
	Facts    int         `json:"facts"`    // how many facts there are, over all shards
	Shard    shard.Shard `json:"shard"`
	Settings Settings    `json:"settings"`
}

// Settings are all that a record depends on besides its fact. Results are
// joined only where they agree.
type Settings struct {
	Model      string   `json:"model"` // identifies the weights
	Facts      string   `json:"facts"` // Digest of all facts
	Layers     int      `json:"layers"`
	Kinds      []string `json:"kinds"` // of grids
	Sever      bool     `json:"sever"`
	Corruption string   `json:"corruption"` // how the subject is hidden: noise, ..
	Noise      float64  `json:"noise"`      // standard deviation of the noise
	NoiseFrom  string   `json:"noise_from"` // where that is from, for people
	Samples    int      `json:"samples"`
	Window     int      `json:"window"` // layers of a window of modules
	Seed       uint64   `json:"seed"`
	Approx     bool     `json:"approx"` // estimated by gradients instead of run
	// Of an estimate: points that gradients are taken at, and cells of each grid
	// that are run.
	ApproxSteps int `json:"approx_steps,omitempty"`
	Refine      int `json:"refine,omitempty"`
	// Hypothesis identifies the text that the records' further measurements
	// use; empty where there are none.
	Hypothesis string `json:"hypothesis,omitempty"`
	// Literal says that control tokens written in prompts were read as letters.
	Literal bool `json:"literal,omitempty"`
}

// unsevered are the settings without severed runs.
func (s Settings) unsevered() Settings {
	s.Sever = false
	return s
}

// differences names the settings in which two differ, s first.
func (s Settings) differences(other Settings) []string {
	var out []string
	note := func(name string, same bool, a, b any) {
		if !same {
			out = append(out, fmt.Sprintf("%s (%v and %v)", name, a, b))
		}
	}
	if s.Model != other.Model || s.Layers != other.Layers {
		out = append(out, "the model")
	}
	if s.Facts != other.Facts {
		out = append(out, "the facts")
	}
	kinds := func(s Settings) []string { return slices.Sorted(slices.Values(s.Kinds)) }
	note("kinds", slices.Equal(kinds(s), kinds(other)), s.Kinds, other.Kinds)
	note("severed runs", s.Sever == other.Sever, s.Sever, other.Sever)
	note("corruption", s.Corruption == other.Corruption, s.Corruption, other.Corruption)
	// Processors round the sum behind the figure differently.
	note("noise", math.Abs(s.Noise-other.Noise) <= 1e-9*math.Abs(s.Noise), s.Noise, other.Noise)
	note("samples", s.Samples == other.Samples, s.Samples, other.Samples)
	note("window", s.Window == other.Window, s.Window, other.Window)
	note("seed", s.Seed == other.Seed, s.Seed, other.Seed)
	note("hypothesis", s.Hypothesis == other.Hypothesis, s.Hypothesis, other.Hypothesis)
	note("control tokens as letters", s.Literal == other.Literal, s.Literal, other.Literal)
	note("approximation", s.Approx == other.Approx, s.Approx, other.Approx)
	note("points of the approximation", s.ApproxSteps == other.ApproxSteps, s.ApproxSteps, other.ApproxSteps)
	note("refined cells", s.Refine == other.Refine, s.Refine, other.Refine)
	return out
}

// parseHeader reads and checks the first line of a file.
func parseHeader(line []byte) (Header, error) {
	var h Header
	err := json.Unmarshal(line, &h)
	switch {
	case err != nil || h.Kind != fileKind:
		return h, jsonl.ErrHeader
	case h.Schema != Schema:
		return h, fmt.Errorf("%w: it has schema %d, this program knows %d", ErrResults, h.Schema, Schema)
	case h.Facts < 0 || h.Settings.Layers < 1 || h.Settings.Window < 1:
		return h, fmt.Errorf("%w: its header has %d facts, %d layers and a window of %d", ErrResults, h.Facts, h.Settings.Layers, h.Settings.Window)
	}
	for _, k := range h.Settings.Kinds {
		if !slices.Contains([]string{Hidden, MLP, Attn}, k) {
			return h, fmt.Errorf("%w: its header has the kind %q", ErrResults, k)
		}
	}
	return h, nil
}
