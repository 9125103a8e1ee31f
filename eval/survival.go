package eval

import (
	"fmt"

	"retcon/internal/table"
)

// Age is what is left of the edits of one age in a sequence: shares in per cent,
// after the last edit.
type Age struct {
	First      int      `json:"first"` // place of its first record in the sequence, from 1
	Last       int      `json:"last"`
	N          int      `json:"n"`            // records that have values
	AtOnce     float64  `json:"told_at_once"` // facts told right after their own edit
	Told       *float64 `json:"exact_match,omitempty"`
	Paraphrase *float64 `json:"exact_match_paraphrase,omitempty"`
	Efficacy   *float64 `json:"efficacy,omitempty"`
	Changed    *float64 `json:"neighbourhood_changed,omitempty"`
}

// ages is in how many parts a sequence is looked at.
const ages = 4

// Survival splits a sequence of edits into quarters, the earliest first; nil
// for other series. Parts of so few records that they are empty are left out.
func (s *Series) Survival() []Age {
	if !s.Run.Settings.Sequence {
		return nil
	}
	out := []Age{}
	n := len(s.Entries)
	for q := range ages {
		from, to := q*n/ages, (q+1)*n/ages
		if from == to {
			continue
		}
		part := Series{Entries: s.Entries[from:to]}
		mean := part.Edited()
		a := Age{First: from + 1, Last: to}
		for _, e := range part.Scored() {
			a.N++
			if e.Told != nil && *e.Told {
				a.AtOnce++
			}
		}
		if a.N > 0 {
			a.AtOnce *= 100 / float64(a.N)
		}
		for name, at := range map[string]**float64{
			ExactMatch: &a.Told, ExactMatchParaphrase: &a.Paraphrase, Efficacy: &a.Efficacy, NeighbourhoodChanged: &a.Changed,
		} {
			if st, ok := mean[name]; ok {
				*at = &st.Value
			}
		}
		out = append(out, a)
	}
	return out
}

// SurvivalTable is the survival of all sequences for people, without rows if
// there are none.
func SurvivalTable(all []Series) table.Table {
	t := table.Table{Columns: []string{"model", "method", "edits", "n", "told at once", "told at the end", "paraphrases", "ES", "changed"}}
	cell := func(v *float64) string {
		if v == nil {
			return ""
		}
		return fmt.Sprintf("%.1f", *v)
	}
	for i := range all {
		set := all[i].Run.Settings
		for _, a := range all[i].Survival() {
			t.Add(set.Model.File, set.Method, fmt.Sprintf("%d to %d", a.First, a.Last), fmt.Sprint(a.N),
				fmt.Sprintf("%.1f", a.AtOnce), cell(a.Told), cell(a.Paraphrase), cell(a.Efficacy), cell(a.Changed))
		}
	}
	return t
}
