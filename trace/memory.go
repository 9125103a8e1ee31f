package trace

import (
	"retcon/llama"
	"retcon/replay"
)

// What a trace holds beyond the model's file, part by part, beside what replay
// counts for every experiment. The parts are sizes of what is allocated, high
// rather than low; copies of weights get what the others leave of the memory asked
// for.

// contextFor are the sizes of a context for batches of so many rows and runs.
func contextFor(rows, runs int) llama.ContextParams {
	rows = max(rows, 256)
	return llama.ContextParams{Cells: (rows + 255) / 256 * 256, Batch: rows, Outputs: runs, Sequences: runs}
}

// contextBytes is what such a context takes.
func (j *job) contextBytes(rows, runs int) int64 { return j.shape.ContextBytes(contextFor(rows, runs)) }

// free is the memory that is left beside the process and such a context.
func (j *job) free(rows, runs int) int64 {
	return replay.Memory{Asked: j.opts.Memory, Process: replay.ProcessBytes(j.shape.Logits), Context: j.contextBytes(rows, runs)}.Free()
}

// rowBytes is the values of a row in a layer, there and back.
func (j *job) rowBytes() int64 { return int64(4 * (4*j.shape.Key + 8*j.shape.Stream)) }

// runBytes is the attention of a run in a layer, there and back: scores of every
// head, and whole runs of queries, keys and values.
func (j *job) runBytes() int64 {
	n := len(j.prompt.Tokens)
	padded := n + 15
	return 4 * int64(3*j.shape.Queries*n*padded+3*n*j.shape.Heads+4*padded*j.shape.Cached)
}

// layerBytes is the values of a batch in a layer or, if those are more, the
// logits and probabilities after the last.
func (j *job) layerBytes(rows, runs int) int64 {
	inside := int64(rows)*j.rowBytes() + int64(runs)*j.runBytes()
	return max(inside, 8*j.streamBytes(rows)+8*int64(runs)*int64(j.shape.Logits))
}

// streamBytes is a residual stream.
func (j *job) streamBytes(rows int) int64 { return int64(rows) * int64(j.shape.Stream) * 4 }

// keptBytes is what is kept of a base: the logits of its runs; for an estimate the
// streams, the outputs of both modules, keys and values in every layer too, the
// probabilities, and the logits of a step between.
func (j *job) keptBytes(rows, runs int) int64 {
	logits := int64(runs) * int64(j.shape.Logits) * 4
	if j.cfg.Approx == nil {
		return logits
	}
	return int64(j.layers)*(3*j.streamBytes(rows)+int64(rows)*int64(2*j.shape.Cached)*4) + int64(1+min(j.cfg.Approx.Steps, 2))*logits
}

// refinedBytes is the streams of the cells that are computed exactly after an
// estimate, all at once, of so many rows each.
func (j *job) refinedBytes(rows int) int64 {
	if j.cfg.Approx == nil {
		return 0
	}
	return int64(len(j.kinds())*j.cfg.Approx.Refine) * j.streamBytes(rows)
}

// fit is the most samples, one at least, whose runs beside the clean one fit: their
// values in a layer, what an estimate keeps, and the streams of its exact cells.
func (j *job) fit(values, kept, streams int64) int {
	n, span := len(j.prompt.Tokens), len(j.prompt.Tokens)-j.prompt.Begin
	per := 1
	for per < llama.MaxSequences-1 {
		rows, runs := n+(per+1)*span, per+2
		if rows > mostRows || j.layerBytes(rows, runs) > values || replay.HeapBytes(j.keptBytes(rows, runs)) > kept || j.refinedBytes((per+1)*span) > streams {
			break
		}
		per++
	}
	return per
}

// weightBytes is what copies of all weights take.
func (j *job) weightBytes() int64 { return int64(j.policy.Copy.Size()) * j.shape.Weights }

// layerWeightBytes is what copies take of all but the output matrix.
func (j *job) layerWeightBytes() int64 { return int64(j.policy.Copy.Size()) * j.shape.Layered }
