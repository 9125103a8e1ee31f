package llama

/*
#include "bridge.h"
*/
import "C"

import (
	"sync"

	"retcon/graph"
)

// opNumber is an operator as ggml numbers it: UNARY and GLU with the kind in
// their first parameter.
type opNumber struct {
	op   int32
	kind int32 // -1: none
}

type opNames struct {
	op         map[graph.Op]opNumber
	plain      []graph.Op
	unary, glu []graph.Op
	unaryOp    int32
	gluOp      int32
}

// names maps operators between ggml's numbers and graph's names.
var names = sync.OnceValue(func() *opNames {
	t := &opNames{op: map[graph.Op]opNumber{}}
	for i := 0; ; i++ {
		c := C.rc_op_name(C.int(i))
		if c == nil {
			break
		}
		name := graph.Op(C.GoString(c))
		t.plain = append(t.plain, name)
		t.op[name] = opNumber{int32(i), -1}
		switch name {
		case "UNARY":
			t.unaryOp = int32(i)
		case "GLU":
			t.gluOp = int32(i)
		}
	}
	for i := 0; ; i++ {
		c := C.rc_unary_name(C.int(i))
		if c == nil {
			break
		}
		name := graph.Op(C.GoString(c))
		t.unary = append(t.unary, name)
		t.op[name] = opNumber{t.unaryOp, int32(i)}
	}
	for i := 0; ; i++ {
		c := C.rc_glu_name(C.int(i))
		if c == nil {
			break
		}
		name := graph.Op(C.GoString(c))
		t.glu = append(t.glu, name)
		t.op[name] = opNumber{t.gluOp, int32(i)}
	}
	return t
})

func (t *opNames) name(op, kind int32) graph.Op {
	switch op {
	case t.unaryOp:
		return t.unary[kind]
	case t.gluOp:
		return t.glu[kind]
	}
	return t.plain[op]
}
