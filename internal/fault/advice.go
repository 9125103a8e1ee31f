package fault

import (
	"fmt"
	"slices"
	"strings"
)

// Advice is what may help, in plain words. A program that gives its users other
// names for it, such as flags, puts those in the place of the words.
type Advice string

// What may help.
const (
	MoreSteps     Advice = "more steps"
	OtherLayer    Advice = "another layer"
	SeveralLayers Advice = "the best of several layers"
	LowerClamp    Advice = "a lower bound of the value"
	HigherClamp   Advice = "a higher bound of the value"
	ShorterStep   Advice = "a shorter longest step"

	GiveText   Advice = "a text for the statistics"
	LongerText Advice = "a longer text for the statistics"
	MoreTime   Advice = "more time for the statistics"
	Diagonal   Advice = "the diagonal covariance"
	Identity   Advice = "no covariance"
	Importance Advice = "an importance matrix"

	WriteAdapter Advice = "writing an adapter instead"
	WriteModel   Advice = "writing a model instead"
	Resume       Advice = "resuming"
	Force        Advice = "forcing it"
	Template     Advice = "a chat template in Jinja"
	NameRequests Advice = "a file of requests"
	SmallWindow  Advice = "a smaller window"

	Conversations Advice = "editing it in conversations, too"
)

// All are all kinds of advice.
var All = []Advice{MoreSteps, OtherLayer, SeveralLayers, LowerClamp, HigherClamp, ShorterStep, GiveText, LongerText, MoreTime, Diagonal, Identity,
	Importance, WriteAdapter, WriteModel, Resume, Force, Template, NameRequests, SmallWindow, Conversations}

// Advised is an error with advice.
type Advised struct {
	Err    error
	Advice []Advice
}

// Error is the error, and what to try.
func (e *Advised) Error() string { return fmt.Sprintf("%v; try %s", e.Err, Any(e.Advice...)) }

// Unwrap is the error without advice.
func (e *Advised) Unwrap() error { return e.Err }

// Advise gives an error advice; nil stays nil.
func Advise(err error, a ...Advice) error {
	if err == nil {
		return nil
	}
	return &Advised{err, a}
}

// AdviceOf is the advice of an error and of those that it wraps, each once, the
// outermost first.
func AdviceOf(err error) []Advice {
	var out []Advice
	var walk func(error)
	walk = func(err error) {
		if e, ok := err.(*Advised); ok {
			for _, a := range e.Advice {
				if !slices.Contains(out, a) {
					out = append(out, a)
				}
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, one := range e.Unwrap() {
				walk(one)
			}
		}
	}
	walk(err)
	return out
}

// Any lists advice of which any may help: "a, b or c".
func Any(all ...Advice) string {
	var words []string
	for _, a := range all {
		words = append(words, string(a))
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
