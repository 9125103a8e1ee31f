package proc

import (
	"testing"
	"time"
)

// Memory that was held while a watch looked is in its peak after it is gone.
func TestMemoryWatch(t *testing.T) {
	w := WatchResident()
	before, mapped := w.Peak()
	if before <= 0 || mapped <= 0 {
		t.Fatalf("%d bytes of its own, %d mapped", before, mapped)
	}
	const size = 64 << 20
	b := make([]byte, size)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	for range 100 {
		if own, _ := w.Peak(); own >= before+size/2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	kept := b[0]
	b = nil
	w.End()
	if own, _ := w.Peak(); own < before+size/2 || kept != 1 {
		t.Errorf("%d bytes after %d and %d more", own, before, size)
	}
}
