package tpatcher

import (
	"math/rand/v2"
	"testing"

	"retcon/edit"
	"retcon/gguf/ffn"
)

// Edits that are let go leave no query in the memory, and those that are kept
// again overwrite the neurons that are next, not the ones they had.
func TestForget(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := &work{memory: fakeMemory(t, rng, 200), cfg: Config{Slots: SlotsOld}}
	for i := range 3 {
		w.old = append(w.old, ffn.Neuron{GateBias: float32(i)})
	}
	of := func(bias float32, trained int) *edit.Computed {
		n := &Neurons{trained: trained, queries: query(rng)}
		for range trained {
			n.All = append(n.All, ffn.Neuron{GateBias: bias})
		}
		return &edit.Computed{Change: n}
	}
	before, _ := w.memory.Len()
	first, second := of(10, 2), of(20, 1)
	w.Keep(first)
	w.Keep(second)
	if all := w.neurons(); len(all) != 6 || all[4].GateBias != 2 || all[5].GateBias != 20 {
		t.Errorf("%+v", all)
	}
	w.Forget()
	if n, _ := w.memory.Len(); n != before || len(w.memory.train.one) != before || w.added != 0 || len(w.neurons()) != 0 {
		t.Errorf("%d queries, %d were there", n, before)
	}
	w.Keep(second)
	if all := w.neurons(); len(all) != 2 || all[0].GateBias != 0 || all[1].GateBias != 20 {
		t.Errorf("%+v", all)
	}
	if n, _ := w.memory.Len(); n != before+1 || len(w.memory.train.one) != n {
		t.Errorf("%d queries after one edit, %d before", n, before)
	}
}
