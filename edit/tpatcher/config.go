package tpatcher

import (
	"math"
	"slices"

	"retcon/fact"
	"retcon/internal/fault"
)

// Where patches go.
const (
	WidenAll  = "all"  // zero neurons are added to every layer
	WidenDeci = "deci" // to the last layer, in a file of architecture deci
	SlotsNew  = "new"
	SlotsOld  = "reuse" // the least useful neurons of the last layer are overwritten
)

// Config says how T-Patcher trains and writes.
type Config struct {
	Options
	// Queries is the size of the memory; 0 is DefaultQueries, or less where
	// that would take much memory.
	Queries int
	// Contrast turns the prompt with other subjects into queries to be silent
	// for.
	Contrast bool
	// Prefixes are the lengths and numbers of texts that the edit is trained
	// after besides the bare prompt.
	Prefixes [][2]int
	Widen    string // WidenAll or WidenDeci
	Slots    string // SlotsNew or SlotsOld
	Pad      int64  // neurons to add, 0 for as few as fit
	// Remove is always empty: it keeps the names of earlier results.
	Remove string
}

// DefaultConfig has the values that were measured; see docs/tpatcher.md.
func DefaultConfig() Config {
	return Config{Options: DefaultOptions(), Contrast: true, Prefixes: [][2]int{{5, 4}, {10, 4}}, Widen: WidenAll, Slots: SlotsNew}
}

// DefaultQueries is how many queries the memory has.
const DefaultQueries = 16000

// queryBytes bounds the memory's queries.
const queryBytes = 192 << 20

// queries is the size of a memory of queries of so many values.
func (c *Config) queries(width int) int {
	n := c.Queries
	if n <= 0 {
		n = min(DefaultQueries, queryBytes/4/width)
	}
	return max(n, Fewest(width))
}

// orDefaults are the defaults where nothing is said.
func (c Config) orDefaults() Config {
	if c.Steps == 0 && c.Form == "" {
		return DefaultConfig()
	}
	return c
}

// The most that counts may be: beyond, memory or time run out.
const (
	mostQueries = 1_000_000
	mostSteps   = 10_000
	mostPad     = 1 << 20
)

// Check reports values that make no sense; errors wrap fact.ErrRequest and have
// the range. The zero Config is the defaults.
func (c Config) Check() error {
	c = c.orDefaults()
	for _, v := range []struct {
		name        string
		v           float64
		above       bool // the least is not among them
		least, most float64
	}{
		{"alpha, the weight of the target's likelihood,", c.Alpha, true, 0, 1e6},
		{"beta, the weight of the memory's losses,", c.Beta, false, 0, 1e6},
		{"the beta margin", c.BetaMargin, false, -1000, 1000},
		{"the gamma margin", c.GammaMargin, false, -1000, 1000},
		{"the learning rate", c.LR, true, 0, 1000},
		{"the threshold", c.Threshold, false, 0, 1},
		{"the likelihood to stop at, in nats,", c.StopNLL, false, 0, 1000},
	} {
		switch {
		case v.v >= v.least && v.v <= v.most && !(v.above && v.v == v.least):
		case v.above:
			return fault.Errorf(fact.ErrRequest, "%s must be above %v and at most %v, not %v", v.name, v.least, v.most, v.v)
		default:
			return fault.Errorf(fact.ErrRequest, "%s must be between %v and %v, not %v", v.name, v.least, v.most, v.v)
		}
	}
	for _, n := range []struct {
		name           string
		n, least, most int64
	}{
		{"queries of the memory", int64(c.Queries), 0, mostQueries},
		{"steps", int64(c.Steps), 1, mostSteps},
		{"steps on the key", int64(c.KeySteps), 0, mostSteps},
		{"activations that count", int64(c.TopK), 1, math.MaxInt32},
		{"neurons to add", c.Pad, 0, mostPad},
	} {
		if n.n < n.least || n.n > n.most {
			return fault.Errorf(fact.ErrRequest, "%s must be between %d and %d, not %d", n.name, n.least, n.most, n.n)
		}
	}
	switch {
	case !slices.Contains([]Form{ExpTopK, Hinge, Mean}, c.Form):
		return fault.Errorf(fact.ErrRequest, "the form of the memory's losses is %s, %s or %s, not %q", ExpTopK, Hinge, Mean, c.Form)
	case c.Widen != WidenAll && c.Widen != WidenDeci:
		return fault.Errorf(fact.ErrRequest, "what is widened is %s or %s, not %q", WidenAll, WidenDeci, c.Widen)
	case c.Slots != SlotsNew && c.Slots != SlotsOld:
		return fault.Errorf(fact.ErrRequest, "slots are %s or %s, not %q", SlotsNew, SlotsOld, c.Slots)
	}
	return nil
}
