// Quantised rows as floats.
#pragma once

#include "ggml.h"

#include <cstdint>

namespace rc {

// unpacks_fast tells whether values of this type are dequantised by the bridge's
// own loops, some ten times as fast as by ggml's.
bool unpacks_fast(ggml_type t);

// unpack writes n values of a row of F32 or of a type that ggml can dequantise;
// n is a multiple of its block.
void unpack(ggml_type t, const char * src, float * dst, int64_t n);

} // namespace rc
