package llama

/*
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Adapter is a LoRA adapter of a model.
type Adapter struct {
	model   *Model
	c       *C.rc_adapter
	cleanup runtime.Cleanup
}

// NewAdapter reads an adapter from the bytes of its GGUF.
func (m *Model) NewAdapter(gguf []byte) (*Adapter, error) {
	if len(gguf) == 0 {
		return nil, invalid("an empty adapter")
	}
	if err := m.retain(); err != nil {
		return nil, err
	}
	a := &Adapter{model: m}
	var e errorBuffer
	logTail.take()
	code := C.rc_adapter_new(&a.c, m.c, unsafe.Pointer(&gguf[0]), C.size_t(len(gguf)), e.ptr())
	if code != C.RC_OK {
		m.release()
		return nil, fmt.Errorf("%w adapter: %s", ErrLoad, firstReason(e.text(), logTail.take()))
	}
	a.cleanup = runtime.AddCleanup(a, leaked, "adapter")
	return a, nil
}

// Close frees the adapter. No context may use it any more.
func (a *Adapter) Close() error {
	if a == nil || a.c == nil {
		return nil
	}
	a.cleanup.Stop()
	C.rc_adapter_free(a.c)
	a.c = nil
	a.model.release()
	return nil
}

// SetAdapters makes decodes compute with adapters beside the weights, each at
// its scale; none restores the model. Captures before and after differ.
func (c *Context) SetAdapters(adapters []*Adapter, scales []float32) error {
	if len(adapters) != len(scales) {
		return invalid("%d adapters with %d scales", len(adapters), len(scales))
	}
	leave, err := c.enter(uncancelled)
	if err != nil {
		return err
	}
	defer leave()
	list := make([]*C.rc_adapter, len(adapters)+1)
	s := make([]float32, len(scales)+1)
	for i, a := range adapters {
		if a == nil || a.c == nil || a.model != c.model {
			return invalid("adapter %d is closed or of another model", i)
		}
		list[i], s[i] = a.c, scales[i]
	}
	var e errorBuffer
	code := C.rc_adapters_set(c.c, &list[0], (*C.float)(unsafe.Pointer(&s[0])), C.size_t(len(adapters)), e.ptr())
	return e.check(uncancelled, code, "adapters")
}
