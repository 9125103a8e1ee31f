package proc

import (
	"bytes"
	"os"
	"strconv"
)

// residentBytes is the resident memory of the process: its own, and pages of
// mapped files.
func residentBytes() (own, mapped int64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	field := func(name string) int64 {
		_, rest, _ := bytes.Cut(status, []byte("\n"+name+":"))
		line, _, _ := bytes.Cut(rest, []byte(" kB"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
		if err != nil {
			return 0
		}
		return n << 10
	}
	return field("RssAnon"), field("RssFile")
}
