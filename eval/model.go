package eval

import (
	"context"

	"retcon/edit"
)

// Model is a loaded model as scoring sees it: one that can be edited, and that
// scores many short rows fast.
type Model interface {
	edit.Model

	// Predict gives, for each row, what the model makes of its tokens from
	// row.From on, each given all before it. Rows that begin alike share the
	// work. From is at least 1.
	Predict(ctx context.Context, rows []edit.Scored) ([][]Prediction, error)
}

// Prediction is what a model makes of a token that follows.
type Prediction struct {
	LogProb float64 // natural logarithm of its probability
	First   bool    // no other token is likelier
}
