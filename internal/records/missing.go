package records

import (
	"slices"
	"strings"
)

// Missing reports that a record has none of the fields, of which the first is
// the one to write. Where a field that is there looks like one of them, and known
// does not have it, it is asked whether that is meant.
func (o Object) Missing(known []string, names ...string) error {
	text := "it has no " + code(o.Path(names[0]))
	if len(names) > 1 {
		quoted := make([]string, len(names)-1)
		for i, n := range names[1:] {
			quoted[i] = code(n)
		}
		text += " (nor " + strings.Join(quoted, ", nor ") + ")"
	}
	for _, have := range o.Names() {
		if slices.Contains(known, have) {
			continue
		}
		for _, want := range names {
			if alike(have, want) {
				return bad("%s; %s: did you mean %s?", text, code(o.Path(have)), code(want))
			}
		}
	}
	return bad("%s; %s", text, o.keys())
}

// keys names the fields that there are.
func (o Object) keys() string {
	names := o.Names()
	if len(names) == 0 {
		return "it is empty"
	}
	more := ""
	if len(names) > 8 {
		names, more = names[:8], ", .."
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = code(shortened(n))
	}
	return "its keys are " + strings.Join(quoted, ", ") + more
}

func shortened(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + ".."
	}
	return s
}

// alike reports whether a key may be another, mistyped: by two letters, a plural,
// other signs between its words, or the words in another order.
func alike(have, want string) bool {
	a, b := words(have), words(want)
	if slices.Equal(a, b) {
		return true
	}
	slices.Sort(a)
	slices.Sort(b)
	x, y := strings.ToLower(have), strings.ToLower(want)
	switch {
	case slices.Equal(a, b), strings.Join(words(have), "") == strings.Join(words(want), ""):
		return true
	case len(y) < 4 || len(x) > 2*len(y)+8:
		return false
	case strings.HasPrefix(x, y), len(x) >= 4 && strings.HasPrefix(y, x):
		return true
	}
	return distance(x, y) <= 2
}

// words are the parts of a key, in lower case.
func words(key string) []string {
	return strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return strings.ContainsRune("_- .", r) })
}

// distance is how many letters must be put in, left out or exchanged to make b of
// a (Levenshtein).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		corner := row[0]
		row[0] = i + 1
		for j := range y {
			cost := corner
			if x[i] != y[j] {
				cost = 1 + min(corner, row[j], row[j+1])
			}
			corner, row[j+1] = row[j+1], cost
		}
	}
	return row[len(y)]
}
