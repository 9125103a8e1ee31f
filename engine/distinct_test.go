package engine

import "retcon/lm"

// Distinct is the number of tokens that Predict decodes for rows.
func Distinct(rows []lm.Scored) int {
	n := 0
	for begin := 0; begin < len(rows); {
		t, end := growTree(rows, begin)
		n += t.tokens()
		begin = end
	}
	return n
}
