package llama

/*
#include "bridge.h"
#include <stdlib.h>
#include <string.h>
*/
import "C"

import (
	"context"
	"fmt"
	"unsafe"

	"retcon/graph"
)

// Place names a node of every decode of a model: the nearest product with a
// named weight at or before it, and the distance from there in execution order.
type Place struct {
	Op     graph.Op
	Weight string
	Offset int
}

// PlaceOf finds how to name node id of a captured decode.
func PlaceOf(g *graph.Graph, id graph.ID) (Place, error) {
	offset := 0
	for i := id; i >= 0; i-- {
		n := g.Node(i)
		if n.Kind != graph.Computed {
			continue
		}
		if n.Op == graph.OpMulMat || n.Op == graph.OpGetRows {
			if w := g.Node(n.Src[0]); w.Kind == graph.Weight && hasWeightName(w.Name) {
				return Place{Op: n.Op, Weight: w.Name, Offset: offset}, nil
			}
		}
		offset++
	}
	return Place{}, invalid("node %q has no weight before it", g.Node(id).Name)
}

func hasWeightName(name string) bool {
	const suffix = ".weight"
	return len(name) > len(suffix) && name[len(name)-len(suffix):] == suffix
}

// Action says what a hook does.
type Action int

// The actions of hooks.
const (
	Capture Action = iota // copy rows out
	Set                   // overwrite rows
	Add                   // add to rows
)

// Hook reads or changes rows of a node while a decode runs.
type Hook struct {
	Place  Place
	Action Action
	Width  int     // length of a row
	Rows   []int32 // the rows concerned, in the order of the batch
	// Data holds a row for each of Rows, or one for all of them: what is set
	// or added, or where captured rows go.
	Data []float32
}

// hookTable is the hooks in C memory.
type hookTable struct {
	hooks []Hook
	c     *C.rc_hook
	mem   []unsafe.Pointer
}

func (t *hookTable) alloc(n int) unsafe.Pointer {
	p := C.calloc(C.size_t(max(n, 1)), 1)
	t.mem = append(t.mem, p)
	return p
}

func (t *hookTable) free() {
	if t == nil {
		return
	}
	for _, p := range t.mem {
		C.free(p)
	}
	t.mem = nil
}

func (c *Context) newHookTable(hooks []Hook) (*hookTable, error) {
	t := &hookTable{hooks: hooks}
	t.c = (*C.rc_hook)(t.alloc(len(hooks) * C.sizeof_rc_hook))
	list := unsafe.Slice(t.c, len(hooks))
	for i, h := range hooks {
		rows := len(h.Data) / max(h.Width, 1)
		if h.Width <= 0 || len(h.Rows) == 0 || len(h.Data)%h.Width != 0 || rows != len(h.Rows) && (rows != 1 || h.Action == Capture) {
			t.free()
			return nil, invalid("a hook at %s for %d rows of %d with %d values", h.Place.Weight, len(h.Rows), h.Width, len(h.Data))
		}
		if len(h.Place.Weight) >= 64 {
			t.free()
			return nil, invalid("weight name %q is too long", h.Place.Weight)
		}
		op, ok := names().op[h.Place.Op]
		if !ok {
			t.free()
			return nil, invalid("a hook at operator %s", h.Place.Op)
		}
		k := &list[i]
		for j := range len(h.Place.Weight) {
			k.weight[j] = C.char(h.Place.Weight[j])
		}
		k.op, k.offset, k.action = C.int32_t(op.op), C.int32_t(h.Place.Offset), C.int32_t(h.Action)
		k.n_rows, k.width, k.n_data = C.int32_t(len(h.Rows)), C.int32_t(h.Width), C.int32_t(rows)
		cRows := t.alloc(4 * len(h.Rows))
		copy(unsafe.Slice((*int32)(cRows), len(h.Rows)), h.Rows)
		k.rows = (*C.int32_t)(cRows)
		data := t.alloc(4 * len(h.Data))
		copy(unsafe.Slice((*float32)(data), len(h.Data)), h.Data)
		if h.Action == Capture {
			k.dst = (*C.float)(data)
		} else {
			k.data = (*C.float)(data)
		}
	}
	return t, nil
}

// collect copies captured rows to the hooks' Data and reports hooks that the
// decode did not reach exactly once.
func (t *hookTable) collect() error {
	list := unsafe.Slice(t.c, len(t.hooks))
	for i, h := range t.hooks {
		if list[i].fired != 1 {
			return fmt.Errorf("%w: the decode met %s+%d %d times", ErrUnsupported, h.Place.Weight, h.Place.Offset, int(list[i].fired))
		}
		if h.Action == Capture {
			copy(h.Data, unsafe.Slice((*float32)(unsafe.Pointer(list[i].dst)), len(h.Data)))
		}
	}
	return nil
}

// DecodeHooked decodes a batch with hooks at work. The table is handed over
// once and served in C; captured rows are in the hooks' Data afterwards.
func (c *Context) DecodeHooked(ctx context.Context, b *Batch, hooks []Hook) error {
	return c.decodeHooked(ctx, b, hooks, false)
}

// DecodeUntil is DecodeHooked that stops after the last hook. The cells of the
// batch are undefined in later layers, and so are logits. Without hooks nothing
// is computed but the first node: the batch's tokens have their places in the
// cache, for a program to fill.
func (c *Context) DecodeUntil(ctx context.Context, b *Batch, hooks []Hook) error {
	return c.decodeHooked(ctx, b, hooks, true)
}

func (c *Context) decodeHooked(ctx context.Context, b *Batch, hooks []Hook, brief bool) error {
	if err := c.checkBatch(b); err != nil {
		return err
	}
	t, err := c.newHookTable(hooks)
	if err != nil {
		return err
	}
	defer t.free()
	leave, err := c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var e errorBuffer
	if err := e.check(ctx, C.rc_hooks_set(c.c, t.c, C.size_t(len(hooks)), e.ptr()), "hooks"); err != nil {
		return err
	}
	defer C.rc_hooks_set(c.c, nil, 0, e.ptr())
	C.rc_decode_brief(c.c, C.bool(brief))
	defer C.rc_decode_brief(c.c, false)
	if err := c.decode(ctx, b); err != nil {
		return err
	}
	return t.collect()
}
