package eval

import (
	"cmp"
	"fmt"
	"slices"
)

// Series is a run with its entries, in the order of their records.
type Series struct {
	Run     Run
	Entries []Entry
}

// Add puts an entry in its place. One that is there already is replaced, unless
// the new one failed.
func (s *Series) Add(e Entry) {
	at, found := s.find(e.Index)
	switch {
	case !found:
		s.Entries = slices.Insert(s.Entries, at, e)
	case e.Error == "" || s.Entries[at].Error != "":
		s.Entries[at] = e
	}
}

func (s *Series) find(index int) (at int, found bool) {
	return slices.BinarySearchFunc(s.Entries, index, func(e Entry, index int) int { return cmp.Compare(e.Index, index) })
}

// has reports whether there are values of a record.
func (s *Series) has(index int) bool {
	at, found := s.find(index)
	return found && s.Entries[at].Error == ""
}

// Merge joins series of the same run, as shards make them, in the order in which
// runs first come. Merged shards are what one run would have been, but for times
// and memory.
func Merge(all []Series) []Series {
	b := newBook()
	for _, s := range all {
		into, _ := b.add(s.Run)
		for _, e := range s.Entries {
			into.Add(e)
		}
	}
	return b.all
}

// Err is an error where not one record could be scored.
func (s *Series) Err() error {
	if n := s.Failed(); n > 0 && n == len(s.Entries) {
		return fmt.Errorf("all %d records failed; the first: %s", n, s.Entries[0].Error)
	}
	return nil
}

// Failed is how many records have no values.
func (s *Series) Failed() int {
	n := 0
	for _, e := range s.Entries {
		if e.Error != "" {
			n++
		}
	}
	return n
}

// Scored are the entries that have values.
func (s *Series) Scored() []Entry {
	var out []Entry
	for _, e := range s.Entries {
		if e.Error == "" {
			out = append(out, e)
		}
	}
	return out
}

// Edited and Base summarise the values of scored records.
func (s *Series) Edited() Summary { return s.summary(func(e Entry) *Result { return e.Edited }) }

// Base is that of the unedited model, on the same records.
func (s *Series) Base() Summary { return s.summary(func(e Entry) *Result { return e.Base }) }

func (s *Series) summary(of func(Entry) *Result) Summary {
	var vs []Values
	for _, e := range s.Scored() {
		if r := of(e); r != nil {
			vs = append(vs, r.Values)
		}
	}
	return Summarise(vs)
}

// Costs are times and memory of a series.
type Costs struct {
	EditSeconds  float64           // mean of an edit
	WriteSeconds float64           // mean of writing a baked file
	Stages       map[Stage]float64 // mean of each stage, edited and base together
	PeakRSS      int64             // most of any process
}

// Costs sums up what the scored records took.
func (s *Series) Costs() Costs {
	c := Costs{Stages: map[Stage]float64{}}
	scored := s.Scored()
	for _, e := range scored {
		n := float64(len(scored))
		c.EditSeconds += e.EditSeconds / n
		c.WriteSeconds += e.WriteSeconds / n
		for _, r := range []*Result{e.Base, e.Edited} {
			if r != nil {
				for stage, seconds := range r.Seconds {
					c.Stages[stage] += seconds / n
				}
			}
		}
	}
	for _, e := range s.Entries {
		c.PeakRSS = max(c.PeakRSS, e.PeakRSS)
	}
	return c
}

// Promoted counts the records whose edited tensor was written in another type,
// by "FROM -> TO".
func (s *Series) Promoted() map[string]int {
	n := map[string]int{}
	for _, e := range s.Scored() {
		for _, c := range e.TypesChanged {
			n[c.From+" -> "+c.To]++
		}
	}
	return n
}

// WorstPerplexity is the largest perplexity after an edit, in parts of the
// base's; 0 where none was measured.
func (s *Series) WorstPerplexity() float64 {
	worst := 0.
	for _, e := range s.Scored() {
		if e.Base == nil || e.Edited == nil {
			continue
		}
		before, after := e.Base.Values[Perplexity], e.Edited.Values[Perplexity]
		if before > 0 {
			worst = max(worst, after/before)
		}
	}
	return worst
}
