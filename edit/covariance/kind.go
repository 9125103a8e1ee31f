package covariance

import (
	"context"
	"errors"
	"fmt"
)

// Kind is how much of C is used.
type Kind string

// The kinds of covariance.
const (
	KindFull     Kind = "full"
	KindDiagonal Kind = "diagonal"
	KindIdentity Kind = "identity"
)

// ParseKind returns the kind with the given name; an empty one is KindFull.
func ParseKind(name string) (Kind, error) {
	switch k := Kind(name); k {
	case "":
		return KindFull, nil
	case KindFull, KindDiagonal, KindIdentity:
		return k, nil
	}
	return "", fmt.Errorf("unknown covariance %q: use full, diagonal or identity", name)
}

// The kinds of error that this package returns, for use with errors.Is.
var (
	// ErrTooFew reports fewer keys than a covariance can be made from.
	ErrTooFew = errors.New("too few keys for a covariance")
	// ErrNotPositive reports a matrix that no ridge made positive definite.
	ErrNotPositive = errors.New("covariance is not positive definite")
	// ErrCorrupt reports a cached factor that cannot be used.
	ErrCorrupt = errors.New("cached covariance is damaged")
	// ErrOther reports a cached factor that was made from something else.
	ErrOther = errors.New("cached covariance belongs to another model or text")
)

// A Solver solves C x = b.
type Solver interface {
	// Kind is the kind of the covariance.
	Kind() Kind
	// Dim is the length n of a key.
	Dim() int
	// Solve writes C⁻¹ b to dst; both are [n] and may be the same slice.
	Solve(ctx context.Context, dst, b []float64) error
}

// Identity is C = I for keys of this length.
type Identity int

// Kind returns KindIdentity.
func (n Identity) Kind() Kind { return KindIdentity }

// Dim returns the length of a key.
func (n Identity) Dim() int { return int(n) }

// Solve copies b.
func (n Identity) Solve(ctx context.Context, dst, b []float64) error {
	if err := checkSolve(int(n), dst, b); err != nil {
		return err
	}
	copy(dst, b)
	return ctx.Err()
}

func checkSolve(n int, dst, b []float64) error {
	if len(dst) != n || len(b) != n {
		return fmt.Errorf("covariance of %d dimensions solved for %d into %d", n, len(b), len(dst))
	}
	return nil
}
