package fault

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestAdvice(t *testing.T) {
	inner := Advise(Errorf(ErrStats, "%d tokens", 3), LongerText, Diagonal)
	err := Advise(fmt.Errorf("layer 5: %w", errors.Join(errors.New("x"), inner)), OtherLayer, LongerText)
	if got, want := AdviceOf(err), []Advice{OtherLayer, LongerText, Diagonal}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	want := "no key statistics: 3 tokens; try " + string(LongerText) + " or " + string(Diagonal)
	if inner.Error() != want || !errors.Is(err, ErrStats) {
		t.Errorf("%v", inner)
	}
	if Advise(nil, Force) != nil || AdviceOf(nil) != nil || AdviceOf(ErrStats) != nil {
		t.Error("advice without an error")
	}
	if got := Any(MoreSteps, OtherLayer, Diagonal); got != "more steps, another layer or the diagonal covariance" {
		t.Error(got)
	}
}
