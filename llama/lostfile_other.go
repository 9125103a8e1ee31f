//go:build !unix

package llama

// ReportLostFile does nothing here.
func ReportLostFile(string, int) {}
