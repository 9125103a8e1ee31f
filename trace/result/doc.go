// Package result is what causal traces give, as plain data: package trace makes
// it, trace/average keeps and averages it, report draws it. Its JSON is that of
// the command line and of results files.
package result
