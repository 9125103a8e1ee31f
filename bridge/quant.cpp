// Rows between F32 and ggml's types.
#include "internal.h"

static ggml_type checked_type(int type) {
    if (rc_type_name(type) == nullptr) {
        rc::fail(RC_UNSUPPORTED, "ggml has no type %d", type);
    }
    return (ggml_type) type;
}

// writable lists what ggml_quantize_chunk knows; it asserts on the rest.
static bool writable(ggml_type t) {
    switch (t) {
        case GGML_TYPE_F32:
        case GGML_TYPE_F16:
        case GGML_TYPE_BF16:
        case GGML_TYPE_IQ1_M:
        case GGML_TYPE_IQ1_S:
        case GGML_TYPE_IQ2_XXS:
        case GGML_TYPE_IQ2_XS:
            return true;
        case GGML_TYPE_Q8_1:
        case GGML_TYPE_Q8_K:
            return false;
        default:
            return ggml_is_quantized(t) && ggml_get_type_traits(t)->from_float_ref != nullptr;
    }
}

extern "C" {

int rc_dequantize(int type, const void * src, float * dst, int64_t n, char * err) {
    return rc::guard(err, [&] {
        ggml_type t = checked_type(type);
        if (n % ggml_blck_size(t) != 0) {
            rc::fail(RC_INVALID, "%lld values are no whole blocks of %s", (long long) n, ggml_type_name(t));
        }
        if (t == GGML_TYPE_F32) {
            memcpy(dst, src, n * sizeof(float));
            return;
        }
        const auto * traits = ggml_get_type_traits(t);
        if (traits->to_float == nullptr) {
            rc::fail(RC_UNSUPPORTED, "ggml cannot dequantise %s", ggml_type_name(t));
        }
        traits->to_float(src, dst, n);
    });
}

int rc_quantize(int type, const float * src, void * dst, int64_t rows, int64_t row_len, const float * importance, char * err) {
    return rc::guard(err, [&] {
        ggml_type t = checked_type(type);
        if (row_len <= 0 || rows < 0 || row_len % ggml_blck_size(t) != 0) {
            rc::fail(RC_INVALID, "rows of %lld values are no whole blocks of %s", (long long) row_len, ggml_type_name(t));
        }
        if (!writable(t)) {
            rc::fail(RC_UNSUPPORTED, "ggml cannot quantise to %s", ggml_type_name(t));
        }
        if (importance == nullptr && ggml_quantize_requires_imatrix(t)) {
            rc::fail(RC_INVALID, "%s needs an importance matrix", ggml_type_name(t));
        }
        for (int64_t i = 0; i < rows * row_len; i++) {
            if (!(src[i] - src[i] == 0)) {
                rc::fail(RC_INVALID, "value %lld is not finite", (long long) i);
            }
        }
        size_t n = ggml_quantize_chunk(t, src, dst, 0, rows, row_len, importance);
        if (n != rows * ggml_row_size(t, row_len)) {
            rc::fail(RC_FAILED, "ggml wrote %zu bytes of %s", n, ggml_type_name(t));
        }
        if (!ggml_validate_row_data(t, dst, n)) {
            rc::fail(RC_FAILED, "the values do not fit %s", ggml_type_name(t));
        }
    });
}

bool rc_quantize_needs_importance(int type) {
    return rc_type_name(type) != nullptr && ggml_quantize_requires_imatrix((ggml_type) type);
}

} // extern "C"
