package trace

import (
	"runtime/debug"
	"strconv"

	"retcon/llama"
)

// What a trace holds beyond the model's file, part by part. The parts are sizes
// of what is allocated, high rather than low; copies of weights get what the
// others leave of the memory asked for.

// process is what the program, the libraries, the vocabulary and the Go runtime
// hold beside the parts that are counted. 30 MiB were measured before anything
// is traced; the peak of an estimate was another 62 MiB above its plan, of which
// it is not known what holds them.
const process = 112 << 20

// garbage is how much of it, in percent, the heap may hold beside so many bytes in
// use while a trace runs: the heap is a part of the memory. Most of a large one
// are long rows of floats, which cost the collector nothing; in a small one it
// would run all the time.
func garbage(bytes int64) int {
	if bytes > 64<<20 {
		return 20
	}
	return 50
}

// tightHeap sets it for what the plan keeps, and gives what undoes it.
func (p *plan) tightHeap() (undo func()) {
	old := debug.SetGCPercent(garbage(p.inHeap))
	return func() { debug.SetGCPercent(old) }
}

// heap is the heap that values of so many bytes need.
func heap(bytes int64) int64 { return bytes + bytes*int64(garbage(bytes))/100 }

// contextBytes is a context's KV cache, its rows of logits, and what llama.cpp sets
// aside for the values of a batch.
func (j *job) contextBytes(rows, runs int) int64 {
	i := j.model.Info()
	cells := cellsFor(rows)
	cache := int64(cells) * int64(2*i.Layers*j.keyWidth())
	return 4 * (cache + int64(runs)*int64(i.Vocab) + int64(cells)*int64(2*j.widest()+3*i.Width))
}

// cellsFor is the size of a cache for batches of so many rows.
func cellsFor(rows int) int { return (max(rows, 256) + 255) / 256 * 256 }

// keyWidth is the length of a token's keys in a layer.
func (j *job) keyWidth() int {
	i := j.model.Info()
	n, err := strconv.Atoi(j.model.Meta(i.Arch + ".attention.head_count_kv"))
	if err != nil || n < 1 || n > i.Heads {
		return i.Width
	}
	return i.Width / i.Heads * n
}

// rowBytes is the values of a row in a layer, there and back.
func (j *job) rowBytes() int64 { return int64(4 * (4*j.widest() + 8*j.model.Info().Width)) }

// runBytes is the attention of a run in a layer, there and back: scores of every
// head, and whole runs of queries, keys and values.
func (j *job) runBytes() int64 {
	i := j.model.Info()
	n := len(j.prompt.Tokens)
	padded := n + 15
	return 4 * int64(3*i.Heads*n*padded+3*n*i.Width+4*padded*j.keyWidth())
}

// layerBytes is the values of a batch in a layer or, if those are more, the
// logits and probabilities behind the last.
func (j *job) layerBytes(rows, runs int) int64 {
	inside := int64(rows)*j.rowBytes() + int64(runs)*j.runBytes()
	return max(inside, 8*j.streamBytes(rows)+8*int64(runs)*int64(j.model.Info().Vocab))
}

// streamBytes is a residual stream.
func (j *job) streamBytes(rows int) int64 { return int64(rows) * int64(j.model.Info().Width) * 4 }

// keptBytes is what an estimate keeps of the rows of its base: the streams, the
// outputs of both modules, keys and values in every layer.
func (j *job) keptBytes(rows int) int64 {
	if j.cfg.Approx == nil {
		return 0
	}
	return int64(j.layers) * (3*j.streamBytes(rows) + int64(rows)*int64(2*j.keyWidth())*4)
}

// fit is the most samples, one at least, whose runs beside the clean one fit.
func (j *job) fit(budget, kept int64) int {
	n, span := len(j.prompt.Tokens), len(j.prompt.Tokens)-j.prompt.Begin
	per := 1
	for per < llama.MaxSequences-1 {
		rows, runs := n+(per+1)*span, per+2
		if rows > mostRows || j.layerBytes(rows, runs) > budget || heap(j.keptBytes(rows)) > kept {
			break
		}
		per++
	}
	return per
}
