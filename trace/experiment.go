package trace

import (
	"retcon/replay"
	"retcon/trace/result"
)

// experiment is one column of a grid or series: all runs of a group with
// something restored or held around one layer.
type experiment struct {
	start     int // the first layer that it computes
	overwrite func(layer int) replay.Module
	// clean says where overwritten outputs come from: the clean run, or each
	// run's own corrupted one.
	clean bool
	// restored: its runs begin after layer start-1 with the clean state there.
	restored bool
	into     target
	stream   []float32
	// trunk is the run that it branches from; nil for the corrupted run.
	trunk *experiment
	own   int // the first layer that it computes without a trunk
}

// branch lets an experiment begin at a layer as trunk is there.
func (e *experiment) branch(trunk *experiment, layer int) {
	e.own, e.start, e.trunk = e.start, layer, trunk
}

// alone undoes branch.
func (e *experiment) alone() { e.start, e.trunk = e.own, nil }

// target gives the places where a token's probability and, if asked for,
// logit difference are added up.
type target func(token int) (prob, diff *float64)

// hidden restores the state after a layer.
func hidden(layer int, into target) *experiment {
	none := func(int) replay.Module { return replay.NoModule }
	return &experiment{start: layer + 1, overwrite: none, restored: true, into: into}
}

// window restores a module's outputs in layers [begin, end).
func window(m replay.Module, begin, end int, into target) *experiment {
	return &experiment{start: begin, clean: true, into: into, overwrite: func(l int) replay.Module {
		if l >= begin && l < end {
			return m
		}
		return replay.NoModule
	}}
}

// held holds a module's outputs to the corrupted run's in every layer.
func held(m replay.Module, into target) *experiment {
	return &experiment{into: into, overwrite: func(int) replay.Module { return m }}
}

// severed restores the state after a layer and holds a module's outputs to
// the corrupted run's from there on.
func severed(m replay.Module, layer int, into target) *experiment {
	return &experiment{start: layer + 1, restored: true, into: into, overwrite: func(int) replay.Module { return m }}
}

// windowAt is the window around a layer.
func windowAt(layer, w, layers int) (begin, end int) { return result.Window(layer, w, layers) }
