//go:build !linux && !darwin

package proc

// freeBytes is not known here.
func freeBytes(string) (int64, bool) { return 0, false }

// PeakRSS is not known here.
func PeakRSS() int64 { return 0 }
