package average

import (
	"retcon/trace/doubt"
	"retcon/trace/result"
)

// Summary are the averages over the traced facts. Effects are raw: ROME cuts
// negative ones to 0 for its pictures.
type Summary struct {
	Read   int `json:"read"`  // records
	Right  int `json:"right"` // facts that the model gets right: the averages are over them
	Wrong  int `json:"wrong"`
	Failed int `json:"failed"`
	// Doubts are how many of the right ones may mean nothing, and why.
	Doubts doubt.Tally `json:"doubts,omitempty"`

	Layers int      `json:"layers"`
	Window int      `json:"window"`
	Kinds  []string `json:"kinds"`

	// The averages of the answer's probability, and of the logit difference
	// where all traced facts have it.
	Averages
	Logit *Averages `json:"logit_difference,omitempty"`
}

// Averages are those of one measure.
type Averages struct {
	Clean     Mean `json:"clean"`
	Corrupted Mean `json:"corrupted"`
	// Total is the average total effect: clean less corrupted.
	Total Mean `json:"total_effect"`
	// Indirect are the average indirect effects, six rows for each kind:
	// restored less corrupted.
	Indirect map[string][]RowMean `json:"indirect_effect"`
	// Severed are the effects of the severed runs, if there are any.
	Severed *SeveredMeans `json:"severed,omitempty"`
}

// RowMean is the effect of a row by layer.
type RowMean struct {
	Row string `json:"row"`
	Series
}

// SeveredMeans are the effects of the severed runs by layer.
type SeveredMeans = result.Severing[Series]

// Summarise averages records of runs with the settings: within a row over a
// fact's tokens, then over facts, each fact counting once. (ROME's notebook
// pools the tokens of all facts.)
func Summarise(s Settings, records []Record) Summary {
	out := Summary{Read: len(records), Layers: s.Layers, Window: s.Window, Kinds: s.Kinds, Doubts: doubt.Tally{}}
	p, logit := newGather(s), newGather(s.unsevered())
	for i := range records {
		r := &records[i]
		switch r.Status {
		case Wrong:
			out.Wrong++
		case Failed:
			out.Failed++
		case Traced:
			out.Right++
			out.Doubts.Add(r.Doubts)
			p.add(r.probability(), r.Range)
			if r.Logit != nil {
				logit.add(r.Logit, r.Range)
			}
		}
	}
	out.Averages = p.averages()
	if n := len(logit.total); n > 0 && n == out.Right {
		a := logit.averages()
		out.Logit = &a
	}
	return out
}

// gather collects one measure of all facts.
type gather struct {
	clean, corrupted, total sample
	indirect                map[string]*[rows]series
	severed                 *[3]series
}

func newGather(s Settings) *gather {
	g := &gather{indirect: map[string]*[rows]series{}}
	for _, kind := range s.Kinds {
		g.indirect[kind] = new([rows]series)
		for row := range g.indirect[kind] {
			g.indirect[kind][row] = make(series, s.Layers)
		}
	}
	if s.Sever {
		g.severed = &[3]series{make(series, s.Layers), make(series, s.Layers), make(series, s.Layers)}
	}
	return g
}

// add adds a fact.
func (g *gather) add(m *Measure, subject [2]int) {
	g.clean.add(m.Clean)
	g.corrupted.add(m.Corrupted)
	g.total.add(m.Clean - m.Corrupted)
	for kind, into := range g.indirect {
		for row, e := range effects(m.Grid(kind), subject[0], subject[1], m.Corrupted) {
			into[row].add(e, 0)
		}
	}
	if g.severed != nil {
		for i, e := range m.Severed.All() {
			g.severed[i].add(e, m.Corrupted)
		}
	}
}

func (g *gather) averages() Averages {
	a := Averages{Clean: g.clean.mean(), Corrupted: g.corrupted.mean(), Total: g.total.mean(), Indirect: map[string][]RowMean{}}
	for kind, by := range g.indirect {
		for row := range by {
			a.Indirect[kind] = append(a.Indirect[kind], RowMean{Row(row).String(), by[row].means()})
		}
	}
	if s := g.severed; s != nil {
		a.Severed = &SeveredMeans{Single: s[0].means(), MLPSevered: s[1].means(), AttnSevered: s[2].means()}
	}
	return a
}
