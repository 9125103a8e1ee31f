// Package fact reads facts and finds them in texts: requests and records in all
// formats, the subject's place in a prompt, and the one joint tokenisation by
// which a fact is optimised, scored and traced.
//
// A [Request] is what somebody asks for. [Request.Resolve] makes a [Fact] of
// it: the subject's bytes in the prompt, the space before the target. [Joint]
// makes tokens of a prompt and what follows it, and [Span], [Row] and [Prompt]
// are those tokens as editing, scoring and tracing take them. A [Record] is a
// request with the prompts of a data set that score it.
package fact
