package edit

import "retcon/internal/fault"

// ErrRefused reports an edit that did not turn out well enough to be
// written. Config.Force writes it nevertheless.
var ErrRefused = fault.ErrRefused

// ErrOutput reports an output that cannot be written where it should go.
var ErrOutput = fault.ErrOutput

// ErrStats reports key statistics that could not be made, or not in time.
var ErrStats = fault.ErrStats

// ErrVerify reports a written file that does not do what was predicted.
var ErrVerify = fault.ErrVerify
