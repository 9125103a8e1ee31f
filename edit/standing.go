package edit

import "retcon/fact"

// Standing are the facts of a file's history that no later one replaced: of those
// with the same prompt the last counts. It also gives the number of the others.
func Standing(requests []fact.Request) (standing []fact.Request, replaced int) {
	last := map[string]int{} // by the prompt's text
	texts := make([]string, len(requests))
	for i, r := range requests {
		if f, err := r.Resolve(); err == nil { // an older form of request stands by itself
			texts[i], last[f.Text] = f.Text, i
		}
	}
	for i, r := range requests {
		if at, ok := last[texts[i]]; ok && at != i {
			replaced++
			continue
		}
		standing = append(standing, r)
	}
	return standing, replaced
}
