package mutate

import (
	"bytes"
	"os"
	"strconv"
)

// resident is the memory that this process has, or the most since it was last
// asked with reset, in bytes.
func resident(reset bool) int64 {
	name := "\nVmHWM:"
	if reset {
		os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the most begins anew
		name = "\nVmRSS:"
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte(name))
	line, _, _ := bytes.Cut(rest, []byte(" kB"))
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	return n << 10
}
