package fault

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestAdvice(t *testing.T) {
	inner := Advise(Errorf(ErrStats, "%d tokens", 3), GiveText, DiagonalCovariance)
	err := Advise(fmt.Errorf("layer 5: %w", errors.Join(errors.New("x"), inner)), OtherLayer, GiveText)
	if got, want := AdviceOf(err), []Advice{OtherLayer, GiveText, DiagonalCovariance}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if inner.Error() != "no key statistics: 3 tokens" || !errors.Is(err, ErrStats) {
		t.Errorf("%v", err)
	}
	if Advise(nil, Force) != nil || AdviceOf(nil) != nil || AdviceOf(ErrStats) != nil {
		t.Error("advice without an error")
	}
	for a := GiveText; a <= Resume; a++ {
		if a.String() == "" {
			t.Errorf("advice %d has no words", a)
		}
	}
	if (Resume + 1).String() != "" {
		t.Error("words for nothing")
	}
}
