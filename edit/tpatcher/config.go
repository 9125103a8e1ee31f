package tpatcher

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
