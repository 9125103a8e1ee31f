package proc

import (
	"sync"
	"time"
)

// memoryEvery is how often a memoryWatch looks. What is allocated and freed
// between two looks is not seen.
const memoryEvery = 20 * time.Millisecond

// Watch notes the most memory that the process has of its own and the
// most pages of mapped files that are resident, such as a model's: the system
// keeps the peak of their sum only.
type Watch struct {
	stop chan struct{}
	done sync.WaitGroup

	mu          sync.Mutex
	own, mapped int64
}

func WatchResident() *Watch {
	w := &Watch{stop: make(chan struct{})}
	w.look()
	w.done.Go(func() {
		tick := time.NewTicker(memoryEvery)
		defer tick.Stop()
		for {
			select {
			case <-w.stop:
				return
			case <-tick.C:
				w.look()
			}
		}
	})
	return w
}

func (w *Watch) look() {
	own, mapped := residentBytes()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.own, w.mapped = max(w.own, own), max(w.mapped, mapped)
}

// Peak is the most so far of each; 0 without a watch.
func (w *Watch) Peak() (own, mapped int64) {
	if w == nil {
		return 0, 0
	}
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.own, w.mapped
}

// End stops watching.
func (w *Watch) End() {
	close(w.stop)
	w.done.Wait()
}
