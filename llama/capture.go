package llama

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"retcon/graph"
)

// Recording is the graph of a decode and the values that were kept.
type Recording struct {
	Graph *graph.Graph
	// Computed is false for a sketch that was not computed.
	Computed bool
	data     map[graph.ID][]byte
}

// Bytes are the bytes of an input, or of a node whose value was wanted; nil if
// they were not kept.
func (r *Recording) Bytes(id graph.ID) []byte { return r.data[id] }

// Ints reads an I32 or I64 input.
func (r *Recording) Ints(id graph.ID) []int64 {
	data := r.data[id]
	var out []int64
	switch r.Graph.Node(id).Type {
	case graph.I32:
		for i := 0; i+4 <= len(data); i += 4 {
			out = append(out, int64(int32(binary.LittleEndian.Uint32(data[i:]))))
		}
	case graph.I64:
		for i := 0; i+8 <= len(data); i += 8 {
			out = append(out, int64(binary.LittleEndian.Uint64(data[i:])))
		}
	}
	return out
}

// Record decodes a batch and records its graph: every node that ran, the
// inputs' values, and the values of the wanted nodes, which are ids of an
// equal decode's recording.
func (c *Context) Record(ctx context.Context, b *Batch, want []graph.ID) (*Recording, error) {
	return c.record(ctx, b, want, false)
}

// Sketch records the graph and the inputs of a decode without computing it,
// where the CPU is the only device; elsewhere it is computed. One that was not
// computed leaves the cache as it was.
func (c *Context) Sketch(ctx context.Context, b *Batch) (*Recording, error) {
	return c.record(ctx, b, nil, true)
}

func (c *Context) record(ctx context.Context, b *Batch, want []graph.ID, sketch bool) (*Recording, error) {
	if err := c.checkBatch(b); err != nil {
		return nil, err
	}
	leave, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return c.capture(ctx, b, want, sketch)
}

// capture decodes a batch and records it. The context is locked.
func (c *Context) capture(ctx context.Context, b *Batch, want []graph.ID, sketch bool) (*Recording, error) {
	wanted := make([]int32, len(want))
	for i, id := range want {
		wanted[i] = int32(id)
	}
	var e errorBuffer
	var code C.int
	if sketch {
		code = C.rc_capture_sketch(c.c, e.ptr())
	} else {
		code = C.rc_capture_begin(c.c, ints(wanted), C.size_t(len(wanted)), e.ptr())
	}
	if err := e.check(ctx, code, "capture"); err != nil {
		return nil, err
	}
	computed := !bool(C.rc_capture_only(c.c))
	start := time.Now()
	decodeErr := c.decodeBatch(ctx, b)
	seconds := time.Since(start).Seconds()
	var n C.size_t
	code = C.rc_capture_end(c.c, &n, e.ptr())
	if decodeErr != nil {
		return nil, decodeErr
	}
	if err := e.check(ctx, code, "capture"); err != nil {
		return nil, err
	}
	r, err := c.readCapture(int(n), want)
	if err != nil {
		return nil, err
	}
	r.Computed = computed
	if profile := c.model.profile; profile != nil && !sketch {
		profile.decode(r.Graph, b.Len(), seconds)
	}
	return r, nil
}

func (c *Context) readCapture(n int, want []graph.ID) (*Recording, error) {
	table := make([]C.rc_node, n)
	var e errorBuffer
	if n == 0 {
		return nil, fmt.Errorf("%w: the decode ran no graph", ErrCompute)
	}
	if err := e.check(uncancelled, C.rc_capture_nodes(c.c, &table[0], C.size_t(n), e.ptr()), "capture"); err != nil {
		return nil, err
	}
	r := &Recording{Graph: &graph.Graph{Nodes: make([]graph.Node, n)}, data: map[graph.ID][]byte{}}
	for i := range table {
		r.Graph.Nodes[i] = fromC(&table[i])
		if table[i].kind == C.RC_INPUT {
			if err := c.readData(r, graph.ID(i)); err != nil {
				return nil, err
			}
		}
	}
	for _, id := range want {
		if id < 0 || int(id) >= n {
			return nil, invalid("node %d of a capture of %d", id, n)
		}
		if r.data[id] == nil {
			if err := c.readData(r, id); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// readData copies the bytes of a node out of the capture.
func (c *Context) readData(r *Recording, id graph.ID) error {
	node := r.Graph.Node(id)
	size := bytesOf(node)
	buf := make([]byte, max(size, 1))
	var e errorBuffer
	code := C.rc_capture_data(c.c, C.int32_t(id), unsafe.Pointer(&buf[0]), C.size_t(size), e.ptr())
	if err := e.check(uncancelled, code, "capture"); err != nil {
		return err
	}
	r.data[id] = buf[:size]
	return nil
}

// bytesOf is the size of a tensor of unpacked type, as ggml_nbytes counts it.
func bytesOf(n *graph.Node) uint64 {
	size := n.Type.Size()
	if size == 0 {
		return n.Nb[3] * uint64(n.Ne[3])
	}
	for i := range n.Ne {
		if n.Ne[i] == 0 {
			return 0
		}
		size += uint64(n.Ne[i]-1) * n.Nb[i]
	}
	return size
}

func fromC(c *C.rc_node) graph.Node {
	n := graph.Node{
		Kind: graph.Kind(c.kind), Op: names().name(int32(c.op), int32(c.params[0])), Type: graph.Type(c._type),
		ViewSrc: graph.ID(c.view_src), ViewOffs: uint64(c.view_offs), Handle: uint64(c.handle),
		Name: C.GoString(&c.name[0]),
	}
	for i := range n.Ne {
		n.Ne[i], n.Nb[i] = int64(c.ne[i]), uint64(c.nb[i])
	}
	for i := range n.Params {
		n.Params[i] = int32(c.params[i])
	}
	for i := range n.Src {
		n.Src[i] = graph.ID(c.src[i])
	}
	return n
}

// toC writes n to its row of a program's table.
func toC(n *graph.Node, c *C.rc_node) error {
	op, ok := names().op[n.Op]
	if !ok {
		return fmt.Errorf("%w: ggml has no operator %s", ErrUnsupported, n.Op)
	}
	*c = C.rc_node{}
	c.kind, c.op, c._type = C.int32_t(n.Kind), C.int32_t(op.op), C.int32_t(n.Type)
	c.view_src, c.view_offs, c.handle = C.int32_t(n.ViewSrc), C.uint64_t(n.ViewOffs), C.uint64_t(n.Handle)
	for i := range n.Ne {
		c.ne[i], c.nb[i] = C.int64_t(n.Ne[i]), C.uint64_t(n.Nb[i])
	}
	for i := range n.Params {
		c.params[i] = C.int32_t(n.Params[i])
	}
	if op.kind >= 0 {
		c.params[0] = C.int32_t(op.kind)
	}
	for i := range n.Src {
		c.src[i] = C.int32_t(n.Src[i])
	}
	for i := 0; i < min(len(n.Name), len(c.name)-1); i++ {
		c.name[i] = C.char(n.Name[i])
	}
	return nil
}

// Keep adds the bytes of a node that another recording of the same decode kept.
func (r *Recording) Keep(id graph.ID, data []byte) { r.data[id] = data }
