package rome

import "retcon/lm"

// Batches splits the rows of an objective into batches of about n: the bare
// prompt and what has no target are in each of them, the other prompts take
// turns. n of 0 takes all rows at once. Batches are of one size, for which a
// row may be in two of them.
func Batches(rows []lm.ObjectiveRow, n int) []lm.Batch {
	var always, turns []int
	for i, r := range rows {
		if i == 0 || len(r.Targets) == 0 {
			always = append(always, i)
		} else {
			turns = append(turns, i)
		}
	}
	each := len(turns)
	if n > 0 {
		apart := len(always)
		if apart == 1 && rows[0].KLWeight != 0 {
			apart++ // it is two rows in one, which makes steps cheaper, not other ones
		}
		each = min(each, max(1, n-apart))
	}
	count := 1
	if each > 0 {
		count = (len(turns) + each - 1) / each
		each = (len(turns) + count - 1) / count
	}
	uses := make([]int, len(rows))
	batches := make([]lm.Batch, count)
	for b := range batches {
		// the bare prompt first, what has no target last, as the rows are
		batches[b].Rows = append(batches[b].Rows, always[0])
		for k := range each {
			// neighbours go to different batches: prefixes are in order of length
			batches[b].Rows = append(batches[b].Rows, turns[(k*count+b)%len(turns)])
		}
		batches[b].Rows = append(batches[b].Rows, always[1:]...)
		for _, r := range batches[b].Rows {
			uses[r]++
		}
	}
	for b := range batches {
		for _, r := range batches[b].Rows {
			batches[b].Scale = append(batches[b].Scale, float64(count)/float64(uses[r]))
		}
	}
	return batches
}

// batchLoss is the loss of an objective's batch without the decay, whose gradient
// a step gives.
func batchLoss(b lm.Batch, rows []lm.ObjectiveRow, l lm.Loss) float64 {
	sum := 0.0
	for i, r := range b.Rows {
		sum += b.Scale[i] * (rows[r].NLLWeight*l.NLL[i] + rows[r].KLWeight*l.KL[i])
	}
	return sum
}

// joint are the rows and batches of tasks that are optimised at once: batch b is
// batch b of each. ok is false where they have not as many batches.
func joint(tasks []*valueTask) (rows []lm.ObjectiveRow, batches []lm.Batch, ok bool) {
	batches = make([]lm.Batch, len(tasks[0].batches))
	for k, t := range tasks {
		if len(t.batches) != len(batches) {
			return nil, nil, false
		}
		for b := range batches {
			for i, r := range t.batches[b].Rows {
				batches[b].Rows = append(batches[b].Rows, len(rows)+r)
				batches[b].Scale = append(batches[b].Scale, t.batches[b].Scale[i])
			}
		}
		for _, r := range t.rows {
			r.Edit = k
			rows = append(rows, r)
		}
	}
	return rows, batches, true
}

// latest is the loss of all rows, each as the last batch with it had it.
type latest struct {
	rows    []lm.ObjectiveRow
	batches []lm.Batch
	nll, kl []float64
	seen    []bool
}

func newLatest(rows []lm.ObjectiveRow, batches []lm.Batch) *latest {
	n := len(rows)
	return &latest{rows: rows, batches: batches, nll: make([]float64, n), kl: make([]float64, n), seen: make([]bool, n)}
}

// add takes in the loss of a batch.
func (l *latest) add(batch int, loss lm.Loss) {
	for i, r := range l.batches[batch].Rows {
		l.nll[r], l.kl[r], l.seen[r] = loss.NLL[i], loss.KL[i], true
	}
}

// whole reports whether every row has been seen.
func (l *latest) whole() bool {
	for _, s := range l.seen {
		if !s {
			return false
		}
	}
	return true
}

// nllOf is the weighted mean over a batch's rows, of which each has been seen.
func (l *latest) nllOf(batch int) float64 {
	var sum, weight float64
	for _, r := range l.batches[batch].Rows {
		sum += l.rows[r].NLLWeight * l.nll[r]
		weight += l.rows[r].NLLWeight
	}
	return sum / weight
}

// parts are the means over the rows seen, weighted.
func (l *latest) parts() (nll, kl float64) {
	var weight, all float64
	for i, r := range l.rows {
		all += r.NLLWeight
		if l.seen[i] {
			nll += r.NLLWeight * l.nll[i]
			weight += r.NLLWeight
			kl += r.KLWeight * l.kl[i]
		}
	}
	if weight > 0 {
		nll *= all / weight
	}
	return nll, kl
}
