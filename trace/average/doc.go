// Package average averages causal traces over many facts, as ROME does (Meng et
// al. 2022, section 2.2 and appendix B).
//
// [ReadFacts] reads the facts. [Run] traces those that have no [Record] yet and
// keeps each record in a [Results] file as soon as it is made, so that a run
// that was interrupted can go on; a shard of the facts can run elsewhere, and
// [Merge] joins the files to what one run would have written. [Summarise] takes
// the averages with their intervals, and [Suggest] reads the layers to edit off
// them.
//
// How a fact is traced is the caller's [Experiment]: the package knows a model as
// far as asking it goes.
package average

import (
	"errors"

	"retcon/fact"
)

// The kinds of error that this package returns, for use with errors.Is.
var (
	// ErrFacts reports a file of facts that cannot be used as it is written.
	ErrFacts = fact.ErrRequest
	// ErrSettings reports results that do not belong together: of other
	// settings, or twice of the same fact.
	ErrSettings = errors.New("results do not belong together")
	// ErrResults reports a file that holds no results, or damaged ones.
	ErrResults = errors.New("bad results file")
	// ErrStop is what a Tracer's error wraps where no other fact can be
	// expected to do better.
	ErrStop = errors.New("tracing cannot go on")
)
