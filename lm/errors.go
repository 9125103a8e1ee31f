package lm

import "retcon/internal/fault"

// ErrUnsupported reports a model, tensor type or option that cannot be edited
// or used.
var ErrUnsupported = fault.ErrUnsupported
