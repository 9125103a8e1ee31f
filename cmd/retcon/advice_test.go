package main

import (
	"errors"
	"strings"
	"testing"

	"retcon/internal/fault"
)

// Every kind of advice has words of its own, of which none is part of another's
// text, so that each is replaced by its flag.
func TestAdvice(t *testing.T) {
	for _, a := range fault.All {
		if adviceWords[a] == "" || !strings.ContainsRune(adviceWords[a], '-') {
			t.Errorf("%q names no flag", a)
		}
		if got := words(string(a)); got != adviceWords[a] {
			t.Errorf("%q becomes %q", a, got)
		}
		err := fault.Advise(errors.New("it failed"), a, fault.OtherLayer)
		if got, want := words(err.Error()), "it failed; try "+adviceWords[a]+" or another --layer"; got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
	if len(adviceWords) != len(fault.All) {
		t.Errorf("%d words for %d kinds", len(adviceWords), len(fault.All))
	}
}
