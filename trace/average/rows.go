package average

// Row is one of the six groups of a prompt's tokens over which effects are
// averaged.
type Row int

const (
	FirstSubject Row = iota
	MiddleSubject
	LastSubject
	FirstSubsequent
	Further
	Last
	rows = iota
)

// rowNames are ROME's (figure 1; notebooks/average_causal_effects.ipynb).
var rowNames = [rows]string{
	"first subject token", "middle subject tokens", "last subject token",
	"first subsequent token", "further tokens", "last token",
}

// String is the row's name.
func (r Row) String() string { return rowNames[r] }

// rowOf is the row of a token of a prompt, false for a token before the
// subject.
//
// Each token is in one row. One that could be in two is in the row that
// carries the effect: a subject of one token is a last subject token, the
// token between subject and end a last token, and the end of a prompt that
// ends with its subject a last subject token. ROME's notebook counts such a
// token in both rows, and so mixes the strong rows into the weak ones.
func rowOf(token, begin, end, tokens int) (Row, bool) {
	switch {
	case token < begin:
		return 0, false
	case token == end-1:
		return LastSubject, true
	case token == tokens-1:
		return Last, true
	case token == begin:
		return FirstSubject, true
	case token < end:
		return MiddleSubject, true
	case token == end:
		return FirstSubsequent, true
	}
	return Further, true
}

// effects are the rows of a grid less what the corrupted run gives: for each
// row the mean over its tokens, [layer]; nil for a row without tokens.
func effects(grid [][]float64, begin, end int, corrupted float64) [rows][]float64 {
	var out [rows][]float64
	var count [rows]int
	for token, values := range grid {
		row, ok := rowOf(token, begin, end, len(grid))
		if !ok {
			continue
		}
		if out[row] == nil {
			out[row] = make([]float64, len(values))
		}
		for l, v := range values {
			out[row][l] += v - corrupted
		}
		count[row]++
	}
	for row := range out {
		for l := range out[row] {
			out[row][l] /= float64(count[row])
		}
	}
	return out
}
