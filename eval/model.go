package eval

import "retcon/lm"

// Model is a loaded model as scoring sees it: one that can be edited, and that
// scores many short rows fast.
type Model interface {
	lm.Model
	lm.Predictor
}
