package trace

import "slices"

// begin starts the experiments that restore the state behind the layer in hand,
// or branch from another one there.
func (l *lane) begin(b *base) {
	for _, e := range l.exps {
		if e.start != b.layer+1 || !e.restored && e.trunk == nil {
			continue
		}
		if e.trunk != nil {
			e.stream = slices.Clone(e.trunk.stream)
		} else {
			e.stream = gather(b.stream, l.runs.Source(), b.width)
		}
		if e.restored {
			l.restore(b, e.stream)
		}
	}
}

// restore puts the clean state behind the layer in hand into a stream.
func (l *lane) restore(b *base, stream []float32) {
	for run, x := range l.cells {
		copy(stream[l.runs.Start(run)*b.width:], b.streamOf(0, x.token))
	}
}

// gather picks rows of values by index.
func gather(values []float32, rows []int32, width int) []float32 {
	out := make([]float32, 0, len(rows)*width)
	for _, r := range rows {
		out = append(out, values[int(r)*width:][:width]...)
	}
	return out
}
