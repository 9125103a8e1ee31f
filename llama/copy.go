package llama

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"fmt"
	"time"

	"retcon/graph"
)

// CopyWeight writes rows [row, row+rows) of the matrix weight [k, m] to the same
// rows of dst, a stored tensor of type F32, F16 or BF16, or, transposed, to those
// columns of dst [m, k]. It reports false, and writes nothing, where one of the
// two is not in the host's memory: a program can do it there.
func (c *Context) CopyWeight(ctx context.Context, weight graph.Node, dst uint64, row, rows int64, transposed bool) (done bool, err error) {
	leave, err := c.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	start := time.Now()
	var e errorBuffer
	var ok C.bool
	code := C.rc_weight_copy(c.c, C.uint64_t(weight.Handle), C.uint64_t(dst), C.int64_t(row), C.int64_t(rows), C.bool(transposed), &ok, e.ptr())
	if err := e.check(ctx, code, "copying "+weight.Name); err != nil {
		return false, err
	}
	if p := c.model.profile; p != nil && bool(ok) {
		op := "copy"
		if transposed {
			op = "transpose"
		}
		p.copied(op, fmt.Sprintf("%s %s", TypeName(int(weight.Type)), shapeText([4]int64{weight.Ne[0], rows, 1, 1})), time.Since(start).Seconds())
	}
	return bool(ok), nil
}
