package fault

// Advice is what may help against an error. A program words it by what its users
// can set; String is plain English.
type Advice int

// The advice that packages give.
const (
	GiveText           Advice = iota + 1 // more text for the statistics of keys
	MoreTime                             // to write text for them
	DiagonalCovariance                   // instead of the full one
	OtherLayer
	AutoLayer // try several
	MoreSteps // of the optimisation
	ShorterSteps
	LowerClamp // bound on the value
	RaiseClamp
	WriteAdapter // instead of a model
	GiveImportance
	GiveRequests
	GiveTemplate // of conversations
	Force        // replace what is there, or write what was refused
	Resume       // go on with what is there
)

var advice = map[Advice]string{
	GiveText:           "give more text",
	MoreTime:           "allow more time",
	DiagonalCovariance: "use a diagonal covariance",
	OtherLayer:         "try another layer",
	AutoLayer:          "try several layers",
	MoreSteps:          "take more steps",
	ShorterSteps:       "take shorter steps",
	LowerClamp:         "lower the bound on the value",
	RaiseClamp:         "raise the bound on the value",
	WriteAdapter:       "write an adapter",
	GiveImportance:     "give an importance matrix",
	GiveRequests:       "name the requests",
	GiveTemplate:       "give a chat template, or do without chat",
	Force:              "force it",
	Resume:             "resume it",
}

// String is the advice in a few words; empty for what is none.
func (a Advice) String() string { return advice[a] }

// advised is an error that comes with advice, which its text leaves out.
type advised struct {
	error
	advice []Advice
}

func (e *advised) Unwrap() error { return e.error }

// Advise gives advice along with an error, of which one is enough to take; nil
// stays nil.
func Advise(err error, advice ...Advice) error {
	if err == nil {
		return nil
	}
	return &advised{err, advice}
}

// AdviceOf is the advice that comes with an error and those that it wraps, each
// once, the outermost first.
func AdviceOf(err error) []Advice {
	var out []Advice
	seen := map[Advice]bool{}
	var walk func(error)
	walk = func(err error) {
		if e, ok := err.(*advised); ok {
			for _, a := range e.advice {
				if !seen[a] {
					seen[a], out = true, append(out, a)
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
