package llama

/*
#include "bridge.h"
*/
import "C"

import (
	"math"
	"unsafe"
)

// Dequantize writes the values of src, whole blocks of ggml type t, to dst.
func Dequantize(dst []float32, t int, src []byte) error {
	block, size := int64(C.rc_type_block(C.int(t))), int64(C.rc_type_block_bytes(C.int(t)))
	if block == 0 {
		return invalid("ggml has no type %d", t)
	}
	if int64(len(dst))%block != 0 || int64(len(dst))/block*size != int64(len(src)) {
		return invalid("%d values from %d bytes of type %d", len(dst), len(src), t)
	}
	if len(dst) == 0 {
		return nil
	}
	var e errorBuffer
	code := C.rc_dequantize(C.int(t), unsafe.Pointer(&src[0]), (*C.float)(unsafe.Pointer(&dst[0])), C.int64_t(len(dst)), e.ptr())
	return e.check(uncancelled, code, "dequantise")
}

// Quantize writes rows of rowLen values as ggml type t. importance [rowLen]
// may be nil unless NeedsImportance. Values that are not finite are refused.
func Quantize(dst []byte, t int, src []float32, rowLen int, importance []float32) error {
	block, size := int64(C.rc_type_block(C.int(t))), int64(C.rc_type_block_bytes(C.int(t)))
	switch {
	case block == 0:
		return invalid("ggml has no type %d", t)
	case rowLen <= 0 || int64(rowLen)%block != 0 || len(src)%rowLen != 0:
		return invalid("%d values in rows of %d as type %d", len(src), rowLen, t)
	case int64(len(src))/block*size != int64(len(dst)):
		return invalid("%d values into %d bytes of type %d", len(src), len(dst), t)
	case importance != nil && len(importance) != rowLen:
		return invalid("an importance of %d values for rows of %d", len(importance), rowLen)
	case len(src) == 0:
		return nil
	}
	for i, v := range importance {
		if !(v >= 0 && v <= math.MaxFloat32) {
			return invalid("the importance of column %d is %g", i, v)
		}
	}
	var imp *C.float
	if importance != nil {
		imp = (*C.float)(unsafe.Pointer(&importance[0]))
	}
	var e errorBuffer
	code := C.rc_quantize(C.int(t), (*C.float)(unsafe.Pointer(&src[0])), unsafe.Pointer(&dst[0]), C.int64_t(len(src)/rowLen), C.int64_t(rowLen), imp, e.ptr())
	return e.check(uncancelled, code, "quantise")
}

// NeedsImportance reports whether rows cannot be written as t without an
// importance matrix.
func NeedsImportance(t int) bool { return bool(C.rc_quantize_needs_importance(C.int(t))) }

// TypeName is ggml's name of a type, "" where there is none.
func TypeName(t int) string { return C.GoString(C.rc_type_name(C.int(t))) }
