// Package neutral is a text on everyday matters, on which side effects and
// perplexity are measured when no other is given.
package neutral
