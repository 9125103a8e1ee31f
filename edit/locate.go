package edit

import (
	"context"

	"retcon/fact"
	"retcon/lm"
)

// Locator finds the layer where facts are recalled, by a trace of each. m holds
// no edit.
type Locator func(ctx context.Context, m lm.Model, facts []fact.Fact) (*Located, error)

// Located is the layer that traces point to: the one in the middle of the window
// of FFN outputs that brings back most of the answer's probability when they are
// restored at the subject's last token. Effects are means over the facts.
//
// A layer where a fact is recalled need not be the best to edit (Hase et al.
// 2023, arXiv 2301.04213).
type Located struct {
	Layer      int       `json:"layer"`
	Window     [2]int    `json:"window"` // layers restored, [begin, end)
	Effect     float64   `json:"effect"` // p(restored) - p(corrupted)
	RunnerUp   *RunnerUp `json:"runner_up,omitempty"`
	Effects    []float64 `json:"effects"` // by the layer that the window is around
	PClean     float64   `json:"p_clean"`
	PCorrupted float64   `json:"p_corrupted"`
	Facts      int       `json:"facts"`
	Caveat     string    `json:"caveat"`
	Warnings   []string  `json:"-"`
}

// RunnerUp is the next best layer.
type RunnerUp struct {
	Layer  int     `json:"layer"`
	Effect float64 `json:"effect"`
}
