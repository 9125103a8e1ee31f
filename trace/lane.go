package trace

import "slices"

// begin starts the experiments that restore the state after the layer in hand,
// or branch from another one there.
func (l *lane) begin(b *base) {
	for _, e := range l.exps {
		if e.start != b.layer+1 || !e.restored && e.trunk == nil {
			continue
		}
		if e.trunk != nil {
			e.stream = slices.Clone(e.trunk.stream)
		} else {
			e.stream = l.runs.Gather(b.stream, b.width)
		}
		if e.restored {
			l.restore(b, e.stream)
		}
	}
}

// restore puts the clean state after the layer in hand into a stream.
func (l *lane) restore(b *base, stream []float32) {
	for run, x := range l.cells {
		copy(stream[l.runs.Start(run)*b.width:], b.streamOf(0, x.token))
	}
}
