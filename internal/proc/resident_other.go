//go:build !linux

package proc

// residentBytes is not known here.
func residentBytes() (own, mapped int64) { return 0, 0 }
