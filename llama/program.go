package llama

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"retcon/graph"
)

// Store is tensors that live from program to program: inputs, constants,
// values handed from one to the next.
type Store struct {
	ctx     *Context
	c       *C.rc_store
	handles []uint64
	bytes   int64
}

// TensorSpec is the type and shape of a stored tensor.
type TensorSpec struct {
	Type graph.Type
	Ne   [4]int64
}

// NewStore allocates tensors on the device that programs run on. Their
// contents are undefined.
func (c *Context) NewStore(specs []TensorSpec) (*Store, error) {
	s := &Store{ctx: c, handles: make([]uint64, len(specs))}
	if len(specs) == 0 {
		return s, nil
	}
	types := make([]int32, len(specs))
	ne := make([][4]int64, len(specs))
	for i, spec := range specs {
		types[i], ne[i] = int32(spec.Type), spec.Ne
	}
	leave, err := c.enter(uncancelled)
	if err != nil {
		return nil, err
	}
	defer leave()
	var e errorBuffer
	code := C.rc_store_new(&s.c, c.c, ints(types), (*[4]C.int64_t)(unsafe.Pointer(&ne[0])), C.size_t(len(specs)), (*C.uint64_t)(unsafe.Pointer(&s.handles[0])), e.ptr())
	if err := e.check(uncancelled, code, "stored tensors"); err != nil {
		return nil, err
	}
	s.bytes = int64(C.rc_store_bytes(s.c))
	c.parts[s] = struct{}{}
	return s, nil
}

// Handle names stored tensor i in a graph.
func (s *Store) Handle(i int) uint64 { return s.handles[i] }

// Bytes is the memory that the store takes.
func (s *Store) Bytes() int64 {
	if s == nil {
		return 0
	}
	return s.bytes
}

// Close frees the tensors. Programs that use them must not run any more.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	s.ctx.mu.Lock()
	defer s.ctx.mu.Unlock()
	if s.c != nil {
		C.rc_store_free(s.c)
		s.c = nil
		delete(s.ctx.parts, s)
	}
	return nil
}

// Scalar is an element type of stored tensors.
type Scalar interface {
	~float32 | ~int32 | ~int64 | ~byte
}

// WriteTensor sets elements of the live tensor handle from data, from byte
// offset on. A model's weight is never written.
func WriteTensor[T Scalar](c *Context, handle uint64, offset int, data []T) error {
	if len(data) == 0 {
		return nil
	}
	leave, err := c.enter(uncancelled)
	if err != nil {
		return err
	}
	defer leave()
	var e errorBuffer
	code := C.rc_tensor_write(c.c, C.uint64_t(handle), C.size_t(offset), unsafe.Pointer(&data[0]), C.size_t(uintptr(len(data))*unsafe.Sizeof(data[0])), e.ptr())
	return e.check(uncancelled, code, "write")
}

// ReadTensor reads elements of the live tensor handle into data.
func ReadTensor[T Scalar](c *Context, handle uint64, offset int, data []T) error {
	if len(data) == 0 {
		return nil
	}
	leave, err := c.enter(uncancelled)
	if err != nil {
		return err
	}
	defer leave()
	var e errorBuffer
	code := C.rc_tensor_read(c.c, C.uint64_t(handle), C.size_t(offset), unsafe.Pointer(&data[0]), C.size_t(uintptr(len(data))*unsafe.Sizeof(data[0])), e.ptr())
	return e.check(uncancelled, code, "read")
}

// Program is a graph that runs on the model's devices. Programs of a context
// share one compute buffer, as large as the largest of them needs.
type Program struct {
	ctx   *Context
	c     *C.rc_program
	g     *graph.Graph
	store *Store // its inputs
}

// NewProgram builds a program. Inputs of the graph without a handle get
// tensors of their own and a handle in g; outputs can be read after a run.
func (c *Context) NewProgram(g *graph.Graph, outputs []graph.ID) (*Program, error) {
	p := &Program{ctx: c, g: g}
	if err := p.allocateInputs(); err != nil {
		return nil, err
	}
	if err := p.build(outputs); err != nil {
		p.store.Close()
		return nil, err
	}
	return p, nil
}

func (p *Program) allocateInputs() error {
	var specs []TensorSpec
	var ids []graph.ID
	for i := range p.g.Nodes {
		n := &p.g.Nodes[i]
		if n.Kind == graph.Input && n.Handle == 0 {
			specs = append(specs, TensorSpec{n.Type, n.Ne})
			ids = append(ids, graph.ID(i))
		}
	}
	store, err := p.ctx.NewStore(specs)
	if err != nil {
		return err
	}
	p.store = store
	for i, id := range ids {
		p.g.Nodes[id].Handle = store.Handle(i)
	}
	return nil
}

func (p *Program) build(outputs []graph.ID) error {
	if len(p.g.Nodes) == 0 {
		return invalid("an empty program")
	}
	table := make([]C.rc_node, len(p.g.Nodes))
	for i := range p.g.Nodes {
		if err := toC(&p.g.Nodes[i], &table[i]); err != nil {
			return err
		}
	}
	var outs []int32
	for _, id := range outputs {
		outs = append(outs, int32(id))
		// an output that looks at another's memory keeps that, too
		if id >= 0 && int(id) < len(p.g.Nodes) {
			if root := p.g.Root(id); root != id && p.g.Node(root).Kind == graph.Computed {
				outs = append(outs, int32(root))
			}
		}
	}
	leave, err := p.ctx.enter(uncancelled)
	if err != nil {
		return err
	}
	defer leave()
	var e errorBuffer
	code := C.rc_program_new(&p.c, p.ctx.c, &table[0], C.size_t(len(table)), ints(outs), C.size_t(len(outs)), C.bool(p.g.AnyOrder), e.ptr())
	if err := e.check(uncancelled, code, "program"); err != nil {
		return err
	}
	p.ctx.parts[p] = struct{}{}
	return nil
}

// Close frees the program and its inputs.
func (p *Program) Close() error {
	if p == nil {
		return nil
	}
	p.ctx.mu.Lock()
	if p.c != nil {
		C.rc_program_free(p.c)
		p.c = nil
		delete(p.ctx.parts, p)
	}
	p.ctx.mu.Unlock()
	return p.store.Close()
}

// Handle names the live tensor of a leaf of the program.
func (p *Program) Handle(id graph.ID) uint64 { return p.g.Node(id).Handle }

// InputBytes is the memory of the program's own inputs.
func (p *Program) InputBytes() int64 { return p.store.Bytes() }

// SetBytes sets an input from its raw bytes.
func (p *Program) SetBytes(id graph.ID, data []byte) error {
	return WriteTensor(p.ctx, p.Handle(id), 0, data)
}

// Set sets an F32 input.
func (p *Program) Set(id graph.ID, data []float32) error {
	return WriteTensor(p.ctx, p.Handle(id), 0, data)
}

// SetInts sets an I32 input.
func (p *Program) SetInts(id graph.ID, data []int32) error {
	return WriteTensor(p.ctx, p.Handle(id), 0, data)
}

// SetConsts sets the inputs whose values were known when the graph was built.
func (p *Program) SetConsts(consts []graph.Const) error {
	return p.ctx.SetConsts(p.g, consts)
}

// SetConsts sets inputs of g, whose handles are given, to their known values.
func (c *Context) SetConsts(g *graph.Graph, consts []graph.Const) error {
	for _, k := range consts {
		h := g.Node(k.Node).Handle
		if err := errors.Join(WriteTensor(c, h, 0, k.I32), WriteTensor(c, h, 0, k.I64), WriteTensor(c, h, 0, k.F32)); err != nil {
			return err
		}
	}
	return nil
}

// Run computes the program.
func (p *Program) Run(ctx context.Context) error {
	leave, err := p.ctx.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if p.c == nil {
		return fmt.Errorf("program: %w", ErrClosed)
	}
	if profile := p.ctx.model.profile; profile != nil {
		seconds, err := p.time(ctx)
		if err == nil {
			profile.program(p.g, seconds)
		}
		return err
	}
	var e errorBuffer
	return e.check(ctx, C.rc_program_run(p.c, e.ptr()), "program")
}

// Time runs the program node by node and gives the seconds that each took.
// It is slower than Run: for profiles.
func (p *Program) Time(ctx context.Context) ([]float64, error) {
	leave, err := p.ctx.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if p.c == nil {
		return nil, fmt.Errorf("program: %w", ErrClosed)
	}
	return p.time(ctx)
}

func (p *Program) time(ctx context.Context) ([]float64, error) {
	seconds := make([]float64, len(p.g.Nodes))
	var e errorBuffer
	err := e.check(ctx, C.rc_program_time(p.c, (*C.double)(unsafe.Pointer(&seconds[0])), e.ptr()), "program")
	return seconds, err
}

// Read copies an F32 output of the last run, contiguous and whole, to dst. No
// other program of the context may have run since.
func (p *Program) Read(dst []float32, id graph.ID) error {
	n := p.g.Node(id)
	if n.Type != graph.F32 || !n.Contiguous() || int64(len(dst)) != n.Elements() {
		return invalid("reading %d values of %v", len(dst), n)
	}
	leave, err := p.ctx.enter(uncancelled)
	if err != nil {
		return err
	}
	defer leave()
	if p.c == nil {
		return fmt.Errorf("program: %w", ErrClosed)
	}
	var e errorBuffer
	return e.check(uncancelled, C.rc_program_read(p.c, C.int32_t(id), 0, unsafe.Pointer(&dst[0]), C.size_t(len(dst)*4), e.ptr()), "read")
}

// Measure is the compute buffer that the program needs, in bytes; it is not
// allocated.
func (p *Program) Measure() (int64, error) {
	leave, err := p.ctx.enter(uncancelled)
	if err != nil {
		return 0, err
	}
	defer leave()
	if p.c == nil {
		return 0, fmt.Errorf("program: %w", ErrClosed)
	}
	var n C.size_t
	var e errorBuffer
	err = e.check(uncancelled, C.rc_program_measure(p.c, &n, e.ptr()), "program")
	return int64(n), err
}

// Splits is the number of parts that the last run had, 1 on one device.
func (p *Program) Splits() int {
	return p.count(func() int { return int(C.rc_program_splits(p.c)) })
}

// OwnProducts is the number of products that run on the bridge's own kernel
// instead of ggml's.
func (p *Program) OwnProducts() int {
	return p.count(func() int { return int(C.rc_program_products(p.c)) })
}

// count reads a number of the program, 0 once it is closed.
func (p *Program) count(read func() int) int {
	leave, err := p.ctx.enter(uncancelled)
	if err != nil {
		return 0
	}
	defer leave()
	if p.c == nil {
		return 0
	}
	return read()
}

// OwnKernel reports whether programs that may sum in any order multiply with a
// matrix of type t, and add up its rows, on the bridge's own kernel: it takes the
// matrix as it is, so that neither a copy nor a transpose is needed.
func (c *Context) OwnKernel(t graph.Type) bool {
	leave, err := c.enter(uncancelled)
	if err != nil {
		return false
	}
	defer leave()
	return bool(C.rc_own_kernel(c.c, C.int32_t(t)))
}

// OwnTypes are the types of matrices that OwnKernel takes.
func (c *Context) OwnTypes() []graph.Type {
	leave, err := c.enter(uncancelled)
	if err != nil {
		return nil
	}
	defer leave()
	var out []graph.Type
	for t := range C.int32_t(typeNumbers) {
		if bool(C.rc_own_kernel(c.c, t)) {
			out = append(out, graph.Type(t))
		}
	}
	return out
}

// typeNumbers is above the number of every type of ggml's.
const typeNumbers = 128

// TrimPrograms frees the compute buffer that the context's programs share.
func (c *Context) TrimPrograms() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c != nil {
		C.rc_programs_trim(c.c)
	}
}
