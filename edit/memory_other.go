//go:build !linux

package edit

// residentBytes is not known here.
func residentBytes() (own, mapped int64) { return 0, 0 }
